//! What an operator can set, and what is wrong with a setting before anything is sent.

use portico_contract::{Context, Fault, FaultCode};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use url::Url;

/// Telegram's own Bot API server.
pub(crate) const DEFAULT_API: &str = "https://api.telegram.org";

/// The kinds of update that are asked for unless `allowed_updates` says otherwise. Telegram keeps an older
/// list when none is sent, and leaves `message_reaction` out of its own default, so the list is always whole.
const UPDATES: [&str; 9] = [
    "message",
    "edited_message",
    "callback_query",
    "message_reaction",
    "my_chat_member",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
];

/// Asked for besides, when channel posts are accepted.
const CHANNEL_UPDATES: [&str; 2] = ["channel_post", "edited_channel_post"];

/// The configuration of an installation, without its secrets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address of the Bot API server; default [`DEFAULT_API`].
    #[serde(default)]
    pub(crate) api_url: Option<String>,
    /// How many updates Telegram may send at once, 1 to 100; default 40.
    #[serde(default = "forty")]
    pub(crate) max_connections: u8,
    /// Whether updates from before the first registration are thrown away; default false.
    #[serde(default)]
    pub(crate) drop_pending_updates: bool,
    /// Replaces the list of update kinds.
    #[serde(default)]
    pub(crate) allowed_updates: Option<Vec<String>>,
    /// Whether posts in broadcast channels become messages; default false.
    #[serde(default)]
    pub(crate) accept_channel_posts: bool,
    /// The bot's command menu; left alone when empty.
    #[serde(default)]
    pub(crate) commands: Vec<Command>,
}

/// An entry of the command menu.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// Name without slash: 1 to 32 of `a-z 0-9 _`.
    pub(crate) command: String,
    /// What it does: 1 to 256 characters.
    pub(crate) description: String,
}

fn forty() -> u8 {
    40
}

impl Config {
    /// The installation's configuration.
    pub(crate) fn of(ctx: &Context) -> Result<Arc<Self>, Fault> {
        ctx.config.typed::<Self>()
    }

    /// Address of the Bot API server, without a slash at the end.
    pub(crate) fn api(&self) -> &str {
        self.api_url.as_deref().unwrap_or(DEFAULT_API).trim_end_matches('/')
    }

    /// The full list of update kinds to ask for.
    pub(crate) fn updates(&self) -> Vec<&str> {
        if let Some(own) = &self.allowed_updates {
            return own.iter().map(String::as_str).collect();
        }
        let channel: &[&str] = if self.accept_channel_posts { &CHANNEL_UPDATES } else { &[] };
        UPDATES.iter().chain(channel).copied().collect()
    }
}

/// Everything that is wrong with a configuration.
pub(crate) fn check(json: &Value) -> Vec<Fault> {
    let bad = |field: String, reason: &str| {
        Fault::new(FaultCode::BadConfig, format!("{field}: {reason}")).at(field)
    };
    let config: Config = match serde_json::from_value(json.clone()) {
        Ok(config) => config,
        Err(error) => return vec![Fault::new(FaultCode::BadConfig, error.to_string())],
    };
    let mut faults = Vec::new();
    if let Some(address) = &config.api_url {
        let usable = Url::parse(address).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && !address.contains(['{', '}'])
        });
        if !usable {
            faults.push(bad(
                "/api_url".into(),
                "must be an http or https address without user, query or fragment",
            ));
        }
    }
    if !(1..=100).contains(&config.max_connections) {
        faults.push(bad("/max_connections".into(), "must be from 1 to 100"));
    }
    if let Some(updates) = &config.allowed_updates {
        if updates.is_empty() {
            faults.push(bad("/allowed_updates".into(), "must name at least one kind, or be left out"));
        }
        for (index, kind) in updates.iter().enumerate() {
            if kind.is_empty()
                || kind.len() > 64
                || !kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            {
                faults.push(bad(
                    format!("/allowed_updates/{index}"),
                    "must be a kind of update such as 'message' or 'chat_member'",
                ));
            }
        }
    }
    if config.commands.len() > 100 {
        faults.push(bad("/commands".into(), "must be at most 100"));
    }
    for (index, entry) in config.commands.iter().enumerate() {
        let name = entry.command.as_bytes();
        if name.is_empty()
            || name.len() > 32
            || !name.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_')
        {
            faults.push(bad(
                format!("/commands/{index}/command"),
                "must be 1 to 32 characters of a-z, 0-9 and '_', without a slash",
            ));
        }
        if !(1..=256).contains(&entry.description.chars().count()) {
            faults.push(bad(format!("/commands/{index}/description"), "must have 1 to 256 characters"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_the_public_server_and_the_whole_list() {
        let config: Config = serde_json::from_value(json!({})).unwrap();
        assert_eq!(config.api(), "https://api.telegram.org");
        assert_eq!(config.max_connections, 40);
        assert!(config.updates().contains(&"message_reaction"));
        assert!(!config.updates().contains(&"channel_post"));
        assert!(check(&json!({})).is_empty());
    }

    #[test]
    fn channel_posts_are_asked_for_only_when_accepted() {
        let config: Config = serde_json::from_value(json!({ "accept_channel_posts": true })).unwrap();
        assert!(config.updates().ends_with(&["channel_post", "edited_channel_post"]));
    }

    #[test]
    fn every_fault_is_named_with_its_field() {
        let faults = check(&json!({
            "api_url": "ftp://x", "max_connections": 0, "allowed_updates": ["message", "Message"],
            "commands": [{ "command": "/help", "description": "" }],
        }));
        let fields: Vec<_> = faults.iter().filter_map(|fault| fault.field.as_deref()).collect();
        assert_eq!(
            fields,
            [
                "/api_url",
                "/max_connections",
                "/allowed_updates/1",
                "/commands/0/command",
                "/commands/0/description"
            ]
        );
        let unknown = check(&json!({ "api_ulr": "https://x" }));
        assert!(unknown[0].message.contains("unknown field `api_ulr`"), "{}", unknown[0].message);
        assert_eq!(check(&json!({ "allowed_updates": [] })).len(), 1);
    }
}
