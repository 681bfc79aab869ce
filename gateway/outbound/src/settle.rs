//! Last step of the way out: what became of a message is written down, and its end is told to the core.
//!
//! Success and final failure are one commit each: the row, the provider's ids, the progress, and the event for
//! the core. The driver then takes the entry off the lane. A crash between the two is harmless: the row says
//! how the message ended, and the entry is settled by that.

use std::time::Duration;

use portico_contract::{EventId, FaultCode, InstallationId};
use portico_lanes::Verdict;
use portico_store::records::{
    Conversation, DeliveryStatus, GatewayEvent, Message, MessageDelivery, Records, Versioned, progress_key,
};
use portico_store::{Change, Commit, EventOutcome, Lane, StoreError, Table};
use portico_telemetry::metrics::SendOutcome;
use portico_turns::{Delivery, Turns};
use serde_json::json;
use tracing::warn;

use crate::deliver::{Sender, Subject, Work};
use crate::entry::gateway_entry;
use crate::now;
use crate::verdict::{Failure, dead_word, short_text};

/// Tag of a conversation whose person can't be reached.
pub const UNREACHABLE: &str = "portico:unreachable";
/// How often a commit is made again while rows change or the store recovers.
const TRIES: u32 = 6;
impl Sender {
    /// The provider took the message.
    pub(crate) async fn sent(
        &self,
        work: &Work,
        subject: &Subject,
        delivery: Delivery,
    ) -> Result<Verdict, StoreError> {
        self.went_well(work);
        self.count(work, SendOutcome::Sent);
        self.metrics
            .outbound_seconds
            .observe(Duration::from_millis(now().saturating_sub(subject.message.value.created_at)));
        let mut known = Some(subject.message.clone());
        self.stubborn(|| {
            let known = known.take();
            let delivery = &delivery;
            async move { self.sent_changes(work, subject, known, delivery).await }
        })
        .await?;
        Ok(Verdict::Settle(EventOutcome::Done))
    }

    async fn sent_changes(
        &self,
        work: &Work,
        subject: &Subject,
        known: Option<Versioned<Message>>,
        delivery: &Delivery,
    ) -> Result<Vec<Change>, StoreError> {
        let mut changes = vec![Turns::forget_progress(work.event)];
        let (records, place) = (&work.records, &subject.conversation);
        let id = subject.message.value.id;
        let old = match known {
            Some(known) => Some(known),
            None => records.message_in(place.id, id).await?,
        };
        // Removed while it was sent: nothing is left to write on.
        if let Some(old) = old {
            let mut message = old.value.clone();
            let before = message.delivery.take();
            let status = before.as_ref().map_or(DeliveryStatus::Sent, |before| match before.status {
                DeliveryStatus::Delivered | DeliveryStatus::Read => before.status,
                _ => DeliveryStatus::Sent,
            });
            message.delivery = Some(MessageDelivery {
                status,
                at: now(),
                reason: None,
                external_ids: delivery.delivered.external_ids.clone(),
                possible_duplicate: delivery.possible_duplicate
                    || before.is_some_and(|it| it.possible_duplicate),
            });
            for (name, value) in delivery.delivered.tags.iter() {
                message.tags.insert(format!("{}:{name}", work.installation.alias), value.to_owned());
            }
            message.updated_at = now();
            changes.extend(records.message_changes(Some(&old), &message));
            for external_id in &delivery.delivered.external_ids {
                changes.push(records.external_change(&work.installation.id, external_id, id));
            }
        }
        if place.tags.contains_key(UNREACHABLE) {
            changes.extend(mark(records, place, None).await?);
        }
        if self.options.tell_sent {
            changes.push(told(records, &work.installation.id, work.lane, "message_sent", subject, json!({})));
        }
        Ok(changes)
    }

    /// Gives a message up, for good and told to the core (guarantee O5).
    pub(crate) async fn fail(
        &self,
        work: &Work,
        subject: &Subject,
        failure: Failure,
    ) -> Result<Verdict, StoreError> {
        self.write_failure(&work.records, &work.installation.id, work.lane, work.event, subject, &failure)
            .await?;
        self.give_up(work, failure).await
    }

    /// Gives an entry up whose message is told already, or whose end the core need not learn.
    pub(crate) async fn give_up(&self, work: &Work, failure: Failure) -> Result<Verdict, StoreError> {
        self.store.commit(Commit::of([Turns::forget_progress(work.event)]).ordered()).await?;
        self.count(work, failure.outcome);
        self.metrics.dead_letter(dead_word(failure.dead));
        let attempt = work.attempt(failure.code, &failure.detail);
        Ok(Verdict::Bury { reason: failure.dead, attempt: Some(attempt) })
    }

    /// Fails a message because of its age whose installation is gone, or takes nothing.
    pub(crate) async fn fail_orphan(
        &self,
        records: &Records,
        lane: Lane,
        event: EventId,
        subject: &Subject,
    ) -> Result<(), StoreError> {
        let installation = subject.conversation.installation.clone().unwrap_or_else(crate::no_installation);
        let failure = Failure::expired();
        self.metrics.dead_letter(dead_word(failure.dead));
        self.metrics.sends(installation.as_str()).outcomes.inc(failure.outcome);
        self.write_failure(records, &installation, lane, event, subject, &failure).await
    }

    async fn write_failure(
        &self,
        records: &Records,
        installation: &InstallationId,
        lane: Lane,
        event: EventId,
        subject: &Subject,
        failure: &Failure,
    ) -> Result<(), StoreError> {
        let reason = short_text(&failure.reason);
        let id = subject.message.value.id;
        warn!(message.id = %id, installation.id = %installation, code = failure.code, "a message failed");
        let doubt = self.is_in_doubt(event).await?;
        let mut known = Some(subject.message.clone());
        self.stubborn(|| {
            let known = known.take();
            let reason = reason.clone();
            async move {
                let mut changes = vec![Turns::forget_progress(event)];
                let old = match known {
                    Some(known) => Some(known),
                    None => records.message_in(subject.conversation.id, id).await?,
                };
                let Some(old) = old else { return Ok(changes) };
                // Somebody else failed it meanwhile, and told.
                if old
                    .value
                    .delivery
                    .as_ref()
                    .is_some_and(|delivery| delivery.status == DeliveryStatus::Failed)
                {
                    return Ok(changes);
                }
                let mut message = old.value.clone();
                let before = message.delivery.take();
                message.delivery = Some(MessageDelivery {
                    status: DeliveryStatus::Failed,
                    at: now(),
                    reason: Some(reason.clone()),
                    external_ids: before.as_ref().map(|it| it.external_ids.clone()).unwrap_or_default(),
                    // So that whoever sends it again knows.
                    possible_duplicate: doubt || before.is_some_and(|it| it.possible_duplicate),
                });
                message.updated_at = now();
                changes.extend(records.message_changes(Some(&old), &message));
                let payload = json!({ "reason": reason, "code": failure.code });
                changes.push(told(records, installation, lane, "message_failed", subject, payload));
                if failure.code == FaultCode::Unreachable.as_str() {
                    changes.extend(mark(records, &subject.conversation, Some("true")).await?);
                }
                Ok(changes)
            }
        })
        .await
    }

    /// Whether a call of a delivery may have arrived without its answer being read.
    async fn is_in_doubt(&self, event: EventId) -> Result<bool, StoreError> {
        let row = self.store.get(Table::Progress, &progress_key(event)).await?;
        let progress = row.and_then(|row| serde_json::from_slice::<serde_json::Value>(&row.value).ok());
        let says = |field: &str| progress.as_ref().and_then(|it| it.get(field)).is_some_and(|it| it == true);
        Ok(says("sending") || says("doubtful"))
    }

    /// A failed message that somebody wants sent again waits from now on like a new one.
    pub(crate) async fn begin_again(
        &self,
        records: &Records,
        old: Versioned<Message>,
    ) -> Result<Versioned<Message>, StoreError> {
        let mut message = old.value.clone();
        message.delivery = Some(MessageDelivery {
            status: DeliveryStatus::Pending,
            at: now(),
            reason: None,
            external_ids: Vec::new(),
            possible_duplicate: message.delivery.is_some_and(|delivery| delivery.possible_duplicate),
        });
        message.updated_at = now();
        self.store.commit(Commit::of(records.message_changes(Some(&old), &message))).await?;
        let place = (message.conversation, message.id);
        records.message_in(place.0, place.1).await?.ok_or(StoreError::NotFound("message"))
    }

    /// Makes a commit again while rows change under it or the store recovers: what it says has happened at the
    /// provider and must not be forgotten lightly.
    async fn stubborn<F, C>(&self, mut changes: F) -> Result<(), StoreError>
    where
        F: FnMut() -> C,
        C: Future<Output = Result<Vec<Change>, StoreError>>,
    {
        let mut tries = 0;
        loop {
            let done = match changes().await {
                Ok(changes) => self.store.commit(Commit::of(changes)).await.map(|_| ()),
                Err(error) => Err(error),
            };
            match done {
                Err(StoreError::Conflict { .. }) if tries < TRIES => {}
                Err(StoreError::Unavailable(_)) if tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(100 << tries)).await;
                }
                other => return other,
            }
            tries += 1;
        }
    }
}

/// The event by which the core learns the end of a message, in its conversation's mailbox.
pub(crate) fn told(
    records: &Records,
    installation: &InstallationId,
    lane: Lane,
    kind: &str,
    subject: &Subject,
    payload: serde_json::Value,
) -> Change {
    let message = &subject.message.value;
    let event = GatewayEvent {
        kind: kind.to_owned(),
        payload,
        conversation_id: Some(message.conversation),
        user_id: Some(message.user.clone()),
        message_id: Some(message.id),
        workflow_id: None,
    };
    let mailbox = Lane::inbound(lane.conversation);
    gateway_entry(records.bot(), installation.clone(), mailbox, EventId::new(), &event)
}

/// Changes that set or remove the tag of unreachable people.
async fn mark(
    records: &Records,
    place: &Conversation,
    value: Option<&str>,
) -> Result<Vec<Change>, StoreError> {
    let Some(old) = records.conversation(place.id).await? else { return Ok(Vec::new()) };
    let mut marked = old.value.clone();
    match value {
        Some(value) => marked.tags.insert(UNREACHABLE.to_owned(), value.to_owned()),
        None => marked.tags.remove(UNREACHABLE),
    };
    if marked.tags == old.value.tags {
        return Ok(Vec::new());
    }
    marked.updated_at = now();
    Ok(records.conversation_changes(Some(&old), &marked))
}
