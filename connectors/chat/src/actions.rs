//! What a bot may ask for: events and growing messages, shown to the app at once and stored nowhere.

use portico_contract::{ActionCall, Effect, Fault, FaultCode, Outcome, Thread, Turn};
use serde_json::{Map, Value, json};

/// How long something shown counts, in milliseconds: whoever listens a moment later has missed it.
const AT_ONCE: u32 = 0;

/// Runs an action.
///
/// # Errors
/// `unsupported` for a name that chats have not; `bad-input` with the field of the input that is wrong.
pub(crate) fn act(call: &ActionCall) -> Result<Turn, Fault> {
    let shown = match call.name.as_str() {
        "sendEvent" => Some(("event", Value::Object(object(&call.input, "/payload")?.clone()))),
        "publishMessageStream" => part(object(&call.input, "/signal")?)?.map(|data| ("draft", data)),
        other => {
            let name: String = other.chars().filter(|letter| !letter.is_control()).take(60).collect();
            return Err(Fault::new(FaultCode::Unsupported, format!("a chat has no action '{name}'")));
        }
    };
    let thread = thread(call)?;
    let done = Turn::done(Outcome::Output(json!({})));
    Ok(match shown {
        Some((name, data)) => {
            done.with_effect(Effect::Signal { thread, name: name.into(), data, ttl_ms: AT_ONCE })
        }
        None => done,
    })
}

fn bad(field: &str, reason: &str) -> Fault {
    let name = field.trim_start_matches('/').replace('/', ".");
    Fault::new(FaultCode::BadInput, format!("{name}: {reason}")).at(field)
}

fn thread(call: &ActionCall) -> Result<Thread, Fault> {
    call.thread.clone().ok_or_else(|| bad("/conversationId", "must name a conversation of this chat"))
}

fn object<'a>(input: &'a Value, field: &str) -> Result<&'a Map<String, Value>, Fault> {
    input.pointer(field).and_then(Value::as_object).ok_or_else(|| bad(field, "must be an object"))
}

/// A part of a message that is being made, or the word that it will not be finished. The gateway numbers and
/// dates the parts as they come, so the signal's own number and date are only looked at. `None`: nothing to add.
fn part(signal: &Map<String, Value>) -> Result<Option<Value>, Fault> {
    let text = |name: &str| {
        let value = signal.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        value.ok_or_else(|| bad(&format!("/signal/{name}"), "must be a text that is not empty"))
    };
    let draft = text("streamId")?;
    if draft.len() > 100 {
        return Err(bad("/signal/streamId", "must have at most 100 bytes"));
    }
    match text("type")? {
        "delta" => {
            text("createdAt")?;
            let number = signal.get("sequence").and_then(Value::as_f64);
            if !number.is_some_and(|number| number >= 0.0 && number.fract() == 0.0) {
                return Err(bad("/signal/sequence", "must be a whole number from 0"));
            }
            let delta = signal.get("delta").and_then(Value::as_str);
            let delta = delta.ok_or_else(|| bad("/signal/delta", "must be a text"))?;
            Ok((!delta.is_empty()).then(|| json!({ "id": draft, "append": delta })))
        }
        "abort" => Ok(Some(json!({ "id": draft, "abort": true }))),
        _ => Err(bad("/signal/type", "must be 'delta' or 'abort'")),
    }
}
