//! The call that all cores over HTTP share: one POST with the event's identity in its headers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portico_net::{Body, Client, NetError, Request, Response};
use url::Url;

use crate::Offer;
use crate::sign::Signer;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const ATTEMPT: HeaderName = HeaderName::from_static("portico-attempt");
const CONVERSATION: HeaderName = HeaderName::from_static("portico-conversation");
const SEQUENCE: HeaderName = HeaderName::from_static("portico-sequence");
const EPOCH: HeaderName = HeaderName::from_static("portico-epoch");
const REPLAY: HeaderName = HeaderName::from_static("portico-replay");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Where and how a core is called.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) client: Client,
    pub(crate) url: Url,
    pub(crate) signer: Signer,
    pub(crate) timeout: Duration,
    pub(crate) max_answer: usize,
}

impl Caller {
    /// Posts an event; `headers` come on top of those that every core gets.
    pub(crate) async fn post(
        &self,
        offer: &Offer,
        body: Vec<u8>,
        mut headers: HeaderMap,
    ) -> Result<Response, NetError> {
        let id = offer.id.to_string();
        let timestamp =
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        if !self.signer.is_empty() {
            put(&mut headers, WEBHOOK_SIGNATURE, &self.signer.sign(&id, &timestamp, &body));
        }
        put(&mut headers, WEBHOOK_ID, &id);
        put(&mut headers, WEBHOOK_TIMESTAMP, &timestamp);
        headers.insert(ATTEMPT, offer.attempt.into());
        put(&mut headers, CONVERSATION, &offer.lane.to_string());
        headers.insert(SEQUENCE, offer.sequence.into());
        headers.insert(EPOCH, offer.epoch.into());
        headers.insert(REPLAY, HeaderValue::from_static(if offer.replay { "true" } else { "false" }));
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(ACCEPT, JSON);
        self.send(headers, Body::Bytes(body.into())).await
    }

    /// Posts anything.
    pub(crate) async fn send(&self, headers: HeaderMap, body: Body) -> Result<Response, NetError> {
        let request = Request {
            headers,
            body,
            timeout: self.timeout,
            max_answer: self.max_answer,
            // The operator named this very address.
            private: true,
            ..Request::new(Method::POST, self.url.clone())
        };
        self.client.send(request).await
    }
}

/// Sets a header whose value is made of visible characters.
pub(crate) fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Whether an answer says that it is JSON, or does not say what it is and looks like it.
pub(crate) fn is_json(headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return body.trim_ascii_start().starts_with(b"{") || body.trim_ascii_start().starts_with(b"[");
    };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
