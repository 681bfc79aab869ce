//! `[installations.<id>]`: a connector set up for a bot.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value as Json};

use crate::fault::{list, nearest};
use crate::schema;
use crate::section::Section;
use crate::sections::bots::{ID_RULE, is_id};
use crate::sections::limits::ProviderLimits;
use crate::{ConnectorFacts, SecretFact};

/// `[installations.<id>]`.
#[derive(Clone, Debug)]
pub struct InstallationConfig {
    /// Its id, also the last segment of its webhook address.
    pub id: String,
    /// Id of its bot.
    pub bot: String,
    /// Name of its connector.
    pub connector: String,
    /// Prefix of tags and events for the bot.
    pub alias: String,
    /// Whether it works at all.
    pub enabled: bool,
    /// Whether webhooks are accepted without proof of their sender.
    pub insecure: bool,
    /// Language of the texts that the connector adds by itself.
    pub locale: String,
    /// What happens to a message whose fate is unknown.
    pub on_unknown: OnUnknown,
    /// Age at which a message that could not be sent is failed.
    pub max_age: Duration,
    /// Bytes of a webhook body; `None`: the connector's need, or `limits.body.webhook`.
    pub max_body: Option<usize>,
    /// The connector's configuration: an object with keys in snake_case, fit to its schema, without secrets.
    pub config: Json,
    /// Secrets by name, newest first.
    pub secrets: BTreeMap<String, Vec<SecretString>>,
}

/// What happens to a message that left and whose fate is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// One more try, marked as a possible duplicate.
    #[default]
    Retry,
    /// A person decides.
    Hold,
    /// It is failed: sent at most once.
    Drop,
}

const ON_UNKNOWN: [(&str, OnUnknown); 3] =
    [("retry", OnUnknown::Retry), ("hold", OnUnknown::Hold), ("drop", OnUnknown::Drop)];

pub(crate) fn read(
    section: &Section<'_>,
    limits: &ProviderLimits,
    connectors: &dyn ConnectorFacts,
) -> BTreeMap<String, InstallationConfig> {
    let mut installations = BTreeMap::new();
    for (id, own) in section.named() {
        if !is_id(&id) {
            section.fault(&id, "is no id for an installation", ID_RULE);
        }
        installations.insert(id.clone(), installation(id, &own, limits, connectors));
    }
    section.finish();
    installations
}

fn installation(
    id: String,
    section: &Section<'_>,
    limits: &ProviderLimits,
    connectors: &dyn ConnectorFacts,
) -> InstallationConfig {
    let bot = section.text("bot");
    let bot = section.required("bot", bot, "name a bot of [bots]").unwrap_or_default();
    let names = connectors.names();
    let name = section.text("connector");
    let known = format!("write one of {}", list(names.iter().map(String::as_str)));
    let connector = section.required("connector", name, &known).unwrap_or_default();
    let insecure = section.flag("insecure").unwrap_or_default();
    let second = Duration::from_secs(1);
    let alias = section.text("alias").unwrap_or_else(|| connector.clone());
    if !alias.is_empty() && (alias.contains(':') || !is_id(&alias.replace('/', "-"))) {
        section.fault("alias", "is no alias", ID_RULE);
    }
    let mut installation = InstallationConfig {
        bot,
        alias,
        enabled: section.flag("enabled").unwrap_or(true),
        insecure,
        locale: section.text("locale").unwrap_or_else(|| "en".into()),
        on_unknown: section.choice("on_unknown", &ON_UNKNOWN).unwrap_or_default(),
        max_age: section.duration("max_age", 10 * second, 86_400 * second).unwrap_or(limits.max_age),
        max_body: section.size("max_body", 1 << 10, 64 << 20).and_then(|size| usize::try_from(size).ok()),
        config: Json::Object(Map::new()),
        secrets: BTreeMap::new(),
        id,
        connector,
    };
    let config = section.section("config");
    section.finish();
    match connectors.schema(&installation.connector) {
        Some(schema) => configure(&mut installation, section, &config, schema, connectors),
        None if installation.connector.is_empty() => {}
        None => {
            let mend = match nearest(&installation.connector, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => known,
            };
            section.fault("connector", format!("there is no connector '{}'", installation.connector), mend);
        }
    }
    installation
}

/// Takes the connector's own options and secrets, in either spelling.
fn configure(
    installation: &mut InstallationConfig,
    section: &Section<'_>,
    config: &Section<'_>,
    schema: &Json,
    connectors: &dyn ConnectorFacts,
) {
    let name = installation.connector.clone();
    let secrets = connectors.secrets(&name);
    let none = Map::new();
    let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
    let open = schema.get("additionalProperties").is_some_and(|rest| *rest != Json::Bool(false));
    let mut options = Map::new();
    // The key as written, by its name in snake_case.
    let mut written = BTreeMap::new();
    for key in config.keys() {
        let snake = schema::snake_case(&key);
        if let Some(other) = written.insert(snake.clone(), key.clone()) {
            config.known(&key);
            config.known(&other);
            config.fault(&key, format!("is written twice, also as '{other}'"), "keep one of them");
        }
    }
    let asked = |name: &str| written.get(name).cloned().unwrap_or_else(|| name.to_owned());
    for fact in &secrets {
        if let Some(values) = config.secrets_as(&fact.name, &asked(&fact.name)) {
            installation.secrets.insert(fact.name.clone(), values);
        }
    }
    for (property, schema) in properties {
        if let Some((value, loose)) = config.json(property, &asked(property)) {
            options.insert(property.clone(), schema::normal(value, schema, loose));
        }
    }
    if open {
        for (snake, key) in &written {
            if !options.contains_key(snake) && !secrets.iter().any(|fact| fact.name == *snake) {
                options.extend(config.json(snake, key).map(|(value, _)| (snake.clone(), value)));
            }
        }
    }
    config.finish();
    let told = options.get("insecure") == Some(&Json::Bool(true));
    installation.insecure |= told;
    if installation.insecure && properties.contains_key("insecure") {
        options.insert("insecure".into(), Json::Bool(true));
    }
    installation.config = Json::Object(options);
    let complaints = schema::check(&installation.config, schema);
    let fits = complaints.is_empty() && !section.loader.faulty(&config.path);
    // What could not be read was told already; that it is missing or wrong too would only confuse.
    let unread: BTreeSet<String> = written
        .iter()
        .filter(|(_, key)| section.loader.faulty(&config.path_of(key)))
        .map(|(name, _)| name.clone())
        .collect();
    let complaints = if fits { connectors.check_config(&name, &installation.config) } else { complaints };
    for complaint in complaints {
        let path = complaint.pointer.trim_start_matches('/').replace('/', ".");
        let top = path.split('.').next().unwrap_or_default();
        if unread.contains(top) {
            continue;
        }
        match path.is_empty() {
            true => section.fault("config", complaint.message, format!("see the README of '{name}'")),
            false => {
                let line = section
                    .loader
                    .line_of(&config.path_of(&asked(top)))
                    .or(section.loader.line_of(&section.path));
                let fault = crate::Fault::new(config.path_of(&path), complaint.message, "");
                section.loader.fault(fault.at(line));
            }
        }
    }
    missing_secrets(installation, section, config, &secrets, &unread);
}

/// Notes secrets that must be there. One that proves webhooks may be missing where the operator wants no proof.
fn missing_secrets(
    installation: &InstallationConfig,
    section: &Section<'_>,
    config: &Section<'_>,
    secrets: &[SecretFact],
    unread: &BTreeSet<String>,
) {
    let there =
        |fact: &SecretFact| installation.secrets.contains_key(&fact.name) || unread.contains(&fact.name);
    let note = |key: &str, what: &str, mend: String| {
        let path = config.path_of(key);
        let line = section.loader.line_of(&section.path);
        section.loader.fault(crate::Fault::new(path, what, mend).at(line));
    };
    for fact in secrets.iter().filter(|fact| fact.required && !there(fact)) {
        if !(fact.verifies && installation.insecure) {
            note(
                &fact.name,
                "is missing",
                format!("write {} = \"${{VARIABLE}}\" or \"file:/path\"", fact.name),
            );
        }
    }
    let mut proofs = secrets.iter().filter(|fact| fact.verifies).peekable();
    if let Some(first) = proofs.peek().copied() {
        let none = !proofs.any(|fact| there(fact) || fact.required);
        if none && !installation.insecure {
            note(
                &first.name,
                "is missing, so nothing would prove that webhooks are genuine",
                format!("write {} = \"${{VARIABLE}}\", or set insecure = true for a trial", first.name),
            );
        }
    }
}
