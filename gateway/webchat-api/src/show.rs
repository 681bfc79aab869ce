//! From rows and signals to frames: what a visitor sees of a conversation.

use std::borrow::Cow;

use bytes::Bytes;
use portico_contract::{ConversationId, UserId};
use portico_live::{DRAFT_TAG, Shown, Signal, What};
use portico_store::records::{Direction, Message, User};
use serde_json::{Map, Value, json};

use crate::channel::Channel;
use crate::downloads;
use crate::frame::ServerFrame;
use crate::shared::{Api, Author};

/// Places in which an item keeps this wire's form: for who said it, and for everybody else.
const WIRE_OWN: usize = 2;
const WIRE_OTHERS: usize = 3;
/// Seconds for which a command of the bot's events means something.
const EVENT_TTL: u64 = 30;

/// Who said a message, seen from a visitor.
fn from(channel: &Channel, message: &Message) -> &'static str {
    match message.direction {
        Direction::Incoming => "user",
        Direction::Outgoing if message.user == UserId::of_bot(&channel.at.bot) => "bot",
        Direction::Outgoing if message.kind == "system" => "system",
        Direction::Outgoing => "agent",
    }
}

/// A message as frames, histories and transcripts carry it. `author` is known of agents only.
pub(crate) fn message(
    api: &Api,
    channel: &Channel,
    message: &Message,
    client_id: Option<&str>,
    viewer: &UserId,
    author: Option<Author>,
) -> Value {
    let from = from(channel, message);
    let mut data = body(api, channel, &message.kind, &message.payload, from);
    data.insert("id".into(), message.id.to_string().into());
    data.insert("from".into(), from.into());
    data.insert("ts".into(), message.created_at.into());
    if let Some(cid) = client_id {
        data.insert("cid".into(), cid.into());
    }
    if message.direction == Direction::Incoming && message.user == *viewer {
        data.insert("own".into(), true.into());
        if let Some(delivery) = &message.delivery {
            data.insert("status".into(), delivery.status.as_str().into());
        }
    }
    let author = author.filter(|author| author.name.is_some() || author.avatar.is_some());
    if let Some(Author { name, avatar }) = author {
        let mut shown = Map::new();
        shown.extend(name.map(|name| ("name".to_owned(), name.into())));
        shown.extend(avatar.map(|avatar| ("avatar".to_owned(), avatar.into())));
        data.insert("author".into(), Value::Object(shown));
    }
    if let Some(answered) = message.tags.get(REPLY_TAG) {
        data.insert("replyTo".into(), answered.clone().into());
    }
    if let Some(draft) = message.tags.get(DRAFT_TAG) {
        data.insert("draft".into(), draft.clone().into());
    }
    if let Some(feedback) = message.tags.get(&channel.tag("feedback")) {
        data.insert("feedback".into(), feedback.clone().into());
    }
    if let Some(meta @ Value::Object(_)) = message.payload.get("metadata") {
        data.insert("meta".into(), meta.clone());
    }
    Value::Object(data)
}

/// Tag of a message that names the message it answers.
pub(crate) const REPLY_TAG: &str = "replyTo";

/// What a payload says, flat, in the words of this wire.
fn body(api: &Api, channel: &Channel, kind: &str, payload: &Value, from: &str) -> Map<String, Value> {
    let mut out = Map::new();
    let get = |name: &str| payload.get(name).filter(|value| !value.is_null()).cloned();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(name.to_owned(), value);
        }
    };
    match kind {
        "text" => {
            put("type", Some("text".into()));
            put("text", get("text"));
            put("value", get("value"));
            put("format", Some(if from == "user" { "plain" } else { "md" }.into()));
        }
        "markdown" => {
            put("type", Some("text".into()));
            put("text", get("markdown"));
            put("format", Some("md".into()));
        }
        "image" | "audio" | "video" | "file" => {
            put("type", Some(kind.into()));
            let url = payload.get(format!("{kind}Url")).and_then(Value::as_str);
            put("url", url.map(|url| Value::from(fresh(api, channel, url))));
            put("title", get("title"));
            put("mime", get("mimeType"));
            put("size", get("size"));
            put("w", get("width"));
            put("h", get("height"));
            put("poster", get("posterUrl"));
        }
        "location" => {
            put("type", Some("location".into()));
            put("lat", get("latitude"));
            put("lon", get("longitude"));
            put("title", get("title"));
            put("address", get("address"));
        }
        "card" => return card(api, channel, payload),
        "carousel" => {
            put("type", Some("carousel".into()));
            let items = payload.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            put("items", Some(items.iter().map(|item| Value::Object(card(api, channel, item))).collect()));
        }
        "choice" | "dropdown" => {
            put("type", Some(kind.into()));
            for name in ["text", "options", "placeholder", "disableFreeText"] {
                put(name, get(name));
            }
        }
        "bloc" => {
            put("type", Some("bloc".into()));
            let items = payload.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let items = items.iter().map(|item| {
                let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
                Value::Object(body(api, channel, kind, item.get("payload").unwrap_or(item), from))
            });
            put("items", Some(items.collect()));
        }
        // Of the site's own, or of a later version: as it is, so that a renderer or the fallback can show it.
        _ => {
            if let Value::Object(fields) = payload {
                out.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            let text = out.get("text").cloned();
            if let (false, Some(text @ Value::String(_))) = (out.contains_key("fallback"), text) {
                out.insert("fallback".into(), text);
            }
            out.insert("type".into(), kind.into());
        }
    }
    out
}

fn card(api: &Api, channel: &Channel, payload: &Value) -> Map<String, Value> {
    let mut out = Map::from_iter([("type".to_owned(), Value::from("card"))]);
    for (name, theirs) in [("title", "title"), ("subtitle", "subtitle"), ("imageAlt", "imageAlt")] {
        if let Some(value) = payload.get(theirs).filter(|value| !value.is_null()) {
            out.insert(name.into(), value.clone());
        }
    }
    if let Some(url) = payload.get("imageUrl").and_then(Value::as_str) {
        out.insert("image".into(), fresh(api, channel, url).into());
    }
    out.insert(
        "actions".into(),
        payload.get("actions").filter(|list| list.is_array()).cloned().unwrap_or(json!([])),
    );
    out
}

/// An address of an upload, signed anew; any other as it is.
fn fresh<'a>(api: &Api, channel: &Channel, url: &'a str) -> Cow<'a, str> {
    downloads::signed_anew(api, channel, url).map_or(Cow::Borrowed(url), Cow::Owned)
}

/// The person as other people see them.
fn person(id: &UserId, person: Option<&User>) -> Value {
    let mut shown = json!({ "id": id.as_str() });
    if let (Some(fields), Some(person)) = (shown.as_object_mut(), person) {
        fields.extend(person.name.clone().map(|name| ("name".to_owned(), name.into())));
        fields.extend(person.picture_url.clone().map(|url| ("pictureUrl".to_owned(), url.into())));
    }
    shown
}

/// The agent whose name an item needs.
fn agent<'a>(channel: &Channel, what: &'a What) -> Option<&'a UserId> {
    match what {
        What::Message { message, .. } | What::Updated { message } => {
            (from(channel, message) == "agent").then_some(&message.user)
        }
        _ => None,
    }
}

/// An item of a conversation's stream as an `ev` frame, encoded once for all who see it alike.
pub(crate) async fn item(
    api: &Api,
    channel: &Channel,
    conversation: ConversationId,
    shown: &Shown,
    viewer: &UserId,
) -> Bytes {
    let is_own = match &shown.what {
        What::Message { message, .. } | What::Updated { message } => {
            message.direction == Direction::Incoming && message.user == *viewer
        }
        _ => false,
    };
    let author = match agent(channel, &shown.what) {
        Some(user) => Some(api.author(channel, user).await),
        None => None,
    };
    let wire = if is_own { WIRE_OWN } else { WIRE_OTHERS };
    shown.encoded(wire, |shown| {
        let (kind, data) = data(api, channel, shown, viewer, author);
        let frame =
            ServerFrame::Ev { conv: conversation.to_string(), seq: shown.seq, kind: kind.into(), data };
        frame.to_json().into()
    })
}

fn data(
    api: &Api,
    channel: &Channel,
    shown: &Shown,
    viewer: &UserId,
    author: Option<Author>,
) -> (&'static str, Value) {
    match &shown.what {
        What::Message { message, client_id } => {
            ("msg", self::message(api, channel, message, client_id.as_deref(), viewer, author))
        }
        What::Updated { message } => ("upd", self::message(api, channel, message, None, viewer, author)),
        What::Deleted { id, .. } => ("del", json!({ "id": id.to_string() })),
        What::Status { id, status, reason } => {
            let mut data = json!({ "id": id.to_string(), "status": status.as_str() });
            if let (Some(fields), Some(reason)) = (data.as_object_mut(), reason) {
                fields.insert("reason".into(), reason.clone().into());
            }
            ("status", data)
        }
        What::Participant { user, person, joined } => {
            ("member", json!({ "user": self::person(user, person.as_deref()), "joined": joined }))
        }
        What::Conversation { conversation } => {
            let title = conversation.as_ref().and_then(|row| row.tags.get(&channel.tag("title")));
            ("conv", title.map_or(json!({}), |title| json!({ "title": title })))
        }
        What::Event { id, name, data, is_bot, client_id, .. } => {
            let from = if *is_bot { "bot" } else { "user" };
            let mut event =
                json!({ "id": id.to_string(), "name": name, "data": data, "from": from, "ts": shown.at });
            if let (Some(fields), Some(cid)) = (event.as_object_mut(), client_id) {
                fields.insert("cid".into(), cid.clone().into());
            }
            ("event", event)
        }
    }
}

/// A signal as a frame; `None` for what this visitor need not know.
pub(crate) fn signal(
    conversation: ConversationId,
    signal: &Signal,
    viewer: &UserId,
    deltas: bool,
) -> Option<ServerFrame> {
    let conv = conversation.to_string();
    Some(match signal {
        Signal::Typing { by, .. } if by.user == viewer.as_str() => return None,
        Signal::Typing { by, on, .. } => {
            ServerFrame::Typing { conv, on: *on, by: if by.is_bot { "bot" } else { "agent" }.to_owned() }
        }
        Signal::Delta { .. } | Signal::DraftEnded { .. } if !deltas => return None,
        Signal::Delta { draft, n, text, full, .. } => ServerFrame::Delta {
            conv,
            mid: draft.clone(),
            n: *n,
            s: text.clone(),
            full: *full,
            end: false,
            id: None,
        },
        Signal::DraftEnded { draft, message } => ServerFrame::Delta {
            conv,
            mid: draft.clone(),
            n: 0,
            s: String::new(),
            full: false,
            end: true,
            id: message.map(|id| id.to_string()),
        },
        Signal::Command { name, data, ttl_ms } => ServerFrame::Cmd {
            conv,
            name: name.clone(),
            data: data.clone(),
            ttl: u64::from(ttl_ms.div_ceil(1000)).max(1),
        },
        Signal::Custom { data, .. } => {
            ServerFrame::Cmd { conv, name: "custom".into(), data: data.clone(), ttl: EVENT_TTL }
        }
    })
}
