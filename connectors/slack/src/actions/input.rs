//! Reads an action's input, and names the field that is at fault.

use portico_contract::{ActionCall, Fault, FaultCode};
use serde_json::Value;

use crate::normalize::is_ts;
use crate::place;

/// A fault in one field of the input.
pub(super) fn bad(field: &str, reason: impl Into<String>) -> Fault {
    Fault::new(FaultCode::BadInput, reason).at(format!("/{field}"))
}

/// A text that has to be there.
pub(super) fn text<'a>(call: &'a ActionCall, field: &str) -> Result<&'a str, Fault> {
    optional(call, field)?.ok_or_else(|| bad(field, format!("{field} is missing, must be a text")))
}

/// A text that may be left out.
pub(super) fn optional<'a>(call: &'a ActionCall, field: &str) -> Result<Option<&'a str>, Fault> {
    match call.input.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim())),
        Some(_) => Err(bad(field, format!("{field} must be a text"))),
    }
}

/// A yes or no that may be left out.
pub(super) fn flag(call: &ActionCall, field: &str) -> Result<bool, Fault> {
    match call.input.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(set)) => Ok(*set),
        Some(_) => Err(bad(field, format!("{field} must be true or false"))),
    }
}

/// Channel and `ts` of every message of Slack's that `messageId` stands for.
pub(super) fn message(call: &ActionCall) -> Result<(String, Vec<String>), Fault> {
    let Some(message) = &call.message else {
        return Err(bad("messageId", "messageId is missing, must be the id of a message"));
    };
    let stamps: Vec<String> = message.external_ids.iter().filter(|id| is_ts(id)).cloned().collect();
    if stamps.is_empty() {
        let reason =
            "Slack has no message behind messageId: it was not delivered yet, or it is a press or a command";
        return Err(bad("messageId", reason));
    }
    let channel = match (message.tags.get("channelId"), &call.thread) {
        (Some(channel), _) => channel.to_owned(),
        (None, Some(thread)) => place::target(thread)?.0.to_owned(),
        (None, None) => {
            return Err(bad(
                "conversationId",
                "conversationId is missing, must be the message's conversation",
            ));
        }
    };
    Ok((channel, stamps))
}
