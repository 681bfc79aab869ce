//! An integration set up for a bot: connector, configuration, secrets, and how it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portico_contract::{BotId, Connector, ConversationId, InstallationId, Millis, ParsedConfig, Thread};
use secrecy::SecretString;
use serde_json::Value;

use crate::remembered::Remembered;
use crate::{PreparedChecks, Secrets};

/// What happens to a message whose outcome at the provider is unknown (guarantee O3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// One more try, marked as a possible duplicate.
    #[default]
    Retry,
    /// An operator decides.
    Hold,
    /// It counts as failed: at most once.
    Drop,
}

/// What an installation is made of.
pub struct InstallationSpec {
    /// Its id, also the last segment of its webhook address.
    pub id: InstallationId,
    /// Its bot.
    pub bot: BotId,
    /// Name under which the bot knows the integration.
    pub alias: String,
    /// The connector.
    pub connector: Arc<dyn Connector>,
    /// Configuration without secrets, keys in snake_case.
    pub config: Value,
    /// Secrets by name, newest value first.
    pub secrets: BTreeMap<String, Vec<SecretString>>,
    /// Public address of its webhook.
    pub webhook_url: String,
    /// BCP 47 language.
    pub locale: String,
    /// What happens when an outcome is unknown.
    pub on_unknown: OnUnknown,
    /// Age at which a message that could not be sent is given up.
    pub max_age: Duration,
    /// Largest webhook body in bytes, where the operator says so.
    pub max_body: Option<usize>,
}

/// Why an installation needs a person.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Attention {
    /// Fault code, such as `unauthenticated`.
    pub code: &'static str,
    /// For operators, without secrets.
    pub message: String,
    /// Since when.
    pub since: Millis,
}

/// An installation as the gateway works with it.
pub struct Installation {
    /// Its id.
    pub id: InstallationId,
    /// Its bot.
    pub bot: BotId,
    /// Name under which the bot knows the integration; prefix of its tags, events and actions.
    pub alias: Arc<str>,
    /// The connector.
    pub connector: Arc<dyn Connector>,
    /// Configuration without secrets.
    pub config: Arc<ParsedConfig>,
    /// Public address of its webhook.
    pub webhook_url: Arc<str>,
    /// BCP 47 language.
    pub locale: Arc<str>,
    /// What happens when an outcome is unknown.
    pub on_unknown: OnUnknown,
    /// Age at which a message that could not be sent is given up.
    pub max_age: Duration,
    /// Largest webhook body in bytes, where the operator says so.
    pub max_body: Option<usize>,
    /// Its secrets.
    pub secrets: Secrets,
    /// The manifest's checks, read once.
    pub checks: PreparedChecks,
    /// Headers kept with raw requests, read once.
    pub keep_headers: Vec<String>,
    /// Lane of events without a thread.
    pub own_lane: ConversationId,
    /// State entries read a moment ago.
    pub(crate) remembered: Remembered,
    attention: ArcSwap<Option<Attention>>,
    panics: Mutex<Vec<Millis>>,
    paused_until: AtomicU64,
}

impl std::fmt::Debug for Installation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Installation").field("id", &self.id).field("bot", &self.bot).finish_non_exhaustive()
    }
}

impl Installation {
    /// Sets an installation up.
    ///
    /// # Errors
    /// Says which part of the connector's manifest is malformed.
    pub fn new(spec: InstallationSpec) -> Result<Self, String> {
        let manifest = spec.connector.manifest();
        let mut keep_headers = manifest.webhook.keep_headers.clone();
        keep_headers.push("content-type".into());
        Ok(Self {
            own_lane: ConversationId::of_installation(&spec.bot, &spec.id),
            secrets: Secrets::new(manifest, spec.secrets),
            checks: PreparedChecks::new(manifest)?,
            keep_headers,
            id: spec.id,
            bot: spec.bot,
            alias: spec.alias.into(),
            config: Arc::new(ParsedConfig::new(spec.config)),
            webhook_url: spec.webhook_url.into(),
            locale: spec.locale.into(),
            on_unknown: spec.on_unknown,
            max_age: spec.max_age,
            max_body: spec.max_body,
            connector: spec.connector,
            remembered: Remembered::default(),
            attention: ArcSwap::from_pointee(None),
            panics: Mutex::new(Vec::new()),
            paused_until: AtomicU64::new(0),
        })
    }

    /// State of the installation was written, or is not what a turn believed: read it again.
    pub fn state_changed(&self) {
        self.remembered.forget();
    }

    /// The conversation of a thread.
    pub fn conversation_of(&self, thread: &Thread) -> ConversationId {
        ConversationId::of_thread(&self.bot, &self.id, &thread.channel, &thread.key)
    }

    /// Why it needs a person, if it does.
    pub fn attention(&self) -> Option<Attention> {
        self.attention.load().as_ref().clone()
    }

    /// Says that it needs a person; the time of the first report of the same code is kept.
    pub fn needs_attention(&self, code: &'static str, message: &str, now: Millis) {
        let since = match self.attention.load().as_ref() {
            Some(known) if known.code == code => known.since,
            _ => now,
        };
        self.attention.store(Arc::new(Some(Attention { code, message: message.to_owned(), since })));
    }

    /// Says that it works again.
    pub fn is_well(&self) {
        if self.attention.load().is_some() {
            self.attention.store(Arc::new(None));
        }
    }

    /// Counts a panic of the connector: three within a minute pause the installation for ten (failure matrix).
    /// Says whether it is paused now.
    pub fn panicked(&self, now: Millis) -> bool {
        let mut panics = self.panics.lock();
        panics.retain(|at| now.saturating_sub(*at) < 60_000);
        panics.push(now);
        if panics.len() >= 3 {
            self.paused_until.store(now + 600_000, Ordering::Relaxed);
            self.needs_attention("bug", "the connector failed three times within a minute", now);
        }
        self.is_paused(now)
    }

    /// Whether it is paused: webhooks answer 503, deliveries wait.
    pub fn is_paused(&self, now: Millis) -> bool {
        self.paused_until.load(Ordering::Relaxed) > now
    }

    /// Ends a pause.
    pub fn unpause(&self) {
        self.paused_until.store(0, Ordering::Relaxed);
        self.panics.lock().clear();
    }
}

#[derive(Default)]
struct Index {
    by_id: HashMap<InstallationId, Arc<Installation>>,
    by_alias: HashMap<(BotId, Arc<str>), Arc<Installation>>,
}

/// All installations, exchanged as a whole when the configuration changes.
#[derive(Clone, Default)]
pub struct Installations(Arc<ArcSwap<Index>>);

impl std::fmt::Debug for Installations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.load().by_id.keys()).finish()
    }
}

impl Installations {
    /// A set of installations.
    pub fn new(all: impl IntoIterator<Item = Arc<Installation>>) -> Self {
        let installations = Self::default();
        installations.replace(all);
        installations
    }

    /// Exchanges the set; runs in progress finish on the ones that they began with.
    pub fn replace(&self, all: impl IntoIterator<Item = Arc<Installation>>) {
        let mut index = Index::default();
        for one in all {
            index.by_alias.insert((one.bot.clone(), one.alias.clone()), one.clone());
            index.by_id.insert(one.id.clone(), one);
        }
        self.0.store(Arc::new(index));
    }

    /// The installation of an id.
    pub fn get(&self, id: &InstallationId) -> Option<Arc<Installation>> {
        self.0.load().by_id.get(id).cloned()
    }

    /// The installation that a text names.
    pub fn find(&self, id: &str) -> Option<Arc<Installation>> {
        self.0.load().by_id.get(id).cloned()
    }

    /// The installation that a bot knows under an alias.
    pub fn of_bot(&self, bot: &BotId, alias: &str) -> Option<Arc<Installation>> {
        self.0.load().by_alias.get(&(bot.clone(), alias.into())).cloned()
    }

    /// Whether one of them is of a kind.
    pub fn any(&self, is: impl Fn(&Installation) -> bool) -> bool {
        self.0.load().by_id.values().any(|installation| is(installation))
    }

    /// All of them, by id.
    pub fn all(&self) -> Vec<Arc<Installation>> {
        let mut all: Vec<_> = self.0.load().by_id.values().cloned().collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }
}
