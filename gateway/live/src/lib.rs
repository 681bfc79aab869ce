//! Live conversations: people, sessions, streams and who listens to them; no wire of its own.
//!
//! The webchat and the Chat API stand on it. What a visitor says is one commit, answered once it is synced:
//! message row, mailbox entry, stream item, and the id under which the visitor's program knows it. What the bot
//! says comes through the outbox: its sender commits "sent" and the stream item together, then tells the hub.
//!
//! ```text
//! webchat-api, chat-api ─▶ Live ─▶ Outbox::say (one commit, seq) ─▶ mailbox ─▶ core ─▶ outbox ─▶ Sender
//!                           ▲                                                             │ (one commit, seq)
//!                           └── Listener ◀── Hub ◀── Outlet ◀─────────────────────────────┘
//! ```
//!
//! The hub forgets; the stream does not. A listener that finds a number missing reads it from the store, so a
//! lost wake-up costs a read and never a message.

mod conversations;
mod drafts;
mod error;
mod hub;
mod identity;
mod jwks;
pub mod jwt;
mod listener;
mod participants;
mod people;
mod progress;
mod reading;
mod say;
mod sessions;
mod shown;
mod sweep;

use std::sync::Arc;

use parking_lot::Mutex;
use portico_contract::InstallationId;
use portico_outbound::Outbox;
use portico_store::records::Records;
use portico_store::{Key, Store};
use portico_telemetry::Metrics;
use portico_turns::{Installation, Installations};

pub use conversations::{Opened, Overview};
pub use drafts::Drafts;
pub use error::LiveError;
pub use hub::Hub;
pub use identity::{Claims, Identity, IdentityError, IdentityOptions};
pub use listener::{Bounds, Heard, Listener};
pub use people::{NewPerson, PersonChange};
pub use portico_outbound::Signals;
pub use portico_store::records::StreamStatus;
pub use portico_turns::DRAFT_TAG;
pub use reading::Head;
pub use say::{MessageEdit, Said, Say, Tell, Told};
pub use sessions::{Minted, Session, Sessions};
pub use shown::{Shown, Signal, Speaker, What};

/// The live conversations of all installations. Clones name the same; one per process.
#[derive(Clone)]
pub struct Live {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    outbox: Arc<Outbox>,
    installations: Arc<Installations>,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    /// Where the sweep stopped.
    swept: Mutex<Option<Key>>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl Live {
    /// Live conversations over the store. `hub` is the outlet that the outbox, the sender and the turn processor
    /// were given.
    pub fn new(
        store: Arc<dyn Store>,
        outbox: Arc<Outbox>,
        installations: Arc<Installations>,
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner { store, outbox, installations, hub, metrics, swept: Mutex::default() }),
        }
    }

    /// The installation of an id, if it is one of this connector (`webchat`, `chat`) and the connector is live.
    pub fn installation(&self, id: &str, connector: &str) -> Option<Arc<Installation>> {
        let id = InstallationId::parse(id).ok()?;
        self.inner.installations.get(&id).filter(|found| {
            let manifest = found.connector.manifest();
            manifest.live && manifest.name == connector
        })
    }

    /// The hub.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.inner.hub
    }

    /// The messages that grow.
    pub fn drafts(&self) -> Drafts {
        Drafts::new(self.inner.hub.clone())
    }

    /// The sessions of visitors.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.inner.store.clone())
    }

    /// The metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    fn records(&self, at: &Installation) -> Records {
        Records::of(self.inner.store.clone(), at.bot.clone())
    }
}

#[cfg(test)]
mod tests;
