//! Typed rows, once for all adapters: conversations, users, messages, states and their indexes.
//!
//! [`Records`] belongs to one bot and can't name another: its id leads every key. Reads give a row with its
//! version; the `*_changes` functions give the changes that write it together with its indexes, to be
//! committed with whatever else belongs to them.

mod body;
mod conversations;
mod keys;
mod known;
mod messages;
mod owners;
mod packed;
mod retention;
mod rows;
mod schedule;
mod sent;
mod states;
mod stream;
mod users;
mod view;

pub use body::{GatewayEvent, Outgoing, RawRequest};
pub use keys::{external_key, progress_key};
pub use known::Known;
pub use messages::MessageFilter;
pub use owners::TagOwner;
pub use rows::{
    Conversation, DeliveryStatus, Direction, Message, MessageDelivery, State, StateType, TagMap, User,
    Versioned,
};
pub use schedule::{Due, Scheduled, due_now, next_scheduled, schedule_changes, scheduled, timer_id};
pub use sent::{SENT_KEPT, Sent};
pub use stream::{ReadMark, STREAM_KEEP, StreamHead, StreamItem, StreamStatus, StreamWhat};
pub use view::{Iso, Shown, View, conversation_json, event_json, event_type, iso, message_json, user_json};

use std::sync::Arc;

use portico_contract::BotId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::packed::Stored;
use crate::{Key, KeyRange, Row, Store, StoreError, Table};

/// One bot's rows.
#[derive(Clone)]
pub struct Records {
    store: Arc<dyn Store>,
    bot: BotId,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("bot", &self.bot).finish_non_exhaustive()
    }
}

impl Records {
    /// The rows of a bot.
    pub fn of(store: Arc<dyn Store>, bot: BotId) -> Self {
        Self { store, bot }
    }

    /// The bot.
    pub fn bot(&self) -> &BotId {
        &self.bot
    }

    /// The store beneath, for commits.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    async fn read<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &Key,
    ) -> Result<Option<Versioned<T>>, StoreError> {
        match self.store.get(table, key).await? {
            Some(row) => decode(table, &row).map(Some),
            None => Ok(None),
        }
    }

    async fn read_packed<T: Stored>(
        &self,
        table: Table,
        key: &Key,
    ) -> Result<Option<Versioned<T>>, StoreError> {
        self.row(table, key).await?.map(|row| unpack(table, &row)).transpose()
    }

    /// A row in its stored form; without a future of the store's where it has it at hand.
    async fn row(&self, table: Table, key: &Key) -> Result<Option<Row>, StoreError> {
        match self.store.get_local(table, key) {
            Some(found) => found,
            None => self.store.get(table, key).await,
        }
    }

    /// The last sixteen bytes of index keys under a prefix, page by page.
    async fn index_page(
        &self,
        prefix: Key,
        after: Option<Key>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<(Key, bytes::Bytes)>, StoreError> {
        let mut range = KeyRange::prefix(prefix, limit).after(after);
        range.reverse = reverse;
        Ok(self
            .store
            .scan(Table::Index, range)
            .await?
            .into_iter()
            .map(|(key, row)| (key, row.value))
            .collect())
    }
}

fn decode<T: DeserializeOwned>(table: Table, row: &Row) -> Result<Versioned<T>, StoreError> {
    serde_json::from_slice(&row.value)
        .map(|value| Versioned { value, version: row.version })
        .map_err(|error| StoreError::Damaged(format!("a row of {table:?} does not read: {error}")))
}

fn unpack<T: Stored>(table: Table, row: &Row) -> Result<Versioned<T>, StoreError> {
    T::unpack(&row.value)
        .map(|value| Versioned { value, version: row.version })
        .map_err(|fault| StoreError::Damaged(format!("a row of {table:?} does not read: {fault}")))
}

/// Rows are plain data: texts, numbers, maps with text keys.
fn encode<T: Serialize>(row: &T) -> bytes::Bytes {
    serde_json::to_vec(row).unwrap_or_default().into()
}
