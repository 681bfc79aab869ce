//! What a payload must be before it is kept: of its type, and not too large.

use portico_contract::Content;
use serde_json::Value;

use crate::AcceptError;

/// Longest text of one message, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Largest payload, in bytes of JSON; what the row adds to it must fit beside it into a store value of 1 MiB.
const MAX_PAYLOAD: usize = (1 << 20) - 32 * 1024;

/// Checks a payload against its type and the limits of sizes.
pub(crate) fn check_payload(kind: &str, payload: &Value) -> Result<(), AcceptError> {
    if kind.is_empty() || kind.len() > 100 {
        return Err(AcceptError::field("type", "must be a text of 1 to 100 bytes"));
    }
    if !payload.is_object() {
        return Err(AcceptError::field("payload", "must be an object"));
    }
    // Writing JSON values to memory does not fail.
    let bytes = serde_json::to_vec(payload).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_PAYLOAD {
        return Err(AcceptError::TooLarge { what: "payload", bytes, limit: MAX_PAYLOAD });
    }
    let content = Content::from_parts(kind, payload.clone())?;
    check_text(&content)
}

fn check_text(content: &Content) -> Result<(), AcceptError> {
    let text = match content {
        Content::Text { text, .. } => text,
        Content::Markdown { markdown } => markdown,
        Content::Choice(options) | Content::Dropdown(options) => &options.text,
        Content::Bloc { items } => return items.iter().try_for_each(check_text),
        _ => return Ok(()),
    };
    if text.len() > MAX_TEXT {
        return Err(AcceptError::TooLarge {
            what: "the text of a message",
            bytes: text.len(),
            limit: MAX_TEXT,
        });
    }
    Ok(())
}
