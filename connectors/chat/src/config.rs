//! What an operator can set, and what is wrong with it. The secrets are not here: they never reach the connector.

use std::sync::Arc;

use portico_contract::{Context, Fault, FaultCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// The configuration of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ChatConfig {
    /// Origins that may call from a browser, one leading `*.` label allowed, or `*`; default none.
    allowed_origins: Vec<String>,
    /// Where what happens is told.
    pub(crate) webhook_url: Option<String>,
}

/// The typed configuration, read once per installation.
pub(crate) fn read(ctx: &Context) -> Result<Arc<ChatConfig>, Fault> {
    ctx.config.typed()
}

/// Everything that is wrong with a configuration.
pub(crate) fn check(json: &Value) -> Vec<Fault> {
    let bad = |reason: String| Fault::new(FaultCode::BadConfig, reason);
    let config = match ChatConfig::deserialize(json) {
        Ok(config) => config,
        Err(error) => return vec![bad(format!("configuration: {error}"))],
    };
    let wrong = config.allowed_origins.iter().enumerate().filter(|(_, origin)| !is_origin(origin));
    let mut faults: Vec<Fault> = wrong
        .map(|(index, _)| {
            bad("allowed_origins must hold '*' or origins such as https://app.example or https://*.example, \
                 without a path"
                .into())
            .at(format!("/allowed_origins/{index}"))
        })
        .collect();
    if let Some(reason) = config.webhook_url.as_deref().and_then(wrong_address) {
        faults.push(bad(format!("webhook_url {reason}")).at("/webhook_url"));
    }
    faults
}

fn wrong_address(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else {
        return Some("must be a whole address such as https://app.example/signals");
    };
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Some("must begin with https:// or http:// and name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not hold a user name or password; webhook_secret is the proof");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("must not have a '?' or '#': '/' is put behind it");
    }
    None
}

/// Whether a text is an origin as browsers write it, `*`, or an origin with one leading `*.` label.
fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let plain = text.replacen("://*.", "://any.", 1);
    if plain.contains('*') {
        return false;
    }
    Url::parse(&plain).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == plain
    })
}
