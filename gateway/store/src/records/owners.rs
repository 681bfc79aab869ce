//! What the runtime API lists by owner or name: all states of one owner, all values of a tag.

use super::keys::{self, Index};
use super::{Records, State, StateType, Versioned, decode};
use crate::{Key, KeyRange, Page, StoreError, Table};

/// Index rows read in one go while values of a tag are gathered.
const BATCH: usize = 256;

/// Whose tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagOwner {
    /// Conversations.
    Conversation,
    /// Users.
    User,
}

impl Records {
    /// All states of one owner, at most `limit`.
    ///
    /// # Errors
    /// As the store's.
    pub async fn states_of(
        &self,
        kind: StateType,
        owner: &str,
        limit: usize,
    ) -> Result<Vec<Versioned<State>>, StoreError> {
        let prefix = Key::new().text(self.bot.as_str()).text(kind.as_str()).text(owner);
        let rows = self.store.scan(Table::State, KeyRange::prefix(prefix, limit)).await?;
        rows.iter().map(|(_, row)| decode(Table::State, row)).collect()
    }

    /// Values that a tag has somewhere, each once and in order, after `cursor`; some rows per call, so a page
    /// may be short and still have a next one.
    ///
    /// # Errors
    /// As the store's.
    pub async fn tag_values(
        &self,
        owner: TagOwner,
        name: &str,
        cursor: Option<Key>,
        limit: usize,
    ) -> Result<Page<String>, StoreError> {
        let kind = match owner {
            TagOwner::Conversation => Index::ConversationTag,
            TagOwner::User => Index::UserTag,
        };
        let prefix = keys::index(kind, &self.bot).text(name);
        let start = prefix.0.len();
        let (mut values, mut after) = (Vec::new(), cursor);
        for _ in 0..64 {
            let rows = self.index_page(prefix.clone(), after.take(), false, BATCH).await?;
            let full = rows.len() == BATCH;
            for (key, _) in rows {
                let rest = key.0.get(start..).unwrap_or_default();
                let value: Vec<u8> = rest.iter().copied().take_while(|byte| *byte != 0).collect();
                let value = String::from_utf8_lossy(&value).into_owned();
                if values.last() != Some(&value) {
                    if values.len() == limit {
                        return Ok(Page { items: values, next: after });
                    }
                    values.push(value);
                }
                after = Some(key);
            }
            if !full {
                return Ok(Page { items: values, next: None });
            }
        }
        Ok(Page { items: values, next: after })
    }
}
