//! Conversations of a live installation: opened, listed, deleted.

use std::sync::Arc;

use portico_contract::{ConversationId, EventId, UserId};
use portico_store::records::{Conversation, Message, MessageFilter, TagMap};
use portico_store::{Commit, Key, Page, StoreError};
use portico_turns::{Installation, Outlet, now};

use crate::{Live, LiveError};

/// Conversations of one user that a list looks at.
const MOST: usize = 1_000;
/// Rows that are removed in one commit.
const BATCH: usize = 200;
/// How often something is tried again because rows changed meanwhile.
pub(crate) const TRIES: usize = 32;
/// Longest key of a conversation, in bytes.
const MAX_KEY: usize = 500;

/// A conversation that was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The conversation.
    pub conversation: Conversation,
    /// Whether it was made now.
    pub created: bool,
}

/// A conversation in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// The conversation.
    pub conversation: Conversation,
    /// Its last message, if one was said.
    pub last: Option<Message>,
    /// Number of the newest item of its stream; 0 when there is none.
    pub head: u64,
}

impl Live {
    /// The conversation of a key, made if it is not there; without a key always a new one. `tags` are under their
    /// stored names (`chat:owner`) and set when it is made. The owner is its recipient and takes part from the
    /// beginning; whether a conversation that was there is this owner's, the caller looks at `recipient`.
    ///
    /// # Errors
    /// `NotFound("user")`, `Invalid`, and the store's.
    pub async fn open(
        &self,
        at: &Arc<Installation>,
        key: Option<&str>,
        owner: &UserId,
        tags: TagMap,
    ) -> Result<Opened, LiveError> {
        if key.is_some_and(|key| key.is_empty() || key.len() > MAX_KEY) {
            return Err(LiveError::invalid("id", "must have 1 to 500 bytes"));
        }
        let records = self.records(at);
        let channel = at.connector.manifest().channels.keys().next().cloned().unwrap_or_default();
        let key = key.map_or_else(|| EventId::new().to_string(), str::to_owned);
        let id = ConversationId::of_thread(&at.bot, &at.id, &channel, &key);
        for _ in 0..TRIES {
            if let Some(known) = records.conversation(id).await? {
                return Ok(Opened { conversation: known.value, created: false });
            }
            if self.user(at, owner).await?.is_none() {
                return Err(LiveError::NotFound("user"));
            }
            let at_time = now();
            let conversation = Conversation {
                id,
                installation: Some(at.id.clone()),
                integration: at.alias.to_string(),
                channel: channel.clone(),
                key: key.clone(),
                tags: tags.clone(),
                properties: TagMap::new(),
                recipient: Some(owner.clone()),
                message_count: 0,
                current_task: None,
                created_at: at_time,
                updated_at: at_time,
            };
            let mut changes = records.conversation_changes(None, &conversation);
            changes.extend(records.participant_changes(id, owner, true));
            match self.inner.store.commit(Commit::of(changes)).await {
                Ok(_) => return Ok(Opened { conversation, created: true }),
                // Somebody else made it at the same moment.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LiveError::Unavailable)
    }

    /// A conversation of this installation.
    ///
    /// # Errors
    /// The store's.
    pub async fn conversation(
        &self,
        at: &Arc<Installation>,
        id: ConversationId,
    ) -> Result<Option<Conversation>, LiveError> {
        let row = self.records(at).conversation(id).await?;
        Ok(row.map(|row| row.value).filter(|row| row.installation.as_ref() == Some(&at.id)))
    }

    /// Conversations of this installation that a user takes part in, newest activity first; of the first 1,000.
    ///
    /// # Errors
    /// The store's.
    pub async fn conversations_of(
        &self,
        at: &Arc<Installation>,
        user: &UserId,
        cursor: Option<Key>,
        limit: usize,
    ) -> Result<Page<Overview>, LiveError> {
        let records = self.records(at);
        let mut all = Vec::new();
        for id in records.conversations_of(user, MOST).await? {
            if let Some(conversation) = self.conversation(at, id).await? {
                all.push((place(&conversation), conversation));
            }
        }
        all.sort_by(|(one, _), (other, _)| other.cmp(one));
        let mut rest =
            all.into_iter().skip_while(|(place, _)| cursor.as_ref().is_some_and(|end| place >= end));
        let (mut items, mut last_place) = (Vec::new(), None);
        for (place, conversation) in rest.by_ref().take(limit) {
            let last = records.messages(conversation.id, &MessageFilter::default(), None, 1).await?;
            let head = records.stream_head(conversation.id).await?.map_or(0, |head| head.value.last());
            let last = last.items.into_iter().next().map(|row| row.value);
            items.push(Overview { conversation, last, head });
            last_place = Some(place);
        }
        let next = if rest.next().is_some() { last_place } else { None };
        Ok(Page { items, next })
    }

    /// Removes a conversation with its messages and its stream.
    ///
    /// # Errors
    /// `NotFound("conversation")`, and the store's.
    pub async fn delete_conversation(
        &self,
        at: &Arc<Installation>,
        id: ConversationId,
    ) -> Result<(), LiveError> {
        let records = self.records(at);
        self.conversation(at, id).await?.ok_or(LiveError::NotFound("conversation"))?;
        // The row first: from here on nobody says anything in it, so nothing grows behind the sweep.
        for tries in 0.. {
            let Some(row) = records.conversation(id).await? else { break };
            let changes = records.conversation_removal_changes(&row).await?;
            match self.inner.store.commit(Commit::of(changes)).await {
                Ok(_) => break,
                Err(StoreError::Conflict { .. }) if tries < TRIES => {}
                Err(error) => return Err(error.into()),
            }
        }
        loop {
            let page = records.messages_oldest_first(id, None, BATCH).await?;
            let mut changes = Vec::new();
            for row in &page.items {
                changes.extend(records.message_removal_changes(row));
            }
            if changes.is_empty() {
                break;
            }
            match self.inner.store.commit(Commit::of(changes)).await {
                // An edit came between; the next round reads the row anew.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // After the messages: one that is on its way out has nothing to write on any more.
        records.remove_stream(id).await?;
        self.hub().ended(id);
        Ok(())
    }

    /// A conversation of this installation that a user takes part in.
    pub(crate) async fn taking_part(
        &self,
        at: &Arc<Installation>,
        id: ConversationId,
        user: &UserId,
    ) -> Result<Conversation, LiveError> {
        let conversation = self.conversation(at, id).await?.ok_or(LiveError::NotFound("conversation"))?;
        if !self.records(at).is_participant(id, user).await? {
            return Err(LiveError::Forbidden("the user takes no part in the conversation"));
        }
        Ok(conversation)
    }
}

/// Where a conversation stands in the list of its user, newest activity last.
fn place(conversation: &Conversation) -> Key {
    Key::new().number(conversation.updated_at).bytes(&conversation.id.0)
}
