//! Pages of the public listener that belong to nobody else: health, readiness, metrics, and the icon that browsers
//! ask every host for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use portico_problem::{Kind, Problem};
use portico_store::Store;
use portico_telemetry::Metrics;
use portico_telemetry::metrics::CONTENT_TYPE as METRICS;
use serde_json::json;

/// What the pages look at.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<Metrics>,
    /// Set when the end has begun: readiness falls first.
    pub(crate) leaving: Arc<AtomicBool>,
}

/// The routes.
pub(crate) fn router(pages: Pages) -> Router {
    Router::new()
        .route("/healthz", get(live))
        .route("/health/live", get(live))
        .route("/readyz", get(ready))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/favicon.ico", get(icon))
        .fallback(async || Problem::new(Kind::MethodNotFound, "there is no such operation"))
        .with_state(pages)
}

/// The process works.
async fn live() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// It takes traffic: the store takes commits, and the end has not begun.
async fn ready(State(pages): State<Pages>) -> Response {
    let health = pages.store.health();
    let (status, why) = if pages.leaving.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down".to_owned())
    } else if !health.writable {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            health.problem.unwrap_or_else(|| "the store takes no commits".into()),
        )
    } else {
        (StatusCode::OK, "ready".to_owned())
    };
    (
        status,
        Json(json!({ "status": why, "disk": format!("{:?}", health.disk), "durability": health.durability })),
    )
        .into_response()
}

/// Prometheus reads this.
async fn metrics(State(pages): State<Pages>) -> impl IntoResponse {
    ([(CONTENT_TYPE, METRICS)], pages.metrics.encode())
}

/// There is none, and browsers need not ask again for a week.
async fn icon() -> impl IntoResponse {
    (StatusCode::NO_CONTENT, [(CACHE_CONTROL, "public, max-age=604800")])
}
