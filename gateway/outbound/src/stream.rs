//! Writes to the stream of a live conversation: items with the changes that they tell of, in one commit, shown
//! to those who listen once it has happened.

use std::sync::Arc;

use portico_contract::{BotId, ConversationId, Millis};
use portico_store::records::{Message, Records, SENT_KEPT, Sent, StreamItem};
use portico_store::{Change, Commit, Durability, Key, StoreError};
use portico_turns::{Installation, Outlet, ShownItem};

use crate::accept::{Kept, Outbox};
use crate::draft::Draft;
use crate::{AcceptError, now, signals};

/// How often a commit is made again because somebody else took the number.
const MAX_CONFLICTS: usize = 64;

/// Whether an installation's people are connected to the gateway itself.
pub fn is_live(installation: &Installation) -> bool {
    installation.connector.manifest().live
}

/// What one write to a stream is made of.
#[derive(Clone, Debug, Default)]
pub struct StreamWrite {
    /// What the items tell of.
    pub changes: Vec<Change>,
    /// The items, with the message that each is about as `changes` leave it.
    pub items: Vec<(StreamItem, Option<Arc<Message>>)>,
}

/// What is remembered of something that a visitor sends now.
pub(crate) fn sent_now(conversation: ConversationId, id: [u8; 16], seq: u64, at: Millis) -> Sent {
    Sent { until: now().saturating_add(SENT_KEPT), conversation, id, seq, at }
}

/// Commits what `make` gives for the number of its first item, again and again while rows change under it, and
/// shows it then. `at` is the conversation's installation, where its operator may want to be told. `None` from `make` means that there is nothing to do any more. Gives back the items' numbers.
pub(crate) async fn write<F, C, E>(
    records: &Records,
    outlet: &dyn Outlet,
    conversation: ConversationId,
    at: Option<&Installation>,
    durability: Durability,
    mut make: F,
) -> Result<Option<Vec<u64>>, E>
where
    F: FnMut(u64) -> C + Send,
    C: Future<Output = Result<Option<StreamWrite>, E>> + Send,
    E: From<StoreError>,
{
    let mut tries = 0;
    loop {
        // Before what `make` reads: a number that is taken meanwhile makes the commit be refused.
        let head = records.stream_head(conversation).await?;
        let next = head.as_ref().map_or(1, |head| head.value.next);
        let Some(StreamWrite { mut changes, items }) = make(next).await? else { return Ok(None) };
        let (stored, messages): (Vec<StreamItem>, Vec<_>) = items.into_iter().unzip();
        let (more, begin) = records.stream_changes(conversation, head.as_ref(), &stored);
        if !stored.is_empty() {
            changes.extend(more);
            changes.extend(signals::entries(records.bot(), at, conversation, (begin..).zip(&stored)));
        }
        let commit = Commit { durability, ..Commit::of(changes) };
        match records.store().commit(commit).await {
            Ok(_) => {
                let mut seqs = Vec::with_capacity(stored.len());
                for ((item, message), seq) in stored.into_iter().zip(messages).zip(begin..) {
                    outlet.shown(conversation, ShownItem { seq, item, message });
                    seqs.push(seq);
                }
                return Ok(Some(seqs));
            }
            Err(StoreError::Conflict { .. }) if tries < MAX_CONFLICTS => {
                tries += 1;
                tokio::task::yield_now().await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

impl Outbox {
    /// Where those who listen to live conversations are told.
    pub fn outlet(&self) -> &dyn Outlet {
        self.outlet.as_ref()
    }

    /// Puts items into the stream of a live conversation, together with the changes that they tell of, and shows
    /// them. `make` gets the number of the first item and is asked again while rows change under it; `None` ends it.
    /// Gives back the items' numbers.
    ///
    /// # Errors
    /// What `make` refuses, and the store's.
    pub async fn write_stream<F, C, E>(
        &self,
        bot: &BotId,
        conversation: ConversationId,
        durability: Durability,
        make: F,
    ) -> Result<Option<Vec<u64>>, E>
    where
        F: FnMut(u64) -> C + Send,
        C: Future<Output = Result<Option<StreamWrite>, E>> + Send,
        E: From<StoreError>,
    {
        let records = Records::of(self.store.clone(), bot.clone());
        let at = self.teller(&records, conversation).await?;
        let _turn = self.lock(conversation).await;
        write(&records, self.outlet.as_ref(), conversation, at.as_deref(), durability, make).await
    }

    /// What was sent before under a visitor's id, and the version of what is remembered.
    pub(crate) async fn sent_before(&self, client: Option<&Key>) -> Result<Option<(Sent, u64)>, StoreError> {
        match client {
            Some(key) => Sent::find(self.store.as_ref(), key).await,
            None => Ok(None),
        }
    }

    /// The answer for a visitor's repeat: the message as it is now, or, where it is gone, as it was sent again.
    pub(crate) async fn kept_before(
        &self,
        records: &Records,
        sent: &Sent,
        drafts: Vec<Draft>,
    ) -> Result<Kept, AcceptError> {
        let id = portico_contract::MessageId(sent.id);
        let message = match records.message_in(sent.conversation, id).await? {
            Some(message) => message.value,
            None => {
                let draft = drafts.into_iter().next().ok_or(AcceptError::NotFound)?;
                Message {
                    id,
                    conversation: sent.conversation,
                    created_at: sent.at,
                    updated_at: sent.at,
                    ..draft.message
                }
            }
        };
        Ok(Kept { messages: vec![message], seqs: vec![sent.seq], repeat: true })
    }
}

/// The key of a visitor's id in the store.
pub(crate) fn client_key(client: &crate::ClientId) -> Key {
    Sent::key(&client.installation, &client.user, &client.id)
}
