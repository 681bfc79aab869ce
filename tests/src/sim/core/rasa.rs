//! Rasa's REST channel: `POST /webhooks/rest/webhook`, answered with a list of responses.
//!
//! Source: Rasa documentation, "Your Own Website", section "REST Channels".

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::CoreAnswer;
use crate::sim::server::{Answer, Answering, Handler, RawRequest, Server};

/// One message that was given to Rasa.
#[derive(Clone, Debug)]
pub struct RasaTurn {
    /// `sender`: the key of Rasa's tracker.
    pub sender: String,
    /// `message`: the text, or an intent.
    pub message: String,
    /// `metadata`, null when absent.
    pub metadata: Value,
}

/// A Rasa server with only the REST channel. Stops on drop.
#[derive(Debug)]
pub struct RasaCore {
    server: Server,
    turns: Arc<Mutex<Vec<RasaTurn>>>,
    changes: watch::Sender<usize>,
}

impl RasaCore {
    /// Starts; `answer` gives the list of responses (`CoreAnswer::json(json!([…]))`) or a fault.
    ///
    /// # Errors
    /// Only when the system has no port to give.
    pub async fn start(answer: impl Fn(&RasaTurn) -> CoreAnswer + Send + Sync + 'static) -> io::Result<Self> {
        let turns: Arc<Mutex<Vec<RasaTurn>>> = Arc::default();
        let (changes, _) = watch::channel(0);
        let act = Arc::new(answer);
        let (book, told) = (turns.clone(), changes.clone());
        let handler: Handler = Arc::new(move |request| -> Answering {
            let (act, book, told) = (act.clone(), book.clone(), told.clone());
            Box::pin(async move {
                let turn = match read(&request) {
                    Ok(turn) => turn,
                    Err(refusal) => return refusal,
                };
                book.lock().push(turn.clone());
                told.send_modify(|count| *count += 1);
                let planned = act(&turn);
                if !planned.delay.is_zero() {
                    tokio::time::sleep(planned.delay).await;
                }
                planned.into_answer()
            })
        });
        let server = Server::start(handler).await?;
        Ok(Self { server, turns, changes })
    }

    /// The base URL of the server, without a slash at the end.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Every message so far.
    pub fn turns(&self) -> Vec<RasaTurn> {
        self.turns.lock().clone()
    }

    /// Waits until `n` messages came and returns all of them.
    ///
    /// # Errors
    /// Fewer came within `timeout`.
    pub async fn wait_for(&self, n: usize, timeout: Duration) -> anyhow::Result<Vec<RasaTurn>> {
        let mut changes = self.changes.subscribe();
        match tokio::time::timeout(timeout, changes.wait_for(|count| *count >= n)).await {
            Ok(_) => Ok(self.turns()),
            Err(_) => {
                anyhow::bail!("waited {} ms for {n} turns; {} came", timeout.as_millis(), self.turns().len())
            }
        }
    }
}

fn read(request: &RawRequest) -> Result<RasaTurn, Answer> {
    if request.path != "/webhooks/rest/webhook" {
        let body = json!({"version": "3.6.0", "status": "failure", "reason": "NotFound", "code": 404});
        return Err(Answer::json(404, &body));
    }
    if request.method != http::Method::POST {
        return Err(Answer::empty(405));
    }
    let body = request.json().filter(Value::is_object).ok_or_else(|| Answer::empty(400))?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    // Rasa takes a missing sender as "default" and mixes all users up: a gateway must never rely on it.
    if text("sender").is_empty() {
        return Err(Answer::json(400, &json!({"reason": "sender is missing"})));
    }
    let metadata = body.get("metadata").cloned().unwrap_or_default();
    Ok(RasaTurn { sender: text("sender"), message: text("message"), metadata })
}
