//! `[bots.<id>]`: a bot, its tokens and its core.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value as Json};
use url::Url;

use crate::Rate;
use crate::section::Section;
use crate::sections::limits::CoreLimits;

/// `[bots.<id>]`.
#[derive(Clone, Debug)]
pub struct BotConfig {
    /// Its id.
    pub id: String,
    /// What it presents to the runtime API, newest first; at least one, except for the echo core.
    pub tokens: Vec<SecretString>,
    /// Runtime API calls; `None`: `limits.api.rate`.
    pub rate: Option<Rate>,
    /// The program behind it.
    pub core: Core,
}

/// `[bots.<id>.core]`.
#[derive(Clone, Debug)]
pub struct Core {
    /// How it is spoken to.
    pub kind: CoreKind,
    /// Time for an answer.
    pub timeout: Duration,
    /// Events at once.
    pub concurrency: usize,
    /// Age at which an event becomes a dead letter.
    pub max_age: Duration,
    /// What happens to a conversation after a dead letter.
    pub on_dead: OnDead,
}

/// How a core is spoken to.
#[derive(Clone, Debug)]
pub enum CoreKind {
    /// One signed POST per event.
    Http {
        /// Where to.
        url: Url,
        /// `whsec_…`, newest first: requests carry a signature by each. Empty: unsigned.
        secrets: Vec<SecretString>,
    },
    /// A bot built with the reference product's SDK.
    Botpress {
        /// Where to.
        url: Url,
        /// Its `x-bp-secret`, if it checks one.
        secret: Option<SecretString>,
        /// The bot's own configuration: an object.
        configuration: Json,
    },
    /// Rasa's REST channel.
    Rasa {
        /// Base address; `/webhooks/rest/webhook` is added to it.
        url: Url,
        /// Token of the server, if it wants one.
        secret: Option<SecretString>,
    },
    /// Says everything back.
    Echo,
}

impl CoreKind {
    /// Its name in the file.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Botpress { .. } => "botpress",
            Self::Rasa { .. } => "rasa",
            Self::Echo => "echo",
        }
    }

    /// Where it is.
    pub fn url(&self) -> Option<&Url> {
        match self {
            Self::Http { url, .. } | Self::Botpress { url, .. } | Self::Rasa { url, .. } => Some(url),
            Self::Echo => None,
        }
    }
}

/// What happens to a conversation after a dead letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDead {
    /// It goes on with the next event.
    #[default]
    Continue,
    /// It waits for a person.
    Hold,
}

/// Whether a name can be an id: 1 to 100 characters of `a-z A-Z 0-9 - _ .`.
pub(crate) fn is_id(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=100).contains(&name.len()) && name.bytes().all(plain) && !name.bytes().all(|byte| byte == b'.')
}

pub(crate) const ID_RULE: &str = "use 1 to 100 characters of a-z A-Z 0-9 - _ .";

pub(crate) fn read(
    section: &Section<'_>,
    limits: &CoreLimits,
) -> std::collections::BTreeMap<String, BotConfig> {
    let mut bots = std::collections::BTreeMap::new();
    for (id, section_of_bot) in section.named() {
        if !is_id(&id) {
            section.fault(&id, "is no id for a bot", ID_RULE);
        }
        bots.insert(id.clone(), bot(id, &section_of_bot, limits));
    }
    section.finish();
    bots
}

fn bot(id: String, section: &Section<'_>, limits: &CoreLimits) -> BotConfig {
    let core = core(&section.section("core"), limits);
    let tokens = section.secrets("token");
    let tokens = match core.kind {
        CoreKind::Echo => tokens,
        _ => section.required(
            "token",
            tokens,
            "write token = \"${BOT_TOKEN}\": what the bot presents to the API",
        ),
    };
    let rate = section.rate("rate");
    section.finish();
    BotConfig { id, tokens: tokens.unwrap_or_default(), rate, core }
}

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Botpress,
    Rasa,
    Echo,
}

const KINDS: [(&str, Kind); 4] =
    [("http", Kind::Http), ("botpress", Kind::Botpress), ("rasa", Kind::Rasa), ("echo", Kind::Echo)];

const ON_DEAD: [(&str, OnDead); 2] = [("continue", OnDead::Continue), ("hold", OnDead::Hold)];

fn core(section: &Section<'_>, limits: &CoreLimits) -> Core {
    let kind = section.choice("kind", &KINDS);
    let kind = section.required("kind", kind, "write \"http\", \"botpress\", \"rasa\" or \"echo\"");
    let second = Duration::from_secs(1);
    let core = Core {
        kind: kind.and_then(|kind| speak(section, kind)).unwrap_or(CoreKind::Echo),
        // A bot of the SDK answers once all its handlers have ended, calls to us among them.
        timeout: section.duration("timeout", second / 10, 600 * second).unwrap_or(match kind {
            Some(Kind::Botpress) => limits.timeout.max(60 * second),
            _ => limits.timeout,
        }),
        concurrency: section
            .number("concurrency", 1, 100_000)
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(limits.concurrency),
        max_age: section.duration("max_age", 60 * second, 30 * 86_400 * second).unwrap_or(limits.max_age),
        on_dead: section.choice("on_dead", &ON_DEAD).unwrap_or_default(),
    };
    // After a wrong kind nobody knows which of the others belong.
    if kind.is_some() {
        section.finish();
    }
    core
}

fn speak(section: &Section<'_>, kind: Kind) -> Option<CoreKind> {
    let one = |secrets: Option<Vec<SecretString>>| {
        let mut secrets = secrets?;
        if secrets.len() > 1 {
            section.fault("secret", "is a list, and this kind of core takes one", "write the newest alone");
        }
        (!secrets.is_empty()).then(|| secrets.swap_remove(0))
    };
    match kind {
        Kind::Echo => Some(CoreKind::Echo),
        Kind::Http => {
            let (url, secrets) = (url(section), section.secrets("secret").unwrap_or_default());
            if secrets.iter().any(|secret| !is_whsec(secret)) {
                section.fault(
                    "secret",
                    "is no Standard Webhooks secret",
                    "write \"whsec_\" and base64 of 24 to 64 random bytes",
                );
            }
            Some(CoreKind::Http { url: url?, secrets })
        }
        Kind::Botpress => {
            let (url, secret) = (url(section), one(section.secrets("secret")));
            let configuration = match section.json("configuration", "configuration") {
                // From a variable: the text of an object.
                Some((Json::String(text), true)) => serde_json::from_str(&text).unwrap_or(Json::Null),
                Some((configuration, _)) => configuration,
                None => Json::Object(Map::new()),
            };
            if !configuration.is_object() {
                section.fault("configuration", "is not a table", "write configuration = { key = \"value\" }");
            }
            Some(CoreKind::Botpress { url: url?, secret, configuration })
        }
        Kind::Rasa => {
            let (url, secret) = (url(section), one(section.secrets("secret")));
            Some(CoreKind::Rasa { url: url?, secret })
        }
    }
}

/// Standard Webhooks 1.0: `whsec_` and base64 of 24 to 64 bytes. Length and alphabet are judged; decoding is
/// the signer's affair.
fn is_whsec(secret: &SecretString) -> bool {
    use secrecy::ExposeSecret as _;
    let Some(code) = secret.expose_secret().strip_prefix("whsec_") else { return false };
    let digits = code.trim_end_matches('=');
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    plain && (32..=86).contains(&digits.len()) && code.len().is_multiple_of(4)
}

fn url(section: &Section<'_>) -> Option<Url> {
    let expected = "write an address like \"http://127.0.0.1:9000/\"";
    let url = section.parsed::<Url>("url", expected);
    let url = section.required("url", url, expected)?;
    let wrong = if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        "is no http or https address"
    } else if !url.username().is_empty() || url.password().is_some() {
        "holds a user name or password"
    } else {
        return Some(url);
    };
    section.fault("url", wrong, expected);
    None
}
