//! Changes to live conversations besides new messages: edits, removals, read marks, people who come and go. Each
//! is one commit with its place in the stream.

use std::sync::Arc;

use portico_contract::{BotId, ConversationId, MessageId, UserId};
use portico_store::records::{
    DeliveryStatus, Direction, Message, MessageFilter, Records, StreamItem, StreamStatus, StreamWhat,
};
use portico_store::{Durability, StoreError};
use portico_turns::Outlet;

use crate::accept::Outbox;
use crate::reached::reached;
use crate::stream::{self, StreamWrite};
use crate::{AcceptError, MessageChange, now};

/// Messages that are looked through for those of the visitor.
const LOOK_BACK: usize = 50;

impl Outbox {
    /// Whether a conversation's people are connected to the gateway itself.
    pub(crate) async fn is_live_place(
        &self,
        records: &Records,
        id: ConversationId,
    ) -> Result<bool, StoreError> {
        // Most gateways have no live installation; they need not read the conversation for it.
        if !self.installations.any(stream::is_live) {
            return Ok(false);
        }
        let place = records.conversation(id).await?;
        Ok(place
            .and_then(|place| self.carrier(&place.value))
            .is_some_and(|carrier| stream::is_live(&carrier)))
    }

    pub(crate) async fn edit_live(
        &self,
        records: &Records,
        message: &Message,
        change: &MessageChange,
    ) -> Result<Message, AcceptError> {
        let (place, id) = (message.conversation, message.id);
        let last = parking_lot::Mutex::new(message.clone());
        let make = |_| async {
            let old = records.message_in(place, id).await?.ok_or(AcceptError::NotFound)?;
            let Some(message) = change.of(&old.value)? else {
                *last.lock() = old.value;
                return Ok(None);
            };
            let changes = records.message_changes(Some(&old), &message);
            *last.lock() = message.clone();
            let items = if was_shown(&old.value) {
                vec![(item(StreamWhat::Updated { id }), Some(Arc::new(message)))]
            } else {
                Vec::new()
            };
            Ok::<_, AcceptError>(Some(StreamWrite { changes, items }))
        };
        self.write_stream(records.bot(), place, Durability::Synced, make).await?;
        Ok(last.into_inner())
    }

    pub(crate) async fn delete_live(&self, records: &Records, message: &Message) -> Result<(), AcceptError> {
        let (place, id) = (message.conversation, message.id);
        let make = |_| async {
            let old = records.message_in(place, id).await?.ok_or(AcceptError::NotFound)?;
            let mut changes = records.message_removal_changes(&old);
            changes.extend(self.uncount(records, &old).await?);
            let items = if was_shown(&old.value) {
                vec![(item(StreamWhat::Deleted { id, user: old.value.user.clone() }), None)]
            } else {
                Vec::new()
            };
            Ok::<_, AcceptError>(Some(StreamWrite { changes, items }))
        };
        self.write_stream(records.bot(), place, Durability::Synced, make).await?;
        Ok(())
    }

    /// Makes a user take part in a conversation, or not any more; in a live one those who listen learn it. Says
    /// whether anything changed.
    ///
    /// # Errors
    /// As the store's.
    pub async fn set_participant(
        &self,
        bot: &BotId,
        conversation: ConversationId,
        user: &UserId,
        joins: bool,
    ) -> Result<bool, StoreError> {
        let records = Records::of(self.store.clone(), bot.clone());
        let is_live = self.is_live_place(&records, conversation).await?;
        let make = |_| {
            let (records, user) = (&records, user.clone());
            async move {
                if records.is_participant(conversation, &user).await? == joins {
                    return Ok(None);
                }
                let changes = records.participant_changes(conversation, &user, joins).into();
                let what = StreamWhat::Participant { user, joined: joins };
                let items = if is_live { vec![(item(what), None)] } else { Vec::new() };
                Ok::<_, StoreError>(Some(StreamWrite { changes, items }))
            }
        };
        let done = self.write_stream(bot, conversation, Durability::Synced, make).await?;
        Ok(done.is_some())
    }
}

/// The bot has read what the visitor said, up to a message; without one, all of it. Of messages that were said long
/// before it, the stream's word must do.
pub(crate) async fn mark_read(
    records: &Records,
    outlet: &dyn Outlet,
    conversation: ConversationId,
    message: Option<MessageId>,
) -> Result<(), StoreError> {
    let make = |_| async move {
        let mut latest =
            records.messages(conversation, &MessageFilter::default(), None, LOOK_BACK).await?.items;
        if let Some(id) = message {
            match latest.iter().position(|row| row.value.id == id) {
                Some(place) => drop(latest.drain(..place)),
                None => latest = records.message_in(conversation, id).await?.into_iter().collect(),
            }
        }
        let mut said = latest.iter().filter(|row| row.value.direction == Direction::Incoming).peekable();
        let Some(id) = said.peek().map(|row| row.value.id) else { return Ok(None) };
        let read = said.filter_map(|old| {
            let row = reached(&old.value, StreamStatus::Read, None)?;
            Some(records.message_changes(Some(old), &row))
        });
        let changes: Vec<_> = read.flatten().collect();
        if changes.is_empty() {
            return Ok(None);
        }
        let what = StreamWhat::Status { id, status: StreamStatus::Read, reason: None };
        Ok::<_, StoreError>(Some(StreamWrite { changes, items: vec![(item(what), None)] }))
    };
    stream::write(records, outlet, conversation, None, Durability::Synced, make).await?;
    Ok(())
}

/// Whether the stream holds a message: what came in does from the beginning, what goes out once it was sent.
fn was_shown(message: &Message) -> bool {
    match (message.direction, &message.delivery) {
        (Direction::Incoming, _) => true,
        (Direction::Outgoing, Some(delivery)) => {
            !matches!(delivery.status, DeliveryStatus::Pending | DeliveryStatus::Failed)
        }
        (Direction::Outgoing, None) => false,
    }
}

fn item(what: StreamWhat) -> StreamItem {
    StreamItem { at: now(), what, client_id: None }
}
