//! HTTP as data: what came in, what a connector wants sent, and what was answered.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use crate::{Fault, FaultCode, Millis};

/// A request at an installation's webhook address. Not to be trusted before a check has passed.
#[derive(Clone, Debug)]
pub struct InboundRequest {
    /// HTTP method.
    pub method: Method,
    /// What follows the installation's id in the path; `/` when nothing does.
    pub path: CompactString,
    /// Raw query, without `?`; empty when there is none.
    pub query: String,
    /// Headers as received.
    pub headers: HeaderMap,
    /// Body as received, at most the installation's cap.
    pub body: Bytes,
    /// When its last byte was read.
    pub received_at: Millis,
    /// Address of the caller, after trusted proxies.
    pub source_ip: Option<IpAddr>,
    /// Names of the manifest's declared checks that the gateway has passed.
    pub passed_checks: Arc<[&'static str]>,
}

impl InboundRequest {
    /// A header's value, if it is there once and is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        if values.next().is_some() {
            return None;
        }
        first.to_str().ok()
    }

    /// The request as proven by a declared check.
    ///
    /// # Errors
    /// `unauthenticated` when the gateway did not pass that check.
    pub fn verified_by(&self, check: &str) -> Result<Verified<'_>, Fault> {
        if self.passed_checks.contains(&check) {
            Ok(Verified(self))
        } else {
            Err(Fault::new(FaultCode::Unauthenticated, "the request is not signed"))
        }
    }

    /// The request as proven by a check that the connector made itself through the keyring.
    ///
    /// # Errors
    /// `unauthenticated` when `passed` is false.
    pub fn verified_if(&self, passed: bool) -> Result<Verified<'_>, Fault> {
        if passed {
            Ok(Verified(self))
        } else {
            Err(Fault::new(FaultCode::Unauthenticated, "the signature is wrong"))
        }
    }
}

/// A request whose sender was proven. Only a passed check makes one, and normalizing takes nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a>(&'a InboundRequest);

impl<'a> Verified<'a> {
    /// The proven request.
    pub fn request(self) -> &'a InboundRequest {
        self.0
    }
}

/// A header or form field; names may repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Name; header names in lower case.
    pub name: String,
    /// Value.
    pub value: String,
}

impl Field {
    /// A field.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// A body that goes out or came back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Payload {
    /// None.
    #[default]
    Empty,
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Bytes(Bytes),
    /// A blob of the gateway, by id; its bytes never pass through the connector.
    Stored(String),
    /// `multipart/form-data`; the gateway writes the boundary and the header.
    Form(Vec<FormPart>),
}

/// One part of a multipart form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormPart {
    /// Field name.
    pub name: String,
    /// File name, where the part is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Media type, where the part is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Content; not a form.
    pub body: Payload,
}

/// Answer to the waiting webhook caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Field>,
    /// Body.
    #[serde(default)]
    pub body: Payload,
}

impl Reply {
    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Payload::Empty }
    }

    /// A text with its media type.
    pub fn text(status: u16, media_type: &str, text: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![Field::new("content-type", media_type)],
            body: Payload::Text(text.into()),
        }
    }
}

/// Where a secret's marker stands in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotPlace {
    /// In the URL; the value is percent-encoded as a path segment.
    Url,
    /// In a header value.
    Header,
    /// In a text body; the value is encoded as the inside of a JSON string.
    Body,
}

/// Tells the gateway to replace a marker with a secret just before sending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Where the marker stands; it must occur there exactly once.
    pub place: SlotPlace,
    /// Text to replace.
    pub marker: String,
    /// Name of a secret in the manifest.
    pub secret: String,
}

impl Slot {
    /// The `authorization: Bearer` header filled with a secret: add [`Slot::bearer_header`] beside it.
    pub fn bearer(secret: &str) -> Self {
        Self { place: SlotPlace::Header, marker: "{bearer}".into(), secret: secret.into() }
    }

    /// The header that [`Slot::bearer`] fills.
    pub fn bearer_header() -> Field {
        Field::new("authorization", "Bearer {bearer}")
    }

    /// A marker in the URL, such as `{token}` in `/bot{token}/sendMessage`.
    pub fn url(marker: &str, secret: &str) -> Self {
        Self { place: SlotPlace::Url, marker: marker.into(), secret: secret.into() }
    }
}

/// What to do with the body of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Hand it back, up to 4 MiB.
    #[default]
    Bytes,
    /// Keep it as a blob, up to 100 MiB, and hand back its id.
    Stored,
    /// Throw it away.
    Nothing,
}

/// A request that a connector wants sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundRequest {
    /// The connector's own name for it, handed back with the answer.
    pub label: String,
    /// HTTP method.
    pub method: String,
    /// Absolute address.
    pub url: String,
    /// Headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Field>,
    /// Body.
    #[serde(default)]
    pub body: Payload,
    /// Secrets to fill in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// Time for the whole exchange; default 10 s, at most 60 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// True when sending it twice is harmless.
    #[serde(default)]
    pub repeatable: bool,
    /// What to do with the answer's body.
    #[serde(default)]
    pub keep: Keep,
}

impl OutboundRequest {
    /// A `POST` of JSON.
    pub fn json<T: Serialize>(label: &str, url: impl Into<String>, body: &T) -> Self {
        Self {
            label: label.into(),
            method: "POST".into(),
            url: url.into(),
            headers: vec![Field::new("content-type", "application/json; charset=utf-8")],
            // Connectors serialize their own plain structs, which always have a JSON form.
            body: Payload::Text(serde_json::to_string(body).unwrap_or_default()),
            slots: Vec::new(),
            timeout_ms: None,
            repeatable: false,
            keep: Keep::Bytes,
        }
    }

    /// A `GET`, which is harmless to repeat.
    pub fn get(label: &str, url: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            body: Payload::Empty,
            slots: Vec::new(),
            timeout_ms: None,
            repeatable: true,
            keep: Keep::Bytes,
        }
    }

    /// Adds `authorization: Bearer` with a secret.
    #[must_use]
    pub fn bearer(mut self, secret: &str) -> Self {
        self.headers.push(Slot::bearer_header());
        self.slots.push(Slot::bearer(secret));
        self
    }

    /// Adds a slot.
    #[must_use]
    pub fn slot(mut self, slot: Slot) -> Self {
        self.slots.push(slot);
        self
    }

    /// Says that sending it twice is harmless.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

/// An answer that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    #[serde(default)]
    pub headers: Vec<Field>,
    /// Body, as [`Keep`] asked.
    #[serde(default)]
    pub body: Payload,
}

impl InboundResponse {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.as_str())
    }

    /// The body's bytes; empty when it was stored or thrown away.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Payload::Text(text) => text.as_bytes(),
            Payload::Bytes(bytes) => bytes,
            Payload::Empty | Payload::Stored(_) | Payload::Form(_) => &[],
        }
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why no answer arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum TransportFailure {
    /// The gateway refused to send it: host, address, slot or size rule.
    #[error("refused by the gateway's rules")]
    Denied,
    /// The name has no address.
    #[error("the host name could not be resolved")]
    Unresolved,
    /// No connection; nothing was sent.
    #[error("no connection")]
    Connect,
    /// TLS failed; nothing was sent.
    #[error("TLS failed")]
    Tls,
    /// No answer in time; it may have been received.
    #[error("no answer in time")]
    TimedOut,
    /// The answer is above its cap.
    #[error("the answer is too large")]
    TooLarge,
    /// Sent, but the connection or the process ended before the answer was stored.
    #[error("sent, but the answer was lost")]
    UnknownResult,
}

impl TransportFailure {
    /// Whether the request can't have reached the provider, so that a repeat makes no second message.
    pub fn before_sending(self) -> bool {
        matches!(self, Self::Denied | Self::Unresolved | Self::Connect | Self::Tls)
    }
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The request's label.
    pub label: String,
    /// The answer, or why there is none.
    pub outcome: Result<InboundResponse, TransportFailure>,
}
