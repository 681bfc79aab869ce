//! Around every operation: how long it took, how it ended, and that a fault of ours is an answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use futures_util::FutureExt;
use http::Method;
use portico_problem::{Kind, Problem};
use portico_telemetry::metrics::ApiMetrics;

use crate::{Api, body};

/// One operation, resolved once.
#[derive(Clone)]
struct Operation {
    name: &'static str,
    metrics: Arc<ApiMetrics>,
    body: usize,
}

/// Routes that are counted by name.
pub(crate) struct Routes {
    api: Api,
    base: &'static str,
    /// So far.
    pub(crate) router: Router<Api>,
}

impl Routes {
    /// Routes below a base such as `/chat/{installation}`.
    pub(crate) fn new(api: &Api, base: &'static str) -> Self {
        Self { api: api.clone(), base, router: Router::new() }
    }

    /// Adds an operation; `name` is its name in the metrics.
    pub(crate) fn at<H, T>(mut self, method: MethodFilter, path: &str, name: &'static str, handler: H) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let operation = Operation { name, metrics: self.api.metrics.api(name), body: self.api.limits.body };
        let route = on(method, handler).route_layer(from_fn_with_state(operation, observe));
        self.router = self.router.route(&format!("{}{path}", self.base), route);
        self
    }
}

async fn observe(State(operation): State<Operation>, request: Request, next: Next) -> Response {
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
    // Clients send `{}` with DELETE, and old ones with GET; it is read off the connection and means nothing.
    let is_upgrade = request.headers().contains_key(http::header::UPGRADE);
    if is_upgrade || !matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE) {
        return next.run(request).await;
    }
    let (parts, unread) = request.into_parts();
    match body::read(unread, operation.body).await {
        Ok(_) => next.run(Request::from_parts(parts, axum::body::Body::empty())).await,
        Err(problem) => problem.into_response(),
    }
}
