//! The runtime API: what a bot, or an integration that runs elsewhere, calls.
//!
//! It speaks the HTTP protocol of the public Botpress clients below `/v1/chat` and `/v1/files`, so an
//! unmodified SDK bot works with it, and serves media and files to whoever has a signed address.
//!
//! ```text
//! request ─ caller (token, pace, whose view) ─ body (cap, bounds, fields) ─ one resource's file ─▶ store, outbox
//! ```
//!
//! Each resource is one file. What makes the answers reliable: a message is synced before its 2xx
//! (guarantee O1), get-or-create is decided by the store, and one bot's rows are out of another's reach,
//! because every read goes through `Records`, which belongs to one bot.

mod actions;
mod body;
mod bots;
mod caller;
mod conversations;
mod drafts;
mod events;
mod files;
mod incoming;
mod listing;
mod media;
mod messages;
mod names;
mod openapi;
mod page;
mod participants;
mod path;
mod problems;
mod query;
mod routes;
mod shared;
mod states;
mod tag_values;
mod transfer;
mod users;
mod wire;
mod workflows;

#[cfg(test)]
extern crate self as portico_runtime_api;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use portico_contract::BotId;
use portico_outbound::{Actions, MediaLinks, Outbox};
use portico_store::{Files, Store};
use portico_telemetry::Metrics;
use portico_turns::Installations;

pub use bots::{Bots, Refused};
pub use openapi::openapi;

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
pub struct ApiLimits {
    /// Bytes of a JSON body.
    pub body: usize,
    /// Bytes of a file.
    pub file: u64,
    /// Calls of one bot.
    pub rate: Rate,
    /// Calls of bots that have a rate of their own.
    pub rates: BTreeMap<BotId, Rate>,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            file: 20 << 20,
            rate: Rate { count: 100, per: Duration::from_secs(1), burst: 100 },
            rates: BTreeMap::new(),
        }
    }
}

/// What the API stands on.
#[derive(Clone)]
pub struct RuntimeApi {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Where messages are accepted.
    pub outbox: Arc<Outbox>,
    /// Where actions are called and media is fetched.
    pub actions: Arc<Actions>,
    /// The installations.
    pub installations: Installations,
    /// The folder of files.
    pub files: Files,
    /// The bots and their tokens.
    pub bots: Arc<Bots>,
    /// Reads the addresses of media.
    pub media: Arc<MediaLinks>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// How the outside reaches this gateway, for addresses of files.
    pub public_url: String,
    /// What is bounded.
    pub limits: ApiLimits,
    /// Signs addresses of files and the tokens of listings; known to this gateway only.
    pub file_key: [u8; 32],
}

impl std::fmt::Debug for RuntimeApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeApi").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// The routes: `/v1/…`, `/files/…` and `/media/…`. There is no fallback, so it can be merged into another.
pub fn router(api: RuntimeApi) -> Router {
    routes::router(Arc::new(Shared::new(api)))
}

#[cfg(test)]
mod tests;
