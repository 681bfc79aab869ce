//! The call that all cores over HTTP share: one POST with the event's identity in its headers.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portico_net::{Body, Call, Client, NetError, Response, Target};
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
    client: Client,
    /// What a core that may not be reached makes of every call.
    target: Result<Target, NetError>,
    signer: Signer,
    timeout: Duration,
    max_answer: usize,
}

/// Headers of a call that come on top of an adapter's own, `user-agent` and `host` included.
const HEADERS: usize = 16;

impl Caller {
    /// A caller of the core at an address.
    pub(crate) fn new(
        client: Client,
        url: Url,
        signer: Signer,
        timeout: Duration,
        max_answer: usize,
    ) -> Self {
        // The operator named this very address.
        let target = client.target(url, true);
        Self { client, target, signer, timeout, max_answer }
    }

    /// Posts an event; `headers` come on top of those that every core gets.
    pub(crate) async fn post(
        &self,
        offer: &Offer,
        body: Vec<u8>,
        mut headers: HeaderMap,
    ) -> Result<Response, NetError> {
        headers.reserve(HEADERS);
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut values = Values::default();
        let id = values.add(|text| offer.id.push_to(text));
        let timestamp = values.number(seconds);
        let conversation = values.add(|text| offer.lane.push_to(text));
        let numbers = [
            (ATTEMPT, values.number(offer.attempt.into())),
            (SEQUENCE, values.number(offer.sequence)),
            (EPOCH, values.number(offer.epoch)),
        ];
        if !self.signer.is_empty() {
            let signature = self.signer.sign(values.get(&id), values.get(&timestamp), &body);
            put(&mut headers, WEBHOOK_SIGNATURE, &signature);
        }
        let texts = [(WEBHOOK_ID, id), (WEBHOOK_TIMESTAMP, timestamp), (CONVERSATION, conversation)];
        values.insert(&mut headers, texts.into_iter().chain(numbers));
        headers.insert(REPLAY, HeaderValue::from_static(if offer.replay { "true" } else { "false" }));
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(ACCEPT, JSON);
        self.send(headers, Body::Bytes(body.into())).await
    }

    /// Posts anything.
    pub(crate) async fn send(&self, headers: HeaderMap, body: Body) -> Result<Response, NetError> {
        let call =
            Call { method: Method::POST, headers, body, timeout: self.timeout, max_answer: self.max_answer };
        let target = self.target.as_ref().map_err(Clone::clone)?;
        self.client.call(target, call).await?.whole().await
    }
}

/// Values of a call's headers, in one piece of memory.
#[derive(Default)]
struct Values(String);

impl Values {
    fn add(&mut self, write: impl FnOnce(&mut String)) -> Range<usize> {
        // Room for all but very large numbers.
        self.0.reserve(if self.0.is_empty() { 128 } else { 0 });
        let start = self.0.len();
        write(&mut self.0);
        start..self.0.len()
    }

    fn number(&mut self, number: u64) -> Range<usize> {
        self.add(|text| {
            // Writing to a string can't fail.
            let _fits = write!(text, "{number}");
        })
    }

    fn get(&self, place: &Range<usize>) -> &str {
        self.0.get(place.clone()).unwrap_or_default()
    }

    fn insert(self, headers: &mut HeaderMap, named: impl Iterator<Item = (HeaderName, Range<usize>)>) {
        let all = Bytes::from(self.0);
        for (name, place) in named {
            if let Ok(value) = HeaderValue::from_maybe_shared(all.slice(place)) {
                headers.insert(name, value);
            }
        }
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
