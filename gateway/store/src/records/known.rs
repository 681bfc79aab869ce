//! Rows as they were decoded or written last, for whoever meets the same ones with every event.
//!
//! The store is asked each time. What is kept here only spares the decoding: it counts when the stored form is
//! byte for byte the one that it came from, so it can never be out of date.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use portico_contract::{ConversationId, UserId};

use super::packed::Stored;
use super::{Conversation, Records, User, Versioned, keys, unpack};
use crate::{Change, Row, StoreError, Table};

/// Rows of a kind that are kept; then all are forgotten. With their stored forms they take about 1 KiB each.
const MOST: usize = 2048;

type Rows<K, T> = Mutex<HashMap<K, (Bytes, Arc<T>)>>;

/// Conversations and users as they were met last, of all bots.
#[derive(Debug, Default)]
pub struct Known {
    conversations: Rows<ConversationId, Conversation>,
    users: Rows<UserId, User>,
}

fn keep<K: Hash + Eq, T>(rows: &Rows<K, T>, key: K, stored: Bytes, row: Arc<T>) {
    let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
    if rows.len() >= MOST {
        rows.clear();
    }
    rows.insert(key, (stored, row));
}

/// The row of a stored form: the one that is known, if it was made from the same.
fn read<K: Hash + Eq + Clone, T: Stored>(
    rows: &Rows<K, T>,
    table: Table,
    key: &K,
    found: Row,
) -> Result<Versioned<Arc<T>>, StoreError> {
    let known = {
        let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.get(key).filter(|(from, _)| *from == found.value).map(|(_, row)| row.clone())
    };
    if let Some(value) = known {
        return Ok(Versioned { value, version: found.version });
    }
    let Versioned { value, version } = unpack::<T>(table, &found)?;
    let value = Arc::new(value);
    keep(rows, key.clone(), found.value, value.clone());
    Ok(Versioned { value, version })
}

impl Records {
    /// As [`Records::conversation`], shared with whoever met it before.
    ///
    /// # Errors
    /// As the store's.
    pub async fn known_conversation(
        &self,
        known: &Known,
        id: ConversationId,
    ) -> Result<Option<Versioned<Arc<Conversation>>>, StoreError> {
        let row = self.row(Table::Conversation, &keys::conversation(&self.bot, id)).await?;
        row.map(|row| read(&known.conversations, Table::Conversation, &id, row)).transpose()
    }

    /// As [`Records::user`], shared with whoever met it before.
    ///
    /// # Errors
    /// As the store's.
    pub async fn known_user(
        &self,
        known: &Known,
        id: &UserId,
    ) -> Result<Option<Versioned<Arc<User>>>, StoreError> {
        let row = self.row(Table::User, &keys::user(&self.bot, id)).await?;
        row.map(|row| read(&known.users, Table::User, id, row)).transpose()
    }

    /// As [`Records::conversation_changes`]; the row is known from then on.
    pub fn known_conversation_changes(
        &self,
        known: &Known,
        old: Option<&Versioned<Arc<Conversation>>>,
        new: &Arc<Conversation>,
    ) -> Vec<Change> {
        let packed = new.pack();
        keep(&known.conversations, new.id, packed.clone(), new.clone());
        self.packed_conversation_changes(old.map(|old| (&*old.value, old.version)), new, packed)
    }

    /// As [`Records::user_changes`]; the row is known from then on.
    pub fn known_user_changes(
        &self,
        known: &Known,
        old: Option<&Versioned<Arc<User>>>,
        new: &Arc<User>,
    ) -> Vec<Change> {
        let packed = new.pack();
        keep(&known.users, new.id.clone(), packed.clone(), new.clone());
        self.packed_user_changes(old.map(|old| (&*old.value, old.version)), new, packed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::TagMap;
    use super::*;

    fn user(name: &str) -> Arc<User> {
        Arc::new(User {
            id: UserId::parse("user_1").unwrap(),
            name: Some(name.into()),
            picture_url: None,
            tags: TagMap::new(),
            properties: TagMap::new(),
            attributes: TagMap::new(),
            party: None,
            created_at: 1,
            updated_at: 2,
        })
    }

    #[test]
    fn a_known_row_counts_for_the_form_that_it_came_from_only() {
        let known = Known::default();
        let (ada, eve) = (user("Ada"), user("Eve"));
        keep(&known.users, ada.id.clone(), ada.pack(), ada.clone());
        let read = |row: &User, version| {
            read(&known.users, Table::User, &row.id, Row { value: row.pack(), version }).unwrap()
        };
        let found = read(&ada, 7);
        assert!(Arc::ptr_eq(&found.value, &ada) && found.version == 7);
        // Somebody else wrote it.
        assert_eq!(*read(&eve, 8).value, *eve);
        let again = read(&eve, 8).value;
        assert!(Arc::ptr_eq(&again, &read(&eve, 9).value) && !Arc::ptr_eq(&again, &eve));
        assert_eq!(*read(&ada, 10).value, *ada);
    }

    #[test]
    fn their_number_is_bounded() {
        let rows: Rows<u64, u8> = Rows::default();
        for number in 0..3 * MOST as u64 {
            keep(&rows, number, Bytes::new(), Arc::new(0));
            assert!(rows.lock().unwrap().len() <= MOST);
        }
    }
}
