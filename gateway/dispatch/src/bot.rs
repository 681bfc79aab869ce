//! A bot as dispatch works with it: its core as configured, its breaker.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use portico_contract::BotId;
use portico_lanes::GroupKey;
use portico_net::Client;
use portico_store::Store;
use portico_store::records::Records;
use portico_telemetry::metrics::BotMetrics;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::breaker::Breaker;
use crate::caller::Caller;
use crate::core::Core;
use crate::core_botpress::BotpressCore;
use crate::core_echo::EchoCore;
use crate::core_http::HttpCore;
use crate::core_rasa::{self, RasaCore};
use crate::retry::OnDead;
use crate::sign::Signer;

/// A core over HTTP, as configured.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where it takes events.
    pub url: Url,
    /// Secrets to sign with, `whsec_…`, newest first; none: requests go unsigned.
    pub secrets: Vec<SecretString>,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Most bytes of an answer.
    pub max_answer: usize,
}

impl Endpoint {
    /// An endpoint without secrets; 15 s, 64 KiB.
    pub fn at(url: Url) -> Self {
        Self { url, secrets: Vec::new(), timeout: Duration::from_secs(15), max_answer: 64 * 1024 }
    }
}

/// What stands behind a bot.
#[derive(Clone)]
pub enum CoreKind {
    /// Any program that takes a POST per event.
    Http(Endpoint),
    /// A bot written with the Botpress SDK; give it 60 s.
    Botpress {
        /// Where it listens.
        endpoint: Endpoint,
        /// The bot's configuration; null stands for `{}`.
        configuration: Value,
    },
    /// A Rasa server, by its base address.
    Rasa(Endpoint),
    /// Says back what it is told.
    Echo,
    /// A core within this process.
    Own(Arc<dyn Core>),
}

impl std::fmt::Debug for CoreKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Http(_) => "Http",
            Self::Botpress { .. } => "Botpress",
            Self::Rasa(_) => "Rasa",
            Self::Echo => "Echo",
            Self::Own(_) => "Own",
        })
    }
}

/// One bot, as configured.
#[derive(Clone, Debug)]
pub struct BotCore {
    /// The bot.
    pub bot: BotId,
    /// Its core.
    pub core: CoreKind,
    /// Conversations worked at a time. Default 64.
    pub concurrency: usize,
    /// Age at which an event that waits becomes a dead letter. Default 72 h.
    pub max_age: Duration,
    /// What happens to a conversation whose event is given up.
    pub on_dead: OnDead,
}

impl BotCore {
    /// A bot with the defaults.
    pub fn new(bot: BotId, core: CoreKind) -> Self {
        Self {
            bot,
            core,
            concurrency: 64,
            max_age: Duration::from_secs(72 * 3600),
            on_dead: OnDead::Continue,
        }
    }
}

pub(crate) struct Bot {
    pub(crate) id: BotId,
    pub(crate) key: GroupKey,
    pub(crate) core: Arc<dyn Core>,
    pub(crate) records: Records,
    pub(crate) concurrency: usize,
    pub(crate) max_age: Duration,
    pub(crate) on_dead: OnDead,
    /// Shared with the bot's earlier configurations.
    pub(crate) health: Arc<Health>,
}

/// What is learnt of a bot while it runs.
pub(crate) struct Health {
    pub(crate) breaker: Mutex<Breaker>,
    pub(crate) metrics: Arc<BotMetrics>,
    pub(crate) bot_user: AtomicBool,
}

impl Health {
    pub(crate) fn new(metrics: Arc<BotMetrics>) -> Self {
        Self { breaker: Mutex::new(Breaker::new(Instant::now())), metrics, bot_user: AtomicBool::new(false) }
    }
}

impl Bot {
    /// Sets a bot up.
    ///
    /// # Errors
    /// Names the field of the configuration that can't work.
    pub(crate) fn new(
        config: BotCore,
        store: Arc<dyn Store>,
        client: &Client,
        health: Arc<Health>,
    ) -> Result<Self, String> {
        let caller_at = |endpoint: Endpoint, url: fn(Url) -> Url| -> Result<Caller, String> {
            let secrets = endpoint.secrets.iter().map(|secret| secret.expose_secret());
            let signer = Signer::new(secrets).map_err(|fault| format!("core.secret: {fault}"))?;
            let Endpoint { url: base, timeout, max_answer, .. } = endpoint;
            Ok(Caller::new(client.clone(), url(base), signer, timeout, max_answer))
        };
        let caller = |endpoint| caller_at(endpoint, |url| url);
        let core: Arc<dyn Core> = match config.core {
            CoreKind::Http(endpoint) => Arc::new(HttpCore(caller(endpoint)?)),
            CoreKind::Botpress { endpoint, configuration } => {
                Arc::new(BotpressCore::new(caller(endpoint)?, config.bot.clone(), &configuration)?)
            }
            CoreKind::Rasa(endpoint) => Arc::new(RasaCore(caller_at(endpoint, core_rasa::channel)?)),
            CoreKind::Echo => Arc::new(EchoCore),
            CoreKind::Own(core) => core,
        };
        Ok(Self {
            key: GroupKey::new(config.bot.as_str()),
            records: Records::of(store, config.bot.clone()),
            id: config.bot,
            core,
            concurrency: config.concurrency.max(1),
            max_age: config.max_age,
            on_dead: config.on_dead,
            health,
        })
    }
}
