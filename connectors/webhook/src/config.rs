//! What an operator can set, and what is wrong with it. The secret is not here: it never reaches the connector.

use std::sync::Arc;

use portico_contract::{Context, Fault, FaultCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// The configuration of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebhookConfig {
    /// Take requests from anybody when no secret is set; default false.
    pub(crate) insecure: bool,
    /// Origins that may call from a browser, or `*`; default none.
    pub(crate) allowed_origins: Vec<String>,
    /// Take bodies of `"type": "message"` as messages; default false.
    pub(crate) messages: bool,
    /// Where the bot's messages go.
    pub(crate) outbound_url: Option<String>,
    /// Base of relative addresses in `callWebhook`.
    pub(crate) api_url: Option<String>,
}

/// The typed configuration, read once per installation.
pub(crate) fn read(ctx: &Context) -> Result<Arc<WebhookConfig>, Fault> {
    ctx.config.typed()
}

/// Everything that is wrong with a configuration.
pub(crate) fn check(json: &Value) -> Vec<Fault> {
    let bad = |reason: String| Fault::new(FaultCode::BadConfig, reason);
    let config = match WebhookConfig::deserialize(json) {
        Ok(config) => config,
        Err(error) => return vec![bad(format!("configuration: {error}"))],
    };
    let mut faults = Vec::new();
    for (name, address) in [("outbound_url", &config.outbound_url), ("api_url", &config.api_url)] {
        if let Some(reason) = address.as_deref().and_then(wrong_address) {
            faults.push(bad(format!("{name} {reason}")).at(format!("/{name}")));
        }
    }
    for (index, origin) in config.allowed_origins.iter().enumerate() {
        let is_origin = || Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == *origin);
        if origin != "*" && !is_origin() {
            faults.push(
                bad("allowed_origins must hold '*' or origins such as https://shop.example, without a path"
                    .into())
                .at(format!("/allowed_origins/{index}")),
            );
        }
    }
    faults
}

fn wrong_address(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else {
        return Some("must be a whole address such as https://app.example/inbox");
    };
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Some("must begin with https:// or http:// and name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not hold a user name or password");
    }
    None
}
