//! Puts the live channels together: webchat, the Chat API, and what they share.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use portico_chat_api::{ChatApi, ChatLimits};
use portico_contract::MessageId;
use portico_dispatch::{Ended, Outcomes};
use portico_edge::ClientAddress;
use portico_live::{Identity, Live};
use portico_net::Client;
use portico_store::{DeadReason, Files, Store};
use portico_telemetry::Metrics;
use portico_turns::{BlobStore, Installations, now};
use portico_webchat_api::{Times, WebchatApi};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::keys::MasterKey;

/// What the live channels stand on.
pub(crate) struct Parts {
    pub(crate) live: Live,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) installations: Installations,
    pub(crate) blobs: BlobStore,
    pub(crate) files: Files,
    pub(crate) client: Client,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) master: Arc<MasterKey>,
    pub(crate) public_url: String,
    /// Pages of this machine may use channels that list no origin.
    pub(crate) allow_localhost: bool,
    /// Times of the webchat's connections.
    pub(crate) times: Times,
    /// Limits of the Chat API and the webchat API.
    pub(crate) limits: ChatLimits,
    /// Cancelled when the gateway leaves.
    pub(crate) leaving: CancellationToken,
}

/// The routes of both wires.
pub(crate) fn router(parts: Parts) -> Router {
    let address = Arc::new(|extensions: &http::Extensions| -> Option<IpAddr> {
        extensions.get::<ClientAddress>().map(|caller| caller.0)
    });
    let webchat = portico_webchat_api::router(WebchatApi {
        live: parts.live.clone(),
        installations: parts.installations,
        identity: Identity::new(parts.client),
        blobs: parts.blobs,
        public_url: parts.public_url.clone(),
        file_key: parts.master.derive("webchat-files"),
        address: address.clone(),
        allow_localhost: parts.allow_localhost,
        leaving: parts.leaving.clone(),
        times: parts.times,
    });
    let master = parts.master;
    let chat = portico_chat_api::router(ChatApi {
        live: parts.live,
        store: parts.store,
        files: parts.files,
        metrics: parts.metrics,
        public_url: parts.public_url,
        allow_localhost: parts.allow_localhost,
        limits: parts.limits,
        keys: Arc::new(move |purpose| master.derive(purpose)),
        address,
        stop: parts.leaving,
    });
    webchat.merge(chat)
}

/// Shows a visitor how far a message of theirs got.
pub(crate) struct ToVisitors(pub(crate) Live);

#[async_trait]
impl Outcomes for ToVisitors {
    async fn ended(&self, ended: Ended) {
        let message = MessageId::of_event(ended.event);
        let outcome = ended.taken.map_err(|reason| match reason {
            DeadReason::Exhausted => "the bot failed on it again and again",
            DeadReason::Expired => "the bot was away too long",
            DeadReason::Refused => "the bot refused it",
            DeadReason::Unsendable => "it could not be handed to the bot",
        });
        if let Err(error) = self.0.core_took(&ended.installation, ended.conversation, message, outcome).await
        {
            debug!(event.id = %ended.event, "how far a message got could not be shown: {error}");
        }
    }
}

/// Removes sessions, drafts and visitors' files whose time is over.
pub(crate) async fn sweep(live: Live, store: Arc<dyn Store>, files: Duration, stop: CancellationToken) {
    let mut minutes: u64 = 0;
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(60))).await.is_some() {
        minutes += 1;
        if let Err(error) = live.sweep().await {
            warn!("old sessions could not be removed: {error}");
        }
        if minutes.is_multiple_of(60)
            && let Err(error) = portico_chat_api::sweep_files(store.as_ref(), now(), files).await
        {
            warn!("old files of visitors could not be removed: {error}");
        }
    }
}
