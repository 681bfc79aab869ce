//! `POST /{phone_number_id}/messages`: the envelope, the limits in time, and the plain message types.

use std::time::Duration;

use serde_json::{Value, json};

use super::graph::{GraphError, optional_text, text};
use super::{WhatsApp, interactive, new_wamid, recipient_key, template};
use crate::sim::provider::Sent;
use crate::sim::server::RawRequest;

const WINDOW: Duration = Duration::from_secs(24 * 3600);

impl WhatsApp {
    pub(super) fn messages(&self, request: &RawRequest) -> Result<Value, GraphError> {
        if request.media_type() != "application/json" {
            return Err(GraphError::missing("messaging_product"));
        }
        let body = request.json().filter(Value::is_object);
        let body = body.ok_or_else(|| GraphError::of(100, "The body is not a JSON object"))?;
        if body.get("messaging_product").and_then(Value::as_str) != Some("whatsapp") {
            return Err(GraphError::missing("messaging_product"));
        }
        if body.get("status").is_some() {
            return self.mark_read(&body);
        }
        let to = self.recipient(&body)?;
        if body.get("recipient_type").is_some_and(|kind| kind != "individual" && kind != "group") {
            return Err(GraphError::value("recipient_type must be individual or group"));
        }
        optional_text(&body, "biz_opaque_callback_data", 512)?;
        if let Some(context) = body.get("context") {
            self.known(text(context, "message_id", 512)?, "context.message_id")?;
        }
        let kind = body.get("type").and_then(Value::as_str).unwrap_or("text").to_owned();
        self.check(&kind, &body)?;
        self.limits(&to, &kind)?;
        let id = new_wamid();
        self.state.lock().known_ids.insert(id.clone());
        let is_message = kind != "reaction";
        self.record(&kind, &to, &id, body.clone(), is_message);
        let input = body.get("to").or_else(|| body.get("recipient")).cloned().unwrap_or_default();
        let contact = if body.get("to").is_some() {
            json!({"input": input, "wa_id": to})
        } else {
            json!({"input": input, "user_id": to})
        };
        let mut message = json!({"id": id});
        if kind == "template" {
            message["message_status"] = json!("accepted");
        }
        Ok(json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}))
    }

    fn mark_read(&self, body: &Value) -> Result<Value, GraphError> {
        if body.get("status").and_then(Value::as_str) != Some("read") {
            return Err(GraphError::value("status must be read"));
        }
        let id = text(body, "message_id", 512)?;
        self.known(id, "message_id")?;
        let typing = match body.get("typing_indicator") {
            None => false,
            Some(indicator) if indicator.get("type").and_then(Value::as_str) == Some("text") => true,
            Some(_) => return Err(GraphError::value("typing_indicator.type must be text")),
        };
        self.record(if typing { "typing" } else { "read" }, "", id, body.clone(), false);
        Ok(json!({"success": true}))
    }

    /// Phone number before BSUID.
    fn recipient(&self, body: &Value) -> Result<String, GraphError> {
        if let Some(to) = body.get("to").and_then(Value::as_str).filter(|to| !to.is_empty()) {
            let key = recipient_key(to);
            if !key.chars().all(|c| c.is_ascii_digit()) || !(5..=15).contains(&key.len()) {
                return Err(GraphError::of(100, "Parameter 'to' must be a phone number"));
            }
            if key == self.options.display_phone_number {
                return Err(GraphError::of(131_021, "Recipient's phone number is the sender's"));
            }
            return Ok(key);
        }
        match body.get("recipient").and_then(Value::as_str).filter(|id| !id.is_empty()) {
            Some(id) if id.contains('.') => Ok(id.to_owned()),
            Some(_) => Err(GraphError::of(100, "Parameter 'recipient' must be a business-scoped user id")),
            None => Err(GraphError::missing("to")),
        }
    }

    fn known(&self, id: &str, field: &str) -> Result<(), GraphError> {
        if self.options.strict_ids && !self.state.lock().known_ids.contains(id) {
            return Err(GraphError::of(100, format!("{field}: no such message")));
        }
        Ok(())
    }

    /// Window, blocked users, pair rate, throughput: after the body has been found right.
    fn limits(&self, to: &str, kind: &str) -> Result<(), GraphError> {
        let now = self.provider.clock().now();
        let mut state = self.state.lock();
        if let Some(code) = state.refused_users.get(to).copied().filter(|code| *code != 0) {
            return Err(GraphError::of(code, "The message cannot be delivered to this user"));
        }
        if self.options.window && kind != "template" {
            let open = state.windows.get(to).is_some_and(|last| now < *last + WINDOW);
            if !open {
                let why = "Message failed to send because more than 24 hours have passed since the customer last \
                           replied to this number.";
                return Err(GraphError::of(131_047, why));
            }
        }
        if !state.pair_meter.wait(&to.to_owned(), now).is_zero() {
            let why =
                "Too many messages sent from this phone number to the same phone number in a short time.";
            return Err(GraphError::of(131_056, why));
        }
        if state.number_meter.admit(&(), now).is_err() {
            return Err(GraphError::of(130_429, "Cloud API message throughput has been reached."));
        }
        state.pair_meter.admit(&to.to_owned(), now).unwrap_or_default();
        Ok(())
    }

    fn check(&self, kind: &str, body: &Value) -> Result<(), GraphError> {
        let part = body.get(kind).filter(|part| part.is_object() || part.is_array());
        let part = part.ok_or_else(|| GraphError::missing(kind))?;
        match kind {
            "text" => text(part, "body", 4096).map(|_| ()),
            "image" | "audio" | "video" | "document" | "sticker" => self.check_media(kind, part),
            "location" => location(part),
            "contacts" => contacts(part),
            "interactive" => interactive::check(part, &|kind, media| self.check_media(kind, media)),
            "template" => template::check(part, &self.options.templates),
            "reaction" => {
                self.known(text(part, "message_id", 512)?, "reaction.message_id")?;
                match part.get("emoji").and_then(Value::as_str) {
                    // Empty takes the reaction away.
                    Some(emoji) if emoji.chars().count() <= 16 && !emoji.is_ascii() => Ok(()),
                    Some("") => Ok(()),
                    Some(_) => Err(GraphError::value("reaction.emoji must be one emoji")),
                    None => Err(GraphError::missing("emoji")),
                }
            }
            other => Err(GraphError::of(131_051, format!("Message type {other} is not supported"))),
        }
    }

    pub(super) fn record(&self, kind: &str, to: &str, id: &str, body: Value, is_message: bool) {
        self.provider.accept(Sent {
            kind: kind.to_owned(),
            to: to.to_owned(),
            id: id.to_owned(),
            body,
            files: Vec::new(),
            at: self.provider.clock().now(),
            is_message,
        });
    }
}

fn location(part: &Value) -> Result<(), GraphError> {
    for (field, limit) in [("latitude", 90.0), ("longitude", 180.0)] {
        let number = match part.get(field) {
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => return Err(GraphError::missing(field)),
        };
        if !number.is_some_and(|number: f64| number.abs() <= limit) {
            return Err(GraphError::value(format!("{field} must be between -{limit} and {limit}")));
        }
    }
    optional_text(part, "name", 1000)?;
    optional_text(part, "address", 1000)?;
    Ok(())
}

fn contacts(part: &Value) -> Result<(), GraphError> {
    let list = part.as_array().map(Vec::as_slice).unwrap_or_default();
    if !(1..=257).contains(&list.len()) {
        return Err(GraphError::value("contacts must hold 1 to 257 contacts"));
    }
    for contact in list {
        let name = contact.get("name").ok_or_else(|| GraphError::missing("name"))?;
        text(name, "formatted_name", 1024)?;
        let others = ["first_name", "last_name", "middle_name", "suffix", "prefix"];
        if !others.iter().any(|field| name.get(*field).and_then(Value::as_str).is_some_and(|v| !v.is_empty()))
        {
            return Err(GraphError::value("name needs one more part beside formatted_name"));
        }
    }
    Ok(())
}
