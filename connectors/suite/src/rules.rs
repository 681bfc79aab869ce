//! What the gateway refuses in a turn, as assertions: requests to hosts that were not declared, secrets out of
//! their place, tags and events without a declaration.

use http::{HeaderName, HeaderValue, Method};
use portico_contract::{
    Blobs, Content, Effect, Event, HostRule, Manifest, OutboundRequest, Party, Payload, SecretUse, Slot,
    SlotPlace, Tags, Thread,
};
use serde_json::Value;
use url::{Host, Url};

use crate::TestHost;

/// Largest text or byte body of one request.
const MAX_BODY: usize = 4 << 20;

/// What is wrong with a request, or nothing.
///
/// # Errors
/// A sentence that names the request and the rule it breaks.
pub fn request(host: &TestHost, config: &Value, request: &OutboundRequest) -> Result<(), String> {
    broken(host, config, request).map_or(Ok(()), |rule| Err(format!("request '{}': {rule}", request.label)))
}

fn broken(host: &TestHost, config: &Value, request: &OutboundRequest) -> Option<String> {
    let manifest = host.manifest();
    if request.label.is_empty() {
        return Some("has no label".into());
    }
    if Method::from_bytes(request.method.as_bytes()).is_err() {
        return Some(format!("'{}' is no HTTP method", request.method));
    }
    let Ok(url) = Url::parse(&request.url) else {
        return Some(format!("'{}' is no absolute address", request.url));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Some("has a user name or password in its address".into());
    }
    let declared = manifest.permissions.hosts.iter().any(|rule| reaches(rule, config, &url));
    let public = manifest.permissions.public_fetch && request.slots.is_empty() && is_web(&url);
    if !declared && !public {
        return Some(format!(
            "goes to {}, which permissions.hosts does not name",
            url.origin().ascii_serialization()
        ));
    }
    if request.timeout_ms.is_some_and(|time| time == 0 || time > 60_000) {
        return Some("timeout_ms must be 1 to 60000".into());
    }
    for field in &request.headers {
        if HeaderName::from_bytes(field.name.as_bytes()).is_err()
            || HeaderValue::from_str(&field.value).is_err()
        {
            return Some(format!("header '{}' can't be sent", field.name));
        }
        if ["host", "content-length", "transfer-encoding", "connection", "upgrade"]
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name))
        {
            return Some(format!("header '{}' is the gateway's own", field.name));
        }
    }
    request
        .slots
        .iter()
        .find_map(|slot| broken_slot(manifest, config, &url, request, slot))
        .or_else(|| broken_body(host, &request.body, false))
        .or_else(|| broken_json(request))
}

fn broken_slot(
    manifest: &Manifest,
    config: &Value,
    url: &Url,
    request: &OutboundRequest,
    slot: &Slot,
) -> Option<String> {
    let Some(secret) = manifest.secret(&slot.secret) else {
        return Some(format!("the manifest declares no secret '{}'", slot.secret));
    };
    if !secret.uses.contains(&SecretUse::Slot) {
        return Some(format!("secret '{}' has no use 'slot'", slot.secret));
    }
    if !secret.hosts.iter().any(|rule| reaches(rule, config, url)) {
        return Some(format!(
            "secret '{}' is not bound to {}",
            slot.secret,
            url.origin().ascii_serialization()
        ));
    }
    if slot.marker.is_empty() {
        return Some("a slot's marker is empty".into());
    }
    let count = |text: &str| text.matches(slot.marker.as_str()).count();
    let found = match slot.place {
        SlotPlace::Url => count(&request.url),
        SlotPlace::Header => request.headers.iter().map(|field| count(&field.value)).sum(),
        SlotPlace::Body => match &request.body {
            Payload::Text(text) => count(text),
            Payload::Empty | Payload::Bytes(_) | Payload::Stored(_) | Payload::Form(_) => 0,
        },
    };
    (found != 1)
        .then(|| format!("marker '{}' occurs {found} times in its place, must occur once", slot.marker))
}

fn broken_body(host: &TestHost, body: &Payload, in_form: bool) -> Option<String> {
    match body {
        Payload::Stored(id) if host.describe(id).is_none() => Some(format!("sends the unknown blob '{id}'")),
        _ if body_len(body) > MAX_BODY => Some("has a body above 4 MiB".into()),
        Payload::Form(_) if in_form => Some("has a form inside a form".into()),
        Payload::Form(parts) => parts.iter().find_map(|part| {
            if part.name.is_empty() {
                return Some("a form part has no name".into());
            }
            broken_body(host, &part.body, true)
        }),
        Payload::Empty | Payload::Text(_) | Payload::Bytes(_) | Payload::Stored(_) => None,
    }
}

fn body_len(body: &Payload) -> usize {
    match body {
        Payload::Empty | Payload::Stored(_) => 0,
        Payload::Text(text) => text.len(),
        Payload::Bytes(bytes) => bytes.len(),
        Payload::Form(parts) => parts.iter().map(|part| body_len(&part.body)).sum(),
    }
}

fn broken_json(request: &OutboundRequest) -> Option<String> {
    let is_json = request.headers.iter().any(|field| {
        field.name.eq_ignore_ascii_case("content-type")
            && field.value.trim_start().starts_with("application/json")
    });
    let Payload::Text(text) = &request.body else { return None };
    if !is_json {
        return None;
    }
    serde_json::from_str::<Value>(text).err().map(|error| format!("its JSON body does not parse: {error}"))
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http") && url.host().is_some()
}

fn reaches(rule: &HostRule, config: &Value, url: &Url) -> bool {
    match rule {
        HostRule::Name(name) => {
            let Some(Host::Domain(host)) = url.host() else { return false };
            let same = match name.strip_prefix("*.") {
                Some(parent) => host
                    .strip_suffix(parent)
                    .and_then(|label| label.strip_suffix('.'))
                    .is_some_and(|label| !label.is_empty()),
                None => host == name,
            };
            same && url.scheme() == "https" && url.port_or_known_default() == Some(443)
        }
        HostRule::Config { config: pointer } => config
            .pointer(pointer)
            .and_then(Value::as_str)
            .and_then(|address| Url::parse(address).ok())
            .is_some_and(|allowed| is_web(&allowed) && allowed.origin() == url.origin()),
    }
}

/// What is wrong with the effects of a turn, or nothing.
///
/// # Errors
/// A sentence that names the effect and the rule it breaks.
pub fn effects(manifest: &Manifest, effects: &[Effect]) -> Result<(), String> {
    let events = effects.iter().filter(|effect| matches!(effect, Effect::Emit(_))).count();
    if events > 1000 || effects.len() - events > 256 {
        return Err(format!(
            "a turn has {events} events and {} other effects; 1000 and 256 are allowed",
            effects.len() - events
        ));
    }
    for effect in effects {
        match effect {
            Effect::Emit(event) => self::event(manifest, event)?,
            Effect::Write(write) if !crate::host::declares_state(manifest, &write.key) => {
                return Err(format!("writes state '{}', which the manifest does not declare", write.key));
            }
            Effect::Open(thread) => self::thread(manifest, thread)?,
            Effect::Signal { .. } if !manifest.live => {
                return Err("sends a signal, which only a live connector can".into());
            }
            Effect::Signal { thread, name, data, .. } => {
                self::thread(manifest, thread)?;
                let bytes = serde_json::to_vec(data).map_or(usize::MAX, |json| json.len());
                if name.is_empty() || name.len() > 100 || bytes > 64 * 1024 {
                    return Err("a signal has a name of 1 to 100 bytes and at most 64 KiB of data".into());
                }
            }
            Effect::Write(_) | Effect::Timer(_) => {}
        }
    }
    Ok(())
}

/// What is wrong with an event, or nothing.
///
/// # Errors
/// A sentence that names the event and the rule it breaks.
pub fn event(manifest: &Manifest, event: &Event) -> Result<(), String> {
    if let Some(thread) = event.thread() {
        self::thread(manifest, thread)?;
    }
    let receives = |thread: &Thread, content: &Content| received(manifest, thread, content);
    match event {
        Event::Message(message) => {
            party(manifest, &message.author)?;
            declared("message tag", &manifest.message_tags, &message.tags)?;
            if message.external_id.is_empty() {
                return Err("a message has an empty external_id".into());
            }
            receives(&message.thread, &message.content)
        }
        Event::Edit(edit) => {
            party(manifest, &edit.author)?;
            receives(&edit.thread, &edit.content)
        }
        Event::Deletion(deletion) => {
            deletion.author.as_ref().map_or(Ok(()), |author| party(manifest, author))
        }
        Event::Reaction(reaction) => party(manifest, &reaction.author),
        Event::Receipt(receipt) if receipt.external_id.is_empty() => {
            Err("a receipt has an empty external_id".into())
        }
        Event::Receipt(_) => Ok(()),
        Event::Identity(change) => {
            change.new_thread.as_ref().map_or(Ok(()), |thread| self::thread(manifest, thread))
        }
        Event::Custom(custom) => {
            if !manifest.events.contains_key(custom.name.as_ref()) {
                return Err(format!("the manifest declares no event '{}'", custom.name));
            }
            custom.author.as_ref().map_or(Ok(()), |author| party(manifest, author))
        }
    }
}

fn received(manifest: &Manifest, thread: &Thread, content: &Content) -> Result<(), String> {
    if let Content::Bloc { items } = content {
        return items.iter().try_for_each(|item| received(manifest, thread, item));
    }
    let channel = manifest.channels.get(thread.channel.as_ref());
    match channel {
        Some(channel) if channel.receives.iter().any(|kind| kind == content.kind()) => Ok(()),
        _ => Err(format!(
            "channel '{}' does not declare that it receives '{}'",
            thread.channel,
            content.kind()
        )),
    }
}

/// What is wrong with a thread, or nothing.
///
/// # Errors
/// A sentence that names the thread's channel and the rule it breaks.
pub fn thread(manifest: &Manifest, thread: &Thread) -> Result<(), String> {
    let Some(channel) = manifest.channels.get(thread.channel.as_ref()) else {
        return Err(format!("the manifest declares no channel '{}'", thread.channel));
    };
    declared(&format!("tag of channel '{}'", thread.channel), &channel.tags, &thread.tags)?;
    let expected =
        Thread::key_of(channel.identity.iter().map(|name| thread.tags.get(name).unwrap_or_default()));
    if thread.key != expected {
        return Err(format!(
            "the thread's key in channel '{}' is '{}', but its identity tags {:?} give '{expected}'",
            thread.channel, thread.key, channel.identity
        ));
    }
    if thread.key.is_empty() || thread.key.len() > 500 {
        return Err(format!("a thread's key has {} bytes, must have 1 to 500", thread.key.len()));
    }
    Ok(())
}

fn party(manifest: &Manifest, party: &Party) -> Result<(), String> {
    if party.id.is_empty() {
        return Err("an author has an empty id".into());
    }
    declared("user tag", &manifest.user_tags, &party.tags)
}

fn declared(what: &str, names: &[String], tags: &Tags) -> Result<(), String> {
    match tags.iter().find(|(name, _)| !names.iter().any(|declared| declared == name)) {
        Some((name, _)) => Err(format!("the manifest declares no {what} '{name}'")),
        None => Ok(()),
    }
}

/// Panics when a secret's value stands in a text that leaves the connector.
pub fn no_secret(host: &TestHost, what: &str, text: &str) {
    for (name, value) in host.secret_values() {
        assert!(value.len() < 6 || !text.contains(value), "{what} contains the value of secret '{name}'");
    }
}
