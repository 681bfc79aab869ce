//! Methods that write into a conversation: `chat.*`, `reactions.*`, statuses, response URLs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::answer::{Arguments, Refused, invalid, refused};
use super::state::Message;
use super::{Slack, blocks};
use crate::sim::server::{Answer, RawRequest};

/// Above this Slack cuts `text`.
const TEXT_MAX: usize = 40_000;

/// Text and blocks of a message that passed the checks.
pub(super) struct Content {
    pub(super) text: String,
    pub(super) blocks: Option<Value>,
    /// Whether the text was cut.
    pub(super) is_cut: bool,
}

impl Slack {
    pub(super) fn post_message(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let channel = self.channel(&arguments.required("channel")?)?;
        let content = self.content(arguments)?;
        let thread = thread_ts(arguments)?;
        self.pace(&channel)?;
        let ts = self.keep(&channel, &content.text);
        let mut body = arguments.to_value();
        set(&mut body, "text", json!(content.text));
        if let Some(blocks) = &content.blocks {
            set(&mut body, "blocks", blocks.clone());
        }
        self.record("chat.postMessage", &channel, &ts, body, true);
        let mut message = json!({
            "type": "message", "subtype": "bot_message", "user": self.options.bot_user_id,
            "bot_id": self.options.bot_id, "team": self.options.team_id, "text": content.text, "ts": ts,
        });
        if let Some(thread) = thread {
            set(&mut message, "thread_ts", json!(thread));
        }
        if let Some(blocks) = content.blocks {
            set(&mut message, "blocks", blocks);
        }
        let mut answer = json!({"channel": channel, "ts": ts, "message": message});
        if content.is_cut {
            set(&mut answer, "warning", json!("message_truncated"));
        }
        Ok(answer)
    }

    pub(super) fn post_ephemeral(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let channel = self.channel(&arguments.required("channel")?)?;
        let user = arguments.required("user")?;
        if !self.state.lock().users.contains(&user) {
            return Err(refused("user_not_in_channel"));
        }
        let content = self.content(arguments)?;
        thread_ts(arguments)?;
        self.pace(&channel)?;
        let ts = self.state.lock().next_ts(self.provider.clock().now());
        let mut body = arguments.to_value();
        set(&mut body, "text", json!(content.text));
        self.record("chat.postEphemeral", &channel, &ts, body, true);
        Ok(json!({"message_ts": ts}))
    }

    pub(super) fn update(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let channel = self.channel(&arguments.required("channel")?)?;
        let ts = arguments.required("ts")?;
        let content = self.content(arguments)?;
        match self.state.lock().messages.get_mut(&(channel.clone(), ts.clone())) {
            Some(message) => message.text.clone_from(&content.text),
            None => return Err(refused("message_not_found")),
        }
        self.record("chat.update", &channel, &ts, arguments.to_value(), false);
        Ok(json!({"channel": channel, "ts": ts, "text": content.text}))
    }

    pub(super) fn delete(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let channel = self.channel(&arguments.required("channel")?)?;
        let ts = arguments.required("ts")?;
        if self.state.lock().messages.remove(&(channel.clone(), ts.clone())).is_none() {
            return Err(refused("message_not_found"));
        }
        self.record("chat.delete", &channel, &ts, arguments.to_value(), false);
        Ok(json!({"channel": channel, "ts": ts}))
    }

    pub(super) fn react(&self, arguments: &Arguments, add: bool) -> Result<Value, Refused> {
        let channel = self.channel(&arguments.required("channel")?)?;
        let ts = arguments.text("timestamp").ok_or_else(|| refused("no_item_specified"))?;
        if !is_ts(&ts) {
            return Err(refused("bad_timestamp"));
        }
        let name = arguments.text("name").ok_or_else(|| refused("invalid_name"))?;
        let is_name =
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-+':".contains(c));
        if !is_name || name.starts_with(':') || (name.ends_with(':')) {
            return Err(refused("invalid_name"));
        }
        let key = (channel.clone(), ts.clone());
        {
            let mut state = self.state.lock();
            // A user's message is not known here, and may carry a reaction all the same.
            let known = state.messages.contains_key(&key);
            let names: &mut BTreeSet<String> = match state.messages.get_mut(&key) {
                Some(message) if known => &mut message.reactions,
                _ => state.foreign_reactions.entry(key).or_default(),
            };
            if add && !names.insert(name.clone()) {
                return Err(refused("already_reacted"));
            }
            if !add && !names.remove(&name) {
                return Err(refused("no_reaction"));
            }
        }
        let kind = if add { "reactions.add" } else { "reactions.remove" };
        self.record(kind, &channel, &ts, arguments.to_value(), false);
        Ok(json!({}))
    }

    pub(super) fn set_status(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let channel = self.channel(&arguments.required("channel_id")?)?;
        let thread = arguments.required("thread_ts")?;
        if !is_ts(&thread) {
            return Err(refused("invalid_thread_ts"));
        }
        if !arguments.to_value().get("status").is_some_and(Value::is_string) {
            return Err(invalid("[ERROR] missing required field: status"));
        }
        self.record("assistant.threads.setStatus", &channel, &thread, arguments.to_value(), false);
        Ok(json!({}))
    }

    /// A POST to a response URL.
    pub(super) fn respond(&self, token: &str, request: &RawRequest) -> Answer {
        let expired = |error: &str| Answer::json(404, &json!({"ok": false, "error": error}));
        let Some(body) = request.json().filter(Value::is_object) else {
            return Answer::json(400, &json!({"ok": false, "error": "invalid_payload"}));
        };
        let text = body.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        let deletes = body.get("delete_original").and_then(Value::as_bool).unwrap_or_default();
        if let Some(blocks) = body.get("blocks") {
            if blocks::check(blocks).is_err() {
                return Answer::json(400, &json!({"ok": false, "error": "invalid_blocks"}));
            }
        } else if text.is_empty() && !deletes {
            return Answer::json(400, &json!({"ok": false, "error": "no_text"}));
        }
        let now = self.provider.clock().now();
        let channel = {
            let mut state = self.state.lock();
            match state.response_urls.get_mut(token) {
                None => return expired("invalid_url"),
                Some((_, until, _)) if *until < now => return expired("expired_url"),
                Some((_, _, 0)) => return expired("used_url"),
                Some((channel, _, left)) => {
                    *left -= 1;
                    channel.clone()
                }
            }
        };
        self.record("response_url", &channel, token, body, !deletes);
        Answer::json(200, &json!({"ok": true}))
    }

    /// The channel that an id means, or why nothing may be posted there. A user's id means the DM with them.
    pub(super) fn channel(&self, id: &str) -> Result<String, Refused> {
        if self.state.lock().users.contains(id) {
            return Ok(self.direct(id));
        }
        match self.state.lock().channels.get(id) {
            None => Err(refused("channel_not_found")),
            Some(channel) if channel.is_archived => Err(refused("is_archived")),
            Some(channel) if !channel.bot_is_member => Err(refused("not_in_channel")),
            Some(_) => Ok(id.to_owned()),
        }
    }

    /// Text and blocks, checked.
    pub(super) fn content(&self, arguments: &Arguments) -> Result<Content, Refused> {
        let mut text = arguments.text("text").unwrap_or_default();
        let blocks = arguments.nested("blocks")?;
        let attachments = arguments.nested("attachments")?;
        let none = |value: &Option<Value>| {
            value.as_ref().is_none_or(|value| value.as_array().is_some_and(Vec::is_empty))
        };
        if text.trim().is_empty() && none(&blocks) && none(&attachments) {
            return Err(refused("no_text"));
        }
        if attachments.as_ref().and_then(Value::as_array).is_some_and(|all| all.len() > 100) {
            return Err(refused("too_many_attachments"));
        }
        if let Some(blocks) = &blocks {
            blocks::check(blocks)?;
        }
        let is_cut = text.chars().count() > TEXT_MAX;
        if is_cut && self.options.refuse_long_text {
            return Err(refused("msg_too_long"));
        }
        if is_cut {
            text = text.chars().take(TEXT_MAX).collect();
        }
        Ok(Content { text, blocks, is_cut })
    }

    /// Keeps a message and gives its `ts`.
    pub(super) fn keep(&self, channel: &str, text: &str) -> String {
        let now = self.provider.clock().now();
        let mut state = self.state.lock();
        let ts = state.next_ts(now);
        let message = Message { text: text.to_owned(), reactions: BTreeSet::new() };
        state.messages.insert((channel.to_owned(), ts.clone()), message);
        ts
    }
}

/// The thread to post in, if one is named.
pub(super) fn thread_ts(arguments: &Arguments) -> Result<Option<String>, Refused> {
    match arguments.text("thread_ts") {
        Some(ts) if !is_ts(&ts) => Err(refused("invalid_thread_ts")),
        thread => Ok(thread),
    }
}

/// Whether a text is a message id: digits, a point, six digits.
fn is_ts(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.')
        .is_some_and(|(seconds, micros)| digits(seconds) && digits(micros) && micros.len() == 6)
}

pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
