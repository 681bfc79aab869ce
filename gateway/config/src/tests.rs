//! Whole configurations: what they become, and what is said of wrong ones.

mod faults;
mod samples;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::*;

/// Two connectors: `chat` with every kind of option, and `open` that takes anything.
struct Connectors {
    chat: Json,
    open: Json,
}

impl Default for Connectors {
    fn default() -> Self {
        let chat = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["room"],
            "properties": {
                "room": { "type": "string", "minLength": 2, "pattern": "^[a-z]+$" },
                "api_url": { "type": "string", "format": "uri" },
                "place": { "enum": ["channel", "thread"] },
                "max_connections": { "type": "integer", "minimum": 1, "maximum": 100 },
                "loud": { "type": "boolean" },
                "menu": {
                    "type": "array",
                    "maxItems": 2,
                    "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["call_name"],
                        "properties": { "call_name": { "type": "string" } },
                    },
                },
                "labels": { "type": "object", "additionalProperties": { "type": "string" } },
            },
        });
        let open = json!({
            "type": "object",
            "properties": { "insecure": { "type": "boolean" } },
            "additionalProperties": true,
        });
        Self { chat, open }
    }
}

impl ConnectorFacts for Connectors {
    fn names(&self) -> Vec<String> {
        vec!["chat".into(), "open".into()]
    }

    fn schema(&self, connector: &str) -> Option<&Json> {
        match connector {
            "chat" => Some(&self.chat),
            "open" => Some(&self.open),
            _ => None,
        }
    }

    fn secrets(&self, connector: &str) -> Vec<SecretFact> {
        let fact = |name: &str, required, verifies| SecretFact { name: name.into(), required, verifies };
        match connector {
            "chat" => vec![fact("bot_token", true, false), fact("signing_secret", true, true)],
            _ => vec![fact("secret", false, true)],
        }
    }

    fn check_config(&self, connector: &str, config: &Json) -> Vec<ConfigComplaint> {
        match config.get("room").and_then(Json::as_str) {
            Some("attic") if connector == "chat" => {
                vec![ConfigComplaint { pointer: "/room".into(), message: "is locked; choose another".into() }]
            }
            _ => Vec::new(),
        }
    }
}

fn nothing(_: &str) -> Option<String> {
    None
}

fn checked(text: &str, variables: &[(&str, &str)]) -> Result<Checked, Faults> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let env = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    parse(text, Path::new("/nowhere"), &env, &Connectors::default())
}

fn good(text: &str, variables: &[(&str, &str)]) -> Checked {
    checked(text, variables).unwrap_or_else(|faults| panic!("{faults}"))
}

fn faults(text: &str, variables: &[(&str, &str)]) -> String {
    match checked(text, variables) {
        Ok(_) => panic!("no fault was found"),
        Err(faults) => faults.to_string(),
    }
}

const ONE_BOT: &str = r#"
[bots.support]
token = "support-token-0001"
core = { kind = "echo" }
"#;

/// A right installation, to which tests add what they are about.
fn with_chat(more: &str) -> String {
    format!(
        r#"{ONE_BOT}
[installations.shop]
bot = "support"
connector = "chat"
[installations.shop.config]
room = "lobby"
bot_token = "t"
signing_secret = "s"
{more}"#
    )
}
