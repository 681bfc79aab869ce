//! Second step of the outbound path: bodies as calls, and the calls' answers as what became of the message.
//!
//! Calls go one after the other, each waiting for its answer, which is what keeps the parts of a message in
//! order. A body with media to upload is held back in the note until the last of its uploads is through.

use std::collections::BTreeMap;

use bytes::Bytes;
use portico_contract::{
    Effect, Fault, FaultCode, FormPart, Host, HttpAnswer, Keep, Level, MEDIA_SCHEME, OutboundRequest,
    Payload, Scope, StateWrite, Tags, Thread,
};
use portico_kit::sequence::Step;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::WhatsAppConfig;
use crate::render::{Draft, Slot, guess_type};
use crate::{errors, phone};

/// Most calls that one outbound message may take; the gateway stops a run at 64.
const MOST_CALLS: usize = 60;

/// How long a link can take a refused medium's place, in seconds.
pub(crate) const LINK_LIFETIME_S: u32 = 24 * 60 * 60;

/// Whom a message goes to, and from which number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// Id of the bot's number.
    pub bot: String,
    /// The person's number, digits only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The person's business-scoped user id, where the number is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
}

impl Target {
    /// The other side of a conversation.
    ///
    /// # Errors
    /// `bad-input` when the conversation's tags name nobody.
    pub(crate) fn of(thread: &Thread, config: &WhatsAppConfig) -> Result<Self, Fault> {
        let bot = thread.tags.get("botPhoneNumberId").unwrap_or(&config.phone_number_id).to_owned();
        if bot.is_empty() || !bot.bytes().all(|byte| byte.is_ascii_digit()) {
            let reason = "the conversation's botPhoneNumberId must be the id of a phone number, digits only";
            return Err(Fault::new(FaultCode::BadInput, reason).at("/thread/tags/botPhoneNumberId"));
        }
        let to = thread.tags.get("userPhone").and_then(phone::to_digits);
        let recipient = thread.tags.get("userId").filter(|_| to.is_none()).map(str::to_owned);
        if to.is_none() && recipient.is_none() {
            let reason =
                "the conversation has neither a userPhone nor a userId tag, so there is nobody to write to";
            return Err(Fault::new(FaultCode::BadInput, reason).at("/thread/tags/userPhone"));
        }
        Ok(Self { bot, to, recipient })
    }

    /// The call that sends a body.
    pub(crate) fn call(
        &self,
        config: &WhatsAppConfig,
        label: &str,
        body: &Value,
        reply_to: Option<&str>,
    ) -> OutboundRequest {
        let mut message = json!({ "messaging_product": "whatsapp", "recipient_type": "individual" });
        if let Some(fields) = message.as_object_mut() {
            if let Some(to) = &self.to {
                fields.insert("to".into(), to.as_str().into());
            } else if let Some(recipient) = &self.recipient {
                fields.insert("recipient".into(), recipient.as_str().into());
            }
            if let Some(id) = reply_to {
                fields.insert("context".into(), json!({ "message_id": id }));
            }
            if let Some(body) = body.as_object() {
                fields.extend(body.clone());
            }
        }
        let url = config.graph(&format!("{}/messages", self.bot));
        OutboundRequest::json(label, url, &message).bearer("access_token")
    }
}

/// A body that waits for its uploads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    draft: Draft,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
}

/// What a sequence of sends remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// 1 for the first attempt.
    #[serde(default)]
    pub attempt: u32,
    /// Where everything goes.
    #[serde(default)]
    pub target: Target,
    /// Bodies with uploads, by their number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting: BTreeMap<usize, Waiting>,
    /// The conversation that an action opens at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Thread>,
}

impl Note {
    /// The note as the sequence keeps it.
    pub(crate) fn json(&self) -> Result<Value, Fault> {
        serde_json::to_value(self).map_err(|error| Fault::new(FaultCode::Bug, format!("note: {error}")))
    }

    /// Reads a sequence's note.
    pub(crate) fn read(note: &Value) -> Result<Self, Fault> {
        Note::deserialize(note).map_err(|error| Fault::new(FaultCode::Bug, format!("note: {error}")))
    }

    /// The first call of every draft; those that upload come back through [`Note::advance`].
    pub(crate) fn calls(
        &mut self,
        config: &WhatsAppConfig,
        drafts: Vec<Draft>,
        reply_to: Option<&str>,
    ) -> Result<Vec<OutboundRequest>, Fault> {
        // An upload is a fetch (of a held medium: after asking for its address) and the upload itself.
        let needed: usize = drafts
            .iter()
            .map(|draft| {
                let held = |slot: &Slot| usize::from(slot.url.starts_with(MEDIA_SCHEME));
                1 + draft.uploads.iter().map(|slot| 2 + held(slot)).sum::<usize>()
            })
            .sum();
        if needed > MOST_CALLS {
            let reason = format!(
                "the message would take {needed} calls to WhatsApp, at most {MOST_CALLS} are made: split it"
            );
            return Err(Fault::new(FaultCode::BadInput, reason).at("/parts"));
        }
        let mut calls = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.into_iter().enumerate() {
            // Only the first message quotes.
            let reply_to = reply_to.filter(|_| index == 0);
            if draft.uploads.is_empty() {
                calls.push(self.target.call(config, "message", &draft.body, reply_to));
                continue;
            }
            let waiting = Waiting { draft, reply_to: reply_to.map(str::to_owned) };
            calls.push(self.next_of(config, index, &waiting));
            self.waiting.insert(index, waiting);
        }
        Ok(calls)
    }

    /// The next upload of a waiting body, or the message itself.
    fn next_of(&self, config: &WhatsAppConfig, index: usize, waiting: &Waiting) -> OutboundRequest {
        match waiting.draft.uploads.first() {
            Some(slot) => match slot.url.strip_prefix(MEDIA_SCHEME) {
                Some(handle) => media_address(config, &format!("held:{index}"), handle),
                None => {
                    let mut fetch = OutboundRequest::get(&format!("fetch:{index}"), &slot.url);
                    fetch.keep = Keep::Stored;
                    fetch.timeout_ms = Some(60_000);
                    fetch
                }
            },
            None => self.target.call(config, "message", &waiting.draft.body, waiting.reply_to.as_deref()),
        }
    }

    /// Takes the answer of a step before a message: `None` when the answer is of a message itself.
    ///
    /// Media that can't be fetched or uploaded keeps its link: the provider may succeed where we did not, and
    /// if it does not either, the address goes out as text.
    pub(crate) fn advance(
        &mut self,
        host: &dyn Host,
        config: &WhatsAppConfig,
        answer: &HttpAnswer,
    ) -> Result<Option<Step>, Fault> {
        let Some((step, index)) = answer.label.split_once(':') else { return Ok(None) };
        let gone = || Fault::new(FaultCode::Bug, "an upload was answered that nobody waits for");
        let index: usize = index.parse().map_err(|_| gone())?;
        let mut waiting = self.waiting.remove(&index).ok_or_else(gone)?;
        let slot = waiting.draft.uploads.first().cloned().ok_or_else(gone)?;
        let held = slot.url.starts_with(MEDIA_SCHEME);
        let next = match step {
            "held" => {
                let url = media_url(errors::success(answer, self.attempt)?)?;
                Some(media_bytes(&format!("fetch:{index}"), &url))
            }
            "fetch" => match errors::success(answer, self.attempt) {
                Ok(response) => upload(host, config, &self.target.bot, index, &slot, &response.body),
                Err(fault) if held => return Err(fault),
                Err(fault) => {
                    host.log(
                        Level::Warn,
                        "media was not fetched, its link is sent",
                        &[("reason", &fault.message)],
                    );
                    None
                }
            },
            _ => {
                match errors::success(answer, self.attempt) {
                    Ok(response) => {
                        let id = serde_json::from_slice::<Value>(response.bytes()).unwrap_or_default();
                        if let (Some(id), Some(media)) = (
                            id.get("id").and_then(Value::as_str),
                            waiting.draft.body.pointer_mut(&slot.pointer),
                        ) && let Some(media) = media.as_object_mut()
                        {
                            media.remove("link");
                            media.insert("id".into(), id.into());
                        }
                    }
                    Err(fault) if held || !is_final(&fault) => return Err(fault),
                    Err(fault) => {
                        host.log(
                            Level::Warn,
                            "media was not uploaded, its link is sent",
                            &[("reason", &fault.message)],
                        );
                    }
                }
                None
            }
        };
        let next = match next {
            Some(next) => next,
            None => {
                waiting.draft.uploads.remove(0);
                self.next_of(config, index, &waiting)
            }
        };
        if !waiting.draft.uploads.is_empty() {
            self.waiting.insert(index, waiting);
        }
        Ok(Some(Step { then: vec![next], ..Step::default() }))
    }
}

fn is_final(fault: &Fault) -> bool {
    !matches!(fault.code, FaultCode::Unavailable | FaultCode::RateLimited | FaultCode::Unauthenticated)
}

/// The call that tells where a medium's bytes are.
pub(crate) fn media_address(config: &WhatsAppConfig, label: &str, id: &str) -> OutboundRequest {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    OutboundRequest::get(label, config.graph(&id)).bearer("access_token")
}

/// The address in the answer of [`media_address`]; it lives for five minutes.
pub(crate) fn media_url(response: &portico_contract::InboundResponse) -> Result<String, Fault> {
    let answer: Value = serde_json::from_slice(response.bytes()).unwrap_or_default();
    let url = answer.get("url").and_then(Value::as_str).filter(|url| !url.is_empty());
    url.map(str::to_owned)
        .ok_or_else(|| Fault::new(FaultCode::NotFound, "WhatsApp does not say where the media is"))
}

/// The call that brings a medium's bytes: with the token, without which the provider answers 404.
pub(crate) fn media_bytes(label: &str, url: &str) -> OutboundRequest {
    let mut fetch = OutboundRequest::get(label, url).bearer("access_token");
    fetch.keep = Keep::Stored;
    fetch.timeout_ms = Some(60_000);
    fetch
}

fn upload(
    host: &dyn Host,
    config: &WhatsAppConfig,
    bot: &str,
    index: usize,
    slot: &Slot,
    body: &Payload,
) -> Option<OutboundRequest> {
    let Payload::Stored(id) = body else { return None };
    let blob = host.blobs().describe(id);
    if let Some(blob) = &blob
        && blob.size > slot.kind.max_bytes()
    {
        host.log(
            Level::Warn,
            "media is larger than WhatsApp takes, its link is sent",
            &[("kind", slot.kind.as_str())],
        );
        return None;
    }
    let stated = blob.as_ref().map(|blob| blob.media_type.as_str()).unwrap_or_default();
    let media_type = match stated {
        "" | "application/octet-stream" | "binary/octet-stream" => guess_type(&slot.url, slot.kind),
        stated => stated,
    };
    let filename =
        blob.as_ref().and_then(|blob| blob.filename.clone()).unwrap_or_else(|| slot.kind.as_str().to_owned());
    let field = |name: &str, text: &str| FormPart {
        name: name.into(),
        filename: None,
        media_type: None,
        body: Payload::Text(text.into()),
    };
    let file = FormPart {
        name: "file".into(),
        filename: Some(filename),
        media_type: Some(media_type.to_owned()),
        body: Payload::Stored(id.clone()),
    };
    Some(
        OutboundRequest {
            label: format!("upload:{index}"),
            method: "POST".into(),
            url: config.graph(&format!("{bot}/media")),
            headers: Vec::new(),
            body: Payload::Form(vec![
                field("messaging_product", "whatsapp"),
                field("type", media_type),
                file,
            ]),
            slots: Vec::new(),
            timeout_ms: Some(60_000),
            // A second upload makes a second id that nobody uses.
            repeatable: true,
            keep: Keep::Bytes,
        }
        .bearer("access_token"),
    )
}

/// Reads the answer of a sent message.
///
/// # Errors
/// The fault of the provider's code. Media that it could not fetch is no fault: the address is sent instead.
pub(crate) fn message(
    host: &dyn Host,
    config: &WhatsAppConfig,
    note: &Note,
    first: bool,
    asked: &OutboundRequest,
    answer: &HttpAnswer,
    effects: &mut Vec<Effect>,
) -> Result<Step, Fault> {
    let sent = match &asked.body {
        Payload::Text(text) => serde_json::from_str(text).unwrap_or_default(),
        _ => Value::Null,
    };
    let response = match &answer.outcome {
        Ok(response) if !response.is_success() && errors::is_media(&errors::read(response)) => {
            let then = without_media(config, &note.target, &sent);
            if then.is_empty() {
                return Err(errors::refused(response, note.attempt));
            }
            host.log(Level::Warn, "WhatsApp did not take the media, its link is sent as text", &[]);
            return Ok(Step { then, ..Step::default() });
        }
        _ => errors::success(answer, note.attempt)?,
    };
    let answer: Value = serde_json::from_slice(response.bytes()).unwrap_or_default();
    let Some(id) = answer.pointer("/messages/0/id").and_then(Value::as_str).filter(|id| !id.is_empty())
    else {
        // A page of a proxy, most likely: the API itself always names the message.
        return Err(Fault::new(FaultCode::Unavailable, "the answer is not the API's: it names no message"));
    };
    if let Some(text) = link_text(&sent) {
        let kept = json!({ "target": note.target, "text": text });
        effects.push(Effect::Write(StateWrite {
            scope: Scope::Installation,
            key: link_key(id),
            data: Some(Bytes::from(kept.to_string())),
            expect: None,
            lifetime_s: Some(LINK_LIFETIME_S),
        }));
    }
    let mut tags = Tags::new();
    if first {
        tags.set("id", id);
    }
    if let Some(status) = answer.pointer("/messages/0/message_status").and_then(Value::as_str) {
        tags.set("status", status);
    }
    Ok(Step { external_ids: vec![id.to_owned()], tags, ..Step::default() })
}

/// State key of the text that takes a sent medium's place.
pub(crate) fn link_key(message_id: &str) -> String {
    format!("media:{message_id}")
}

/// Caption and address of a message that is nothing but linked media.
fn link_text(sent: &Value) -> Option<String> {
    let kind = sent.get("type").and_then(Value::as_str)?;
    if !matches!(kind, "image" | "audio" | "video" | "document" | "sticker") {
        return None;
    }
    let media = sent.get(kind)?;
    let link = media.get("link").and_then(Value::as_str)?;
    Some(match media.get("caption").and_then(Value::as_str) {
        Some(caption) => format!("{caption}\n{link}"),
        None => link.to_owned(),
    })
}

/// What is sent instead of a message whose media was refused: its address as text, and what is left of it.
fn without_media(config: &WhatsAppConfig, target: &Target, sent: &Value) -> Vec<OutboundRequest> {
    let reply_to = sent.pointer("/context/message_id").and_then(Value::as_str);
    if let Some(text) = link_text(sent) {
        return vec![target.call(config, "message", &text_body(&text), reply_to)];
    }
    let header = sent.pointer("/interactive/header/image/link").and_then(Value::as_str);
    if let (Some(link), Some(interactive)) = (header, sent.get("interactive").and_then(Value::as_object)) {
        let mut rest = interactive.clone();
        rest.remove("header");
        let rest = json!({ "type": "interactive", "interactive": rest });
        return vec![
            target.call(config, "message", &text_body(link), reply_to),
            target.call(config, "message", &rest, None),
        ];
    }
    Vec::new()
}

/// A text message's body.
pub(crate) fn text_body(text: &str) -> Value {
    json!({ "type": "text", "text": { "body": text } })
}
