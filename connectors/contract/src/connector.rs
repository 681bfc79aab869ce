//! The connector itself, and the list of those that are there.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    ActionCall, Fault, FaultCode, Host, HttpAnswer, InboundRequest, InstallationId, Manifest, Millis,
    OutboundMessage, Outcome, RunId, Turn,
};

/// A timer that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerTick {
    /// Name of the timer.
    pub name: String,
    /// When it was due.
    pub due_at: Millis,
}

/// An installation's configuration without its secrets: JSON, and the connector's own reading of it, made once.
#[derive(Debug, Default)]
pub struct ParsedConfig {
    json: Value,
    typed: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl ParsedConfig {
    /// Configuration as JSON; keys in snake_case.
    pub fn new(json: Value) -> Self {
        Self { json, typed: OnceLock::new() }
    }

    /// The configuration as JSON.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The connector's typed reading, made at the first call. A connector asks for one type only.
    ///
    /// # Errors
    /// `bad-config` when the JSON is not of that type.
    pub fn typed<T: DeserializeOwned + Any + Send + Sync>(&self) -> Result<Arc<T>, Fault> {
        let bad = |reason: String| Fault::new(FaultCode::BadConfig, format!("configuration: {reason}"));
        if let Some(known) = self.typed.get() {
            return known.clone().downcast::<T>().map_err(|_| bad("asked for as two types".into()));
        }
        let read: Arc<T> =
            Arc::new(serde_json::from_value(self.json.clone()).map_err(|error| bad(error.to_string()))?);
        let kept = self.typed.get_or_init(|| read.clone() as Arc<dyn Any + Send + Sync>);
        kept.clone().downcast::<T>().map_err(|_| bad("asked for as two types".into()))
    }
}

/// What a job is told about where it runs.
#[derive(Clone, Debug)]
pub struct Context {
    /// The run; the same for all its turns.
    pub run_id: RunId,
    /// The installation.
    pub installation_id: InstallationId,
    /// Its configuration.
    pub config: Arc<ParsedConfig>,
    /// Public address of its webhook, without a slash at the end.
    pub webhook_url: Arc<str>,
    /// BCP 47 language of the texts that a connector adds by itself.
    pub locale: Arc<str>,
}

/// A connector: speaks one provider, in turns, without I/O of its own.
///
/// Every job is a pure function of its arguments, the state that it reads, and the run's clock and entropy;
/// the gateway may run it again. Jobs of one thread are serial; jobs of different threads run in parallel.
pub trait Connector: Send + Sync + 'static {
    /// What the connector is, carries, needs and promises.
    fn manifest(&self) -> &Manifest;

    /// Finds everything that is wrong with a configuration beyond its schema. Empty: it can work.
    fn check_config(&self, config: &Value) -> Vec<Fault> {
        let _ = config;
        Vec::new()
    }

    /// The installation was enabled or changed; must tolerate being run twice.
    ///
    /// # Errors
    /// A [`Fault`]; the installation then needs attention.
    fn register(&self, host: &dyn Host, ctx: &Context) -> Result<Turn, Fault>;

    /// The installation is going away. Without this nobody has to be told.
    ///
    /// # Errors
    /// A [`Fault`]; after three tries it is logged and does not block removal.
    fn unregister(&self, host: &dyn Host, ctx: &Context) -> Result<Turn, Fault> {
        let _ = (host, ctx);
        Ok(Turn::done(Outcome::Nothing))
    }

    /// A request arrived at the installation's address. Required checks have passed.
    ///
    /// # Errors
    /// A [`Fault`], whose code chooses the caller's status; `unreadable` keeps the request raw.
    fn webhook(&self, host: &dyn Host, ctx: &Context, request: &InboundRequest) -> Result<Turn, Fault>;

    /// A message waits in the outbox. Only a live connector goes without this.
    ///
    /// # Errors
    /// A [`Fault`], whose code chooses what the outbox does next.
    fn deliver(&self, host: &dyn Host, ctx: &Context, message: OutboundMessage) -> Result<Turn, Fault> {
        let _ = (host, ctx, message);
        Err(Fault::new(
            FaultCode::Bug,
            "messages of a live connector are shown by the gateway, not delivered",
        ))
    }

    /// A bot or operator calls an action.
    ///
    /// # Errors
    /// A [`Fault`], shown to the caller.
    fn act(&self, host: &dyn Host, ctx: &Context, call: ActionCall) -> Result<Turn, Fault>;

    /// A timer is due.
    ///
    /// # Errors
    /// A [`Fault`], logged.
    fn tick(&self, host: &dyn Host, ctx: &Context, tick: TimerTick) -> Result<Turn, Fault> {
        let _ = (host, ctx);
        Err(Fault::new(FaultCode::Bug, format!("no timer named '{}'", tick.name)))
    }

    /// The requests of the last `ask` were answered or failed. Also called on a later attempt, after the
    /// same requests were sent again. Only a connector that asks nobody goes without this.
    ///
    /// # Errors
    /// A [`Fault`], treated as by the job that began the run.
    fn resume(
        &self,
        host: &dyn Host,
        ctx: &Context,
        memo: &[u8],
        answers: Vec<HttpAnswer>,
    ) -> Result<Turn, Fault> {
        let _ = (host, ctx, memo, answers);
        Err(Fault::new(FaultCode::Bug, "it asks nobody, so nothing can be answered"))
    }
}

/// The connectors that are there, by name.
#[derive(Clone, Default)]
pub struct Catalog(BTreeMap<String, Arc<dyn Connector>>);

impl Catalog {
    /// A catalog of connectors; the last of two with one name wins.
    pub fn new(connectors: impl IntoIterator<Item = Arc<dyn Connector>>) -> Self {
        Self(connectors.into_iter().map(|connector| (connector.manifest().name.clone(), connector)).collect())
    }

    /// The connector of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Connector>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<dyn Connector>)> {
        self.0.iter().map(|(name, connector)| (name.as_str(), connector))
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
