//! Around every operation: how long it took, how it ended, and that a fault of ours is an answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::Method;
use portico_problem::{Kind, Problem};
use portico_telemetry::metrics::ApiMetrics;

use crate::body;

/// One operation, resolved once.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) metrics: Arc<ApiMetrics>,
    pub(crate) body: usize,
}

/// Runs the operation.
pub(crate) async fn observe(State(operation): State<Operation>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let run = AssertUnwindSafe(run(&operation, request, next)).catch_unwind();
    let response = run.await.unwrap_or_else(|_| {
        tracing::error!(operation = operation.name, "the operation {} failed inside", operation.name);
        Problem::new(Kind::Internal, "the gateway failed; its log names the place").into_response()
    });
    let took = begun.elapsed();
    operation.metrics.record(response.status().as_u16(), took);
    tracing::debug!(
        operation = operation.name,
        status = response.status().as_u16(),
        took_ms = took.as_millis() as u64
    );
    response
}

async fn run(operation: &Operation, request: Request, next: Next) -> Response {
    // Some clients send `{}` with GET and DELETE; it is read off the connection and means nothing.
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE) {
        return next.run(request).await;
    }
    let (parts, unread) = request.into_parts();
    match body::read(unread, operation.body).await {
        Ok(_) => next.run(Request::from_parts(parts, axum::body::Body::empty())).await,
        Err(problem) => problem.into_response(),
    }
}
