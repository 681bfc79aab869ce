//! The way out of a live installation: a message is sent by being shown.
//!
//! Nothing is rendered, fitted or paced: whoever has the conversation open gets the message as it is. "Sent" and
//! the message's place in the stream are one commit, told to those who listen after it; a crash between the two
//! loses nothing, because they read the stream when they come back.

use std::sync::Arc;

use portico_lanes::Verdict;
use portico_store::records::{DeliveryStatus, MessageDelivery, StreamItem, StreamWhat};
use portico_store::{Durability, EventOutcome, StoreError};
use portico_telemetry::metrics::SendOutcome;
use serde_json::json;

use crate::deliver::{Sender, Subject, Work};
use crate::now;
use crate::settle::told;
use crate::stream::{self, StreamWrite};

impl Sender {
    /// Shows a message of the bot.
    pub(crate) async fn show(&self, work: &Work, subject: &Subject) -> Result<Verdict, StoreError> {
        let (records, id) = (&work.records, subject.message.value.id);
        let place = subject.conversation.id;
        let known = parking_lot::Mutex::new(Some(subject.message.clone()));
        let make = |_| async {
            let first = known.lock().take();
            let old = match first {
                Some(old) => Some(old),
                None => records.message_in(place, id).await?,
            };
            // Removed meanwhile, or shown by another attempt whose end was lost.
            let Some(old) = old.filter(|old| is_waiting(old.value.delivery.as_ref())) else {
                return Ok(None);
            };
            let mut message = old.value.clone();
            let at = now();
            message.delivery = Some(MessageDelivery {
                status: DeliveryStatus::Sent,
                at,
                reason: None,
                external_ids: Vec::new(),
                possible_duplicate: false,
            });
            message.updated_at = at;
            let mut changes = records.message_changes(Some(&old), &message);
            if self.options.tell_sent {
                let installation = &work.installation.id;
                changes.push(told(records, installation, work.lane, "message_sent", subject, json!({})));
            }
            let item = StreamItem { at, what: StreamWhat::Message { id }, client_id: None };
            Ok::<_, StoreError>(Some(StreamWrite { changes, items: vec![(item, Some(Arc::new(message)))] }))
        };
        let outlet = self.turns.outlet();
        let (at, durability) = (Some(work.installation.as_ref()), Durability::Synced);
        if stream::write(records, outlet, place, at, durability, make).await?.is_none() {
            return Ok(Verdict::Settle(EventOutcome::Ignored));
        }
        self.count(work, SendOutcome::Sent);
        self.metrics.outbound_seconds.observe(std::time::Duration::from_millis(
            now().saturating_sub(subject.message.value.created_at),
        ));
        Ok(Verdict::Settle(EventOutcome::Done))
    }
}

fn is_waiting(delivery: Option<&MessageDelivery>) -> bool {
    delivery.is_none_or(|delivery| delivery.status == DeliveryStatus::Pending)
}
