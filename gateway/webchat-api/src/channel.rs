//! A channel: an installation of the webchat connector, with its configuration as this wire needs it.
//!
//! The connector has checked the configuration; what is absent has the default that the manifest states. Channels
//! are read once and again when the configuration was exchanged.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use portico_contract::spelling::camel_case;
use portico_contract::{InstallationId, Keyring};
use portico_live::IdentityOptions;
use portico_telemetry::Metrics;
use portico_telemetry::metrics::LiveMetrics;
use portico_turns::Installation;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::origin::Origins;
use crate::rates::Rates;

/// Name of the connector whose installations are channels.
pub(crate) const CONNECTOR: &str = "webchat";
/// Name of the secret that signs identities.
const IDENTITY_SECRET: &str = "identity_secret";
/// Keys of `look` that a page may set only where the operator lists them.
const GUARDED: [&str; 3] = ["html", "css", "image_hosts"];

/// Who a visitor may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IdentityMode {
    /// Everybody is anonymous.
    #[default]
    Off,
    /// A page may say who it is.
    Optional,
    /// Nobody talks without a signed identity.
    Required,
}

impl IdentityMode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// What a visitor may send.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    pub(crate) text: usize,
    pub(crate) file: u64,
    pub(crate) files: u32,
    pub(crate) accept: Vec<String>,
    pub(crate) messages: u32,
    pub(crate) events: u32,
    pub(crate) uploads: u32,
    pub(crate) hellos: u32,
    pub(crate) sockets: usize,
    pub(crate) session_sockets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let accept = ["image/*", "application/pdf", "text/plain", "audio/*", "video/*"];
        Self {
            text: 4000,
            file: 20 << 20,
            files: 5,
            accept: accept.map(ToOwned::to_owned).to_vec(),
            messages: 20,
            events: 60,
            uploads: 10,
            hellos: 60,
            sockets: 20,
            session_sockets: 5,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct IdentityConfig {
    mode: IdentityMode,
    jwks_url: Option<String>,
    issuer: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Written {
    origins: Vec<String>,
    native: bool,
    identity: IdentityConfig,
    page: bool,
    typing: bool,
    upload: bool,
    limits: Limits,
    look: Map<String, Value>,
    overridable: Option<Vec<String>>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            native: false,
            identity: IdentityConfig::default(),
            page: false,
            typing: false,
            upload: true,
            limits: Limits::default(),
            look: Map::new(),
            overridable: None,
        }
    }
}

/// A channel.
pub(crate) struct Channel {
    /// The installation.
    pub(crate) at: Arc<Installation>,
    /// Pages that may use it.
    pub(crate) origins: Origins,
    /// Whether callers that name no origin may connect.
    pub(crate) native: bool,
    /// Who a visitor may be.
    pub(crate) identity: IdentityMode,
    /// How identities are checked.
    pub(crate) identity_options: IdentityOptions,
    /// Whether the visitor's page is of interest.
    pub(crate) page: bool,
    /// Whether it is of interest that a visitor types.
    pub(crate) typing: bool,
    /// Whether visitors may send files.
    pub(crate) upload: bool,
    /// What they may send.
    pub(crate) limits: Limits,
    /// What visitors see: keys in camelCase, defaults filled in.
    pub(crate) look: Map<String, Value>,
    /// Those of the keys that a page may set itself.
    pub(crate) overridable: Vec<String>,
    /// How much was sent lately.
    pub(crate) rates: Rates,
    /// Who listens, counted.
    pub(crate) metrics: Arc<LiveMetrics>,
}

impl Channel {
    /// Reads the configuration of an installation.
    pub(crate) fn new(at: Arc<Installation>, metrics: &Arc<Metrics>) -> Self {
        let written = Written::deserialize(at.config.json()).unwrap_or_else(|error| {
            // The connector's own check has passed it, so this is a fault of ours.
            tracing::error!(installation.id = %at.id, %error, "the configuration of a webchat can't be read");
            Written::default()
        });
        let none = Map::new();
        let schema = &at.connector.manifest().configuration.schema;
        let keys = schema.pointer("/properties/look/properties").and_then(Value::as_object).unwrap_or(&none);
        let mut look = Map::new();
        for (key, schema) in keys {
            if let Some(value) = written.look.get(key).or_else(|| schema.get("default")) {
                look.insert(camel_case(key), public(value, schema));
            }
        }
        let overridable = match &written.overridable {
            Some(listed) => listed.iter().map(|key| camel_case(key)).collect(),
            None => keys
                .keys()
                .filter(|key| !GUARDED.contains(&key.as_str()))
                .map(|key| camel_case(key))
                .collect(),
        };
        let options = IdentityOptions {
            secret: Some(IDENTITY_SECRET.to_owned()),
            jwks_url: written.identity.jwks_url,
            issuer: written.identity.issuer,
        };
        let can_check = options.jwks_url.is_some() || at.secrets.has(IDENTITY_SECRET);
        if written.identity.mode != IdentityMode::Off && !can_check {
            let reason = "identities can't be checked: set identity_secret or identity.jwks_url";
            tracing::warn!(installation.id = %at.id, "{reason}");
            at.needs_attention("bad-config", reason, portico_turns::now());
        }
        Self {
            origins: Origins::new(written.origins),
            native: written.native,
            identity: written.identity.mode,
            identity_options: options,
            page: written.page,
            typing: written.typing,
            upload: written.upload && written.limits.files > 0,
            rates: Rates::new(&written.limits, metrics.clone()),
            metrics: metrics.live(at.id.as_str()),
            limits: written.limits,
            look,
            overridable,
            at,
        }
    }

    /// Whether a switch of the look is on.
    pub(crate) fn looks(&self, key: &str) -> bool {
        self.look.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The name to show for the bot.
    pub(crate) fn bot_name(&self) -> &str {
        self.look.get("botName").and_then(Value::as_str).unwrap_or(self.at.id.as_str())
    }

    /// A tag name as it is stored.
    pub(crate) fn tag(&self, name: &str) -> String {
        format!("{}:{name}", self.at.alias)
    }
}

/// A value with its keys in camelCase, as far as the schema names them; free maps keep theirs.
fn public(value: &Value, schema: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let named = schema.get("properties").and_then(Value::as_object);
            let of = |key: &str| named.and_then(|named| named.get(key));
            let fields = fields.iter().map(|(key, value)| match of(key) {
                Some(schema) => (camel_case(key), public(value, schema)),
                None => (key.clone(), value.clone()),
            });
            let mut fields: Map<String, Value> = fields.collect();
            for (key, schema) in named.into_iter().flatten() {
                if let Some(default) = schema.get("default") {
                    fields.entry(camel_case(key)).or_insert_with(|| default.clone());
                }
            }
            Value::Object(fields)
        }
        Value::Array(items) => {
            let of_items = schema.get("items").unwrap_or(&Value::Null);
            Value::Array(items.iter().map(|item| public(item, of_items)).collect())
        }
        other => other.clone(),
    }
}

/// The channels that were read.
#[derive(Default)]
pub(crate) struct Channels(RwLock<HashMap<InstallationId, Arc<Channel>>>);

impl Channels {
    /// The channel of an installation, read again if the installation was exchanged.
    pub(crate) fn of(&self, at: Arc<Installation>, metrics: &Arc<Metrics>) -> Arc<Channel> {
        if let Some(known) = self.0.read().get(&at.id)
            && Arc::ptr_eq(&known.at, &at)
        {
            return known.clone();
        }
        let channel = Arc::new(Channel::new(at.clone(), metrics));
        self.0.write().insert(at.id.clone(), channel.clone());
        channel
    }
}
