//! A core's answer to an event: messages that are kept once, however often the event is offered.

use portico_contract::{BotId, ConversationId, EventId, UserId};
use portico_store::IdempotencyKey;
use portico_store::records::{Direction, Message, TagMap};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::AcceptError;
use crate::accept::{NewMessage, OnceKey, Outbox};
use crate::draft::draft;

/// Most messages of one answer.
const MAX_REPLIES: usize = 100;

/// One message of a core's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyMessage {
    /// Type, as on the wire.
    pub kind: String,
    /// Payload, as on the wire.
    pub payload: Value,
    /// Tags under their stored names.
    pub tags: TagMap,
}

impl Outbox {
    /// Keeps what a core answered to an event, in order and in one commit, said by the bot's own user. When the
    /// event is offered again, the messages of the first answer are given back and nothing is stored, even if
    /// the core says something else now.
    ///
    /// # Errors
    /// [`AcceptError`], whose field begins with `messages[n]` where one message is wrong; then none is stored.
    pub async fn replies(
        &self,
        bot: &BotId,
        conversation: ConversationId,
        origin: EventId,
        messages: Vec<ReplyMessage>,
    ) -> Result<Vec<Message>, AcceptError> {
        if messages.len() > MAX_REPLIES {
            return Err(AcceptError::field("messages", "at most 100 messages may be said at once"));
        }
        let mut drafts = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            let new = NewMessage {
                bot: bot.clone(),
                conversation,
                user: UserId::of_bot(bot),
                kind: message.kind,
                payload: message.payload,
                tags: message.tags,
                origin: None,
                reply_to: None,
                once: None,
            };
            drafts.push(
                draft(&new, Direction::Outgoing, EventId::new()).map_err(|error| placed(error, index))?,
            );
        }
        self.store_all(bot, drafts, Some(once_of(bot, origin)), &[]).await
    }
}

fn placed(error: AcceptError, index: usize) -> AcceptError {
    match error {
        AcceptError::InvalidPayload(mut error) => {
            error.field = format!("messages[{index}].{}", error.field);
            AcceptError::InvalidPayload(error)
        }
        other => other,
    }
}

/// The key of an event's replies. The hash is the key itself: a second answer never counts as another request.
fn once_of(bot: &BotId, origin: EventId) -> OnceKey {
    let mut hash = Sha256::new();
    hash.update(b"replies");
    hash.update((bot.as_str().len() as u64).to_be_bytes());
    hash.update(bot.as_str());
    hash.update(origin.0);
    let digest = hash.finalize();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    OnceKey { key: IdempotencyKey(key), hash: key }
}
