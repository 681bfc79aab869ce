//! One installation's settings, as written in its `config` section; secrets are not among them.

use portico_contract::{Fault, FaultCode};
use serde::Deserialize;
use serde_json::Value;

/// Where the Graph API lives unless the configuration says otherwise.
const GRAPH: &str = "https://graph.facebook.com";

/// Which webhook address `register` sets at the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subscribe {
    /// None: the operator enters the address in the app dashboard.
    #[default]
    None,
    /// The override of the phone number; wins over the others. Needs `verify_token`.
    Number,
    /// The override of the WhatsApp Business account. Needs `waba_id` and `verify_token`.
    Waba,
    /// The app's own callback. Needs `app_id` and `verify_token`; with `waba_id` that account is subscribed too.
    App,
}

/// One WhatsApp installation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatsAppConfig {
    /// Replaces `https://graph.facebook.com`: for a proxy or a simulator.
    #[serde(default)]
    pub api_url: Option<String>,
    /// Graph API version. Default `v22.0`.
    #[serde(default = "version")]
    pub version: String,
    /// Id of the bot's number (not the number itself); used to send where a conversation names none.
    pub phone_number_id: String,
    /// Ids of further numbers of the same app that this bot answers for. Default none.
    #[serde(default)]
    pub more_phone_number_ids: Vec<String>,
    /// Id of the WhatsApp Business account.
    #[serde(default)]
    pub waba_id: Option<String>,
    /// Id of the Meta app.
    #[serde(default)]
    pub app_id: Option<String>,
    /// Which webhook address is set at the provider when the installation starts. Default `none`.
    #[serde(default)]
    pub subscribe: Subscribe,
    /// Webhook fields asked for with `subscribe = "app"`.
    #[serde(default = "fields")]
    pub fields: Vec<String>,
    /// Text on the button that opens a list, at most 20 characters. Default `Choose...`.
    #[serde(default = "list_button")]
    pub list_button: String,
    /// Whether texts with a link show its preview. Default false.
    #[serde(default)]
    pub link_previews: bool,
    /// Whether plain texts are read as Markdown too, as the reference product does. Default false.
    #[serde(default)]
    pub markdown_in_text: bool,
    /// Whether media named by an address is fetched and uploaded, rather than linked. Media of the gateway's
    /// own is always uploaded. Default false.
    #[serde(default)]
    pub upload_media: bool,
    /// Whether the typing indicator also puts 👀 on the message, taken off when it stops. Default false.
    #[serde(default)]
    pub typing_emoji: bool,
    /// Whether a signature may also match the body with all non-ASCII escaped again: for a proxy in front of
    /// the gateway that rewrites JSON. Default false.
    #[serde(default)]
    pub signature_fallback: bool,
}

fn version() -> String {
    "v22.0".into()
}

fn list_button() -> String {
    "Choose...".into()
}

fn fields() -> Vec<String> {
    [
        "messages",
        "smb_message_echoes",
        "user_id_update",
        "user_preferences",
        "message_template_status_update",
        "message_template_quality_update",
        "template_category_update",
        "phone_number_quality_update",
        "account_update",
    ]
    .map(String::from)
    .into()
}

impl WhatsAppConfig {
    /// Absolute address of a Graph API object, such as `<phone_number_id>/messages`.
    pub fn graph(&self, path: &str) -> String {
        let base = self.api_url.as_deref().unwrap_or(GRAPH).trim_end_matches('/');
        format!("{base}/{}/{path}", self.version)
    }

    /// Whether this bot answers for a number.
    pub fn owns(&self, phone_number_id: &str) -> bool {
        self.phone_number_id == phone_number_id
            || self.more_phone_number_ids.iter().any(|own| own == phone_number_id)
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Finds everything that is wrong with a configuration.
pub(crate) fn check(config: &Value) -> Vec<Fault> {
    let bad = |field: &str, reason: &str| Fault::new(FaultCode::BadConfig, reason).at(field);
    let config: WhatsAppConfig = match serde_json::from_value(config.clone()) {
        Ok(config) => config,
        Err(error) => return vec![bad("", &format!("configuration: {error}"))],
    };
    let mut faults = Vec::new();
    if !digits(&config.phone_number_id) {
        faults.push(bad(
            "/phone_number_id",
            "must be the id of a phone number, digits only (WhatsApp > API setup in the app dashboard)",
        ));
    }
    for (index, id) in config.more_phone_number_ids.iter().enumerate() {
        if !digits(id) {
            faults.push(bad(
                &format!("/more_phone_number_ids/{index}"),
                "must be a phone number id, digits only",
            ));
        }
    }
    for (field, id) in [("/waba_id", &config.waba_id), ("/app_id", &config.app_id)] {
        if id.as_deref().is_some_and(|id| !digits(id)) {
            faults.push(bad(field, "must be an id, digits only"));
        }
    }
    let version = config.version.strip_prefix('v').and_then(|rest| rest.split_once('.'));
    if !version.is_some_and(|(major, minor)| digits(major) && digits(minor)) {
        faults.push(bad("/version", "must be a Graph API version such as v22.0"));
    }
    if let Some(address) = &config.api_url {
        let fine = url::Url::parse(address).is_ok_and(|url| {
            matches!(url.scheme(), "https" | "http") && url.has_host() && url.query().is_none()
        });
        if !fine {
            faults.push(bad("/api_url", "must be an http or https address without a query"));
        }
    }
    if config.list_button.trim().is_empty() {
        faults.push(bad("/list_button", "must not be blank"));
    }
    if config.subscribe == Subscribe::Waba && config.waba_id.is_none() {
        faults.push(bad("/waba_id", "is needed for subscribe = \"waba\""));
    }
    if config.subscribe == Subscribe::App {
        if config.app_id.is_none() {
            faults.push(bad("/app_id", "is needed for subscribe = \"app\""));
        }
        if config.fields.is_empty() || config.fields.iter().any(|field| field.trim().is_empty()) {
            faults.push(bad("/fields", "must name at least one webhook field, such as messages"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(config: Value) -> Vec<String> {
        check(&config).into_iter().map(|fault| fault.field.unwrap_or_default()).collect()
    }

    #[test]
    fn the_smallest_configuration_is_one_id() {
        assert!(check(&json!({ "phone_number_id": "106540352242922" })).is_empty());
        let config: WhatsAppConfig = serde_json::from_value(json!({ "phone_number_id": "1" })).unwrap();
        assert_eq!(config.graph("1/messages"), "https://graph.facebook.com/v22.0/1/messages");
    }

    #[test]
    fn every_fault_is_named() {
        assert_eq!(
            found(json!({
                "phone_number_id": "+1555", "version": "22", "api_url": "ftp://x", "subscribe": "app",
                "more_phone_number_ids": ["1", "x"], "fields": [], "list_button": " "
            })),
            [
                "/phone_number_id",
                "/more_phone_number_ids/1",
                "/version",
                "/api_url",
                "/list_button",
                "/app_id",
                "/fields"
            ]
        );
        assert_eq!(found(json!({ "phone_number_id": "1", "subscribe": "waba" })), ["/waba_id"]);
        assert!(check(&json!({ "phone_number_id": "1", "acess": 1 }))[0].message.contains("acess"));
        assert!(check(&json!({}))[0].message.contains("phone_number_id"));
    }
}
