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
pub struct Operation {
    /// Its name in the metrics.
    pub name: &'static str,
    /// Its metrics.
    pub metrics: Arc<ApiMetrics>,
    /// Bytes of a body at most.
    pub body: usize,
    /// Whether its connection may become something else, whose body is nobody's to read here.
    pub upgrades: bool,
}

/// Runs the operation.
pub async fn observe(State(operation): State<Operation>, request: Request, next: Next) -> Response {
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
    let is_upgrade = operation.upgrades && request.headers().contains_key(http::header::UPGRADE);
    if is_upgrade || !matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE) {
        return next.run(request).await;
    }
    let (parts, unread) = request.into_parts();
    match body::read(unread, operation.body).await {
        Ok(_) => next.run(Request::from_parts(parts, axum::body::Body::empty())).await,
        Err(problem) => problem.into_response(),
    }
}
