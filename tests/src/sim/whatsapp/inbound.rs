//! Webhooks as Meta sends them: made, signed, and remembered (window, message ids).

use serde_json::{Value, json};

use super::{WhatsAppSim, new_wamid};
use crate::sim::sign::{self, SignedRequest};

/// A webhook with one message, ready to be sent.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// The `wamid` of the message.
    pub message_id: String,
    /// The signed request.
    pub request: SignedRequest,
}

impl WhatsAppSim {
    /// A text of a user. Opens their window and makes the message known, as all of these do.
    pub fn inbound_text(&self, from: &str, text: &str) -> Inbound {
        self.inbound_message(from, json!({"type": "text", "text": {"body": text}}))
    }

    /// An image, audio, video, document or sticker of a user; the file can be fetched afterwards.
    pub fn inbound_media(
        &self,
        from: &str,
        kind: &str,
        mime_type: &str,
        bytes: &'static [u8],
        caption: Option<&str>,
    ) -> Inbound {
        let id = self.add_media(mime_type, bytes);
        let mut media = json!({"id": id, "mime_type": mime_type, "sha256": sign::sha256_base64(bytes)});
        if let Some(caption) = caption {
            media["caption"] = json!(caption);
        }
        if kind == "document" {
            media["filename"] = json!("document.pdf");
        }
        if kind == "audio" {
            media["voice"] = json!(true);
        }
        self.inbound_message(from, json!({"type": kind, kind: media}))
    }

    /// A press of a reply button on one of the bot's messages.
    pub fn inbound_button(&self, from: &str, on: &str, id: &str, title: &str) -> Inbound {
        self.inbound_message(
            from,
            json!({
                "type": "interactive", "context": {"from": self.options().display_phone_number, "id": on},
                "interactive": {"type": "button_reply", "button_reply": {"id": id, "title": title}},
            }),
        )
    }

    /// A choice of a list row.
    pub fn inbound_list_choice(&self, from: &str, on: &str, id: &str, title: &str) -> Inbound {
        self.inbound_message(
            from,
            json!({
                "type": "interactive", "context": {"from": self.options().display_phone_number, "id": on},
                "interactive": {"type": "list_reply", "list_reply": {"id": id, "title": title}},
            }),
        )
    }

    /// Any message: `part` holds `type` and its fields; id, sender and time are added.
    pub fn inbound_message(&self, from: &str, part: Value) -> Inbound {
        let message_id = new_wamid();
        self.know_message(&message_id);
        self.open_window(from);
        let mut message = json!({
            "from": from, "id": message_id, "timestamp": self.clock().now().as_secs().to_string(),
        });
        if let (Some(message), Value::Object(part)) = (message.as_object_mut(), part) {
            message.extend(part);
        }
        let request = self.webhook(&json!({
            "messaging_product": "whatsapp", "metadata": self.metadata(),
            "contacts": [{"profile": {"name": "Sim User"}, "wa_id": from}], "messages": [message],
        }));
        Inbound { message_id, request }
    }

    /// A status (`sent`, `delivered`, `read`, `played`) of one of the bot's messages.
    pub fn status(&self, message_id: &str, to: &str, status: &str) -> SignedRequest {
        self.webhook(&json!({
            "messaging_product": "whatsapp", "metadata": self.metadata(),
            "statuses": [{
                "id": message_id, "status": status, "recipient_id": to,
                "timestamp": self.clock().now().as_secs().to_string(),
            }],
        }))
    }

    /// The status `failed`, with a code.
    pub fn status_failed(&self, message_id: &str, to: &str, code: u32, title: &str) -> SignedRequest {
        self.webhook(&json!({
            "messaging_product": "whatsapp", "metadata": self.metadata(),
            "statuses": [{
                "id": message_id, "status": "failed", "recipient_id": to,
                "timestamp": self.clock().now().as_secs().to_string(),
                "errors": [{"code": code, "title": title, "message": title, "error_data": {"details": title}}],
            }],
        }))
    }

    /// Wraps one `value` of the field `messages` into a signed webhook.
    pub fn webhook(&self, value: &Value) -> SignedRequest {
        let body = json!({
            "object": "whatsapp_business_account",
            "entry": [{"id": self.options().waba_id, "changes": [{"field": "messages", "value": value}]}],
        });
        sign::whatsapp(&self.options().app_secret, sign::meta_json(&body))
    }

    fn metadata(&self) -> Value {
        json!({
            "display_phone_number": self.options().display_phone_number,
            "phone_number_id": self.options().phone_number_id,
        })
    }
}
