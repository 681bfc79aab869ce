//! Changes to messages that are there already, and their removal; what the channel can carry goes out too.

use std::collections::BTreeMap;

use portico_contract::{BotId, EventId, MessageId};
use portico_store::records::{
    Conversation, DeliveryStatus, Direction, Message, Outgoing, Records, Versioned,
};
use portico_store::{Change, Commit, StoreError};
use serde_json::Value;

use crate::accept::Outbox;
use crate::check::check_payload;
use crate::entry::outgoing_entry;
use crate::{AcceptError, now};

/// How often a change is made again because the row changed meanwhile.
const MAX_CONFLICTS: usize = 32;

/// What to change about a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageChange {
    /// The new payload, whole.
    pub payload: Option<Value>,
    /// Tags to set under their stored names; `None` or an empty text removes one. Others stay.
    pub tags: BTreeMap<String, Option<String>>,
}

impl MessageChange {
    /// A message with this change; `None` when it changes nothing.
    pub(crate) fn of(&self, old: &Message) -> Result<Option<Message>, AcceptError> {
        let mut message = old.clone();
        for (name, value) in &self.tags {
            match value.as_deref() {
                None | Some("") => message.tags.remove(name),
                Some(value) => message.tags.insert(name.clone(), value.to_owned()),
            };
        }
        if let Some(payload) = &self.payload {
            check_payload(&message.kind, payload)?;
            message.payload = payload.clone();
        }
        if message == *old {
            return Ok(None);
        }
        message.updated_at = now();
        Ok(Some(message))
    }
}

impl Outbox {
    /// Changes a message. A new payload of a message of the bot goes to the provider too, where its channel
    /// can edit.
    ///
    /// # Errors
    /// [`AcceptError`]; then nothing was stored.
    pub async fn edit(
        &self,
        bot: &BotId,
        id: MessageId,
        change: MessageChange,
    ) -> Result<Message, AcceptError> {
        let records = Records::of(self.store.clone(), bot.clone());
        let mut tries = 0;
        loop {
            let old = records.message(id).await?.ok_or(AcceptError::NotFound)?;
            if self.is_live_place(&records, old.value.conversation).await? {
                return self.edit_live(&records, &old.value, &change).await;
            }
            let Some(message) = change.of(&old.value)? else { return Ok(old.value) };
            let mut changes = records.message_changes(Some(&old), &message);
            if message.payload != old.value.payload
                && let Some(entry) =
                    self.follow_up(&records, &old.value, "edit", |_| Outgoing::Edit { message: id }).await?
            {
                changes.push(entry);
            }
            match self.store.commit(Commit::of(changes)).await {
                Ok(_) => return Ok(message),
                Err(StoreError::Conflict { .. }) if tries < MAX_CONFLICTS => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes a message. A message of the bot that was sent is taken back at the provider too, where its
    /// channel can; one that still waits is not sent any more.
    ///
    /// # Errors
    /// [`AcceptError`]; then nothing was stored.
    pub async fn delete(&self, bot: &BotId, id: MessageId) -> Result<(), AcceptError> {
        let records = Records::of(self.store.clone(), bot.clone());
        let mut tries = 0;
        loop {
            let old = records.message(id).await?.ok_or(AcceptError::NotFound)?;
            if self.is_live_place(&records, old.value.conversation).await? {
                return self.delete_live(&records, &old.value).await;
            }
            let mut changes = records.message_removal_changes(&old);
            let take_back = |external_ids| Outgoing::Delete { message: id, external_ids };
            changes.extend(self.follow_up(&records, &old.value, "delete", take_back).await?);
            changes.extend(self.uncount(&records, &old).await?);
            match self.store.commit(Commit::of(changes)).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) if tries < MAX_CONFLICTS => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The outbox entry that carries a change to the provider, where there is something to change.
    async fn follow_up(
        &self,
        records: &Records,
        message: &Message,
        feature: &str,
        body: impl FnOnce(Vec<String>) -> Outgoing,
    ) -> Result<Option<Change>, AcceptError> {
        let Some(delivery) = &message.delivery else { return Ok(None) };
        if message.direction != Direction::Outgoing || delivery.status == DeliveryStatus::Failed {
            return Ok(None);
        }
        let Some(place) = records.conversation(message.conversation).await? else { return Ok(None) };
        let Some(carrier) = self.carrier(&place.value) else { return Ok(None) };
        let channels = &carrier.connector.manifest().channels;
        let able = channels
            .get(&place.value.channel)
            .is_some_and(|channel| channel.features.iter().any(|known| known == feature));
        if !able {
            return Ok(None);
        }
        self.check_room(message.conversation, 1).await?;
        let body = body(delivery.external_ids.clone());
        Ok(Some(outgoing_entry(
            records.bot(),
            carrier.id.clone(),
            message.conversation,
            EventId::new(),
            &body,
        )))
    }

    pub(crate) async fn uncount(
        &self,
        records: &Records,
        old: &Versioned<Message>,
    ) -> Result<Vec<Change>, AcceptError> {
        let Some(place) = records.conversation(old.value.conversation).await? else { return Ok(Vec::new()) };
        let counted = Conversation {
            message_count: place.value.message_count.saturating_sub(1),
            updated_at: now(),
            ..place.value.clone()
        };
        Ok(records.conversation_changes(Some(&place), &counted))
    }
}
