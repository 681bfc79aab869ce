//! Retention of messages and conversations: the store sees no times in rows, so it is worked here.

use portico_contract::{ConversationId, Millis};

use super::conversations::tail;
use super::keys::{self, Index};
use super::{MessageFilter, Records};
use crate::{Commit, Key, KeyRange, Lane, StoreError, Table};

/// Conversations looked at in one call.
const PAGE: usize = 200;
/// Messages removed in one commit.
const BATCH: usize = 100;

impl Records {
    /// Removes messages made before a time, and conversations that have not changed since and hold nothing that
    /// waits. Looks at a bounded number of conversations after `cursor`; `None` comes back at the end.
    ///
    /// # Errors
    /// As the store's.
    pub async fn expire(
        &self,
        before: Millis,
        cursor: Option<Key>,
    ) -> Result<(u64, Option<Key>), StoreError> {
        let prefix = keys::index(Index::ConversationTime, &self.bot);
        let rows = self.store.scan(Table::Index, KeyRange::prefix(prefix, PAGE).after(cursor)).await?;
        let next = (rows.len() == PAGE).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        let mut removed = 0;
        for (key, _) in rows {
            let id = ConversationId(tail(&key));
            removed += self.expire_messages(id, before).await?;
            removed += u64::from(self.expire_conversation(id, before).await?);
        }
        Ok((removed, next))
    }

    async fn expire_messages(&self, id: ConversationId, before: Millis) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let page = self.messages_oldest_first(id, None, BATCH).await?;
            let old: Vec<_> = page.items.iter().take_while(|row| row.value.created_at < before).collect();
            let full = old.len() == BATCH;
            let mut changes = Vec::new();
            for row in &old {
                changes.extend(self.message_removal_changes(row));
            }
            if changes.is_empty() {
                return Ok(removed);
            }
            removed += old.len() as u64;
            self.store.commit(Commit::of(changes)).await?;
            if !full {
                return Ok(removed);
            }
        }
    }

    async fn expire_conversation(&self, id: ConversationId, before: Millis) -> Result<bool, StoreError> {
        let Some(row) = self.conversation(id).await? else { return Ok(false) };
        let waits = self.store.lane(Lane::inbound(id)).await?.is_some()
            || self.store.lane(Lane::outbound(id)).await?.is_some();
        if row.value.updated_at >= before || waits {
            return Ok(false);
        }
        let left = self.messages(id, &MessageFilter::default(), None, 1).await?;
        if !left.items.is_empty() {
            return Ok(false);
        }
        let changes = self.conversation_removal_changes(&row).await?;
        match self.store.commit(Commit::of(changes)).await {
            Ok(_) => {
                self.remove_stream(id).await?;
                Ok(true)
            }
            // Somebody wrote to it meanwhile: it lives.
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portico_contract::{BotId, EventId, MessageId, UserId};
    use serde_json::json;

    use super::*;
    use crate::memory::MemoryStore;
    use crate::records::{Conversation, Direction, Message, TagMap};

    #[tokio::test]
    async fn what_is_old_goes_and_what_is_young_or_waits_stays() {
        let store: Arc<dyn crate::Store> = Arc::new(MemoryStore::new());
        let records = Records::of(store.clone(), BotId::parse("b").unwrap());
        for (number, at) in [(1, 10), (2, 10), (3, 200)] {
            let conversation = Conversation {
                id: ConversationId([number; 16]),
                installation: None,
                integration: "x".into(),
                channel: "dm".into(),
                key: String::new(),
                tags: TagMap::new(),
                properties: TagMap::new(),
                recipient: None,
                message_count: 0,
                current_task: None,
                created_at: at,
                updated_at: at,
            };
            store.commit(Commit::of(records.conversation_changes(None, &conversation))).await.unwrap();
        }
        for (conversation, at) in [(1, 20), (2, 20), (2, 150)] {
            let message = Message {
                id: MessageId(EventId::new().0),
                conversation: ConversationId([conversation; 16]),
                user: UserId::new(),
                direction: Direction::Incoming,
                kind: "text".into(),
                payload: json!({ "text": "x" }),
                tags: TagMap::new(),
                delivery: None,
                origin: None,
                created_at: at,
                updated_at: at,
            };
            store.commit(Commit::of(records.message_changes(None, &message))).await.unwrap();
        }
        // Two messages and the first conversation; the second keeps its young message, the third is young.
        assert_eq!(records.expire(100, None).await.unwrap(), (3, None));
        assert!(records.conversation(ConversationId([1; 16])).await.unwrap().is_none());
        let left =
            records.messages(ConversationId([2; 16]), &MessageFilter::default(), None, 10).await.unwrap();
        assert_eq!(left.items.len(), 1);
        assert!(records.conversation(ConversationId([3; 16])).await.unwrap().is_some());
        assert_eq!(records.expire(100, None).await.unwrap(), (0, None));
    }
}
