//! Configuration: defaults, file and environment become one checked, typed value, or a list of every fault.
//!
//! ```text
//! portico.toml (compiled in) < the operator's file < PORTICO_… variables ─▶ sections ─▶ checks between them ─▶ Checked
//! ```
//!
//! Nothing else in the gateway reads a configuration file or an environment variable. Secrets are
//! [`secrecy::SecretString`] from the moment they are read and print as `[REDACTED]`.

mod check;
mod environment;
mod facts;
mod fault;
mod reader;
mod schema;
mod secret;
mod section;
mod sections;
mod tree;
mod units;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use environment::{Environment, ProcessEnvironment};
pub use facts::{ConfigComplaint, ConnectorFacts, SecretFact};
pub use fault::{Fault, Faults};
pub use secrecy::{ExposeSecret, SecretString};
pub use sections::admin::Admin;
pub use sections::bots::{BotConfig, Core, CoreKind, OnDead};
pub use sections::installations::{InstallationConfig, OnUnknown};
pub use sections::limits::{
    ApiLimits, BodyLimits, ChatLimits, CoreLimits, EdgeLimits, LaneLimits, Limits, ProviderLimits,
    WebchatLimits, WebhookLimits,
};
pub use sections::log::{Log, LogFormat};
pub use sections::server::{Drain, Server, TlsFiles};
pub use sections::store::{Checkpoint, Disk, Retention, Store, StoreKind};
pub use units::Rate;

use reader::Loader;

/// The documented defaults, as shipped: every option with its unit.
pub const DEFAULTS: &str = include_str!("../../../config/portico.toml");

/// A configuration that passed every check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// `[server]`: listeners, addresses, shutdown.
    pub server: Server,
    /// `[store]`: where and how long things are kept.
    pub store: Store,
    /// `[limits]`: every limit.
    pub limits: Limits,
    /// `[log]`.
    pub log: Log,
    /// `[admin]`.
    pub admin: Admin,
    /// `[bots.<id>]`, by id.
    pub bots: BTreeMap<String, BotConfig>,
    /// `[installations.<id>]`, by id.
    pub installations: BTreeMap<String, InstallationConfig>,
}

/// Reads and checks a configuration file.
///
/// `env` is asked for `PORTICO_<SECTION>__<KEY>` of every option and for the variables that `${…}` names.
///
/// # Errors
/// Every fault of file, environment and referenced files, together.
pub fn load(path: &Path, env: &dyn Environment, connectors: &dyn ConnectorFacts) -> Result<Checked, Faults> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path.parent().unwrap_or(Path::new(".")), env, connectors),
        Err(error) => Err(Faults::from(Fault::new(
            path.display().to_string(),
            format!("can't be read: {error}"),
            "name an existing file with --config",
        ))),
    }
}

/// Checks the text of a configuration file. `folder` is where relative `file:` references start.
///
/// # Errors
/// As [`load`].
pub fn parse(
    text: &str,
    folder: &Path,
    env: &dyn Environment,
    connectors: &dyn ConnectorFacts,
) -> Result<Checked, Faults> {
    let loader = Loader::new(text, PathBuf::from(folder), env)?;
    let root = loader.root();
    let limits = sections::limits::read(&root.section("limits"));
    let mut checked = Checked {
        server: sections::server::read(&root.section("server")),
        store: sections::store::read(&root.section("store")),
        log: sections::log::read(&root.section("log")),
        admin: sections::admin::read(&root.section("admin")),
        bots: sections::bots::read(&root.section("bots"), &limits.core),
        installations: sections::installations::read(
            &root.section("installations"),
            &limits.provider,
            connectors,
        ),
        limits,
    };
    root.finish();
    loader.unused_variables();
    check::between_sections(&loader, &mut checked);
    loader.into_result(checked)
}

#[cfg(test)]
mod tests;
