//! Message types of the provider's own, which a bot sends under their names: `sticker`, `voice`, `contacts`,
//! `reaction`, `template`, and `interactive` for everything that has no type here (flows, products, ...).

use portico_contract::{Fault, FaultCode, Level};
use serde_json::{Value, json};

use super::media::MediaKind;
use super::{Draft, Renderer, Slot, bad_input};
use crate::template::Template;

/// Most contacts of one message.
const CONTACTS: usize = 257;

impl Renderer<'_> {
    /// One of these types. Where its own fields are wrong and it has a `text`, that goes out instead.
    pub(super) fn special(&mut self, kind: &str, data: &Value, place: &str) -> Result<(), Fault> {
        match (self.typed(kind, data, place), data.get("text").and_then(Value::as_str)) {
            (Err(fault), Some(text)) if fault.code == FaultCode::BadInput && !text.trim().is_empty() => {
                self.host.log(
                    Level::Warn,
                    "a message's text was sent instead of its type",
                    &[("reason", &fault.message)],
                );
                self.text(text);
                Ok(())
            }
            (typed, _) => typed,
        }
    }

    fn typed(&mut self, kind: &str, data: &Value, place: &str) -> Result<(), Fault> {
        match kind {
            "sticker" => {
                self.simple(MediaKind::Sticker, data, &["stickerUrl", "imageUrl", "url"], json!({}), place)?
            }
            "voice" => {
                self.simple(MediaKind::Audio, data, &["audioUrl", "url"], json!({ "voice": true }), place)?;
            }
            "contacts" => {
                let contacts = data.get("contacts").and_then(Value::as_array).filter(|list| !list.is_empty());
                let contacts = contacts.ok_or_else(|| {
                    bad_input(&format!("{place}/contacts"), "must be a list of contacts, not empty")
                })?;
                for (index, contact) in contacts.iter().enumerate() {
                    if contact.pointer("/name/formatted_name").and_then(Value::as_str).is_none() {
                        let field = format!("{place}/contacts/{index}/name/formatted_name");
                        return Err(bad_input(&field, "is missing, must be a text"));
                    }
                }
                for chunk in contacts.chunks(CONTACTS) {
                    self.push(json!({ "type": "contacts", "contacts": chunk }));
                }
            }
            "reaction" => {
                let id = data.get("messageId").and_then(Value::as_str).filter(|id| !id.is_empty());
                let id = id.ok_or_else(|| {
                    bad_input(
                        &format!("{place}/messageId"),
                        "is missing, must be the id of a WhatsApp message",
                    )
                })?;
                let emoji = data.get("emoji").and_then(Value::as_str).unwrap_or_default();
                self.push(json!({ "type": "reaction", "reaction": { "message_id": id, "emoji": emoji } }));
            }
            "template" => self.push(Template::read(data, place)?.body()),
            "interactive" => {
                if data.get("type").and_then(Value::as_str).is_none() {
                    return Err(bad_input(
                        &format!("{place}/type"),
                        "is missing, must be the kind of interactive message",
                    ));
                }
                self.push(json!({ "type": "interactive", "interactive": data }));
            }
            _ => {
                return Err(Fault::new(
                    FaultCode::Unsupported,
                    "WhatsApp has no such message type; it has sticker, voice, contacts, reaction, template and interactive",
                )
                .at(place));
            }
        }
        Ok(())
    }

    fn simple(
        &mut self,
        kind: MediaKind,
        data: &Value,
        names: &[&str],
        mut extra: Value,
        place: &str,
    ) -> Result<(), Fault> {
        let name = names.first().copied().unwrap_or("url");
        let url = names.iter().find_map(|name| data.get(name).and_then(Value::as_str));
        let field = format!("{place}/{name}");
        let url = url.ok_or_else(|| bad_input(&field, "is missing, must be the address of the media"))?;
        let (source, slot) = self.source(kind, url, &field)?;
        if let (Some(extra), Value::Object(source)) = (extra.as_object_mut(), source) {
            extra.extend(source);
        }
        let pointer = format!("/{}", kind.as_str());
        self.drafts.push(Draft {
            body: json!({ "type": kind.as_str(), kind.as_str(): extra }),
            uploads: slot.map(|slot| Slot { pointer, ..slot }).into_iter().collect(),
        });
        Ok(())
    }
}
