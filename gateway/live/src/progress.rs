//! How far a visitor's own message got, as the dispatch of events tells it.

use portico_contract::{ConversationId, InstallationId, MessageId};
use portico_outbound::{StreamWrite, reached};
use portico_store::records::{Records, StreamItem, StreamStatus, StreamWhat};
use portico_store::{Durability, StoreError};
use portico_turns::now;

use crate::{Live, LiveError};

/// Longest reason that is shown, in bytes.
const MAX_REASON: usize = 500;

impl Live {
    /// The core took the event of a visitor's message (`Ok`), or will never get it (`Err` with the reason, without
    /// secrets). Kept with the message and shown to the visitor, once; nothing happens for installations that are not
    /// live.
    ///
    /// # Errors
    /// The store's. What was to be shown is lost then, and the message is not.
    pub async fn core_took(
        &self,
        installation: &InstallationId,
        conversation: ConversationId,
        message: MessageId,
        outcome: Result<(), &str>,
    ) -> Result<(), LiveError> {
        let found = self.inner.installations.get(installation);
        let Some(at) = found.filter(|at| portico_outbound::is_live(at)) else { return Ok(()) };
        let records = &Records::of(self.inner.store.clone(), at.bot.clone());
        let (status, reason) = match outcome {
            Ok(()) => (StreamStatus::Delivered, None),
            Err(reason) => (StreamStatus::Failed, Some(short(reason))),
        };
        let make = |_| {
            let reason = reason.clone();
            async move {
                // Removed meanwhile, or not a visitor's.
                let Some(old) = records.message_in(conversation, message).await? else { return Ok(None) };
                let Some(row) = reached(&old.value, status, reason.clone()) else { return Ok(None) };
                let changes = records.message_changes(Some(&old), &row);
                let what = StreamWhat::Status { id: message, status, reason };
                let item = StreamItem { at: now(), what, client_id: None };
                Ok::<_, StoreError>(Some(StreamWrite { changes, items: vec![(item, None)] }))
            }
        };
        // Synced, though it could be learnt again: a number that somebody has seen must not be given to another item
        // after a crash.
        self.inner.outbox.write_stream(&at.bot, conversation, Durability::Synced, make).await?;
        Ok(())
    }
}

fn short(reason: &str) -> String {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default().to_owned()
}
