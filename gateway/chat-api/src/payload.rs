//! Message payloads between the runtime's shape and those of the two public clients.
//!
//! | | runtime | Chat API | webchat API |
//! |---|---|---|---|
//! | type | beside the payload | `payload.type` | `payload.type` |
//! | items of a bloc | `{type, payload}` | `{type, …}` | `{type, payload}` |
//! | items of a carousel | a card | a card with `type: "card"` | a card |
//! | metadata | `payload.metadata` | beside the payload | beside the payload |
//!
//! The Chat API's client checks what it gets field by field and loses what does not fit; so nothing unknown, no
//! `null` and no list that is missing goes out. A type outside the table is shown as a text.
//!
//! Source: Botpress protocol reference, section 5.

use portico_contract::Content;
use portico_problem::Problem;
use serde_json::{Map, Value};

/// Which client's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `@botpress/chat`.
    Chat,
    /// `@botpress/webchat` and `@botpress/webchat-client`.
    Webchat,
}

/// A message as a client sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    /// With its `type` inside.
    pub(crate) payload: Value,
    /// What the sender attached, if anything.
    pub(crate) metadata: Option<Map<String, Value>>,
}

const METADATA: &str = "metadata";
/// The types that both clients know.
const KINDS: [&str; 12] = [
    "text", "markdown", "image", "audio", "video", "file", "location", "card", "carousel", "choice",
    "dropdown", "bloc",
];

/// Reads a client's payload: the runtime's type and payload.
///
/// # Errors
/// `InvalidPayload` at `payload` or `payload.type` when there is no type. The fields of the type are checked
/// where the message is accepted.
pub(crate) fn read(
    shape: Shape,
    payload: Value,
    metadata: Option<Map<String, Value>>,
) -> Result<(String, Value), Problem> {
    let Value::Object(mut fields) = payload else {
        return Err(Problem::field("payload", "must be an object with a type"));
    };
    let kind = match fields.remove("type") {
        Some(Value::String(kind)) if !kind.is_empty() => kind,
        Some(_) => return Err(Problem::field("payload.type", "must be a text that is not empty")),
        None => return Err(Problem::field("payload.type", "is missing, must be a type such as text")),
    };
    if shape == Shape::Chat {
        let items = fields.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten();
        for item in items.filter_map(Value::as_object_mut) {
            match kind.as_str() {
                "carousel" => drop(item.remove("type")),
                "bloc" => nest(item),
                _ => {}
            }
        }
    }
    fields.remove(METADATA);
    if let Some(metadata) = metadata {
        fields.insert(METADATA.into(), Value::Object(metadata));
    }
    Ok((kind, Value::Object(fields)))
}

/// Checks that a client may say a message of this type.
///
/// # Errors
/// `InvalidPayload` at `payload.type`, which names the types.
pub(crate) fn accepted(shape: Shape, kind: &str) -> Result<(), Problem> {
    if is_known(shape, kind) {
        return Ok(());
    }
    let more = if shape == Shape::Webchat { ", custom" } else { "" };
    Err(Problem::field("payload.type", format!("must be one of {}{more}", KINDS.join(", "))))
}

/// Shows a message of the runtime's type and payload to a client.
pub(crate) fn show(shape: Shape, kind: &str, payload: &Value) -> Shown {
    let mut fields = match payload {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    let metadata = match fields.remove(METADATA) {
        Some(Value::Object(metadata)) => Some(metadata),
        _ => None,
    };
    let known = is_known(shape, kind) && Content::from_parts(kind, payload.clone()).is_ok();
    let payload = if known {
        clean(&mut fields);
        complete(shape, kind, &mut fields);
        fields.insert("type".into(), kind.into());
        Value::Object(fields)
    } else {
        text(kind, payload)
    };
    Shown { payload, metadata }
}

fn is_known(shape: Shape, kind: &str) -> bool {
    KINDS.contains(&kind) || (shape == Shape::Webchat && kind == "custom")
}

/// `{type, …}` becomes `{type, payload: {…}}`.
fn nest(item: &mut Map<String, Value>) {
    let kind = item.remove("type");
    let rest = std::mem::take(item);
    if let Some(kind) = kind {
        item.insert("type".into(), kind);
    }
    item.insert("payload".into(), Value::Object(rest));
}

/// The inverse of [`nest`].
fn flatten(item: &mut Map<String, Value>) {
    if let Some(Value::Object(rest)) = item.remove("payload") {
        for (name, value) in rest {
            item.entry(name).or_insert(value);
        }
    }
}

/// Leaves out fields that are `null`, and optional texts that are empty.
fn clean(fields: &mut Map<String, Value>) {
    let optional = ["title", "subtitle", "imageUrl", "address", "value"];
    fields.retain(|name, value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty() || !optional.contains(&name.as_str()),
        _ => true,
    });
}

/// Adds what a client expects and bots leave out.
fn complete(shape: Shape, kind: &str, fields: &mut Map<String, Value>) {
    if kind == "card" {
        fields.entry("actions").or_insert_with(|| Value::Array(Vec::new()));
    }
    let items = fields.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten();
    for item in items.filter_map(Value::as_object_mut) {
        clean(item);
        match kind {
            "carousel" => {
                complete(shape, "card", item);
                if shape == Shape::Chat {
                    item.insert("type".into(), "card".into());
                } else {
                    item.remove("type");
                }
            }
            "bloc" => {
                if let Some(part) = item.get_mut("payload").and_then(Value::as_object_mut) {
                    clean(part);
                }
                if shape == Shape::Chat {
                    flatten(item);
                }
            }
            _ => {}
        }
    }
}

/// A message of a type that the client does not know: its own text where it has one, else its data.
fn text(kind: &str, payload: &Value) -> Value {
    let said = ["text", "markdown", "title", "url"]
        .iter()
        .filter_map(|name| payload.get(name).and_then(Value::as_str))
        .find(|text| !text.is_empty());
    let text = match (said, payload) {
        (Some(said), _) => said.to_owned(),
        (None, Value::String(said)) if !said.is_empty() => said.clone(),
        (None, Value::Null) => format!("[{kind}]"),
        (None, Value::Object(fields)) if fields.is_empty() => format!("[{kind}]"),
        (None, data) => data.to_string(),
    };
    serde_json::json!({ "type": "text", "text": text })
}

#[cfg(test)]
mod tests;
