//! Methods that send: text, media, albums, places, contacts, chat actions.

use serde_json::{Map, Value, json};

use super::answer::{Refused, bad};
use super::entities::{self, units};
use super::params::{Params, as_int};
use super::{Telegram, keyboard};
use crate::sim::provider::{Sent, SentFile};

const TEXT_MAX: usize = 4096;
const CAPTION_MAX: usize = 1024;
const ACTIONS: [&str; 11] = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

impl Telegram {
    pub(super) fn send_message(&self, params: &Params) -> Result<Value, Refused> {
        let chat = self.reach(params)?;
        let formatted = entities::read(params, "text")?;
        if formatted.text.trim().is_empty() {
            return Err(bad("message text is empty"));
        }
        if units(&formatted.text) > TEXT_MAX {
            return Err(bad("message is too long"));
        }
        let mut content = Map::new();
        content.insert("text".into(), formatted.text.into());
        let explicit = params.nested("entities")?.and_then(|value| value.as_array().cloned());
        let entities =
            if formatted.entities.is_empty() { explicit.unwrap_or_default() } else { formatted.entities };
        if !entities.is_empty() {
            content.insert("entities".into(), entities.into());
        }
        self.send("sendMessage", chat, params, content, Vec::new())
    }

    pub(super) fn send_media(&self, field: &str, method: &str, params: &Params) -> Result<Value, Refused> {
        let chat = self.reach(params)?;
        let mut content = Map::new();
        if field != "sticker" {
            caption(params, &mut content)?;
        }
        let (media, file) = self.media(params, field, &params.text(field))?;
        content.insert(field.to_owned(), media);
        self.send(method, chat, params, content, file.into_iter().collect())
    }

    pub(super) fn send_media_group(&self, params: &Params) -> Result<Value, Refused> {
        let chat = self.reach(params)?;
        let media = params.nested("media")?.and_then(|value| value.as_array().cloned()).unwrap_or_default();
        if !(2..=10).contains(&media.len()) {
            return Err(bad("media group must include 2-10 items"));
        }
        if params.fields.contains_key("reply_markup") {
            return Err(bad("media groups carry no reply markup"));
        }
        let kinds: Vec<&str> =
            media.iter().map(|item| item.get("type").and_then(Value::as_str).unwrap_or_default()).collect();
        let alone = |kind: &str| kinds.contains(&kind) && kinds.iter().any(|other| *other != kind);
        if alone("audio") || alone("document") {
            return Err(bad("document and audio can't be mixed with other media types"));
        }
        let mut made = Vec::new();
        for (item, kind) in media.iter().zip(kinds) {
            if !["photo", "video", "audio", "document"].contains(&kind) {
                return Err(bad(format!("can't parse InputMedia: unsupported media type \"{kind}\"")));
            }
            let fields = item.as_object().cloned().unwrap_or_default();
            let own = Params { fields, files: params.files.clone() };
            let mut content = Map::new();
            caption(&own, &mut content)?;
            let (media, file) = self.media(&own, kind, &own.text("media"))?;
            content.insert(kind.to_owned(), media);
            made.push((content, file));
        }
        self.pace(chat, made.len())?;
        let group = crate::sim::provider::random_hex(8);
        let mut messages = Vec::new();
        for (mut content, file) in made {
            content.insert("media_group_id".into(), json!(group));
            messages.push(self.put("sendMediaGroup", chat, params, content, file.into_iter().collect())?);
        }
        Ok(Value::from(messages))
    }

    pub(super) fn send_place(&self, method: &str, params: &Params) -> Result<Value, Refused> {
        let chat = self.reach(params)?;
        let (latitude, longitude) = match (params.float("latitude"), params.float("longitude")) {
            (Some(latitude), Some(longitude)) => (latitude, longitude),
            _ => return Err(bad("latitude or longitude is empty")),
        };
        if latitude.abs() > 90.0 || longitude.abs() > 180.0 {
            return Err(bad("wrong latitude or longitude specified"));
        }
        let location = json!({"latitude": latitude, "longitude": longitude});
        let mut content = Map::new();
        if method == "sendVenue" {
            let (title, address) = (params.text("title"), params.text("address"));
            if title.is_empty() || address.is_empty() {
                return Err(bad("venue title and address must be non-empty"));
            }
            content.insert("venue".into(), json!({"location": location, "title": title, "address": address}));
        }
        content.insert("location".into(), location);
        self.send(method, chat, params, content, Vec::new())
    }

    pub(super) fn send_contact(&self, params: &Params) -> Result<Value, Refused> {
        let chat = self.reach(params)?;
        let (phone, name) = (params.text("phone_number"), params.text("first_name"));
        if phone.is_empty() {
            return Err(bad("phone number is empty"));
        }
        if name.is_empty() {
            return Err(bad("first name is empty"));
        }
        let mut content = Map::new();
        let contact =
            json!({"phone_number": phone, "first_name": name, "last_name": params.text("last_name")});
        content.insert("contact".into(), contact);
        self.send("sendContact", chat, params, content, Vec::new())
    }

    pub(super) fn chat_action(&self, params: &Params) -> Result<Value, Refused> {
        let chat = self.reach(params)?;
        if !ACTIONS.contains(&params.text("action").as_str()) {
            return Err(bad("wrong parameter action in request"));
        }
        self.record("sendChatAction", chat, 0, params, Vec::new(), false);
        Ok(Value::Bool(true))
    }

    /// Paces, keeps and records one message.
    fn send(
        &self,
        method: &str,
        chat: i64,
        params: &Params,
        content: Map<String, Value>,
        files: Vec<SentFile>,
    ) -> Result<Value, Refused> {
        let markup = keyboard::read(params)?;
        let reply = self.reply(chat, params)?;
        self.pace(chat, 1)?;
        let mut content = content;
        // Only inline keyboards are part of the message.
        if let Some(markup) = markup.filter(|markup| markup.get("inline_keyboard").is_some()) {
            content.insert("reply_markup".into(), markup);
        }
        if let Some(id) = reply {
            content.insert("reply_to_message".into(), json!({"message_id": id, "chat": {"id": chat}}));
        }
        self.put(method, chat, params, content, files)
    }

    fn put(
        &self,
        method: &str,
        chat: i64,
        params: &Params,
        mut content: Map<String, Value>,
        files: Vec<SentFile>,
    ) -> Result<Value, Refused> {
        let now = self.provider.clock().now().as_secs();
        let id = {
            let mut state = self.state.lock();
            let id = state.next_message_id(chat);
            let kind = if chat > 0 { "private" } else { "supergroup" };
            content.insert("message_id".into(), id.into());
            content.insert("from".into(), json!({
                "id": self.bot_id(), "is_bot": true, "first_name": "Portico Sim", "username": self.options.username,
            }));
            content.insert("chat".into(), json!({"id": chat, "type": kind}));
            content.insert("date".into(), now.into());
            if let Some(thread) = params.int("message_thread_id") {
                content.insert("message_thread_id".into(), thread.into());
                content.insert("is_topic_message".into(), true.into());
            }
            state.messages.insert((chat, id), Value::Object(content.clone()));
            id
        };
        self.record(method, chat, id, params, files, true);
        Ok(Value::Object(content))
    }

    /// The message to be replied to, if one is named and there.
    fn reply(&self, chat: i64, params: &Params) -> Result<Option<i64>, Refused> {
        let Some(reply) = params.nested("reply_parameters")? else { return Ok(None) };
        let Some(id) = reply.get("message_id").and_then(as_int) else {
            return Err(bad("can't parse reply parameters: Can't find field \"message_id\""));
        };
        if self.exists(chat, id) {
            return Ok(Some(id));
        }
        if reply.get("allow_sending_without_reply").and_then(Value::as_bool) == Some(true) {
            return Ok(None);
        }
        Err(bad("message to be replied not found"))
    }

    /// Whether a message is there; users' messages are taken on trust unless strict.
    pub(super) fn exists(&self, chat: i64, id: i64) -> bool {
        let state = self.state.lock();
        let key = (chat, id);
        if state.deleted.contains(&key) || id <= 0 {
            return false;
        }
        let own = id > 1_000_000;
        state.messages.contains_key(&key) || state.foreign.contains(&key) || (!self.options.strict && !own)
    }

    pub(super) fn record(
        &self,
        kind: &str,
        chat: i64,
        id: i64,
        params: &Params,
        files: Vec<SentFile>,
        is_message: bool,
    ) {
        self.provider.accept(Sent {
            kind: kind.to_owned(),
            to: chat.to_string(),
            id: if id == 0 { String::new() } else { id.to_string() },
            body: Value::Object(params.fields.clone()),
            files,
            at: self.provider.clock().now(),
            is_message,
        });
    }
}

fn caption(params: &Params, content: &mut Map<String, Value>) -> Result<(), Refused> {
    let formatted = entities::read(params, "caption")?;
    if units(&formatted.text) > CAPTION_MAX {
        return Err(bad("message caption is too long"));
    }
    if !formatted.text.is_empty() {
        content.insert("caption".into(), formatted.text.into());
    }
    if !formatted.entities.is_empty() {
        content.insert("caption_entities".into(), formatted.entities.into());
    }
    Ok(())
}
