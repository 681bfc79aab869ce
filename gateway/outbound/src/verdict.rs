//! What a fault means for an entry: it waits, its installation waits, or it is given up (connector contract,
//! section 6).

use std::time::Duration;

use portico_contract::{EventId, Fault, FaultCode, InstallationId};
use portico_lanes::Verdict;
use portico_store::records::Conversation;
use portico_store::{DeadReason, StoreError};
use portico_telemetry::metrics::SendOutcome;
use portico_turns::DeliveryFault;
use tracing::{info, warn};

use crate::deliver::{Sender, Subject, Work};
use crate::gates::ATTENTION;
use crate::{Stopped, now, render};

/// Code of the attempt after which an operator decides.
const HELD: &str = "held";
/// Waits between attempts, in seconds; the last one is repeated.
const DELAYS: [u64; 8] = [1, 2, 5, 15, 30, 60, 120, 300];
/// Longest text kept of an attempt.
const MAX_DETAIL: usize = 2048;

/// How long to wait after so many attempts.
pub(crate) fn delay(attempts: u32) -> Duration {
    let index = usize::try_from(attempts).unwrap_or(usize::MAX).min(DELAYS.len() - 1);
    Duration::from_secs(DELAYS[index])
}

/// Text for an attempt or a row: short, and with what looks like a secret cut out.
pub(crate) fn short_text(text: &str) -> String {
    let mut text = portico_telemetry::redact(text).to_string();
    let mut end = MAX_DETAIL.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// Why a message is given up.
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) dead: DeadReason,
    pub(crate) outcome: SendOutcome,
}

impl Failure {
    /// It waited too long.
    pub(crate) fn expired() -> Self {
        let reason = "the message could not be sent in time".to_owned();
        Self {
            code: "expired",
            detail: reason.clone(),
            reason,
            dead: DeadReason::Expired,
            outcome: SendOutcome::Expired,
        }
    }

    /// It has no form that could be sent.
    pub(crate) fn unsendable(reason: String) -> Self {
        let detail = reason.clone();
        Self {
            code: "unsupported",
            reason,
            detail,
            dead: DeadReason::Unsendable,
            outcome: SendOutcome::Failed,
        }
    }

    /// The connector's final fault.
    pub(crate) fn of(fault: &Fault) -> Self {
        let dead = match fault.code {
            FaultCode::BadInput | FaultCode::Unsupported => DeadReason::Unsendable,
            FaultCode::Bug => DeadReason::Exhausted,
            _ => DeadReason::Refused,
        };
        Self {
            code: fault.code.as_str(),
            reason: fault.to_string(),
            detail: detail_of(fault),
            dead,
            outcome: SendOutcome::Failed,
        }
    }
}

fn detail_of(fault: &Fault) -> String {
    match &fault.detail {
        Some(detail) => format!("{}; {detail}", fault.message),
        None => fault.message.clone(),
    }
}

pub(crate) fn dead_word(reason: DeadReason) -> &'static str {
    match reason {
        DeadReason::Exhausted => "exhausted",
        DeadReason::Expired => "expired",
        DeadReason::Refused => "refused",
        DeadReason::Unsendable => "unsendable",
    }
}

impl Sender {
    /// A message that failed: it waits, is given up, or goes on by the kind of fault.
    pub(crate) async fn judge(
        &self,
        work: &Work,
        subject: &Subject,
        failed: DeliveryFault,
    ) -> Result<Verdict, StoreError> {
        match self.later(work, &subject.conversation, &failed).await? {
            Some(verdict) => Ok(verdict),
            None => {
                self.gates.answered(&work.installation.id);
                self.fail(work, subject, Failure::of(&failed.fault)).await
            }
        }
    }

    /// The verdict of a fault after which the same entry is tried again; `None` when it is final.
    pub(crate) async fn later(
        &self,
        work: &Work,
        place: &Conversation,
        failed: &DeliveryFault,
    ) -> Result<Option<Verdict>, StoreError> {
        let fault = &failed.fault;
        let attempt = || work.attempt(fault.code.as_str(), &detail_of(fault));
        if failed.hold {
            self.count(work, SendOutcome::Unknown);
            return Ok(Some(Verdict::Hold { attempt: work.attempt(HELD, &detail_of(fault)) }));
        }
        let wished = fault.retry_after_ms.map(|pause| Duration::from_millis(u64::from(pause)));
        Ok(Some(match fault.code {
            FaultCode::RateLimited => {
                let conversation = render::short(place.id);
                let (stopped, pause) =
                    self.pacer(&work.installation).limited(&place.channel, conversation, wished);
                self.gates.answered(&work.installation.id);
                self.count(work, SendOutcome::Throttled);
                self.metrics.sends(work.installation.id.as_str()).waits.record(pause);
                let whole = stopped == Stopped::Installation;
                info!(installation.id = %work.installation.id, ?pause, whole, "the provider wants a pause");
                Verdict::Defer { due: work.due(pause), attempt: attempt(), counts: false }
            }
            FaultCode::Unavailable | FaultCode::Conflict => {
                self.count(work, SendOutcome::Retry);
                if self.gates.failed(&work.installation, render::short(place.id)) {
                    return Ok(Some(Verdict::Wait));
                }
                let pause = delay(work.attempts).max(wished.unwrap_or_default());
                Verdict::Defer { due: work.due(pause), attempt: attempt(), counts: true }
            }
            FaultCode::Unauthenticated | FaultCode::BadConfig => {
                self.count(work, SendOutcome::Unauthenticated);
                self.needs_attention(work, fault);
                Verdict::Wait
            }
            FaultCode::Bug if !self.was_bug_before(work).await? => {
                self.count(work, SendOutcome::Retry);
                Verdict::Defer { due: work.due(delay(0)), attempt: attempt(), counts: true }
            }
            _ => return Ok(None),
        }))
    }

    fn needs_attention(&self, work: &Work, fault: &Fault) {
        let installation = &work.installation;
        if installation.attention().is_none() {
            warn!(installation.id = %installation.id, code = fault.code.as_str(), "the installation needs attention");
        }
        installation.needs_attention(fault.code.as_str(), &short_text(&fault.message), now());
        self.metrics.sends(installation.id.as_str()).attention.set(1);
        self.gates.close(installation, ATTENTION);
    }

    /// The provider took something: the installation is in order.
    pub(crate) fn went_well(&self, work: &Work) {
        self.gates.answered(&work.installation.id);
        self.pacer(&work.installation).went_well();
        work.installation.is_well();
        self.metrics.sends(work.installation.id.as_str()).attention.set(0);
    }

    /// Tries an installation's messages again at once, whatever it waits for. The driver has to be told to go
    /// on besides.
    pub fn resume(&self, installation: &InstallationId) {
        self.gates.open(installation);
        self.metrics.sends(installation.as_str()).attention.set(0);
    }

    /// Whether an operator has just let it go: it is tried then, however old it is.
    pub(crate) async fn was_held(&self, event: EventId) -> Result<bool, StoreError> {
        Ok(self.store.attempts(event).await?.last().is_some_and(|attempt| attempt.code == HELD))
    }

    async fn was_bug_before(&self, work: &Work) -> Result<bool, StoreError> {
        let attempts = self.store.attempts(work.event).await?;
        Ok(attempts.iter().any(|attempt| attempt.code == FaultCode::Bug.as_str()))
    }
}
