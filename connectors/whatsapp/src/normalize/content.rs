//! What a message says: one function per kind.

use portico_contract::{Content, Fault, FaultCode, Location, Media, Scope};
use serde_json::{Value, json};

use super::{Reader, missing, part};
use crate::values;
use crate::wire::{Interactive, MediaPart, Message, Place, TemplateButton, Text};

impl Reader<'_> {
    /// The content of a message; `None` for kinds that have none (`unsupported`, and whatever comes after
    /// this was written).
    pub(super) fn content(&self, message: &Message<'_>) -> Result<Option<Content>, Fault> {
        Ok(Some(match message.kind.as_str() {
            "text" => {
                let body = message.text.as_ref().ok_or_else(|| missing("text"))?;
                match body.body.owned() {
                    Some(text) => Content::Text { text, value: None },
                    None => return Ok(None),
                }
            }
            "image" => captioned("image", message.image.as_ref(), Content::Image)?,
            "video" => captioned("video", message.video.as_ref(), Content::Video)?,
            "document" => captioned("document", message.document.as_ref(), Content::File)?,
            "audio" => captioned("audio", message.audio.as_ref(), Content::Audio)?,
            "sticker" => captioned("sticker", message.sticker.as_ref(), Content::Image)?,
            "location" => {
                let place: Place<'_> = part(message.location, "location")?;
                Content::Location(Location {
                    latitude: degrees(&place.latitude, "location.latitude")?,
                    longitude: degrees(&place.longitude, "location.longitude")?,
                    address: place.address.owned(),
                    title: place.name.owned(),
                })
            }
            "contacts" => {
                let contacts: Value = part(message.contacts, "contacts")?;
                Content::Custom { kind: "contacts".into(), data: json!({ "contacts": contacts }) }
            }
            "order" => Content::Custom { kind: "order".into(), data: part(message.order, "order")? },
            "button" => {
                let button: TemplateButton<'_> = part(message.button, "button")?;
                self.pressed(button.text.as_str(), button.payload.as_str(), "button")?
            }
            "interactive" => return self.interactive(message),
            _ => return Ok(None),
        }))
    }

    fn interactive(&self, message: &Message<'_>) -> Result<Option<Content>, Fault> {
        let interactive: Interactive<'_> = part(message.interactive, "interactive")?;
        Ok(Some(match interactive.kind.as_str() {
            "button_reply" => {
                let reply = interactive.button_reply.ok_or_else(|| missing("interactive.button_reply"))?;
                self.pressed(reply.title.as_str(), reply.id.as_str(), "interactive.button_reply")?
            }
            "list_reply" => {
                let reply = interactive.list_reply.ok_or_else(|| missing("interactive.list_reply"))?;
                self.pressed(reply.title.as_str(), reply.id.as_str(), "interactive.list_reply")?
            }
            "nfm_reply" => {
                let form = interactive.nfm_reply.ok_or_else(|| missing("interactive.nfm_reply"))?;
                // JSON inside a text; one that is no JSON is still what the person sent.
                let response: Value = serde_json::from_str(form.response_json.as_str())
                    .unwrap_or_else(|_| Value::from(form.response_json.as_str()));
                let token = response.get("flow_token").cloned().unwrap_or_default();
                Content::Custom {
                    kind: "flow".into(),
                    data: json!({
                        "name": form.name.as_str(),
                        "body": form.body.as_str(),
                        "flowToken": token,
                        "response": response,
                    }),
                }
            }
            _ => return Ok(None),
        }))
    }

    /// A pressed button or row: its label, and the value that the bot gave it.
    fn pressed(&self, label: &str, id: &str, place: &str) -> Result<Content, Fault> {
        let text = if label.is_empty() { id } else { label };
        if text.is_empty() {
            return Err(missing(&format!("{place}.id")));
        }
        let value = match values::key_of(id) {
            Some(key) => self
                .host
                .state_get(&Scope::Installation, &key)
                .and_then(|kept| String::from_utf8(kept.data.to_vec()).ok())
                .unwrap_or_else(|| id.to_owned()),
            None => id.to_owned(),
        };
        Ok(Content::Text { text: text.to_owned(), value: Some(value).filter(|value| !value.is_empty()) })
    }
}

/// Media, followed by its caption where it has one. The address is the media's id: its URL needs the access
/// token and dies after five minutes, so the gateway asks for it when somebody reads.
fn captioned(
    kind: &str,
    media: Option<&MediaPart<'_>>,
    make: impl FnOnce(Media) -> Content,
) -> Result<Content, Fault> {
    let media = media.ok_or_else(|| missing(kind))?;
    let id = media.id.some().ok_or_else(|| missing(&format!("{kind}.id")))?;
    let item = make(Media {
        mime_type: media.mime_type.owned(),
        filename: media.filename.owned(),
        ..Media::held(id)
    });
    Ok(match media.caption.some().filter(|caption| !caption.trim().is_empty()) {
        Some(caption) => Content::Bloc { items: vec![item, Content::text(caption)] },
        None => item,
    })
}

fn degrees(text: &Text<'_>, path: &str) -> Result<f64, Fault> {
    let bad = || Fault::new(FaultCode::Unreadable, format!("{path}: must be a number of degrees"));
    text.as_str().trim().parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(bad)
}
