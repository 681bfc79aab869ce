//! What visitors say, tell and take back.

use std::collections::BTreeMap;
use std::sync::Arc;

use portico_contract::{ConversationId, EventId, MessageId, Millis, UserId};
use portico_outbound::{ClientId, MessageChange, NewEventOf, NewMessage};
use portico_store::records::{Message, TagMap};
use portico_turns::Installation;
use serde_json::Value;

use crate::{Live, LiveError};

/// Longest id of a visitor's program, in bytes.
const MAX_CLIENT_ID: usize = 64;
/// Largest data of an event, in bytes as JSON.
const MAX_DATA: usize = 64 * 1024;
/// Longest name of an event, in bytes.
const MAX_NAME: usize = 100;

/// Something a visitor says.
#[derive(Clone, Debug, PartialEq)]
pub struct Say {
    /// Where.
    pub conversation: ConversationId,
    /// Who; takes part in the conversation.
    pub user: UserId,
    /// The id under which the visitor's program sends it: the same one from the same user is stored once, for at
    /// least seven days. 1 to 64 bytes.
    pub client_id: Option<String>,
    /// Type, as on the runtime wire (`text`, `image` …).
    pub kind: String,
    /// Payload of that type.
    pub payload: Value,
    /// Tags under their stored names.
    pub tags: TagMap,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
}

/// A message that is stored for good.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The message.
    pub message: Message,
    /// Its number in the stream.
    pub seq: u64,
    /// Whether it was stored before, by an earlier call of the same client id.
    pub repeat: bool,
}

/// An event of the visitor's program for the bot.
#[derive(Clone, Debug, PartialEq)]
pub struct Tell {
    /// Where.
    pub conversation: ConversationId,
    /// Who; takes part in the conversation.
    pub user: UserId,
    /// As [`Say::client_id`].
    pub client_id: Option<String>,
    /// Name without the integration's: the bot gets `<alias>:<name>`. 1 to 100 of `a-z A-Z 0-9 - _ .`.
    pub name: String,
    /// Payload as the bot sees it.
    pub data: Value,
    /// Whether it has a place in the stream, for other listeners.
    pub shown: bool,
}

/// An event that is stored for good.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its id.
    pub id: EventId,
    /// Its number in the stream, where it is shown.
    pub seq: Option<u64>,
    /// When.
    pub at: Millis,
    /// Whether it was stored before.
    pub repeat: bool,
}

/// What to change about a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageEdit {
    /// The new payload, whole, of the message's own type.
    pub payload: Option<Value>,
    /// Tags to set under their stored names; an empty value removes one, others stay.
    pub tags: TagMap,
}

impl Live {
    /// Stores what a visitor says. When it returns, it is synced; a repeat gets what the first call got.
    ///
    /// # Errors
    /// `NotFound("conversation")`, `Forbidden` when the user takes no part, `Invalid`, `TooLarge`, and the
    /// store's.
    pub async fn say(&self, at: &Arc<Installation>, say: Say) -> Result<Said, LiveError> {
        let client = client_id(at, &say.user, say.client_id)?;
        self.taking_part(at, say.conversation, &say.user).await?;
        if let Some(id) = say.reply_to {
            let answered = self.message(at, id).await?;
            if answered.is_none_or(|answered| answered.conversation != say.conversation) {
                return Err(LiveError::invalid("replyTo", "names no message of the conversation"));
            }
        }
        let new = NewMessage {
            bot: at.bot.clone(),
            conversation: say.conversation,
            user: say.user,
            kind: say.kind,
            payload: say.payload,
            tags: say.tags,
            origin: None,
            reply_to: say.reply_to,
            once: None,
        };
        let said = self.inner.outbox.say(new, client).await?;
        Ok(Said { message: said.message, seq: said.seq, repeat: said.repeat })
    }

    /// Journals an event for the bot. When it returns, it is synced; a repeat gets what the first call got.
    ///
    /// # Errors
    /// As [`Live::say`].
    pub async fn tell(&self, at: &Arc<Installation>, tell: Tell) -> Result<Told, LiveError> {
        let client = client_id(at, &tell.user, tell.client_id)?;
        let is_name = |name: &str| {
            (1..=MAX_NAME).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        if !is_name(&tell.name) {
            return Err(LiveError::invalid("name", "must be 1 to 100 letters, digits, '-', '_' or '.'"));
        }
        let bytes = serde_json::to_vec(&tell.data).map_or(usize::MAX, |json| json.len());
        if bytes > MAX_DATA {
            return Err(LiveError::TooLarge { what: "the data of an event", bytes, limit: MAX_DATA });
        }
        self.taking_part(at, tell.conversation, &tell.user).await?;
        let new = NewEventOf {
            bot: at.bot.clone(),
            installation: at.id.clone(),
            conversation: tell.conversation,
            user: tell.user,
            kind: format!("{}:{}", at.alias, tell.name),
            shown: tell.shown.then_some(tell.name),
            payload: tell.data,
        };
        let told = self.inner.outbox.tell(new, client).await?;
        Ok(Told { id: told.id, seq: told.seq, at: told.at, repeat: told.repeat })
    }

    /// A message of this installation.
    ///
    /// # Errors
    /// The store's.
    pub async fn message(&self, at: &Arc<Installation>, id: MessageId) -> Result<Option<Message>, LiveError> {
        let Some(message) = self.records(at).message(id).await? else { return Ok(None) };
        let is_ours = self.conversation(at, message.value.conversation).await?.is_some();
        Ok(is_ours.then_some(message.value))
    }

    /// Removes a message that this user said.
    ///
    /// # Errors
    /// `NotFound("message")`, `Forbidden` when it is somebody else's, and the store's.
    pub async fn delete_message(
        &self,
        at: &Arc<Installation>,
        id: MessageId,
        by: &UserId,
    ) -> Result<(), LiveError> {
        let message = self.message(at, id).await?.ok_or(LiveError::NotFound("message"))?;
        if message.user != *by {
            return Err(LiveError::Forbidden("only who said a message may remove it"));
        }
        Ok(self.inner.outbox.delete(&at.bot, id).await?)
    }

    /// Changes a message. A payload may only be changed by who said it; tags (feedback, a choice that was made) by
    /// anybody who takes part.
    ///
    /// # Errors
    /// `NotFound("message")`, `Forbidden`, `Invalid`, and the store's.
    pub async fn update_message(
        &self,
        at: &Arc<Installation>,
        id: MessageId,
        by: &UserId,
        edit: MessageEdit,
    ) -> Result<Message, LiveError> {
        let message = self.message(at, id).await?.ok_or(LiveError::NotFound("message"))?;
        if edit.payload.is_some() && message.user != *by {
            return Err(LiveError::Forbidden("only who said a message may change it"));
        }
        self.taking_part(at, message.conversation, by).await?;
        let tags: BTreeMap<String, Option<String>> =
            edit.tags.into_iter().map(|(name, value)| (name, Some(value))).collect();
        let change = MessageChange { payload: edit.payload, tags };
        Ok(self.inner.outbox.edit(&at.bot, id, change).await?)
    }
}

fn client_id(at: &Installation, user: &UserId, given: Option<String>) -> Result<Option<ClientId>, LiveError> {
    let Some(id) = given else { return Ok(None) };
    if id.is_empty() || id.len() > MAX_CLIENT_ID {
        return Err(LiveError::invalid("id", "must have 1 to 64 bytes"));
    }
    Ok(Some(ClientId { installation: at.id.clone(), user: user.clone(), id }))
}
