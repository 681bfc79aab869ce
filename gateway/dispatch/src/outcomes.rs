//! Who wants to know how events of the gateway's own making end: live channels show it to the visitor.

use async_trait::async_trait;
use portico_contract::{ConversationId, EventId, InstallationId};
use portico_lanes::Verdict;
use portico_store::{DeadReason, EventOutcome};

/// How an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The event. The message that it brought, if it did, has the same sixteen bytes.
    pub event: EventId,
    /// The installation that it came through.
    pub installation: InstallationId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Whether the core took it; else why it will never get it.
    pub taken: Result<(), DeadReason>,
}

/// Is told how events of kind `Gateway` ended.
#[async_trait]
pub trait Outcomes: Send + Sync {
    /// An event was taken by its core, or given up. Called once per end; after a crash it may be called again.
    async fn ended(&self, ended: Ended);
}

/// Whether a verdict ends an event, and how.
pub(crate) fn end_of(verdict: &Verdict) -> Option<Result<(), DeadReason>> {
    match verdict {
        Verdict::Settle(EventOutcome::Done) => Some(Ok(())),
        Verdict::Bury { reason, .. } => Some(Err(*reason)),
        _ => None,
    }
}
