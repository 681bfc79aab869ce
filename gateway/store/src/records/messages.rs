//! Messages, in the order of their conversation.

use portico_contract::{ConversationId, InstallationId, MessageId, Millis};

use super::conversations::has_all;
use super::packed::Stored;
use super::{Message, Records, TagMap, Versioned, external_key, keys, unpack};
use crate::{Change, Expect, Key, KeyRange, Page, StoreError, Table};

/// Which messages of a conversation to list.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// With all of these tags.
    pub tags: TagMap,
    /// Made after this.
    pub after: Option<Millis>,
    /// Made before this.
    pub before: Option<Millis>,
}

impl MessageFilter {
    fn takes(&self, message: &Message) -> bool {
        has_all(&message.tags, &self.tags)
            && self.after.is_none_or(|after| message.created_at > after)
            && self.before.is_none_or(|before| message.created_at < before)
    }
}

impl Records {
    /// A message, wherever it is.
    ///
    /// # Errors
    /// As the store's.
    pub async fn message(&self, id: MessageId) -> Result<Option<Versioned<Message>>, StoreError> {
        let place = self.store.get(Table::Index, &keys::message_place(&self.bot, id)).await?;
        let Some(conversation) = place.and_then(|row| row.value.first_chunk::<16>().copied()) else {
            return Ok(None);
        };
        self.message_in(ConversationId(conversation), id).await
    }

    /// A message of a known conversation.
    ///
    /// # Errors
    /// As the store's.
    pub async fn message_in(
        &self,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<Option<Versioned<Message>>, StoreError> {
        self.read_packed(Table::Message, &keys::message(&self.bot, conversation, id)).await
    }

    /// The message that an installation's provider knows by this id.
    ///
    /// # Errors
    /// As the store's.
    pub async fn message_of_external(
        &self,
        installation: &InstallationId,
        external_id: &str,
    ) -> Result<Option<Versioned<Message>>, StoreError> {
        let row = self.store.get(Table::Index, &external_key(&self.bot, installation, external_id)).await?;
        match row.and_then(|row| row.value.first_chunk::<16>().copied()) {
            Some(id) => self.message(MessageId(id)).await,
            None => Ok(None),
        }
    }

    /// Changes that write a message over the one that was read (`None`: it must not be there yet).
    pub fn message_changes(&self, old: Option<&Versioned<Message>>, new: &Message) -> Vec<Change> {
        let mut changes = vec![Change::Write {
            table: Table::Message,
            key: keys::message(&self.bot, new.conversation, new.id),
            value: Some(new.pack()),
            expect: old.map_or(Expect::Absent, |old| Expect::Version(old.version)),
        }];
        if old.is_none() {
            changes.push(Change::put(
                Table::Index,
                keys::message_place(&self.bot, new.id),
                new.conversation.0.to_vec(),
            ));
        }
        changes
    }

    /// As [`Records::message_changes`] for a message that nobody can have written before: no row is looked for.
    pub fn first_message_changes(&self, new: &Message) -> [Change; 2] {
        [
            Change::put(Table::Message, keys::message(&self.bot, new.conversation, new.id), new.pack()),
            Change::put(Table::Index, keys::message_place(&self.bot, new.id), new.conversation.0.to_vec()),
        ]
    }

    /// The change that makes a message known by a provider's id.
    pub fn external_change(&self, installation: &InstallationId, external_id: &str, id: MessageId) -> Change {
        Change::put(Table::Index, external_key(&self.bot, installation, external_id), id.0.to_vec())
    }

    /// Changes that remove a message.
    pub fn message_removal_changes(&self, old: &Versioned<Message>) -> Vec<Change> {
        vec![
            Change::Write {
                table: Table::Message,
                key: keys::message(&self.bot, old.value.conversation, old.value.id),
                value: None,
                expect: Expect::Version(old.version),
            },
            Change::delete(Table::Index, keys::message_place(&self.bot, old.value.id)),
        ]
    }

    /// Messages of a conversation, newest first.
    ///
    /// # Errors
    /// As the store's.
    pub async fn messages(
        &self,
        conversation: ConversationId,
        filter: &MessageFilter,
        cursor: Option<Key>,
        limit: usize,
    ) -> Result<Page<Versioned<Message>>, StoreError> {
        self.message_page(keys::messages_of(&self.bot, conversation), filter, cursor, limit, true).await
    }

    /// Messages of a conversation, oldest first.
    ///
    /// # Errors
    /// As the store's.
    pub async fn messages_oldest_first(
        &self,
        conversation: ConversationId,
        cursor: Option<Key>,
        limit: usize,
    ) -> Result<Page<Versioned<Message>>, StoreError> {
        let filter = MessageFilter::default();
        self.message_page(keys::messages_of(&self.bot, conversation), &filter, cursor, limit, false).await
    }

    /// Messages of all conversations of the bot, conversation by conversation.
    ///
    /// # Errors
    /// As the store's.
    pub async fn all_messages(
        &self,
        filter: &MessageFilter,
        cursor: Option<Key>,
        limit: usize,
    ) -> Result<Page<Versioned<Message>>, StoreError> {
        self.message_page(Key::new().text(self.bot.as_str()), filter, cursor, limit, true).await
    }

    async fn message_page(
        &self,
        prefix: Key,
        filter: &MessageFilter,
        cursor: Option<Key>,
        limit: usize,
        reverse: bool,
    ) -> Result<Page<Versioned<Message>>, StoreError> {
        let mut items = Vec::new();
        let mut after = cursor;
        // A filter that fits little must not make one call read a whole table.
        for _ in 0..16 {
            let mut range = KeyRange::prefix(prefix.clone(), limit.max(1)).after(after.take());
            range.reverse = reverse;
            let rows = self.store.scan(Table::Message, range).await?;
            let full = rows.len() == limit.max(1);
            for (key, row) in rows {
                let message: Versioned<Message> = unpack(Table::Message, &row)?;
                if filter.takes(&message.value) {
                    items.push(message);
                }
                after = Some(key);
                if items.len() == limit {
                    return Ok(Page { items, next: after });
                }
            }
            if !full {
                return Ok(Page { items, next: None });
            }
        }
        Ok(Page { items, next: after })
    }
}
