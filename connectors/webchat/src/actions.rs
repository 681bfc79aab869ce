//! What a bot may ask of a visitor's page. Everything becomes a signal: it is shown at once to whoever has the
//! conversation open, and lost on everybody else.

use portico_contract::{ActionCall, Effect, Fault, FaultCode, Outcome, Thread, Turn};
use serde_json::{Map, Value, json};

use crate::config;

/// Milliseconds for which a command means something, where the bot does not say.
const TTL: u32 = 30_000;
/// Milliseconds for which somebody types, where nothing else happens.
const TYPING: u32 = 30_000;
/// Milliseconds after which a draft that does not grow is given up by those who see it.
const DRAFT: u32 = 60_000;

/// Names under which the seed knows the commands.
const SEED_NAMES: [(&str, &str); 4] = [
    ("showWebchat", "open"),
    ("hideWebchat", "close"),
    ("toggleWebchat", "toggle"),
    ("configWebchat", "config"),
];

/// Makes the signal of an action.
///
/// # Errors
/// `bad-input` that names the field; `unsupported` for what a page has not.
pub(crate) fn act(call: ActionCall) -> Result<Turn, Fault> {
    let name =
        SEED_NAMES.iter().find(|(seed, _)| *seed == call.name).map_or(call.name.as_str(), |pair| pair.1);
    match name {
        "open" | "close" | "toggle" | "show" | "hide" => {
            let name = name.to_owned();
            signal(&call, &name, json!({}), ttl(&call.input)?)
        }
        "config" => {
            let patch = call.input.get("config").and_then(Value::as_object);
            let patch = patch.ok_or_else(|| bad("/config", "must be an object with keys of look"))?;
            let patch = config::patch(patch).map_err(|key| {
                bad("/config", &format!("'{key}' is no key of look that may change while people look"))
            })?;
            signal(&call, "config", Value::Object(patch), ttl(&call.input)?)
        }
        "customEvent" => {
            let name = text(&call.input, "name", 64)?;
            let data = call.input.get("data").cloned().unwrap_or(Value::Null);
            signal(&call, "event", json!({ "name": name, "data": data }), ttl(&call.input)?)
        }
        "appendDraft" => {
            let draft = draft(&call.input)?;
            signal(&call, "draft", draft, DRAFT)
        }
        "stop" => {
            let id = text(&call.input, "draftId", 64)?;
            signal(&call, "draft", json!({ "id": id, "abort": true }), DRAFT)
        }
        "startTypingIndicator" => signal(&call, "typing", json!({ "on": true, "timeoutMs": TYPING }), TYPING),
        "stopTypingIndicator" => signal(&call, "typing", json!({ "on": false }), TYPING),
        // The gateway itself changes the rows of its own channels, and shows them.
        "markAsRead" | "editMessage" | "deleteMessage" => Ok(Turn::done(Outcome::Output(json!({})))),
        other => {
            let other: String = other.chars().filter(|letter| !letter.is_control()).take(60).collect();
            Err(Fault::new(FaultCode::Unsupported, format!("webchat has no action '{other}'")))
        }
    }
}

fn bad(field: &str, reason: &str) -> Fault {
    Fault::new(FaultCode::BadInput, format!("{}: {reason}", field.trim_start_matches('/'))).at(field)
}

fn signal(call: &ActionCall, name: &str, data: Value, ttl_ms: u32) -> Result<Turn, Fault> {
    let thread: Thread = call
        .thread
        .clone()
        .ok_or_else(|| bad("/conversationId", "must name a conversation of this channel"))?;
    let signal = Effect::Signal { thread, name: name.to_owned(), data, ttl_ms };
    Ok(Turn::done(Outcome::Output(json!({}))).with_effect(signal))
}

/// The `ttl` of an input, in milliseconds.
fn ttl(input: &Value) -> Result<u32, Fault> {
    match input.get("ttl") {
        None | Some(Value::Null) => Ok(TTL),
        Some(seconds) => seconds
            .as_u64()
            .filter(|seconds| (1..=300).contains(seconds))
            .and_then(|seconds| u32::try_from(seconds * 1000).ok())
            .ok_or_else(|| bad("/ttl", "must be a whole number of seconds from 1 to 300")),
    }
}

fn text(input: &Value, name: &str, most: usize) -> Result<String, Fault> {
    let found = input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty() && text.len() <= most);
    found
        .map(ToOwned::to_owned)
        .ok_or_else(|| bad(&format!("/{name}"), &format!("must be a text of 1 to {most} bytes")))
}

fn draft(input: &Value) -> Result<Value, Fault> {
    let mut draft = Map::new();
    draft.insert("id".into(), text(input, "draftId", 64)?.into());
    let given = |name: &str| match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad(&format!("/{name}"), "must be a text")),
    };
    match (given("append")?, given("text")?) {
        (Some(append), None) => draft.insert("append".into(), append.into()),
        (None, Some(text)) => draft.insert("text".into(), text.into()),
        _ => return Err(bad("/append", "give either append or text")),
    };
    if let Some(user) = given("userId")? {
        draft.insert("userId".into(), user.into());
    }
    Ok(Value::Object(draft))
}
