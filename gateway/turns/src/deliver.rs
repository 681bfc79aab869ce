//! Delivery runs: a message's calls to the provider, with their place kept across failures and restarts.
//!
//! Before a request leaves, a progress row says so; once its answer is read, the row moves on. So a later
//! attempt goes on with the call that failed, parts that were sent are not sent again, and a request whose
//! answer was lost is known to be in doubt (guarantee O3).

use std::sync::Arc;

use portico_contract::{
    Ask, Delivered, EventId, Fault, FaultCode, HttpAnswer, Next, OutboundMessage, Outcome, TransportFailure,
};
use portico_store::records::progress_key;
use portico_store::{Change, Commit, Table};
use serde::{Deserialize, Serialize};

use crate::run::{OwnedCall, now, store_fault};
use crate::{Installation, Job, OnUnknown, Turns};

/// Most calls for one message.
const MAX_CALLS: usize = 64;

/// Where a delivery stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Progress {
    /// The call to make next.
    ask: Ask,
    /// It may have left, and no answer was read.
    sending: bool,
    /// One call was already sent again in doubt.
    doubtful: bool,
    /// Answers of the call under way that were lost while this process watched. A crash is no such loss: it may
    /// have come before the request left, so it never makes a message be given up.
    #[serde(default)]
    lost: u32,
}

/// A delivered message.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// What the provider said.
    pub delivered: Delivered,
    /// A call was sent again after an unknown outcome.
    pub possible_duplicate: bool,
}

/// A delivery that failed for now or for good.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryFault {
    /// Why.
    pub fault: Fault,
    /// Nobody knows whether the provider has the message, and the installation wants an operator to decide.
    pub hold: bool,
}

impl From<Fault> for DeliveryFault {
    fn from(fault: Fault) -> Self {
        Self { fault, hold: false }
    }
}

impl Turns {
    /// Delivers a message, going on where an earlier attempt of the same outbox event stopped. The progress
    /// row is left for the caller to remove with [`Turns::forget_progress`] in the commit that settles it.
    ///
    /// # Errors
    /// [`DeliveryFault`]; a later attempt makes the same call again.
    pub async fn deliver(
        &self,
        installation: &Arc<Installation>,
        event: EventId,
        message: OutboundMessage,
    ) -> Result<Delivery, DeliveryFault> {
        self.deliver_job(installation, event, Job::Deliver(Box::new(message))).await
    }

    /// As [`Turns::deliver`], for an action that stands in the outbox: an edit or a deletion.
    ///
    /// # Errors
    /// As [`Turns::deliver`].
    pub async fn deliver_job(
        &self,
        installation: &Arc<Installation>,
        event: EventId,
        job: Job,
    ) -> Result<Delivery, DeliveryFault> {
        let now = now();
        let ctx = Self::context(installation, event);
        let mut progress = match self.progress(event).await? {
            Some(progress) => progress,
            None => {
                let (next, _) = self.stored_turn(installation, &ctx, now, OwnedCall::Job(job)).await?;
                match next {
                    Next::Done(outcome) => return Ok(delivery(outcome, false)),
                    Next::Ask(ask) => Progress { ask, sending: false, doubtful: false, lost: 0 },
                }
            }
        };
        for _ in 0..MAX_CALLS {
            if progress.sending && !repeatable(&progress.ask) {
                self.decide_doubt(installation, event, &mut progress).await?;
            }
            progress.sending = true;
            self.keep_progress(event, &progress).await?;
            let answers = self.sender(installation, now).send_all(&progress.ask.requests).await;
            if in_doubt(&answers) && !repeatable(&progress.ask) {
                // The row still says "sending": the next attempt decides.
                progress.lost += 1;
                self.keep_progress(event, &progress).await?;
                return Err(doubt(installation, progress.lost > 1));
            }
            let call = OwnedCall::Resume { memo: progress.ask.memo.clone(), answers };
            match self.stored_turn(installation, &ctx, now, call).await {
                Ok((Next::Done(outcome), _)) => return Ok(delivery(outcome, progress.doubtful)),
                Ok((Next::Ask(ask), _)) => {
                    progress.ask = ask;
                    progress.lost = 0;
                }
                Err(fault) => {
                    progress.sending = false;
                    self.keep_progress(event, &progress).await?;
                    return Err(fault.into());
                }
            }
            progress.sending = false;
        }
        Err(Fault::new(FaultCode::Bug, "bad turn: a message takes at most 64 calls").into())
    }

    /// The change that forgets where a delivery stood.
    pub fn forget_progress(event: EventId) -> Change {
        Change::delete(Table::Progress, progress_key(event))
    }

    async fn progress(&self, event: EventId) -> Result<Option<Progress>, Fault> {
        let row = self
            .store
            .get(Table::Progress, &progress_key(event))
            .await
            .map_err(|error| store_fault(&error))?;
        // A row of another version's form: better one more try than a message that never leaves.
        Ok(row.and_then(|row| serde_json::from_slice(&row.value).ok()))
    }

    async fn keep_progress(&self, event: EventId, progress: &Progress) -> Result<(), Fault> {
        let value = serde_json::to_vec(progress).unwrap_or_default();
        let commit = Commit::of([Change::put(Table::Progress, progress_key(event), value)]);
        // That a request leaves which must not leave twice has to outlive a crash, or its repeat would not be
        // marked; of all else only the order matters.
        let commit = if progress.sending && !repeatable(&progress.ask) { commit } else { commit.ordered() };
        self.store.commit(commit).await.map(|_| ()).map_err(|error| store_fault(&error))
    }

    /// A request may have left and its answer is lost: does it leave once more?
    async fn decide_doubt(
        &self,
        installation: &Installation,
        event: EventId,
        progress: &mut Progress,
    ) -> Result<(), DeliveryFault> {
        match installation.on_unknown {
            OnUnknown::Retry if progress.lost <= 1 => {
                progress.doubtful = true;
                Ok(())
            }
            OnUnknown::Hold if !progress.doubtful => {
                // Released by an operator, the next attempt sends it, marked.
                progress.doubtful = true;
                progress.sending = false;
                self.keep_progress(event, progress).await?;
                Err(DeliveryFault {
                    fault: Fault::new(FaultCode::Rejected, "the outcome at the provider is unknown"),
                    hold: true,
                })
            }
            OnUnknown::Retry | OnUnknown::Hold | OnUnknown::Drop => {
                Err(Fault::new(FaultCode::Rejected, "the outcome at the provider is unknown").into())
            }
        }
    }
}

fn delivery(outcome: Outcome, possible_duplicate: bool) -> Delivery {
    let delivered = match outcome {
        Outcome::Delivered(delivered) => delivered,
        Outcome::Nothing | Outcome::Output(_) => Delivered::default(),
    };
    Delivery { delivered, possible_duplicate }
}

fn repeatable(ask: &Ask) -> bool {
    ask.requests.iter().all(|request| request.repeatable)
}

fn in_doubt(answers: &[HttpAnswer]) -> bool {
    matches!(
        answers.last().map(|answer| &answer.outcome),
        Some(Err(TransportFailure::TimedOut | TransportFailure::UnknownResult | TransportFailure::TooLarge))
    )
}

fn doubt(installation: &Installation, again: bool) -> DeliveryFault {
    let message = "sent, but the answer was lost";
    match installation.on_unknown {
        OnUnknown::Drop => Fault::new(FaultCode::Rejected, message).into(),
        OnUnknown::Retry | OnUnknown::Hold if again => Fault::new(FaultCode::Rejected, message).into(),
        OnUnknown::Retry | OnUnknown::Hold => Fault::new(FaultCode::Unavailable, message).into(),
    }
}
