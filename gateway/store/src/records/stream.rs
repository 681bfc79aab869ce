//! The stream of a live conversation: what its people see, numbered 1, 2, 3 … over both directions.
//!
//! A number is given in the transaction that stores the item: row 0 of a conversation is its head, which says
//! the next number, and is written with the version that was read, so two writers can't take one number. Items
//! are small and point at rows; what they say is read when they are shown.

use portico_contract::{ConversationId, EventId, MessageId, Millis, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Records, Versioned, decode, encode, keys};
use crate::{Change, Commit, Expect, Key, KeyRange, Row, StoreError, Table};

/// Items of a conversation that are kept at least.
pub const STREAM_KEEP: u64 = 10_000;
/// How many more there may be before the oldest are removed, in one go.
const SLACK: u64 = 256;
/// Most items that one append removes.
const TRIM: u64 = 512;
/// Rows of a stream that one commit removes with its conversation.
const REMOVE: usize = 500;

/// How far a stream reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamHead {
    /// Number of the oldest item that is kept; equal to `next` when there is none.
    pub first: u64,
    /// Number of the next item.
    pub next: u64,
}

impl Default for StreamHead {
    fn default() -> Self {
        Self { first: 1, next: 1 }
    }
}

impl StreamHead {
    /// Number of the newest item; 0 when there was none yet.
    pub fn last(&self) -> u64 {
        self.next.saturating_sub(1)
    }
}

/// How far a visitor's own message got, as it is shown to the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamStatus {
    /// The bot took it.
    Delivered,
    /// The bot read it.
    Read,
    /// The bot will not get it.
    Failed,
}

impl StreamStatus {
    /// The status in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

/// What an item is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "w", rename_all = "snake_case")]
pub enum StreamWhat {
    /// A message was said, by either side.
    Message {
        /// The message.
        id: MessageId,
    },
    /// A message says something else from now on.
    Updated {
        /// The message.
        id: MessageId,
    },
    /// A message is gone.
    Deleted {
        /// The message.
        id: MessageId,
        /// Who said it.
        user: UserId,
    },
    /// A visitor's own message got somewhere.
    Status {
        /// The message.
        id: MessageId,
        /// Where.
        status: StreamStatus,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody takes part, or not any more.
    Participant {
        /// Who.
        user: UserId,
        /// Whether they take part now.
        joined: bool,
    },
    /// The conversation's own facts changed.
    Conversation,
    /// An event for the visitor's program.
    Event {
        /// Its id.
        id: EventId,
        /// Its name, without the integration's.
        name: String,
        /// Who caused it.
        user: UserId,
        /// Its data.
        data: Value,
        /// Whether the bot caused it.
        is_bot: bool,
    },
}

/// One item of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamItem {
    /// When.
    pub at: Millis,
    /// What.
    #[serde(flatten)]
    pub what: StreamWhat,
    /// The id under which the visitor's program sent it, by which it knows its own copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

impl Records {
    /// How far the stream of a conversation reaches; `None` when it has none yet.
    ///
    /// # Errors
    /// As the store's.
    pub async fn stream_head(&self, id: ConversationId) -> Result<Option<Versioned<StreamHead>>, StoreError> {
        self.read(Table::Stream, &keys::stream_item(self.bot(), id, 0)).await
    }

    /// Changes that put items behind the stream that was read, and the number of the first of them. The oldest
    /// are removed where there are too many. Refused with `Conflict` when somebody else was faster.
    pub fn stream_changes(
        &self,
        id: ConversationId,
        head: Option<&Versioned<StreamHead>>,
        items: &[StreamItem],
    ) -> (Vec<Change>, u64) {
        let mut new = head.map_or_else(StreamHead::default, |head| head.value);
        let begin = new.next;
        let mut changes = Vec::with_capacity(items.len() + 1);
        for item in items {
            let key = keys::stream_item(self.bot(), id, new.next);
            changes.push(Change::put(Table::Stream, key, encode(item)));
            new.next += 1;
        }
        if new.next - new.first > STREAM_KEEP + SLACK {
            let until = (new.next - STREAM_KEEP).min(new.first + TRIM);
            changes.extend(
                (new.first..until)
                    .map(|seq| Change::delete(Table::Stream, keys::stream_item(self.bot(), id, seq))),
            );
            new.first = until;
        }
        changes.push(Change::Write {
            table: Table::Stream,
            key: keys::stream_item(self.bot(), id, 0),
            value: Some(encode(&new)),
            expect: head.map_or(Expect::Absent, |head| Expect::Version(head.version)),
        });
        (changes, begin)
    }

    /// Items after a number, oldest first.
    ///
    /// # Errors
    /// As the store's.
    pub async fn stream_items(
        &self,
        id: ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, StreamItem)>, StoreError> {
        let range = KeyRange::prefix(keys::stream_of(self.bot(), id), limit).after(Some(keys::stream_item(
            self.bot(),
            id,
            after,
        )));
        self.numbered(self.store().scan(Table::Stream, range).await?)
    }

    /// Items before a number, newest first; `None`: from the newest on.
    ///
    /// # Errors
    /// As the store's.
    pub async fn stream_items_before(
        &self,
        id: ConversationId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, StreamItem)>, StoreError> {
        let range = KeyRange::prefix(keys::stream_of(self.bot(), id), limit)
            .after(before.map(|before| keys::stream_item(self.bot(), id, before)))
            .reversed();
        self.numbered(self.store().scan(Table::Stream, range).await?)
    }

    fn numbered(&self, rows: Vec<(Key, Row)>) -> Result<Vec<(u64, StreamItem)>, StoreError> {
        let mut items = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let seq = key.0.last_chunk().copied().map_or(0, u64::from_be_bytes);
            // Row 0 is the head.
            if seq > 0 {
                items.push((seq, decode::<StreamItem>(Table::Stream, &row)?.value));
            }
        }
        Ok(items)
    }

    /// Changes that remove the last `limit` rows of a conversation's stream, its head at the end, and then what is
    /// known of who has read it; none when nothing is left.
    ///
    /// # Errors
    /// As the store's.
    async fn stream_removal_changes(
        &self,
        id: ConversationId,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let range = KeyRange::prefix(keys::stream_of(self.bot(), id), limit).reversed();
        let rows = self.store().scan(Table::Stream, range).await?;
        let mut changes: Vec<Change> =
            rows.into_iter().map(|(key, _)| Change::delete(Table::Stream, key)).collect();
        if changes.is_empty() {
            let range = KeyRange::prefix(keys::read_marks(self.bot(), id), limit);
            let marks = self.store().scan(Table::Index, range).await?;
            changes.extend(marks.into_iter().map(|(key, _)| Change::delete(Table::Index, key)));
        }
        Ok(changes)
    }
}

impl Records {
    /// Removes a conversation's stream, in several commits.
    ///
    /// # Errors
    /// As the store's.
    pub async fn remove_stream(&self, id: ConversationId) -> Result<(), StoreError> {
        loop {
            let changes = self.stream_removal_changes(id, REMOVE).await?;
            if changes.is_empty() {
                return Ok(());
            }
            self.store().commit(Commit::of(changes)).await?;
        }
    }
}

/// How far a user has read in a live conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadMark {
    /// Number of the newest item that was read.
    pub through: u64,
}

impl ReadMark {
    /// A user's mark, and the version of its row.
    ///
    /// # Errors
    /// As the store's.
    pub async fn find(
        records: &Records,
        conversation: ConversationId,
        user: &UserId,
    ) -> Result<Option<(Self, u64)>, StoreError> {
        let row = records.store().get(Table::Index, &Self::key(records, conversation, user)).await?;
        Ok(row.and_then(|row| {
            let through = row.value.first_chunk().copied().map(u64::from_be_bytes)?;
            Some((Self { through }, row.version))
        }))
    }

    /// The change that writes a mark over the one that was found (its version).
    pub fn change(
        &self,
        records: &Records,
        conversation: ConversationId,
        user: &UserId,
        old: Option<u64>,
    ) -> Change {
        Change::Write {
            table: Table::Index,
            key: Self::key(records, conversation, user),
            value: Some(self.through.to_be_bytes().to_vec().into()),
            expect: old.map_or(Expect::Absent, Expect::Version),
        }
    }

    fn key(records: &Records, conversation: ConversationId, user: &UserId) -> Key {
        keys::read_marks(records.bot(), conversation).text(user.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portico_contract::BotId;

    use super::*;
    use crate::Store;
    use crate::memory::MemoryStore;

    const PLACE: ConversationId = ConversationId([7; 16]);

    fn item(number: u64) -> StreamItem {
        let id = MessageId([u8::try_from(number % 250).unwrap(); 16]);
        StreamItem { at: number, what: StreamWhat::Message { id }, client_id: None }
    }

    async fn append(records: &Records, items: &[StreamItem]) -> u64 {
        let head = records.stream_head(PLACE).await.unwrap();
        let (changes, begin) = records.stream_changes(PLACE, head.as_ref(), items);
        records.store().commit(Commit::of(changes)).await.unwrap();
        begin
    }

    fn records() -> Records {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        Records::of(store, BotId::parse("b").unwrap())
    }

    #[tokio::test]
    async fn items_are_numbered_from_one_and_read_both_ways() {
        let records = records();
        assert_eq!(append(&records, &[item(1), item(2)]).await, 1);
        assert_eq!(append(&records, &[item(3)]).await, 3);
        let seqs = |items: Vec<(u64, StreamItem)>| items.into_iter().map(|(seq, _)| seq).collect::<Vec<_>>();
        assert_eq!(seqs(records.stream_items(PLACE, 0, 10).await.unwrap()), [1, 2, 3]);
        assert_eq!(seqs(records.stream_items(PLACE, 1, 1).await.unwrap()), [2]);
        assert_eq!(seqs(records.stream_items_before(PLACE, None, 2).await.unwrap()), [3, 2]);
        assert_eq!(seqs(records.stream_items_before(PLACE, Some(3), 10).await.unwrap()), [2, 1]);
        records.remove_stream(PLACE).await.unwrap();
        assert!(records.stream_head(PLACE).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn one_number_is_given_once() {
        let records = records();
        let head = records.stream_head(PLACE).await.unwrap();
        let (one, _) = records.stream_changes(PLACE, head.as_ref(), &[item(1)]);
        let (other, _) = records.stream_changes(PLACE, head.as_ref(), &[item(2)]);
        records.store().commit(Commit::of(one)).await.unwrap();
        let refused = records.store().commit(Commit::of(other)).await;
        assert_eq!(refused, Err(StoreError::Conflict { table: Table::Stream }));
        assert_eq!(records.stream_items(PLACE, 0, 10).await.unwrap(), [(1, item(1))]);
    }

    #[tokio::test]
    async fn the_oldest_items_go_in_batches_and_the_newest_ten_thousand_stay() {
        let records = records();
        let all: Vec<_> = (1..=STREAM_KEEP + SLACK).map(item).collect();
        append(&records, &all).await;
        assert_eq!(records.stream_head(PLACE).await.unwrap().unwrap().value.first, 1);
        append(&records, &[item(0)]).await;
        let head = records.stream_head(PLACE).await.unwrap().unwrap().value;
        assert_eq!((head.first, head.last()), (SLACK + 2, STREAM_KEEP + SLACK + 1));
        let oldest = records.stream_items(PLACE, 0, 1).await.unwrap();
        assert_eq!(oldest.first().map(|(seq, _)| *seq), Some(head.first));
        let all: Vec<_> = (0..5_000).map(item).collect();
        append(&records, &all).await;
        // A large append is caught up with over the next ones, so that no commit grows without bound.
        for _ in 0..10 {
            append(&records, &[item(0)]).await;
        }
        let head = records.stream_head(PLACE).await.unwrap().unwrap().value;
        assert!(head.next - head.first <= STREAM_KEEP + SLACK, "{head:?}");
    }
}
