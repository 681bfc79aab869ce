//! The webchat wire, `portico.v1`: frames of JSON over WebSocket, with event streams and long polls where a network
//! lets no WebSocket through, and the calls, files and pages around it.
//!
//! ```text
//! browser ─ socket  (WebSocket: one task each) ─┐
//!         ─ stream  (event stream, frames posted) ├─▶ visit (who it is, what a frame does) ─▶ Live
//!         ─ poll    (long poll, frames posted)  ─┘
//!         ─ conversations, files, transcript, channel config, assets, embed.js, hosted page
//! ```
//!
//! A transport only moves frames; `visit` decides what they mean, so all three behave alike. What is stored is
//! acknowledged after its commit, and what is missed is read from the conversation's stream: a transport may be cut
//! at any moment.

mod asked;
mod assets;
mod caller;
mod channel;
mod compose;
mod config;
mod conversations;
mod cors;
mod downloads;
mod errors;
mod feed;
mod follow;
mod frame;
mod greet;
mod origin;
mod page;
mod poll;
mod posted;
mod rates;
mod routes;
mod seats;
mod shared;
mod show;
mod socket;
mod stream;
mod transcript;
mod uploads;
mod visit;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use portico_live::{Identity, Live};
use portico_turns::{BlobStore, Installations};
use tokio_util::sync::CancellationToken;

pub(crate) use shared::Shared;

/// Finds the caller's address in the extensions of a request.
pub type AddressOf = Arc<dyn Fn(&http::Extensions) -> Option<IpAddr> + Send + Sync>;

/// Times of the wire. The defaults are those of the protocol; tests make them short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Until when the first frame must be there.
    pub hello: Duration,
    /// Silence after which a client sends a ping; also how often the gateway does.
    pub heartbeat: Duration,
    /// How long a poll waits for something to tell.
    pub poll: Duration,
    /// Age at which a session's token is exchanged for a new one at the next hello.
    pub rotate: Duration,
    /// How long a reader may take nothing while something waits for it, before the connection is cut.
    pub write: Duration,
    /// How long an address of a file is good.
    pub link: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            hello: 5 * second,
            heartbeat: 25 * second,
            poll: 25 * second,
            rotate: 3600 * second,
            write: 10 * second,
            link: 7 * 86_400 * second,
        }
    }
}

/// What the API stands on.
#[derive(Clone)]
pub struct WebchatApi {
    /// The live conversations.
    pub live: Live,
    /// The installations; those of the webchat connector are channels.
    pub installations: Installations,
    /// Checks the signed tokens of sites.
    pub identity: Identity,
    /// Where uploads are kept.
    pub blobs: BlobStore,
    /// How the outside reaches this gateway.
    pub public_url: String,
    /// Signs addresses of files; known to this gateway only.
    pub file_key: [u8; 32],
    /// Finds the caller's address.
    pub address: AddressOf,
    /// Whether pages of this machine may use channels that list no origin: for the demo.
    pub allow_localhost: bool,
    /// Cancelled when the gateway leaves: connections are told `bye deploy` and closed.
    pub leaving: CancellationToken,
    /// Times of the wire.
    pub times: Times,
}

impl std::fmt::Debug for WebchatApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebchatApi").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// The routes: `/webchat/…`. There is no fallback, so it can be merged into another router.
///
/// The WebSocket route needs a server that hands upgraded connections over (`hyper::upgrade::on`).
pub fn router(api: WebchatApi) -> Router {
    routes::router(Arc::new(Shared::new(api)))
}
