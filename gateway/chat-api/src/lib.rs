//! The Chat API and the webchat API: what the public Botpress clients `@botpress/chat` and `@botpress/webchat` speak.
//!
//! ```text
//! request ─ front (installation, origin, pace) ─ operation (user key, fields) ─▶ Live ─▶ store, mailbox ─▶ bot
//! listen  ─ feed (items in order, signals, pings) ─ sse or socket ◀─ Listener ◀─ hub ◀─ outbox ◀─ bot
//! ```
//!
//! `/chat/{installation}` serves installations of the connector `chat`, `/webchat-api/{installation}` those of
//! `webchat`. Both are thin: people, conversations, order and durability are `portico-live`'s. What is theirs is
//! the shapes (`payload`, `chat/wire`, `webchat/wire`), the user keys (`token`) and the streams.
//!
//! Source: Botpress protocol reference, sections 1, 5, 6 and 7.

mod body;
mod chat;
mod feed;
mod front;
mod pace;
mod page;
mod path;
mod payload;
mod problems;
mod shared;
mod socket;
mod sse;
mod token;
mod webchat;

#[cfg(test)]
extern crate self as portico_chat_api;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Extensions;
use portico_contract::Millis;
use portico_live::Live;
use portico_store::{Files, Store, StoreError};
use portico_telemetry::Metrics;
use tokio_util::sync::CancellationToken;

pub use chat::{ChatSignals, openapi};
pub(crate) use shared::{Api, Shared};

/// So many calls in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
    /// How many may come at once after a pause.
    pub burst: u32,
}

/// What is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatLimits {
    /// Bytes of a JSON body.
    pub body: usize,
    /// Bytes of a file.
    pub file: u64,
    /// Calls of one user.
    pub user: Rate,
    /// Calls of one address to a chat: a back end speaks for many users.
    pub chat_address: Rate,
    /// Calls of one address to a webchat.
    pub webchat_address: Rate,
    /// New users of one address to a chat.
    pub chat_users: Rate,
    /// New users of one address to a webchat.
    pub webchat_users: Rate,
    /// Streams that one user may hold open.
    pub user_streams: usize,
    /// Streams that one address may hold open to a chat.
    pub chat_streams: usize,
    /// Streams that one address may hold open to a webchat.
    pub webchat_streams: usize,
    /// How long a reader of a WebSocket may take nothing before it is cut.
    pub slow_reader: Duration,
}

impl Default for ChatLimits {
    fn default() -> Self {
        let rate = |count, seconds, burst| Rate { count, per: Duration::from_secs(seconds), burst };
        Self {
            body: 512 << 10,
            file: 20 << 20,
            user: rate(20, 1, 100),
            chat_address: rate(500, 1, 2000),
            webchat_address: rate(50, 1, 250),
            chat_users: rate(20, 1, 200),
            webchat_users: rate(30, 60, 60),
            user_streams: 50,
            chat_streams: 2000,
            webchat_streams: 50,
            slow_reader: Duration::from_secs(20),
        }
    }
}

/// Makes the key of a purpose from the gateway's own; the same purpose always gives the same key.
pub type DeriveKey = Arc<dyn Fn(&str) -> [u8; 32] + Send + Sync>;

/// Reads the caller's address from what the edge left with a request.
pub type AddressOf = Arc<dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync>;

/// What the APIs stand on.
#[derive(Clone)]
pub struct ChatApi {
    /// Live conversations.
    pub live: Live,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The folder of files.
    pub files: Files,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// How the outside reaches this gateway, for addresses of files.
    pub public_url: String,
    /// Whether pages on the visitor's own machine may use a webchat that lists no origins.
    pub allow_localhost: bool,
    /// What is bounded.
    pub limits: ChatLimits,
    /// Keys of the gateway.
    pub keys: DeriveKey,
    /// Addresses of callers; without one a caller counts as unknown, together with all others.
    pub address: AddressOf,
    /// Ends the streams when the gateway goes down; clients come back to the next one.
    pub stop: CancellationToken,
}

impl std::fmt::Debug for ChatApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatApi").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// The routes: `/chat/{installation}/…` and `/webchat-api/{installation}/…`. There is no fallback, so it can be
/// merged into another.
pub fn router(api: ChatApi) -> Router {
    let api = Arc::new(Shared::new(api));
    chat::router(&api).merge(webchat::router(&api))
}

/// Removes visitors' files that are older than `keep`, or were announced and never came; once an hour will do. Their
/// content goes with the sweep of the files' folder. Says how many went.
///
/// # Errors
/// The store's.
pub async fn sweep_files(store: &dyn Store, now: Millis, keep: Duration) -> Result<u64, StoreError> {
    webchat::sweep(store, now, keep).await
}

#[cfg(test)]
mod tests;
