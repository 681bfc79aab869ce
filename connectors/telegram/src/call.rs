//! Calls of the Bot API as requests: `POST <api>/bot<token>/<method>` with JSON, or a form for uploads.
//!
//! Decision: the bodies are `teloxide_core::payloads` types wherever their JSON is the wire form, which keeps
//! field names and shapes honest. Own structs stand where they can't say what has to be said: `setWebhook`
//! (secret by slot, kinds of update that are newer than the enum) and uploads (the bytes stay with the
//! gateway). teloxide's own client is never used.

use std::sync::Arc;

use portico_contract::{Context, Fault, FaultCode, FormPart, Keep, OutboundRequest, Payload, Slot, Thread};
use serde::Serialize;
use serde_json::{Map, Value};
use teloxide_core::types::{BusinessConnectionId, ChatId, MessageId, Recipient, ThreadId};

use crate::config::Config;

/// Time for calls in which Telegram fetches or takes a file.
const FILE_TIMEOUT_MS: u32 = 60_000;

/// Stands for the token in addresses.
const MARKER: &str = "{token}";

/// The Bot API of an installation.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    base: String,
}

impl Api {
    /// The API that a configuration names.
    pub(crate) fn new(config: &Config) -> Self {
        Self { base: config.api().to_owned() }
    }

    /// The API of a job's installation.
    pub(crate) fn of(ctx: &Context) -> Result<Self, Fault> {
        let config: Arc<Config> = Config::of(ctx)?;
        Ok(Self::new(&config))
    }

    fn address(&self, method: &str) -> String {
        format!("{}/bot{MARKER}/{method}", self.base)
    }

    /// A call with a JSON body; its label is the method's name.
    pub(crate) fn call<T: Serialize>(&self, method: &str, payload: &T) -> OutboundRequest {
        OutboundRequest::json(method, self.address(method), payload).slot(Slot::url(MARKER, "bot_token"))
    }

    /// A call in which Telegram fetches a file by its address.
    pub(crate) fn slow_call<T: Serialize>(&self, label: &str, method: &str, payload: &T) -> OutboundRequest {
        let mut request = self.call(method, payload);
        request.label = label.to_owned();
        request.timeout_ms = Some(FILE_TIMEOUT_MS);
        request
    }

    /// A call that uploads a blob of the gateway in the form field `field`.
    pub(crate) fn upload(
        &self,
        label: &str,
        method: &str,
        parameters: &Map<String, Value>,
        field: &str,
        file: (&str, Option<&str>, &str),
    ) -> OutboundRequest {
        let (filename, media_type, blob) = file;
        let mut parts: Vec<FormPart> = parameters
            .iter()
            .map(|(name, value)| FormPart {
                name: name.clone(),
                filename: None,
                media_type: None,
                // In a form, texts stand bare and everything else as JSON.
                body: Payload::Text(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            })
            .collect();
        parts.push(FormPart {
            name: field.to_owned(),
            filename: Some(filename.to_owned()),
            media_type: media_type.map(str::to_owned),
            body: Payload::Stored(blob.to_owned()),
        });
        OutboundRequest {
            label: label.to_owned(),
            method: "POST".into(),
            url: self.address(method),
            headers: Vec::new(),
            body: Payload::Form(parts),
            slots: vec![Slot::url(MARKER, "bot_token")],
            timeout_ms: Some(FILE_TIMEOUT_MS),
            repeatable: false,
            keep: Keep::Bytes,
        }
    }

    /// A download of a file that `getFile` named; its bytes stay with the gateway.
    ///
    /// # Errors
    /// `rejected` when the path is not one below the server's own `file/` address.
    pub(crate) fn download(&self, label: &str, path: &str) -> Result<OutboundRequest, Fault> {
        let proper = !path.is_empty()
            && !path.starts_with('/')
            && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+~=@,()".contains(&byte));
        if !proper {
            return Err(Fault::new(
                FaultCode::Rejected,
                "the server named a file path that can't be fetched; a server in local mode is not supported",
            ));
        }
        let mut request = OutboundRequest::get(label, format!("{}/file/bot{MARKER}/{path}", self.base))
            .slot(Slot::url(MARKER, "bot_token"));
        request.keep = Keep::Stored;
        request.timeout_ms = Some(FILE_TIMEOUT_MS);
        Ok(request)
    }
}

/// A fetch of media that a bot named by its address.
pub(crate) fn fetch(label: &str, url: &str) -> OutboundRequest {
    let mut request = OutboundRequest::get(label, url);
    request.keep = Keep::Stored;
    request.timeout_ms = Some(FILE_TIMEOUT_MS);
    request
}

/// Where a message goes, in Telegram's terms.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The chat.
    pub(crate) chat: Recipient,
    /// The topic.
    pub(crate) topic: Option<ThreadId>,
    /// The business account to speak for.
    pub(crate) business: Option<BusinessConnectionId>,
}

impl Target {
    /// The chat of a conversation.
    ///
    /// # Errors
    /// `bad-input` when its tags name no chat.
    pub(crate) fn of(thread: &Thread) -> Result<Self, Fault> {
        let bad = |tag: &str, reason: &str| {
            Fault::new(FaultCode::BadInput, format!("the conversation's tag '{tag}' {reason}"))
                .at(format!("/thread/tags/{tag}"))
        };
        let chat =
            thread.tags.get("chatId").ok_or_else(|| bad("chatId", "is missing, must be a chat's id"))?;
        let chat = match chat.parse::<i64>() {
            Ok(id) => Recipient::Id(ChatId(id)),
            Err(_) if chat.len() > 1 && chat.starts_with('@') => Recipient::ChannelUsername(chat.to_owned()),
            Err(_) => {
                return Err(bad(
                    "chatId",
                    "must be a whole number, or a channel's name that begins with '@'",
                ));
            }
        };
        let topic = match thread.tags.get("threadId") {
            None => None,
            Some(topic) => {
                let id = topic.parse().map_err(|_| bad("threadId", "must be a whole number"))?;
                Some(ThreadId(MessageId(id)))
            }
        };
        let business = match (thread.channel.as_ref(), thread.tags.get("businessConnectionId")) {
            ("business", None) => {
                return Err(bad(
                    "businessConnectionId",
                    "is missing, must be the id of a business connection",
                ));
            }
            ("business", Some(id)) => Some(BusinessConnectionId(id.to_owned())),
            _ => None,
        };
        Ok(Self { chat, topic, business })
    }
}

/// Fills in the fields that every sending payload has.
macro_rules! addressed {
    ($payload:expr, $target:expr) => {{
        let mut payload = $payload;
        payload.message_thread_id = $target.topic;
        payload.business_connection_id = $target.business.clone();
        payload
    }};
}
pub(crate) use addressed;
