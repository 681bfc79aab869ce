//! The manifest: what a connector is, carries, needs and promises, as one JSON document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A connector's manifest, kept as `manifest.json` beside its source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the manifest's own form; 1.
    pub manifest: u32,
    /// `slack` for a built-in, `namespace/name` for a package.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// Name to show, at most 60 characters.
    pub title: String,
    /// One sentence, at most 200 characters.
    pub description: String,
    /// What can be configured.
    #[serde(default)]
    pub configuration: Configuration,
    /// Secrets; they are written in the same configuration section, but never reach the connector.
    #[serde(default)]
    pub secrets: Vec<SecretSpec>,
    /// What the connector may reach.
    #[serde(default)]
    pub permissions: Permissions,
    /// How webhooks come in.
    #[serde(default)]
    pub webhook: WebhookSpec,
    /// Whether the gateway itself holds the connections to the people: messages are shown to whoever has the
    /// conversation open, and `deliver` is never called.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
    /// For live connectors: where what happens in the installation's conversations is told besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals_to: Option<SignalsTo>,
    /// Kinds of conversation.
    #[serde(default)]
    pub channels: BTreeMap<String, ChannelSpec>,
    /// Names of user tags.
    #[serde(default)]
    pub user_tags: Vec<String>,
    /// Names of message tags.
    #[serde(default)]
    pub message_tags: Vec<String>,
    /// What a bot may ask for.
    #[serde(default)]
    pub actions: BTreeMap<String, ActionSpec>,
    /// Events under the connector's own names.
    #[serde(default)]
    pub events: BTreeMap<String, EventSpec>,
    /// State keys, or prefixes that end in `*`.
    #[serde(default)]
    pub states: BTreeMap<String, StateSpec>,
    /// Timers that run from installation on.
    #[serde(default)]
    pub timers: BTreeMap<String, TimerSpec>,
    /// Pace over the whole installation.
    #[serde(default)]
    pub pace: Pace,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// The reader's own error, which names the line and field.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The secret of a name.
    pub fn secret(&self, name: &str) -> Option<&SecretSpec> {
        self.secrets.iter().find(|secret| secret.name == name)
    }
}

/// What can be configured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Configuration {
    /// JSON Schema 2020-12 of the configuration without the secrets; property names in snake_case.
    #[serde(default)]
    pub schema: Value,
}

/// What a secret may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretUse {
    /// Put into requests, at its hosts only.
    Slot,
    /// Make and check authentication codes.
    Mac,
    /// Be compared with a candidate.
    Match,
}

/// Where what happens is told: each thing by the action [`crate::TELL_SIGNAL`], which no bot can call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignalsTo {
    /// JSON pointer of the option that names the address; an installation without it tells nobody.
    pub address: String,
    /// Actions of the bot that show an event which nobody keeps, each with the JSON pointer of its data in the
    /// input: it is told, too.
    #[serde(default)]
    pub events: BTreeMap<String, String>,
}

/// A secret of an installation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecretSpec {
    /// Name, also its key in the configuration section (snake_case).
    pub name: String,
    /// Name to show.
    pub title: String,
    /// Whether an installation without it is refused.
    #[serde(default)]
    pub required: bool,
    /// What it may be used for.
    #[serde(rename = "use", default)]
    pub uses: Vec<SecretUse>,
    /// Hosts that requests may carry it to.
    #[serde(default)]
    pub hosts: Vec<HostRule>,
}

/// A host that may be reached: a name, one leading `*.` label allowed, or the host of a configuration value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HostRule {
    /// `slack.com` or `*.slack.com`: HTTPS at port 443.
    Name(String),
    /// The scheme, host and port of a configured address.
    Config {
        /// JSON pointer into the configuration, such as `/api_url`.
        config: String,
    },
}

/// What a connector may reach.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// Hosts of its requests.
    #[serde(default)]
    pub hosts: Vec<HostRule>,
    /// Whether any public host may be fetched from, without secrets (media that a bot named by its address).
    #[serde(default)]
    pub public_fetch: bool,
}

/// How bytes are written in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal, either case.
    Hex,
    /// Base 64, standard alphabet.
    Base64,
}

/// A signed time that must be near the gateway's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignedTimestamp {
    /// Header with epoch seconds, digits only.
    pub header: String,
    /// Largest difference either way, in seconds.
    pub tolerance_s: u32,
}

/// What a check compares.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum CheckKind {
    /// HMAC-SHA-256 in a header.
    HmacSha256 {
        /// Header that holds the code.
        header: String,
        /// Text before the code, such as `v0=`.
        #[serde(default)]
        prefix: String,
        /// How the code is written.
        encoding: Encoding,
        /// What is signed: text with `{body}` and `{header:name}`.
        over: String,
        /// A time that is part of what is signed.
        #[serde(default)]
        timestamp: Option<SignedTimestamp>,
    },
    /// A fixed token in a header.
    HeaderToken {
        /// Header that holds the token.
        header: String,
    },
}

/// A check that the gateway makes before any code of the connector runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// Name, for [`crate::InboundRequest::verified_by`].
    pub name: String,
    /// Name of the secret.
    pub secret: String,
    /// Methods it applies to; empty means all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Whether a request that fails it ends with 401 at once.
    #[serde(default)]
    pub required: bool,
    /// What is compared.
    #[serde(flatten)]
    pub kind: CheckKind,
}

/// How webhooks come in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WebhookSpec {
    /// Methods; others get 405.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Declared checks.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Largest body in bytes, where the provider sends more than 1 MiB.
    #[serde(default)]
    pub max_body: Option<u32>,
    /// Days for which a provider may repeat an event; default 3.
    #[serde(default)]
    pub dedupe_days: Option<u8>,
    /// Headers worth keeping with the raw body.
    #[serde(default)]
    pub keep_headers: Vec<String>,
}

/// So many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many requests.
    pub count: u32,
    /// In how many milliseconds.
    pub per_ms: u32,
    /// How many may go at once after a pause; default `count`.
    #[serde(default)]
    pub burst: Option<u32>,
}

/// How fast the provider wants to be called.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Pace {
    /// Over the whole installation.
    #[serde(default)]
    pub installation: Option<Rate>,
    /// Within one conversation.
    #[serde(default)]
    pub conversation: Option<Rate>,
}

/// Limits of one content kind, for people and for fitting.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KindLimits {
    /// Longest text, in the provider's own measure.
    #[serde(default)]
    pub max_length: Option<u32>,
    /// Most options.
    #[serde(default)]
    pub max_options: Option<u32>,
    /// Largest media in bytes.
    #[serde(default)]
    pub max_bytes: Option<u64>,
}

/// One kind of conversation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChannelSpec {
    /// Name to show.
    pub title: String,
    /// Content kinds that come in.
    #[serde(default)]
    pub receives: Vec<String>,
    /// Content kinds that the connector can send, with their limits; others are replaced before it sees them.
    #[serde(default)]
    pub sends: BTreeMap<String, KindLimits>,
    /// Names of conversation tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Those of the tags that tell one conversation from another, in key order.
    #[serde(default)]
    pub identity: Vec<String>,
    /// `reply_to`, `receipts`, `typing`, `reactions`, `edit`, `delete`, `threads`.
    #[serde(default)]
    pub features: Vec<String>,
    /// Pace in this channel, where it differs from the installation's.
    #[serde(default)]
    pub pace: Pace,
}

/// Something a bot may ask for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ActionSpec {
    /// Name to show.
    pub title: String,
    /// JSON Schema of the input.
    #[serde(default)]
    pub input: Value,
    /// JSON Schema of the output.
    #[serde(default)]
    pub output: Value,
    /// Whether it changes nothing outside.
    #[serde(default)]
    pub safe: bool,
}

/// An event under the connector's own name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EventSpec {
    /// Name to show.
    pub title: String,
    /// JSON Schema of the payload.
    #[serde(default)]
    pub schema: Value,
}

/// A state key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StateSpec {
    /// `installation`, `thread` or `party`.
    #[serde(default)]
    pub scope: String,
    /// Seconds after which an entry is forgotten, unless the write says otherwise.
    #[serde(default)]
    pub lifetime_s: Option<u32>,
}

/// A timer that runs from installation on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct TimerSpec {
    /// Seconds between ticks.
    pub every_s: u32,
    /// Random addition, in seconds.
    #[serde(default)]
    pub jitter_s: u32,
}
