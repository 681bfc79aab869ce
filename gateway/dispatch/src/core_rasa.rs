//! Core of kind `rasa`: Rasa's REST channel. It knows messages only; its list of responses becomes replies.
//!
//! Source: Rasa documentation, "Your Own Website", section "REST Channels", and the response fields of
//! `CollectingOutputChannel`.

use async_trait::async_trait;
use http::HeaderMap;
use portico_contract::Content;
use portico_store::records::{View, conversation_json, message_json, user_json};
use serde_json::{Map, Value, json};
use url::Url;

use crate::caller::Caller;
use crate::core::{Answer, Core, Offer};
use crate::core_http::MOST_REPLIES;
use crate::{Reply, retry};

const PATH: &str = "webhooks/rest/webhook";

/// A Rasa server.
#[derive(Debug)]
pub(crate) struct RasaCore(pub(crate) Caller);

/// The address of a server's REST channel, given that or its base address.
pub(crate) fn channel(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with("/webhook") {
        url.set_path(&format!("{path}/{PATH}"));
    }
    url
}

#[async_trait]
impl Core for RasaCore {
    fn kind(&self) -> &'static str {
        "rasa"
    }

    async fn offer(&self, offer: &Offer) -> Answer {
        let Some(text) = said(offer) else { return Answer::NotForIt };
        let sender = offer.conversation.as_ref().map_or(offer.lane, |row| row.id).to_string();
        let body = json!({ "sender": sender, "message": text, "metadata": metadata(offer) });
        let body = match serde_json::to_vec(&body) {
            Ok(body) => body,
            Err(error) => return Answer::Unsendable(error.to_string()),
        };
        let response = match retry::judge(self.0.post(offer, body, HeaderMap::new()).await) {
            Ok(response) => response,
            Err(answer) => return answer,
        };
        match serde_json::from_slice::<Value>(&response.body) {
            Ok(Value::Array(items)) => {
                let (replies, complaint) = replies(&items);
                Answer::Accepted { replies, complaint }
            }
            _ => {
                let complaint = "the answer is not a list of responses: is the REST channel's address right?";
                Answer::Accepted { replies: Vec::new(), complaint: Some(complaint.into()) }
            }
        }
    }
}

/// What a person said, as Rasa reads it: the value of a pressed button (often an intent), a text, or the
/// address of what was sent. `None` for what is no message.
fn said(offer: &Offer) -> Option<String> {
    if offer.kind != "message_created" {
        return None;
    }
    let content = offer.message.as_ref()?.content().ok()?;
    spoken(&content)
}

fn spoken(content: &Content) -> Option<String> {
    match content {
        Content::Text { text, value } => Some(value.clone().unwrap_or_else(|| text.clone())),
        Content::Markdown { markdown } => Some(markdown.clone()),
        Content::Image(media) | Content::Audio(media) | Content::Video(media) | Content::File(media) => {
            Some(media.title.clone().unwrap_or_else(|| media.url.clone()))
        }
        Content::Location(place) => Some(format!("{},{}", place.latitude, place.longitude)),
        Content::Bloc { items } => {
            let parts: Vec<String> = items.iter().filter_map(spoken).collect();
            (!parts.is_empty()).then(|| parts.join("\n"))
        }
        Content::Card(card) => Some(card.title.clone()),
        Content::Choice(options) | Content::Dropdown(options) => Some(options.text.clone()),
        Content::Carousel { .. } | Content::Custom { .. } => None,
    }
}

fn metadata(offer: &Offer) -> Value {
    let mut fields = Map::new();
    fields.insert("eventId".into(), offer.id.to_string().into());
    fields.insert("botId".into(), offer.bot.as_str().into());
    fields.insert("installation".into(), offer.installation.as_str().into());
    fields.insert("integration".into(), offer.integration.clone().into());
    if let Some(row) = &offer.conversation {
        fields.insert("channel".into(), row.channel.clone().into());
        fields.insert("conversation".into(), conversation_json(row, View::Bot));
    }
    if let Some(row) = &offer.user {
        fields.insert("user".into(), user_json(row, View::Bot));
    }
    if let Some(row) = &offer.message {
        fields.insert("message".into(), message_json(row, View::Bot));
    }
    Value::Object(fields)
}

/// One response may be several messages: a text, a picture, and something of its own.
fn replies(items: &[Value]) -> (Vec<Reply>, Option<String>) {
    let mut messages = Vec::new();
    let mut complaint = None;
    for (index, item) in items.iter().enumerate() {
        let before = messages.len();
        read(item, &mut messages);
        if messages.len() == before && complaint.is_none() {
            complaint = Some(format!("response {index} holds nothing that can be sent"));
        }
    }
    if messages.len() > MOST_REPLIES {
        complaint = Some(format!("{} messages are given, {MOST_REPLIES} are allowed", messages.len()));
        messages.truncate(MOST_REPLIES);
    }
    let replies = messages
        .into_iter()
        .enumerate()
        .map(|(index, (kind, payload))| Reply { index, kind, payload, draft: None })
        .collect();
    (replies, complaint)
}

fn read(item: &Value, messages: &mut Vec<(String, Value)>) {
    let text = |name: &str| item.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let buttons = item.get("buttons").or_else(|| item.get("quick_replies")).and_then(Value::as_array);
    let options: Vec<Value> = buttons.into_iter().flatten().filter_map(option).collect();
    match (text("text"), options.is_empty()) {
        (Some(words), false) => {
            messages.push(("choice".into(), json!({ "text": words, "options": options })))
        }
        (Some(words), true) => messages.push(("text".into(), json!({ "text": words }))),
        (None, false) => {
            let titles: Vec<&str> =
                options.iter().filter_map(|one| one.get("label").and_then(Value::as_str)).collect();
            messages.push(("choice".into(), json!({ "text": titles.join(" / "), "options": options })));
        }
        (None, true) => {}
    }
    if let Some(address) = text("image") {
        messages.push(("image".into(), json!({ "imageUrl": address })));
    }
    if let Some(message) = item.get("attachment").and_then(attachment) {
        messages.push(message);
    }
    match item.get("custom").or_else(|| item.get("json_message")) {
        None | Some(Value::Null) => {}
        Some(custom) => {
            let own = custom
                .get("type")
                .and_then(Value::as_str)
                .zip(custom.get("payload").filter(|p| p.is_object()));
            messages.push(match own {
                Some((kind, payload)) if !kind.is_empty() => (kind.to_owned(), payload.clone()),
                _ => ("custom".into(), json!({ "data": custom })),
            });
        }
    }
}

fn option(button: &Value) -> Option<Value> {
    let label = button.get("title").and_then(Value::as_str).filter(|title| !title.is_empty())?;
    let value =
        button.get("payload").and_then(Value::as_str).filter(|value| !value.is_empty()).unwrap_or(label);
    Some(json!({ "label": label, "value": value }))
}

/// An attachment is an address, or `{"type", "payload": {"src" | "url"}}`.
fn attachment(attachment: &Value) -> Option<(String, Value)> {
    if let Some(address) = attachment.as_str().filter(|address| !address.is_empty()) {
        return Some(("file".into(), json!({ "fileUrl": address })));
    }
    let payload = attachment.get("payload")?;
    let address = ["src", "url"].iter().find_map(|name| payload.get(*name).and_then(Value::as_str))?;
    let (kind, field) = match attachment.get("type").and_then(Value::as_str) {
        Some("image") => ("image", "imageUrl"),
        Some("audio") => ("audio", "audioUrl"),
        Some("video") => ("video", "videoUrl"),
        _ => ("file", "fileUrl"),
    };
    let mut fields = Map::new();
    fields.insert(field.into(), address.into());
    if let Some(title) = payload.get("title").and_then(Value::as_str) {
        fields.insert("title".into(), title.into());
    }
    Some((kind.into(), Value::Object(fields)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_become_messages_in_order() {
        let (replies, complaint) = replies(&[
            json!({ "recipient_id": "x", "text": "hi" }),
            json!({ "text": "sure?", "buttons": [{ "title": "Yes", "payload": "/affirm" }, { "title": "No" }] }),
            json!({ "text": "look", "image": "https://i" }),
            json!({ "custom": { "type": "location", "payload": { "latitude": 1, "longitude": 2 } } }),
            json!({ "custom": { "a": 1 } }),
            json!({ "attachment": { "type": "video", "payload": { "src": "https://v", "title": "t" } } }),
            json!({ "recipient_id": "x" }),
        ]);
        let kinds: Vec<&str> = replies.iter().map(|reply| reply.kind.as_str()).collect();
        assert_eq!(kinds, ["text", "choice", "text", "image", "location", "custom", "video"]);
        assert_eq!(replies[1].payload["options"][0], json!({ "label": "Yes", "value": "/affirm" }));
        assert_eq!(replies[1].payload["options"][1], json!({ "label": "No", "value": "No" }));
        assert_eq!(replies[6].payload, json!({ "videoUrl": "https://v", "title": "t" }));
        assert_eq!(complaint.as_deref(), Some("response 6 holds nothing that can be sent"));
        for reply in &replies {
            Content::from_parts(&reply.kind, reply.payload.clone()).unwrap();
        }
    }

    #[test]
    fn the_channels_path_is_added_once() {
        for (given, called) in [
            ("http://r:5005", "http://r:5005/webhooks/rest/webhook"),
            ("http://r/base/", "http://r/base/webhooks/rest/webhook"),
            ("http://r/webhooks/rest/webhook?token=t", "http://r/webhooks/rest/webhook?token=t"),
        ] {
            assert_eq!(channel(given.parse().unwrap()).as_str(), called);
        }
    }
}
