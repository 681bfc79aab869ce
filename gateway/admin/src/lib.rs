//! The operator's API: what is set up, what came in, what was given up, and how the promises stand.
//!
//! It listens on an address of its own, loopback by default, and every call carries the admin token:
//! `authorization: Bearer ptc_…`. Errors have the one shape of `portico-problem`. Lists are newest first and
//! end with `next`, to be sent back as `?cursor=`.

mod auth;
mod conversations;
mod dead_letters;
mod events;
mod export;
mod health;
mod installations;
mod page;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use portico_contract::{BotId, InstallationId};
use portico_inbound::Inbound;
use portico_problem::{Kind, Problem};
use portico_store::{Store, StoreError};
use portico_turns::Installations;
use serde_json::Value;

pub use auth::AdminToken;

/// What the rest of the gateway does for operators.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Ids of all bots.
    fn bots(&self) -> Vec<BotId>;

    /// How dispatch to a bot's core stands: breaker, pause, what is under way.
    fn dispatch_state(&self, bot: &BotId) -> Value;

    /// Lets a paused bot's events flow again.
    fn resume_bot(&self, bot: &BotId);

    /// Runs the installation's registration again.
    ///
    /// # Errors
    /// What the connector said.
    async fn register(&self, installation: &InstallationId) -> Result<(), Problem>;

    /// Lets a paused installation's messages flow again.
    fn resume_installation(&self, installation: &InstallationId);

    /// Reads the configuration again.
    ///
    /// # Errors
    /// The faults of the file; the old configuration stays.
    async fn reload(&self) -> Result<(), Problem>;

    /// Facts for `/health/promises` that the store does not know.
    fn facts(&self) -> Value;
}

/// The operator's API over a gateway.
#[derive(Clone)]
pub struct Admin {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The installations.
    pub installations: Installations,
    /// The inbound path, for reading raw webhooks again.
    pub inbound: Inbound,
    /// The rest of the gateway.
    pub operations: Arc<dyn Operations>,
    /// Who may call.
    pub token: Arc<AdminToken>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("installations", &self.installations).finish_non_exhaustive()
    }
}

impl Admin {
    /// The routes.
    pub fn router(self) -> Router {
        let guarded = Router::new()
            .route("/bots", get(installations::bots))
            .route("/bots/{bot}/resume", post(installations::resume_bot))
            .route("/installations", get(installations::list))
            .route("/installations/{id}", get(installations::show))
            .route("/installations/{id}/register", post(installations::register))
            .route("/installations/{id}/resume", post(installations::resume))
            .route("/events", get(events::list))
            .route("/events/{id}", get(events::show))
            .route("/events/{id}/raw", get(events::raw))
            .route("/events/{id}/replay", post(events::replay))
            .route("/replay", post(events::replay_many))
            .route("/dead-letters", get(dead_letters::list))
            .route("/dead-letters/{id}/retry", post(dead_letters::retry))
            .route("/dead-letters/{id}", delete(dead_letters::remove))
            .route("/bots/{bot}/conversations", get(conversations::list))
            .route("/bots/{bot}/conversations/{id}", get(conversations::show))
            .route("/bots/{bot}/conversations/{id}/messages", get(conversations::messages))
            .route("/bots/{bot}/conversations/{id}/release", post(conversations::release))
            .route("/bots/{bot}/export", get(export::export))
            .route("/reload", post(installations::reload))
            .route("/stats", get(health::stats))
            .route("/promises", get(health::promises))
            .layer(from_fn_with_state(self.token.clone(), auth::require));
        Router::new()
            .nest("/admin/v1", guarded)
            .route("/health/promises", get(health::promises))
            .fallback(async || Problem::new(Kind::MethodNotFound, "there is no such admin operation"))
            .with_state(self)
    }
}

/// A store's refusal, as an answer.
pub(crate) fn store_problem(error: StoreError) -> Problem {
    match error {
        StoreError::NotFound(what) => {
            Problem::new(Kind::ResourceNotFound, format!("there is no such {what}"))
        }
        StoreError::DiskFull { .. } => Problem::unavailable(error.to_string(), 60),
        StoreError::Damaged(_) => Problem::new(Kind::Internal, error.to_string()),
        other => Problem::unavailable(other.to_string(), 5),
    }
}

/// The answer of an operation that has nothing to say.
pub(crate) fn done() -> axum::Json<Value> {
    axum::Json(serde_json::json!({}))
}
