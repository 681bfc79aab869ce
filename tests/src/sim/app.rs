//! An app of somebody's own behind the generic webhook connector: takes what the bot says at its
//! `outbound_url`, and enforces the signature and the idempotency key that it is promised.

use std::io;
use std::ops::Deref;

use http::Method;
use serde_json::{Value, json};

use super::provider::{Provider, Sent, random_hex};
use super::server::{Answer, RawRequest, Server};
use super::sign::{hmac_sha256, now};

/// How far a signature's time may be from now, in seconds.
const TOLERANCE: u64 = 300;

/// A running app. Dereferences to its [`Provider`] record.
#[derive(Debug)]
pub struct AppSim {
    server: Server,
    provider: Provider,
    secret: String,
}

impl Deref for AppSim {
    type Target = Provider;

    fn deref(&self) -> &Provider {
        &self.provider
    }
}

impl AppSim {
    /// Starts on a free port of 127.0.0.1, with a secret of its own.
    ///
    /// # Errors
    /// Only when the system has no port to give.
    pub async fn start() -> io::Result<Self> {
        let (provider, secret) = (Provider::default(), random_hex(32));
        let (book, key) = (provider.clone(), secret.clone());
        let server = provider
            .serve(|_| {
                move |request: RawRequest| {
                    let (book, key) = (book.clone(), key.clone());
                    async move { take(&book, &key, &request) }
                }
            })
            .await?;
        Ok(Self { server, provider, secret })
    }

    /// Where messages are taken.
    pub fn url(&self) -> String {
        format!("{}/inbox", self.server.url())
    }

    /// The secret that both sides sign with.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

fn take(book: &Provider, secret: &str, request: &RawRequest) -> Answer {
    if request.method != Method::POST {
        return Answer::empty(405);
    }
    if !is_signed(secret, request) {
        return Answer::empty(401);
    }
    let Some(body) = request.json().filter(Value::is_object) else { return Answer::empty(400) };
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (id, to, kind) = (text("/id"), text("/conversation/id"), text("/message/type"));
    if id.is_empty() || request.header("idempotency-key") != Some(id.as_str()) {
        return Answer::json(400, &json!({"error": "the idempotency key is not the message's id"}));
    }
    let is_message = book.accepted().iter().all(|sent| sent.id != id);
    let sent = Sent { kind, to, id: id.clone(), body, files: Vec::new(), at: book.clock().now(), is_message };
    book.accept(sent);
    Answer::json(200, &json!({"id": format!("app-{id}")}))
}

fn is_signed(secret: &str, request: &RawRequest) -> bool {
    let Some((time, signature)) = request
        .header("x-portico-signature")
        .and_then(|header| header.strip_prefix("t=")?.split_once(",v1="))
    else {
        return false;
    };
    let base = [format!("{time}.").as_bytes(), &request.body].concat();
    let fresh = time.parse::<u64>().is_ok_and(|time| time.abs_diff(now()) <= TOLERANCE);
    fresh && signature == hex::encode(hmac_sha256(secret.as_bytes(), &base))
}
