//! Signed inbound requests, as each provider sends them to the gateway.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::client::{self, Reply};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request that is ready to be sent to any address.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    /// The HTTP method.
    pub method: Method,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The body, as signed.
    pub body: Bytes,
}

impl SignedRequest {
    fn post(content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { method: Method::POST, headers, body: body.into() }
    }

    /// Sends it.
    ///
    /// # Errors
    /// As [`client::send`].
    pub async fn send(&self, url: &str) -> io::Result<Reply> {
        client::send(self.method.clone(), url, &self.headers, self.body.clone()).await
    }

    /// Sets a header, in place of one of the same name.
    #[must_use]
    pub fn with_header(self, name: &str, value: impl ToString) -> Self {
        let mut request = self.without_header(name);
        request.headers.push((name.to_owned(), value.to_string()));
        request
    }

    /// Leaves a header out.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self
    }

    /// Changes one byte of the body, so that the signature no longer holds.
    #[must_use]
    pub fn tampered(mut self) -> Self {
        let mut bytes = self.body.to_vec();
        match bytes.last_mut() {
            Some(last) => *last ^= 1,
            None => bytes.push(b' '),
        }
        self.body = bytes.into();
        self
    }

    /// A header's value; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(present, _)| present.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// Whole seconds since 1970, now.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

/// A Slack request of any content type, signed at `timestamp` (`v0`).
pub fn slack_at(
    signing_secret: &str,
    timestamp: u64,
    content_type: &str,
    body: impl Into<Bytes>,
) -> SignedRequest {
    let request = SignedRequest::post(content_type, body);
    let base = [format!("v0:{timestamp}:").as_bytes(), &request.body].concat();
    let signature = format!("v0={}", hex::encode(hmac_sha256(signing_secret.as_bytes(), &base)));
    request.with_header("X-Slack-Request-Timestamp", timestamp).with_header("X-Slack-Signature", signature)
}

/// A Slack event (`event_callback`, `url_verification`), signed now.
pub fn slack_event(signing_secret: &str, event: &Value) -> SignedRequest {
    slack_at(signing_secret, now(), JSON, event.to_string())
}

/// A Slack interaction: a form with one field, `payload`.
pub fn slack_interaction(signing_secret: &str, payload: &Value) -> SignedRequest {
    slack_command(signing_secret, &[("payload", &payload.to_string())])
}

/// A Slack slash command, or any other form.
pub fn slack_command(signing_secret: &str, fields: &[(&str, &str)]) -> SignedRequest {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    slack_at(signing_secret, now(), FORM, body)
}

/// A Telegram update with the webhook's secret.
pub fn telegram(secret_token: &str, update: &Value) -> SignedRequest {
    SignedRequest::post(JSON, update.to_string()).with_header("X-Telegram-Bot-Api-Secret-Token", secret_token)
}

/// A WhatsApp webhook over these bytes; [`meta_json`] writes them as Meta does.
pub fn whatsapp(app_secret: &str, body: impl Into<Bytes>) -> SignedRequest {
    let request = SignedRequest::post(JSON, body);
    let signature = format!("sha256={}", hex::encode(hmac_sha256(app_secret.as_bytes(), &request.body)));
    request.with_header("X-Hub-Signature-256", signature)
}

/// A request to the generic webhook with its plain secret.
pub fn webhook(secret: &str, content_type: &str, body: impl Into<Bytes>) -> SignedRequest {
    SignedRequest::post(content_type, body).with_header("x-bp-secret", secret)
}

/// A request to the generic webhook, signed at `timestamp` (`x-portico-signature`).
pub fn webhook_signed_at(
    secret: &str,
    timestamp: u64,
    content_type: &str,
    body: impl Into<Bytes>,
) -> SignedRequest {
    let request = SignedRequest::post(content_type, body);
    let base = [format!("{timestamp}.").as_bytes(), &request.body].concat();
    let signature = hex::encode(hmac_sha256(secret.as_bytes(), &base));
    request.with_header("x-portico-signature", format!("t={timestamp},v1={signature}"))
}

/// [`webhook_signed_at`] now.
pub fn webhook_signed(secret: &str, content_type: &str, body: impl Into<Bytes>) -> SignedRequest {
    webhook_signed_at(secret, now(), content_type, body)
}

/// JSON in the form that Meta sends and signs: every UTF-16 unit above 0x7e as a lower-case escape, slashes
/// escaped.
pub fn meta_json(value: &Value) -> Bytes {
    let mut out = String::new();
    for character in value.to_string().chars() {
        match character {
            '/' => out.push_str("\\/"),
            c if u32::from(c) > 0x7e => {
                let mut units = [0_u16; 2];
                out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            c => out.push(c),
        }
    }
    out.into()
}

/// HMAC-SHA256.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// SHA-256 as Base64, as WhatsApp names files.
pub fn sha256_base64(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests;
