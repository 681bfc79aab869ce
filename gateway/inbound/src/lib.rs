//! The inbound path, from a request at an installation's address to its answer.
//!
//! ```text
//! verify ─▶ normalize (the connector's turn) ─▶ journal (dedupe, order, on disk) ─▶ ack
//! ```
//!
//! The provider gets its 2xx only once everything that the request says is synced. A genuine request that
//! can't be understood is kept raw and shown as unread; a forged one leaves nothing behind but a count.

mod ack;
mod journal;
mod normalize;
mod verify;

use std::sync::Arc;
use std::time::Instant;

use portico_contract::{Ask, EventId, InboundRequest, Millis, Next, Reply};
use portico_store::Store;
use portico_store::records::RawRequest;
use portico_telemetry::Metrics;
use portico_telemetry::metrics::{EventOutcome, Refusal, WebhookOutcome};
use portico_turns::{Installation, Turns};
use tracing::{debug, warn};

pub use ack::Answer;

use journal::Kept;
use normalize::Understood;

/// The inbound path of all installations.
#[derive(Clone)]
pub struct Inbound {
    store: Arc<dyn Store>,
    turns: Turns,
    metrics: Arc<Metrics>,
    observer: Option<Arc<dyn Observer>>,
}

/// Sees what comes in, for the demo's live view. Never waited for.
pub trait Observer: Send + Sync {
    /// A request was answered.
    fn webhook(&self, installation: &Installation, outcome: WebhookOutcome, events: usize, status: u16);
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbound").finish_non_exhaustive()
    }
}

impl Inbound {
    /// A path into a store, through a turn processor.
    pub fn new(store: Arc<dyn Store>, turns: Turns, metrics: Arc<Metrics>) -> Self {
        Self { store, turns, metrics, observer: None }
    }

    /// Shows what comes in to an observer.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Takes one request and answers it. `Answer::forged` says that the sender failed to prove itself, for
    /// the limits of the caller's address.
    pub async fn accept(&self, installation: &Arc<Installation>, mut request: InboundRequest) -> Answer {
        let begun = Instant::now();
        let answer = self.answer(installation, &mut request).await;
        let handle = self.metrics.webhook(installation.id.as_str());
        handle.record(answer.outcome, request.body.len(), begun.elapsed());
        if let Some(observer) = &self.observer {
            observer.webhook(installation, answer.outcome, answer.events, answer.reply.status);
        }
        answer
    }

    async fn answer(&self, installation: &Arc<Installation>, request: &mut InboundRequest) -> Answer {
        if installation.is_paused(request.received_at) {
            return Answer::unavailable(60);
        }
        match verify::verify(installation, request) {
            Ok(passed) => request.passed_checks = passed,
            Err(refused) => {
                self.metrics.refusals.inc(refused.reason);
                debug!(installation.id = %installation.id, "refused: {}", refused.why);
                return Answer::refused(refused.status, refused.allow);
            }
        }
        let run_id = EventId::new();
        // State that a turn read may have changed before its writes were stored: then it is made again.
        for _ in 0..4 {
            let understood = normalize::normalize(&self.turns, installation, run_id, request).await;
            let (effects, reply, ask) = match understood {
                Understood::Turn(turn) => {
                    let ask = match turn.next {
                        Next::Ask(ask) => Some(ask),
                        Next::Done(_) => None,
                    };
                    (turn.effects, turn.reply, ask)
                }
                Understood::Unread(why) => return self.keep_unread(installation, request, &why).await,
                Understood::Refused(fault) => {
                    let forged = fault.code == portico_contract::FaultCode::Unauthenticated;
                    if forged {
                        self.metrics.refusals.inc(Refusal::Unauthenticated);
                    }
                    debug!(installation.id = %installation.id, "refused: {fault}");
                    return Answer::fault(&fault, forged);
                }
            };
            let nothing_to_keep = effects.is_empty();
            let kept = if nothing_to_keep {
                Kept::Done { new: 0, repeats: 0 }
            } else {
                journal::keep(&self.store, &self.turns, installation, effects, request).await
            };
            match kept {
                Kept::Done { new, repeats } => {
                    self.metrics.events.add(EventOutcome::New, new as u64);
                    self.metrics.events.add(EventOutcome::Duplicate, repeats as u64);
                    // A repeat was acted on the first time.
                    if let Some(ask) = ask.filter(|_| new > 0 || repeats == 0) {
                        self.go_on(installation.clone(), run_id, ask);
                    }
                    return Answer::kept(reply, new, repeats, nothing_to_keep);
                }
                Kept::Changed => {}
                Kept::Broken(why) => return self.keep_unread(installation, request, &why).await,
                Kept::Failed(error) => {
                    self.metrics.refusals.inc(Refusal::Store);
                    warn!(installation.id = %installation.id, "a webhook could not be kept: {error}");
                    return Answer::store(&error);
                }
            }
        }
        Answer::unavailable(1)
    }

    /// Reads a raw webhook again that was not understood before, now that the connector was mended. Its sender
    /// was proven when it came. Says how many new events it made.
    ///
    /// # Errors
    /// Why it is still not understood, or can't be kept.
    pub async fn read_again(
        &self,
        installation: &Arc<Installation>,
        raw: RawRequest,
        received_at: Millis,
    ) -> Result<usize, String> {
        let request = normalize::proven_before(installation, raw, received_at)?;
        let run_id = EventId::new();
        let turn = match normalize::normalize(&self.turns, installation, run_id, &request).await {
            Understood::Turn(turn) => turn,
            Understood::Unread(why) => return Err(why.to_string()),
            Understood::Refused(fault) => return Err(fault.to_string()),
        };
        match journal::keep(&self.store, &self.turns, installation, turn.effects, &request).await {
            Kept::Done { new, .. } => Ok(new),
            Kept::Changed => Err("state changed meanwhile, try again".into()),
            Kept::Broken(why) => Err(why.to_string()),
            Kept::Failed(error) => Err(error.to_string()),
        }
    }

    async fn keep_unread(
        &self,
        installation: &Arc<Installation>,
        request: &InboundRequest,
        why: &normalize::Why,
    ) -> Answer {
        warn!(installation.id = %installation.id, "a genuine webhook was not understood and is kept raw: {why}");
        match journal::keep_unread(&self.store, installation, request, why).await {
            Kept::Done { new, .. } => {
                self.metrics.events.add(EventOutcome::Unread, new as u64);
                Answer::unread(new)
            }
            Kept::Failed(error) => {
                self.metrics.refusals.inc(Refusal::Store);
                Answer::store(&error)
            }
            Kept::Changed | Kept::Broken(_) => Answer::unavailable(1),
        }
    }

    /// The rest of the run, once the caller has its answer: nobody waits for it.
    fn go_on(&self, installation: Arc<Installation>, run_id: EventId, ask: Ask) {
        let turns = self.turns.clone();
        tokio::spawn(async move {
            if let Err(fault) = turns.webhook_rest(&installation, run_id, ask).await {
                warn!(installation.id = %installation.id, "what a webhook asked for afterwards failed: {fault}");
            }
        });
    }
}

/// Replaces the answer's reply where the connector gave one.
fn reply_or(reply: Option<Reply>, status: u16) -> Reply {
    reply.unwrap_or_else(|| Reply::status(status))
}
