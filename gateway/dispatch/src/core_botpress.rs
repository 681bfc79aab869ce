//! Core of kind `botpress`: speaks the bot protocol of the public Botpress SDK, whose bots answer through the
//! runtime API while the operation is still open.
//!
//! Source: Botpress protocol reference, section 2 "Bot server".

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use portico_contract::{BotId, EventId};
use portico_net::Body;
use serde_json::Value;

use crate::caller::{Caller, put};
use crate::core::{Answer, Core, Offer};
use crate::{envelope, retry};

const BOT_ID: HeaderName = HeaderName::from_static("x-bot-id");
const BOT_USER_ID: HeaderName = HeaderName::from_static("x-bot-user-id");
const OPERATION: HeaderName = HeaderName::from_static("x-bp-operation");
const TYPE: HeaderName = HeaderName::from_static("x-bp-type");
const CONFIGURATION: HeaderName = HeaderName::from_static("x-bp-configuration");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A bot written with the Botpress SDK.
#[derive(Debug)]
pub(crate) struct BotpressCore {
    caller: Caller,
    bot: BotId,
    /// Base64 of the bot's configuration.
    configuration: HeaderValue,
}

impl BotpressCore {
    /// A bot with a configuration; null stands for `{}`.
    pub(crate) fn new(caller: Caller, bot: BotId, configuration: &Value) -> Result<Self, String> {
        let empty = Value::Object(serde_json::Map::new());
        let configuration = if configuration.is_null() { &empty } else { configuration };
        if !configuration.is_object() {
            return Err("core.configuration: must be an object".into());
        }
        let json = envelope::ascii(configuration).map_err(|error| error.to_string())?;
        let mut encoded = HeaderValue::from_str(&STANDARD.encode(json)).map_err(|error| error.to_string())?;
        encoded.set_sensitive(true);
        Ok(Self { caller, bot, configuration: encoded })
    }

    fn headers(&self, operation: &'static str, kind: &str) -> Option<HeaderMap> {
        let mut headers = HeaderMap::with_capacity(16);
        put(&mut headers, BOT_ID, self.bot.as_str());
        put(&mut headers, BOT_USER_ID, self.bot.as_str());
        headers.insert(OPERATION, HeaderValue::from_static(operation));
        // Never empty: the SDK refuses that even where it means nothing.
        headers.insert(TYPE, HeaderValue::from_str(if kind.is_empty() { operation } else { kind }).ok()?);
        headers.insert(CONFIGURATION, self.configuration.clone());
        Some(headers)
    }

    /// Makes an operation that carries nothing: `ping`, `register`, `unregister`.
    async fn operation(&self, operation: &'static str) -> Result<(), String> {
        let Some(headers) = self.headers(operation, operation) else { return Err("malformed header".into()) };
        match retry::judge(self.caller.send(headers, Body::Empty).await) {
            Ok(_) => Ok(()),
            Err(
                Answer::Down(failure)
                | Answer::Failed(failure)
                | Answer::Later(failure, _)
                | Answer::Refused(failure)
                | Answer::Gone(failure),
            ) => Err(format!("{operation}: {} {}", failure.code, failure.detail)),
            Err(_) => Err(format!("{operation}: no answer")),
        }
    }
}

#[async_trait]
impl Core for BotpressCore {
    fn kind(&self) -> &'static str {
        "botpress"
    }

    async fn offer(&self, offer: &Offer) -> Answer {
        let body = match envelope::botpress_body(offer) {
            Ok(body) => body,
            Err(error) => return Answer::Unsendable(error.to_string()),
        };
        let Some(mut headers) = self.headers("event_received", &offer.kind) else {
            return Answer::Unsendable("the event's type can't stand in a header".into());
        };
        put(&mut headers, TRACEPARENT, &traceparent(offer.id, offer.attempt));
        match retry::judge(self.caller.post(offer, body, headers).await) {
            // What the bot has to say it has said by calls of its own.
            Ok(_) => Answer::Accepted { replies: Vec::new(), complaint: None },
            Err(answer) => answer,
        }
    }

    async fn introduce(&self) -> Result<(), String> {
        self.operation("ping").await?;
        self.operation("register").await
    }
}

/// One trace per event, one span per attempt.
fn traceparent(id: EventId, attempt: u32) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(55);
    text.push_str("00-");
    let mut hex = |byte: &u8| write!(text, "{byte:02x}").is_ok();
    let mut span: [u8; 8] = id.0.last_chunk().copied().unwrap_or_default();
    for (byte, by) in span.iter_mut().zip(attempt.to_be_bytes()) {
        *byte ^= by;
    }
    // A span of zeros would be no span.
    span[7] |= 1;
    let written = id.0.iter().all(&mut hex);
    text.push('-');
    let mut hex = |byte: &u8| write!(text, "{byte:02x}").is_ok();
    if written && span.iter().all(&mut hex) {
        text.push_str("-01");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_of_the_w3c_form_and_spans_differ_by_attempt() {
        let id = EventId::new();
        let (one, two) = (traceparent(id, 1), traceparent(id, 2));
        assert_eq!((one.len(), &one[..3], &one[52..]), (55, "00-", "-01"));
        assert_eq!(one[3..35], two[3..35]);
        assert_ne!(one[36..52], two[36..52]);
    }
}
