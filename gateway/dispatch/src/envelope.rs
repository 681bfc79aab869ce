//! The JSON forms in which cores get events.

use std::io;

use portico_contract::{BotId, EventId, InstallationId};
use portico_store::records::{
    Conversation, Iso, Message, Shown, User, View, conversation_json, iso, message_json, user_json,
};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::{Map, Value, json};

use crate::Offer;

/// The body for a core of kind `http`, written straight from the rows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: EventId,
    created_at: Iso,
    bot_id: &'a BotId,
    installation: &'a InstallationId,
    integration: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<Shown<'a, Conversation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Shown<'a, User>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Shown<'a, Message>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reaction: Option<&'a str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    payload: &'a Value,
}

fn shown<T>(row: Option<&T>) -> Option<Shown<'_, T>> {
    row.map(|row| Shown(row, View::Bot))
}

/// The body for a core of kind `http`.
pub(crate) fn http_body(offer: &Offer) -> serde_json::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(2048);
    let envelope = Envelope {
        kind: &offer.kind,
        id: offer.id,
        created_at: Iso(offer.created_at),
        bot_id: &offer.bot,
        installation: &offer.installation,
        integration: &offer.integration,
        channel: offer.conversation.as_ref().map(|row| row.channel.as_str()),
        conversation: shown(offer.conversation.as_deref()),
        user: shown(offer.user.as_deref()),
        message: shown(offer.message.as_ref()),
        reaction: offer.reaction.as_deref(),
        payload: &offer.payload,
    };
    serde_json::to_writer(&mut body, &envelope)?;
    Ok(body)
}

fn objects(offer: &Offer) -> [(&'static str, Option<Value>); 3] {
    [
        ("conversation", offer.conversation.as_ref().map(|row| conversation_json(row, View::Bot))),
        ("user", offer.user.as_ref().map(|row| user_json(row, View::Bot))),
        ("message", offer.message.as_ref().map(|row| message_json(row, View::Bot))),
    ]
}

/// The body for a core that speaks the Botpress bot protocol: `{"event": …}`, in pure ASCII, since its servers
/// decode each piece of a body by itself and break letters at the edges.
pub(crate) fn botpress_body(offer: &Offer) -> serde_json::Result<Vec<u8>> {
    let mut payload = match &offer.payload {
        Value::Null => Value::Object(Map::new()),
        given => given.clone(),
    };
    // Events about messages carry their rows, as `message_created` does; others are what their maker made them.
    let about_message = offer.kind.starts_with("message_") || offer.kind.starts_with("reaction_");
    if about_message && let Some(fields) = payload.as_object_mut() {
        for (name, object) in objects(offer) {
            if let Some(object) = object {
                fields.entry(name).or_insert(object);
            }
        }
    }
    let mut event = json!({
        "id": offer.id.to_string(),
        "createdAt": iso(offer.created_at),
        "type": offer.kind,
        "status": "pending",
        "failureReason": null,
        "payload": payload,
    });
    if let Some(fields) = event.as_object_mut() {
        if let Some(row) = &offer.conversation {
            fields.insert("conversationId".into(), row.id.to_string().into());
        }
        if let Some(row) = &offer.user {
            fields.insert("userId".into(), row.id.as_str().into());
        }
        if let Some(row) = &offer.message {
            fields.insert("messageId".into(), row.id.to_string().into());
        }
    }
    ascii(&json!({ "event": event }))
}

/// JSON in which every letter outside ASCII is written `\uXXXX`.
pub(crate) fn ascii(value: &Value) -> serde_json::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(1024);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut body, Ascii(CompactFormatter)))?;
    Ok(body)
}

struct Ascii(CompactFormatter);

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.is_ascii() {
            return self.0.write_string_fragment(writer, fragment);
        }
        let mut units = [0; 2];
        for letter in fragment.chars() {
            if letter.is_ascii() {
                writer.write_all(&[letter as u8])?;
            } else {
                for unit in letter.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_bodies_say_the_same() {
        let value = json!({ "text": "Grüße, 世界 😀 \"\\\n", "π": [1, null, true, 0.5] });
        let body = ascii(&value).unwrap();
        assert!(body.is_ascii());
        assert!(String::from_utf8_lossy(&body).contains("\\ud83d\\ude00"));
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), value);
    }
}
