//! Conversations, their tags, order and participants.

use portico_contract::{ConversationId, UserId};

use super::keys::{self, Index};
use super::packed::Stored;
use super::{Conversation, Records, TagMap, Versioned};
use crate::{Change, Expect, Key, KeyRange, Page, StoreError, Table};

impl Records {
    /// A conversation.
    ///
    /// # Errors
    /// As the store's.
    pub async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Versioned<Conversation>>, StoreError> {
        self.read_packed(Table::Conversation, &keys::conversation(&self.bot, id)).await
    }

    /// Changes that write a conversation over the one that was read (`None`: it must not be there yet).
    pub fn conversation_changes(
        &self,
        old: Option<&Versioned<Conversation>>,
        new: &Conversation,
    ) -> Vec<Change> {
        self.packed_conversation_changes(old.map(|old| (&old.value, old.version)), new, new.pack())
    }

    /// The same, for a row whose stored form is there already.
    pub(super) fn packed_conversation_changes(
        &self,
        old: Option<(&Conversation, u64)>,
        new: &Conversation,
        packed: bytes::Bytes,
    ) -> Vec<Change> {
        let mut changes = vec![Change::Write {
            table: Table::Conversation,
            key: keys::conversation(&self.bot, new.id),
            value: Some(packed),
            expect: old.map_or(Expect::Absent, |(_, version)| Expect::Version(version)),
        }];
        if old.is_none() {
            changes.push(Change::put(
                Table::Index,
                keys::by_time(Index::ConversationTime, &self.bot, new.created_at).bytes(&new.id.0),
                "",
            ));
        }
        let none = TagMap::new();
        let before = old.map_or(&none, |(old, _)| &old.tags);
        changes.extend(self.tag_changes(Index::ConversationTag, before, &new.tags, &new.id.0));
        changes
    }

    /// Changes that remove a conversation with its indexes. Its messages are removed by
    /// [`Records::message_removal_changes`].
    ///
    /// # Errors
    /// As the store's.
    pub async fn conversation_removal_changes(
        &self,
        old: &Versioned<Conversation>,
    ) -> Result<Vec<Change>, StoreError> {
        let id = old.value.id;
        let mut changes = vec![
            Change::Write {
                table: Table::Conversation,
                key: keys::conversation(&self.bot, id),
                value: None,
                expect: Expect::Version(old.version),
            },
            Change::delete(
                Table::Index,
                keys::by_time(Index::ConversationTime, &self.bot, old.value.created_at).bytes(&id.0),
            ),
        ];
        changes.extend(self.tag_changes(Index::ConversationTag, &old.value.tags, &TagMap::new(), &id.0));
        for user in self.participants(id, None, usize::MAX).await?.items {
            changes.extend(self.participant_changes(id, &user, false));
        }
        Ok(changes)
    }

    /// Conversations newest first.
    ///
    /// # Errors
    /// As the store's.
    pub async fn conversations(
        &self,
        cursor: Option<Key>,
        limit: usize,
    ) -> Result<Page<Versioned<Conversation>>, StoreError> {
        let prefix = keys::index(Index::ConversationTime, &self.bot);
        let rows = self.index_page(prefix, cursor, true, limit).await?;
        let next = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        let mut items = Vec::with_capacity(rows.len());
        for (key, _) in rows {
            if let Some(conversation) = self.conversation(ConversationId(tail(&key))).await? {
                items.push(conversation);
            }
        }
        Ok(Page { items, next })
    }

    /// Conversations that have all of these tags, at most `limit`, in the order of their ids.
    ///
    /// # Errors
    /// As the store's.
    pub async fn conversations_tagged(
        &self,
        tags: &TagMap,
        limit: usize,
    ) -> Result<Vec<Versioned<Conversation>>, StoreError> {
        let Some((name, value)) = most_telling(tags) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let prefix = keys::tag(Index::ConversationTag, &self.bot, name, value);
            let rows = self.index_page(prefix, after.take(), false, 256).await?;
            let full = rows.len() == 256;
            for (key, _) in rows {
                let id = ConversationId(tail(&key));
                if let Some(conversation) = self.conversation(id).await?
                    && has_all(&conversation.value.tags, tags)
                {
                    found.push(conversation);
                    if found.len() >= limit {
                        return Ok(found);
                    }
                }
                after = Some(key);
            }
            if !full {
                return Ok(found);
            }
        }
    }

    /// Users that take part in a conversation.
    ///
    /// # Errors
    /// As the store's.
    pub async fn participants(
        &self,
        conversation: ConversationId,
        cursor: Option<Key>,
        limit: usize,
    ) -> Result<Page<UserId>, StoreError> {
        let rows = self.index_page(keys::participants(&self.bot, conversation), cursor, false, limit).await?;
        let next = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        let items = rows.into_iter().filter_map(|(_, value)| user_id(&value)).collect();
        Ok(Page { items, next })
    }

    /// Whether a user takes part in a conversation.
    ///
    /// # Errors
    /// As the store's.
    pub async fn is_participant(
        &self,
        conversation: ConversationId,
        user: &UserId,
    ) -> Result<bool, StoreError> {
        let key = keys::participants(&self.bot, conversation).text(user.as_str());
        Ok(self.row(Table::Index, &key).await?.is_some())
    }

    /// Conversations that a user takes part in, at most `limit`.
    ///
    /// # Errors
    /// As the store's.
    pub async fn conversations_of(
        &self,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<ConversationId>, StoreError> {
        let range = KeyRange::prefix(keys::conversations_of(&self.bot, user), limit);
        Ok(self
            .store
            .scan(Table::Index, range)
            .await?
            .into_iter()
            .map(|(key, _)| ConversationId(tail(&key)))
            .collect())
    }

    /// Changes that make a user take part, or not any more.
    pub fn participant_changes(
        &self,
        conversation: ConversationId,
        user: &UserId,
        joins: bool,
    ) -> [Change; 2] {
        let there = keys::participants(&self.bot, conversation).text(user.as_str());
        let back = keys::conversations_of(&self.bot, user).bytes(&conversation.0);
        if joins {
            [Change::put(Table::Index, there, user.as_str().to_owned()), Change::put(Table::Index, back, "")]
        } else {
            [Change::delete(Table::Index, there), Change::delete(Table::Index, back)]
        }
    }

    /// The conversation that an id stands for since its provider's thread got a new identity.
    ///
    /// # Errors
    /// As the store's.
    pub async fn moved_conversation(&self, id: ConversationId) -> Result<Option<ConversationId>, StoreError> {
        let row = self.store.get(Table::Index, &keys::moved(&self.bot, &id.to_string())).await?;
        Ok(row.and_then(|row| row.value.first_chunk::<16>().copied()).map(ConversationId))
    }

    /// The change by which the id of a thread's new identity stands for the conversation that it had before.
    pub fn conversation_move_change(&self, new: ConversationId, old: ConversationId) -> Change {
        Change::put(Table::Index, keys::moved(&self.bot, &new.to_string()), old.0.to_vec())
    }

    /// Changes of the tag index from one set of tags to another.
    pub(super) fn tag_changes(&self, kind: Index, before: &TagMap, after: &TagMap, id: &[u8]) -> Vec<Change> {
        let key = |name: &str, value: &str| keys::tag(kind, &self.bot, name, value).bytes(id);
        let gone = before.iter().filter(|(name, value)| after.get(*name) != Some(value));
        let come = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
        gone.map(|(name, value)| Change::delete(Table::Index, key(name, value)))
            .chain(come.map(|(name, value)| Change::put(Table::Index, key(name, value), "")))
            .collect()
    }

    /// The id of the object that was made for a set of tags, with the version of its claim.
    ///
    /// # Errors
    /// As the store's.
    pub async fn claim(&self, kind: &str, tags: &TagMap) -> Result<Option<(String, u64)>, StoreError> {
        let row = self.store.get(Table::Index, &self.claim_key(kind, tags)).await?;
        Ok(row.map(|row| (String::from_utf8_lossy(&row.value).into_owned(), row.version)))
    }

    /// The change that claims a set of tags for a new object; of two at once, one is refused with `Conflict`.
    pub fn claim_change(&self, kind: &str, tags: &TagMap, id: &str, old: Option<u64>) -> Change {
        Change::Write {
            table: Table::Index,
            key: self.claim_key(kind, tags),
            value: Some(id.to_owned().into()),
            expect: old.map_or(Expect::Absent, Expect::Version),
        }
    }

    fn claim_key(&self, kind: &str, tags: &TagMap) -> Key {
        let mut key = keys::index(Index::Claim, &self.bot).text(kind);
        for (name, value) in tags {
            key = key.text(name).text(value);
        }
        key
    }
}

/// Whether `all` has every one of `some`.
pub(super) fn has_all(all: &TagMap, some: &TagMap) -> bool {
    some.iter().all(|(name, value)| all.get(name) == Some(value))
}

/// The tag with the longest value: the one that likely fits the fewest objects.
pub(super) fn most_telling(tags: &TagMap) -> Option<(&String, &String)> {
    tags.iter().max_by_key(|(_, value)| value.len())
}

/// The last sixteen bytes of a key.
pub(super) fn tail(key: &Key) -> [u8; 16] {
    key.0.last_chunk().copied().unwrap_or_default()
}

pub(super) fn user_id(value: &[u8]) -> Option<UserId> {
    UserId::parse(std::str::from_utf8(value).ok()?).ok()
}
