//! Bot cores that record what they are given: the `http` kind ([`HttpCore`]) and Rasa's REST channel
//! ([`RasaCore`]).
//!
//! They stand at the far end of the inbound path: what arrives here, in which order and how often, is what
//! the gateway's promises are about.

mod ledger;
mod rasa;
mod signature;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub use self::ledger::{Ledger, Received, Sequence};
pub use self::rasa::{RasaCore, RasaTurn};
pub use self::signature::{SignatureFault, standard_webhooks_signature};
use super::provider::random_hex;
use super::server::{Answer, Answering, Handler, RawRequest, Server};

/// How a core answers one event.
#[derive(Clone, Debug)]
pub struct CoreAnswer {
    /// How long it takes.
    pub delay: Duration,
    /// What it answers then.
    pub outcome: Outcome,
}

/// The answer itself.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A status without a body.
    Status(u16),
    /// A status with a JSON body.
    Json(u16, Value),
    /// A status, headers and a body as they are.
    Raw(u16, Vec<(String, String)>, String),
    /// The connection is reset.
    Reset,
}

impl CoreAnswer {
    /// 200 without a body: done, nothing to say.
    pub fn done() -> Self {
        Self::status(200)
    }

    /// A status without a body.
    pub fn status(code: u16) -> Self {
        Self { delay: Duration::ZERO, outcome: Outcome::Status(code) }
    }

    /// 200 with any JSON.
    pub fn json(body: Value) -> Self {
        Self { delay: Duration::ZERO, outcome: Outcome::Json(200, body) }
    }

    /// 200 with replies, each a type and a payload.
    pub fn messages(replies: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let list: Vec<Value> =
            replies.into_iter().map(|(kind, payload)| json!({"type": kind, "payload": payload})).collect();
        Self::json(json!({"messages": list}))
    }

    /// 200 with one text as reply.
    pub fn text(text: &str) -> Self {
        Self::messages([("text", json!({"text": text}))])
    }

    /// No answer: the connection is reset.
    pub fn reset() -> Self {
        Self { delay: Duration::ZERO, outcome: Outcome::Reset }
    }

    /// The same answer, later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    fn into_answer(self) -> Answer {
        match self.outcome {
            Outcome::Status(code) => Answer::empty(code),
            Outcome::Json(code, body) => Answer::json(code, &body),
            Outcome::Raw(code, headers, body) => {
                let mut answer = Answer::empty(code);
                answer.headers = headers;
                answer.body = body.into();
                answer
            }
            Outcome::Reset => Answer::reset(),
        }
    }
}

/// One delivery of an event to the core.
#[derive(Clone, Debug)]
pub struct CoreEvent {
    /// `webhook-id`: the same on every attempt.
    pub id: String,
    /// Which delivery of this id it is, from 1.
    pub attempt: u32,
    /// All headers.
    pub headers: HeaderMap,
    /// The JSON body.
    pub body: Value,
    /// When it came.
    pub at: tokio::time::Instant,
}

impl CoreEvent {
    /// `type` of the envelope.
    pub fn kind(&self) -> &str {
        self.body.get("type").and_then(Value::as_str).unwrap_or_default()
    }

    /// `conversation.id`.
    pub fn conversation(&self) -> &str {
        self.body.pointer("/conversation/id").and_then(Value::as_str).unwrap_or_default()
    }

    /// `message.payload.text`.
    pub fn text(&self) -> &str {
        self.body.pointer("/message/payload/text").and_then(Value::as_str).unwrap_or_default()
    }
}

/// How an event is answered: called for every delivery, repeats included.
pub type Behaviour = Arc<dyn Fn(&CoreEvent) -> CoreAnswer + Send + Sync>;

/// A core of kind `http`. Dereferences to its [`Ledger`]; stops on drop.
#[derive(Debug)]
pub struct HttpCore {
    server: Server,
    secret: String,
    ledger: Ledger,
    behaviour: Arc<parking_lot::Mutex<BehaviourSlot>>,
}

struct BehaviourSlot(Behaviour);

impl std::fmt::Debug for BehaviourSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("behaviour")
    }
}

impl std::ops::Deref for HttpCore {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl HttpCore {
    /// Starts with a secret of its own; `answer` is asked for every delivery with a right signature.
    ///
    /// # Errors
    /// Only when the system has no port to give.
    pub async fn start(
        answer: impl Fn(&CoreEvent) -> CoreAnswer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::with_sequence(answer, ledger::last_number_of_text).await
    }

    /// As [`HttpCore::start`], with another way to find the place of an event in its conversation.
    ///
    /// # Errors
    /// Only when the system has no port to give.
    pub async fn with_sequence(
        answer: impl Fn(&CoreEvent) -> CoreAnswer + Send + Sync + 'static,
        sequence: Sequence,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Self::serve(listener, signature::new_secret(), answer, sequence)
    }

    /// As [`HttpCore::start`], on a port and with a secret that are known before.
    ///
    /// # Errors
    /// When somebody else has the port.
    pub async fn at(
        port: u16,
        secret: &str,
        answer: impl Fn(&CoreEvent) -> CoreAnswer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        Self::serve(listener, secret.to_owned(), answer, ledger::last_number_of_text)
    }

    fn serve(
        listener: TcpListener,
        secret: String,
        answer: impl Fn(&CoreEvent) -> CoreAnswer + Send + Sync + 'static,
        sequence: Sequence,
    ) -> io::Result<Self> {
        let ledger = Ledger::new(sequence);
        let behaviour = Arc::new(parking_lot::Mutex::new(BehaviourSlot(Arc::new(answer))));
        let numbers = Arc::new(AtomicU64::new(0));
        let server = {
            let (secret, ledger, behaviour) = (secret.clone(), ledger.clone(), behaviour.clone());
            let handler: Handler = Arc::new(move |request| -> Answering {
                let (secret, ledger, behaviour) = (secret.clone(), ledger.clone(), behaviour.clone());
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                Box::pin(async move {
                    let event = match admit(&secret, &ledger, &request, number) {
                        Ok(event) => event,
                        Err(answer) => return answer,
                    };
                    let act = behaviour.lock().0.clone();
                    let planned = act(&event);
                    if !planned.delay.is_zero() {
                        tokio::time::sleep(planned.delay).await;
                    }
                    let answer = planned.into_answer();
                    ledger.finish(number, (!answer.reset).then_some(answer.status));
                    answer
                })
            });
            Server::serve(listener, handler)?
        };
        Ok(Self { server, secret, ledger, behaviour })
    }

    /// Answers every event with the same text it came with.
    ///
    /// # Errors
    /// Only when the system has no port to give.
    pub async fn echo() -> io::Result<Self> {
        Self::start(|event| match event.kind() {
            "message_created" => CoreAnswer::text(event.text()),
            _ => CoreAnswer::done(),
        })
        .await
    }

    /// Where events are to be posted.
    pub fn url(&self) -> String {
        format!("{}/", self.server.url())
    }

    /// The secret to configure, `whsec_…`.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Answers differently from now on.
    pub fn answer_with(&self, answer: impl Fn(&CoreEvent) -> CoreAnswer + Send + Sync + 'static) {
        self.behaviour.lock().0 = Arc::new(answer);
    }
}

/// Signature, headers and JSON; what passes is in the ledger.
fn admit(secret: &str, ledger: &Ledger, request: &RawRequest, number: u64) -> Result<CoreEvent, Answer> {
    if request.method != http::Method::POST {
        return Err(Answer::empty(405));
    }
    if let Err(fault) = signature::verify(secret, request) {
        ledger.refuse(fault);
        return Err(Answer::json(401, &json!({"error": fault.to_string(), "reference": random_hex(4)})));
    }
    let Some(body) = request.json().filter(Value::is_object) else {
        ledger.refuse(SignatureFault::NotJson);
        return Err(Answer::empty(400));
    };
    let id = request.header("webhook-id").unwrap_or_default().to_owned();
    Ok(ledger.begin(number, id, request.headers.clone(), body))
}

#[cfg(test)]
mod tests;
