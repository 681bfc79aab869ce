//! At installation: nothing to tell anybody, only the address to show, and a secret to insist on.

use portico_contract::{Fault, FaultCode, Host, Level, Outcome, Turn};

use crate::config::WebhookConfig;
use crate::verify::SECRET;

/// What is wrong without a secret.
pub(crate) const NO_SECRET: &str = "set secret, or insecure = true";

/// Refuses an installation that could not tell its callers from strangers.
pub(crate) fn register(host: &dyn Host, config: &WebhookConfig) -> Result<Turn, Fault> {
    let has_secret = host.keyring().has(SECRET);
    if !has_secret && !config.insecure {
        return Err(Fault::new(FaultCode::BadConfig, NO_SECRET).at("/secret"));
    }
    if !has_secret {
        host.log(
            Level::Warn,
            "insecure = true and no secret: anybody who knows the address can send requests",
            &[],
        );
    }
    Ok(Turn::done(Outcome::Nothing))
}
