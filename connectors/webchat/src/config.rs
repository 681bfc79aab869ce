//! What an operator can set, and what is wrong with it beyond the manifest's schema. `identity_secret` is not here:
//! secrets never reach a connector.

use portico_contract::spelling::{camel_case, snake_case};
use portico_contract::{Fault, FaultCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::MANIFEST;

/// Keys of `look` that a page may not set and a bot may not change: what they let in is not theirs to decide.
const FIXED: [&str; 3] = ["html", "css", "image_hosts"];

/// The parts of a configuration that depend on one another; the schema has looked at each by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WebchatConfig {
    origins: Vec<String>,
    identity: Identity,
    look: Map<String, Value>,
    overridable: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Identity {
    jwks_url: Option<String>,
}

/// Everything that is wrong with a configuration.
pub(crate) fn check(json: &Value) -> Vec<Fault> {
    let config = match WebchatConfig::deserialize(json) {
        Ok(config) => config,
        Err(error) => return vec![bad("", format!("configuration: {error}"))],
    };
    let mut faults = Vec::new();
    for (index, origin) in config.origins.iter().enumerate() {
        if let Some(reason) = wrong_origin(origin) {
            faults.push(bad(&format!("/origins/{index}"), format!("origins: {reason}")));
        }
    }
    if let Some(url) = &config.identity.jwks_url
        && !is_web(url, &["https", "http"])
    {
        let reason = "identity.jwks_url must be a whole address such as https://shop.example/jwks.json";
        faults.push(bad("/identity/jwks_url", reason.into()));
    }
    for name in ["bot_avatar", "launcher_image", "cover_image"] {
        if let Some(Value::String(url)) = config.look.get(name)
            && !is_web(url, &["https", "http"])
        {
            let reason = format!("look.{name} must be a whole address that begins with https://");
            faults.push(bad(&format!("/look/{name}"), reason));
        }
    }
    let known = look_keys();
    for (index, key) in config.overridable.iter().enumerate() {
        let snake = snake_case(key);
        if !known.contains(&snake.as_str()) {
            let reason = format!("overridable: there is no key '{}' in look", shown(key));
            faults.push(bad(&format!("/overridable/{index}"), reason));
        }
    }
    faults
}

/// A change of the look that a bot asks for, with the keys as pages read them; an error is the key at fault.
pub(crate) fn patch(asked: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let known = look_keys();
    let pairs = asked.iter().map(|(key, value)| {
        let snake = snake_case(key);
        match known.contains(&snake.as_str()) && !FIXED.contains(&snake.as_str()) {
            true => Ok((camel_case(&snake), value.clone())),
            false => Err(shown(key)),
        }
    });
    pairs.collect()
}

fn bad(pointer: &str, reason: String) -> Fault {
    Fault::new(FaultCode::BadConfig, reason).at(pointer)
}

fn shown(key: &str) -> String {
    key.chars().filter(|letter| !letter.is_control()).take(40).collect()
}

fn look_keys() -> Vec<&'static str> {
    let look =
        MANIFEST.configuration.schema.pointer("/properties/look/properties").and_then(Value::as_object);
    look.map(|keys| keys.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn is_web(text: &str, schemes: &[&str]) -> bool {
    Url::parse(text).is_ok_and(|url| {
        schemes.contains(&url.scheme())
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// What is wrong with an origin: exact as browsers write it, or a host with `*.` in front.
fn wrong_origin(text: &str) -> Option<String> {
    const FORM: &str = "write origins such as https://shop.example or https://*.example.com, without a path";
    let (wild, plain) = match text.split_once("://*.") {
        Some((scheme, host)) => (true, format!("{scheme}://{host}")),
        None => (false, text.to_owned()),
    };
    let Ok(url) = Url::parse(&plain) else { return Some(format!("'{}' is no origin; {FORM}", shown(text))) };
    let exact = url.origin().ascii_serialization() == plain && !plain.contains('*');
    if !exact || !matches!(url.scheme(), "https" | "http") {
        return Some(format!("'{}' is not as a browser writes it; {FORM}", shown(text)));
    }
    match (wild, url.host()) {
        (false, Some(_)) => None,
        // Else `https://*.com` would let half the world in.
        (true, Some(Host::Domain(host))) if host.contains('.') => None,
        _ => Some(format!("'{}' covers too much; {FORM}", shown(text))),
    }
}
