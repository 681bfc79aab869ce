//! What an operator can set, and what is wrong with it. The key is not here: it never reaches the connector.

use portico_contract::{Fault, FaultCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// The configuration of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ChatConfig {
    /// Origins that may call from a browser, one leading `*.` label allowed, or `*`; default none.
    allowed_origins: Vec<String>,
}

/// Everything that is wrong with a configuration.
pub(crate) fn check(json: &Value) -> Vec<Fault> {
    let bad = |reason: String| Fault::new(FaultCode::BadConfig, reason);
    let config = match ChatConfig::deserialize(json) {
        Ok(config) => config,
        Err(error) => return vec![bad(format!("configuration: {error}"))],
    };
    let wrong = config.allowed_origins.iter().enumerate().filter(|(_, origin)| !is_origin(origin));
    wrong
        .map(|(index, _)| {
            bad("allowed_origins must hold '*' or origins such as https://app.example or https://*.example, \
                 without a path"
                .into())
            .at(format!("/allowed_origins/{index}"))
        })
        .collect()
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
