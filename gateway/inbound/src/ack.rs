//! Last step: what the provider gets to hear. A refusal tells it nothing.

use portico_contract::{Fault, Field, Reply};
use portico_store::StoreError;
use portico_telemetry::metrics::WebhookOutcome;

use crate::reply_or;

/// Answer to a webhook, with what the edge and the metrics want to know of it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status, headers, body.
    pub reply: Reply,
    /// What became of the request.
    pub outcome: WebhookOutcome,
    /// New events.
    pub events: usize,
    /// The sender failed to prove itself.
    pub forged: bool,
}

impl Answer {
    fn new(reply: Reply, outcome: WebhookOutcome) -> Self {
        Self { reply, outcome, events: 0, forged: false }
    }

    pub(crate) fn kept(reply: Option<Reply>, new: usize, repeats: usize, nothing: bool) -> Self {
        let outcome = match (nothing, new, repeats) {
            (false, 0, 1..) => WebhookOutcome::Duplicate,
            (false, 1.., _) => WebhookOutcome::Accepted,
            _ => WebhookOutcome::Ignored,
        };
        Self { events: new, ..Self::new(reply_or(reply, 200), outcome) }
    }

    pub(crate) fn unread(new: usize) -> Self {
        Self { events: new, ..Self::new(Reply::status(200), WebhookOutcome::Unread) }
    }

    pub(crate) fn refused(status: u16, allow: Option<String>) -> Self {
        let mut reply = Reply::status(status);
        reply.headers.extend(allow.map(|methods| Field::new("allow", methods)));
        Self { forged: status == 401, ..Self::new(reply, WebhookOutcome::Refused) }
    }

    pub(crate) fn fault(fault: &Fault, forged: bool) -> Self {
        let status = fault.webhook_status();
        let mut reply = Reply::status(status);
        if let Some(wait) = fault.retry_after_ms {
            reply.headers.push(Field::new("retry-after", wait.div_ceil(1000).to_string()));
        }
        let outcome = if status >= 500 { WebhookOutcome::Failed } else { WebhookOutcome::Refused };
        Self { forged, ..Self::new(reply, outcome) }
    }

    pub(crate) fn unavailable(retry_after_s: u32) -> Self {
        let mut reply = Reply::status(503);
        reply.headers.push(Field::new("retry-after", retry_after_s.to_string()));
        Self::new(reply, WebhookOutcome::Failed)
    }

    pub(crate) fn store(error: &StoreError) -> Self {
        match error {
            StoreError::DiskFull { .. } => Self::unavailable(60),
            StoreError::TooLarge { .. } => Self::new(Reply::status(413), WebhookOutcome::Refused),
            _ => Self::unavailable(5),
        }
    }
}
