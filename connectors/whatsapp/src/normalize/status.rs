//! `statuses[]`: the provider's word on what the bot sent.

use portico_contract::{CustomEvent, Event, Fault, Receipt, ReceiptStage};

use super::{Kept, Reader, missing, thread};
use crate::wire::{Problem, Status};

/// Longest reason that is kept, in characters.
const REASON: usize = 500;

impl Reader<'_> {
    /// One status. The order is not guaranteed; the gateway keeps the furthest stage.
    pub(super) fn status(
        &mut self,
        bot: &str,
        status: &Status<'_>,
        kept: &Kept<'_>,
    ) -> Result<Option<Event>, Fault> {
        let external_id = status.id.owned().ok_or_else(|| missing("id"))?;
        let (number, user_id) = (status.recipient_id.as_str(), status.recipient_user_id.as_str());
        let private = matches!(status.recipient_type.as_str(), "" | "individual");
        let thread =
            (private && !(number.is_empty() && user_id.is_empty())).then(|| thread(bot, number, user_id));
        let stage = match status.status.as_str() {
            "sent" => ReceiptStage::Accepted,
            "delivered" => ReceiptStage::Delivered,
            // A voice note that was played was heard, which is as good as read.
            "read" | "played" => ReceiptStage::Read,
            "failed" => ReceiptStage::Failed,
            "" => return Err(missing("status")),
            _ => {
                return Ok(Some(Event::Custom(CustomEvent {
                    name: "status".into(),
                    external_id: Some(format!("{external_id}:{}", status.status.as_str())),
                    thread,
                    author: None,
                    message: Some(external_id),
                    data: kept.json(),
                })));
            }
        };
        let problems = status.errors.as_deref().unwrap_or_default();
        let receipt = Receipt {
            external_id,
            thread,
            stage,
            at: self.at(status.timestamp.as_str()),
            reason: (stage == ReceiptStage::Failed).then(|| reason(problems)),
        };
        if stage == ReceiptStage::Failed
            && problems.iter().any(|problem| matches!(problem.code.as_str(), "131052" | "131053"))
        {
            self.found.refused_media.push(receipt);
            return Ok(None);
        }
        Ok(Some(Event::Receipt(receipt)))
    }
}

/// `131047: Re-engagement message (more than 24 hours have passed …)`.
fn reason(problems: &[Problem<'_>]) -> String {
    if problems.is_empty() {
        return "the provider gave no reason".into();
    }
    let words = |problem: &Problem<'_>| {
        let title = problem.title.some().or(problem.message.some()).unwrap_or("no title");
        let details =
            problem.error_data.as_ref().and_then(|data| data.details.some()).filter(|text| *text != title);
        match details {
            Some(details) => format!("{}: {title} ({details})", problem.code.as_str()),
            None => format!("{}: {title}", problem.code.as_str()),
        }
    };
    problems.iter().map(words).collect::<Vec<_>>().join("; ").chars().take(REASON).collect()
}
