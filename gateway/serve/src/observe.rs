//! Around every operation: how long it took, how it ended, and that a fault of ours is an answer; and routes whose
//! operations are counted by name.

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
use portico_telemetry::Metrics;
use portico_telemetry::metrics::ApiMetrics;

use crate::body;

/// One operation, resolved once.
#[derive(Clone)]
struct Operation {
    /// Its name in the metrics.
    name: &'static str,
    /// Its metrics.
    metrics: Arc<ApiMetrics>,
    /// Bytes of a body at most.
    body: usize,
    /// Whether its connection may become something else, whose body is nobody's to read here.
    upgrades: bool,
}

/// Routes whose operations are counted by name.
pub struct Routes<S> {
    /// So far.
    pub router: Router<S>,
    metrics: Arc<Metrics>,
    body: usize,
    base: &'static str,
    upgrades: bool,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Routes below a base such as `/chat/{installation}`, for bodies of at most so many bytes.
    pub fn new(metrics: Arc<Metrics>, body: usize, base: &'static str) -> Self {
        Self { router: Router::new(), metrics, body, base, upgrades: false }
    }

    /// The same, where a connection may become something else.
    #[must_use]
    pub fn that_upgrade(self) -> Self {
        Self { upgrades: true, ..self }
    }

    /// Adds an operation; `name` is its name in the metrics.
    #[must_use]
    pub fn at<H, T>(mut self, method: MethodFilter, path: &str, name: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let metrics = self.metrics.api(name);
        let operation = Operation { name, metrics, body: self.body, upgrades: self.upgrades };
        let route = on(method, handler).route_layer(from_fn_with_state(operation, observe));
        self.router = self.router.route(&format!("{}{path}", self.base), route);
        self
    }
}

/// Runs the operation.
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
