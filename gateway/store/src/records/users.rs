//! Users, their tags and order.

use portico_contract::UserId;

use super::conversations::{has_all, most_telling, user_id};
use super::keys::{self, Index};
use super::packed::Stored;
use super::{Records, TagMap, User, Versioned};
use crate::{Change, Expect, Key, Page, StoreError, Table};

impl Records {
    /// A user.
    ///
    /// # Errors
    /// As the store's.
    pub async fn user(&self, id: &UserId) -> Result<Option<Versioned<User>>, StoreError> {
        self.read_packed(Table::User, &keys::user(&self.bot, id)).await
    }

    /// Changes that write a user over the one that was read (`None`: it must not be there yet).
    pub fn user_changes(&self, old: Option<&Versioned<User>>, new: &User) -> Vec<Change> {
        self.packed_user_changes(old.map(|old| (&old.value, old.version)), new, new.pack())
    }

    /// The same, for a row whose stored form is there already.
    pub(super) fn packed_user_changes(
        &self,
        old: Option<(&User, u64)>,
        new: &User,
        packed: bytes::Bytes,
    ) -> Vec<Change> {
        let id = new.id.as_str();
        let mut changes = vec![Change::Write {
            table: Table::User,
            key: keys::user(&self.bot, &new.id),
            value: Some(packed),
            expect: old.map_or(Expect::Absent, |(_, version)| Expect::Version(version)),
        }];
        if old.is_none() {
            let key = keys::by_time(Index::UserTime, &self.bot, new.created_at).text(id);
            changes.push(Change::put(Table::Index, key, id.to_owned()));
        }
        let none = TagMap::new();
        changes.extend(self.user_tag_changes(old.map_or(&none, |(old, _)| &old.tags), &new.tags, id));
        changes
    }

    /// The user that an id stands for since the person got a new id at the provider.
    ///
    /// # Errors
    /// As the store's.
    pub async fn moved_user(&self, id: &UserId) -> Result<Option<UserId>, StoreError> {
        let row = self.store.get(Table::Index, &keys::moved(&self.bot, id.as_str())).await?;
        Ok(row.and_then(|row| user_id(&row.value)))
    }

    /// The change by which the id of a person's new provider id stands for the user that they had before.
    pub fn user_move_change(&self, new: &UserId, old: &UserId) -> Change {
        Change::put(Table::Index, keys::moved(&self.bot, new.as_str()), old.as_str().to_owned())
    }

    /// Changes that remove a user with its indexes and its place in conversations.
    ///
    /// # Errors
    /// As the store's.
    pub async fn user_removal_changes(&self, old: &Versioned<User>) -> Result<Vec<Change>, StoreError> {
        let user = &old.value;
        let mut changes = vec![
            Change::Write {
                table: Table::User,
                key: keys::user(&self.bot, &user.id),
                value: None,
                expect: Expect::Version(old.version),
            },
            Change::delete(
                Table::Index,
                keys::by_time(Index::UserTime, &self.bot, user.created_at).text(user.id.as_str()),
            ),
        ];
        changes.extend(self.user_tag_changes(&user.tags, &TagMap::new(), user.id.as_str()));
        for conversation in self.conversations_of(&user.id, 10_000).await? {
            changes.extend(self.participant_changes(conversation, &user.id, false));
        }
        Ok(changes)
    }

    fn user_tag_changes(&self, before: &TagMap, after: &TagMap, id: &str) -> Vec<Change> {
        let key = |name: &str, value: &str| keys::tag(Index::UserTag, &self.bot, name, value).text(id);
        let gone = before.iter().filter(|(name, value)| after.get(*name) != Some(value));
        let come = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
        gone.map(|(name, value)| Change::delete(Table::Index, key(name, value)))
            .chain(come.map(|(name, value)| Change::put(Table::Index, key(name, value), id.to_owned())))
            .collect()
    }

    /// Users newest first.
    ///
    /// # Errors
    /// As the store's.
    pub async fn users(
        &self,
        cursor: Option<Key>,
        limit: usize,
    ) -> Result<Page<Versioned<User>>, StoreError> {
        let rows = self.index_page(keys::index(Index::UserTime, &self.bot), cursor, true, limit).await?;
        let next = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        let mut items = Vec::with_capacity(rows.len());
        for (_, value) in rows {
            if let Some(id) = user_id(&value)
                && let Some(user) = self.user(&id).await?
            {
                items.push(user);
            }
        }
        Ok(Page { items, next })
    }

    /// Users that have all of these tags, at most `limit`.
    ///
    /// # Errors
    /// As the store's.
    pub async fn users_tagged(
        &self,
        tags: &TagMap,
        limit: usize,
    ) -> Result<Vec<Versioned<User>>, StoreError> {
        let Some((name, value)) = most_telling(tags) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let prefix = keys::tag(Index::UserTag, &self.bot, name, value);
            let rows = self.index_page(prefix, after.take(), false, 256).await?;
            let full = rows.len() == 256;
            for (key, value) in rows {
                if let Some(id) = user_id(&value)
                    && let Some(user) = self.user(&id).await?
                    && has_all(&user.value.tags, tags)
                {
                    found.push(user);
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
}
