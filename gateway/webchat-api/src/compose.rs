//! From a visitor's `msg` to type and payload as the bot gets them.
//!
//! Files are named by the id that their upload got; an address in a message is never taken over. Types that are
//! not known here are the site's own and go to the bot as they are.

use portico_contract::Blob;
use serde_json::{Map, Value, json};

use crate::channel::Channel;
use crate::downloads;
use crate::frame::NackCode;
use crate::shared::Api;

/// Type and payload on the runtime wire.
pub(crate) type Composed = (String, Value);

/// Reads what a visitor says.
///
/// # Errors
/// `TooLarge` for a text above the channel's limit, `Bad` for everything that is not of its type.
pub(crate) async fn compose(
    api: &Api,
    channel: &Channel,
    mut msg: Map<String, Value>,
) -> Result<Composed, NackCode> {
    let Some(Value::String(kind)) = msg.remove("type") else { return Err(NackCode::Bad) };
    match kind.as_str() {
        "text" => text(channel, &msg),
        "image" | "audio" | "video" | "file" => file(api, channel, &kind, &msg).await,
        "location" => location(&msg),
        // Only a bot says these.
        "card" | "carousel" | "choice" | "dropdown" | "bloc" | "system" | "markdown" => Err(NackCode::Bad),
        _ if !is_name(&kind) => Err(NackCode::Bad),
        _ => own(channel, kind, msg),
    }
}

fn is_name(kind: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    kind.len() <= 64
        && kind.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && kind.bytes().all(rest)
}

fn text(channel: &Channel, msg: &Map<String, Value>) -> Result<Composed, NackCode> {
    let text = msg.get("text").and_then(Value::as_str).ok_or(NackCode::Bad)?;
    if text.chars().count() > channel.limits.text {
        return Err(NackCode::TooLarge);
    }
    if text.trim().is_empty() {
        return Err(NackCode::Bad);
    }
    let mut payload = Map::from_iter([("text".to_owned(), Value::from(text))]);
    match msg.get("value") {
        None | Some(Value::Null) => {}
        Some(Value::String(value)) if value.len() <= 4000 => {
            payload.insert("value".into(), value.clone().into());
        }
        Some(_) => return Err(NackCode::Bad),
    }
    Ok(("text".into(), Value::Object(payload)))
}

async fn file(
    api: &Api,
    channel: &Channel,
    kind: &str,
    msg: &Map<String, Value>,
) -> Result<Composed, NackCode> {
    let id = msg.get("file").and_then(Value::as_str).ok_or(NackCode::Bad)?;
    if !channel.upload {
        return Err(NackCode::Blocked);
    }
    let known = api.blobs.describe(&channel.at.id, id).await.map_err(|_| NackCode::Rate)?;
    let blob = known.ok_or(NackCode::Bad)?;
    let title = match msg.get("title") {
        None | Some(Value::Null) => None,
        Some(Value::String(title)) => Some(title.chars().take(200).collect::<String>()),
        Some(_) => return Err(NackCode::Bad),
    };
    Ok(of_blob(api, channel, kind, &blob, title))
}

/// A message that shows an uploaded file. What it is decides its content, not what the visitor calls it.
pub(crate) fn of_blob(
    api: &Api,
    channel: &Channel,
    kind: &str,
    blob: &Blob,
    title: Option<String>,
) -> Composed {
    let family = blob.media_type.split('/').next().unwrap_or_default();
    let shown = matches!(family, "image" | "audio" | "video") && !blob.media_type.starts_with("image/svg");
    let kind = if shown && kind != "file" { family } else { "file" };
    let url = downloads::signed(api, channel, blob);
    let mut payload = json!({ format!("{kind}Url"): url, "mimeType": blob.media_type, "size": blob.size });
    if let Some(fields) = payload.as_object_mut() {
        if let Some(name) = &blob.filename {
            fields.insert("fileName".into(), name.clone().into());
        }
        if let Some(title) = title.or_else(|| blob.filename.clone()).filter(|title| !title.is_empty()) {
            fields.insert("title".into(), title.into());
        }
    }
    (kind.to_owned(), payload)
}

fn location(msg: &Map<String, Value>) -> Result<Composed, NackCode> {
    let degrees = |name: &str, most: f64| {
        let number = msg.get(name).and_then(Value::as_f64);
        number.filter(|number| number.abs() <= most).ok_or(NackCode::Bad)
    };
    let mut payload = Map::new();
    payload.insert("latitude".into(), degrees("lat", 90.0)?.into());
    payload.insert("longitude".into(), degrees("lon", 180.0)?.into());
    for name in ["title", "address"] {
        match msg.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.len() <= 500 => {
                drop(payload.insert(name.into(), text.clone().into()))
            }
            Some(_) => return Err(NackCode::Bad),
        }
    }
    Ok(("location".into(), Value::Object(payload)))
}

fn own(channel: &Channel, kind: String, msg: Map<String, Value>) -> Result<Composed, NackCode> {
    // As much as a text may have, in the four bytes that a character takes at most.
    let payload = Value::Object(msg);
    if payload.to_string().len() > channel.limits.text.saturating_mul(4).max(16_000) {
        return Err(NackCode::TooLarge);
    }
    Ok((kind, payload))
}
