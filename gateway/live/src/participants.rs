//! Who takes part in a conversation, and the move of a conversation to a person whose identity became known.

use std::sync::Arc;

use portico_contract::{ConversationId, UserId};
use portico_outbound::StreamWrite;
use portico_store::records::{Conversation, Direction, Sent, StreamItem, StreamWhat, User};
use portico_store::{Commit, Durability, StoreError};
use portico_turns::{Installation, now};

use crate::conversations::TRIES;
use crate::{Live, LiveError};

/// Most participants that are listed.
const MOST: usize = 1_000;
/// Messages that change their author in one commit.
const BATCH: usize = 100;
/// Items of the stream whose ids are given to the other person: as many as may still be repeated.
const RECENT: usize = 500;
/// Tag that names who opened a conversation of the Chat API, behind the alias.
const OWNER: &str = "owner";

impl Live {
    /// Users that take part, the bot included once it has spoken; at most 1,000.
    ///
    /// # Errors
    /// `NotFound("conversation")`, and the store's.
    pub async fn participants(
        &self,
        at: &Arc<Installation>,
        id: ConversationId,
    ) -> Result<Vec<User>, LiveError> {
        self.conversation(at, id).await?.ok_or(LiveError::NotFound("conversation"))?;
        let records = self.records(at);
        let mut users = Vec::new();
        for user in records.participants(id, None, MOST).await?.items {
            if let Some(row) = records.user(&user).await? {
                users.push(row.value);
            }
        }
        Ok(users)
    }

    /// Makes a user take part. Nothing happens when they do already.
    ///
    /// # Errors
    /// `NotFound("conversation")`, `NotFound("user")`, and the store's.
    pub async fn add_participant(
        &self,
        at: &Arc<Installation>,
        id: ConversationId,
        user: &UserId,
    ) -> Result<(), LiveError> {
        self.conversation(at, id).await?.ok_or(LiveError::NotFound("conversation"))?;
        self.user(at, user).await?.ok_or(LiveError::NotFound("user"))?;
        self.inner.outbox.set_participant(&at.bot, id, user, true).await?;
        Ok(())
    }

    /// Makes a user not take part any more.
    ///
    /// # Errors
    /// `NotFound("conversation")`, `NotFound("user")` when they took no part, and the store's.
    pub async fn remove_participant(
        &self,
        at: &Arc<Installation>,
        id: ConversationId,
        user: &UserId,
    ) -> Result<(), LiveError> {
        self.conversation(at, id).await?.ok_or(LiveError::NotFound("conversation"))?;
        if !self.inner.outbox.set_participant(&at.bot, id, user, false).await? {
            return Err(LiveError::NotFound("user"));
        }
        Ok(())
    }

    /// Whether a user takes part.
    ///
    /// # Errors
    /// The store's.
    pub async fn takes_part(
        &self,
        at: &Arc<Installation>,
        id: ConversationId,
        user: &UserId,
    ) -> Result<bool, LiveError> {
        if self.conversation(at, id).await?.is_none() {
            return Ok(false);
        }
        Ok(self.records(at).is_participant(id, user).await?)
    }

    /// Gives the conversation of an anonymous person to the verified person that they turned out to be: once, and
    /// only from one who was never verified. What they said becomes the other's, and so do their client ids. Done
    /// again after it broke off, it goes on where it stopped.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` where it is not to be moved, and the store's.
    pub async fn move_user(
        &self,
        at: &Arc<Installation>,
        from: &UserId,
        to: &UserId,
        conversation: ConversationId,
    ) -> Result<(), LiveError> {
        if from == to {
            return Ok(());
        }
        let place = self.conversation(at, conversation).await?.ok_or(LiveError::NotFound("conversation"))?;
        self.user(at, to).await?.ok_or(LiveError::NotFound("user"))?;
        let is_moved = place.recipient.as_ref() == Some(to);
        if let Some(known) = self.user(at, from).await?
            && self.is_verified(at, &known)
        {
            return Err(LiveError::Forbidden("the conversation belongs to a verified person"));
        }
        if !is_moved && place.recipient.as_ref() != Some(from) {
            return Err(LiveError::Forbidden("the conversation belongs to another person"));
        }
        // Ids first: a repeat that comes during the move must find them under either name.
        self.move_client_ids(at, from, to, conversation).await?;
        if !is_moved {
            self.move_conversation(at, from, to, conversation).await?;
        }
        self.move_messages(at, from, to, conversation).await
    }

    async fn move_client_ids(
        &self,
        at: &Arc<Installation>,
        from: &UserId,
        to: &UserId,
        conversation: ConversationId,
    ) -> Result<(), LiveError> {
        let store = self.inner.store.as_ref();
        for (_, item) in self.records(at).stream_items_before(conversation, None, RECENT).await? {
            let Some(id) = item.client_id else { continue };
            let Some((sent, _)) = Sent::find(store, &Sent::key(&at.id, from, &id)).await? else { continue };
            let key = Sent::key(&at.id, to, &id);
            if Sent::find(store, &key).await?.is_none() {
                match store.commit(Commit::of([sent.change(key, None)]).ordered()).await {
                    Ok(_) | Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    async fn move_conversation(
        &self,
        at: &Arc<Installation>,
        from: &UserId,
        to: &UserId,
        id: ConversationId,
    ) -> Result<(), LiveError> {
        let records = &self.records(at);
        let make = |_| async move {
            let old = records.conversation(id).await?.ok_or(LiveError::NotFound("conversation"))?;
            let mut new =
                Conversation { recipient: Some(to.clone()), updated_at: now(), ..old.value.clone() };
            if let Some(owner) = new.tags.get_mut(&format!("{}:{OWNER}", at.alias))
                && owner == from.as_str()
            {
                to.as_str().clone_into(owner);
            }
            let mut changes = records.conversation_changes(Some(&old), &new);
            changes.extend(records.participant_changes(id, from, false));
            changes.extend(records.participant_changes(id, to, true));
            let item = StreamItem { at: now(), what: StreamWhat::Conversation, client_id: None };
            Ok::<_, LiveError>(Some(StreamWrite { changes, items: vec![(item, None)] }))
        };
        self.inner.outbox.write_stream(&at.bot, id, Durability::Synced, make).await?;
        Ok(())
    }

    async fn move_messages(
        &self,
        at: &Arc<Installation>,
        from: &UserId,
        to: &UserId,
        id: ConversationId,
    ) -> Result<(), LiveError> {
        let records = self.records(at);
        let (mut cursor, mut conflicts) = (None, 0);
        loop {
            let page = records.messages_oldest_first(id, cursor.clone(), BATCH).await?;
            let mut changes = Vec::new();
            for row in &page.items {
                if row.value.user == *from && row.value.direction == Direction::Incoming {
                    let mut message = row.value.clone();
                    message.user = to.clone();
                    changes.extend(records.message_changes(Some(row), &message));
                }
            }
            if !changes.is_empty() && !self.happened(changes).await? {
                conflicts += 1;
                if conflicts > TRIES {
                    return Err(LiveError::Unavailable);
                }
                continue;
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }
}
