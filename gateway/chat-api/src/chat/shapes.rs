//! What this API answers, for its description; a test reads real answers by these types.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Serialize, Deserialize, ToSchema)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: $kind,)* }
        )+
    };
}

shapes! {
    /// Somebody who talks.
    User {
        id: String,
        /// ISO 8601 in UTC, ending in `Z`; so are all dates.
        created_at: String,
        updated_at: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        picture_url: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(max_length = 1000)]
        profile: Option<String>,
    }
    /// A conversation.
    Conversation {
        id: String,
        created_at: String,
        updated_at: String,
    }
    /// A message.
    Message {
        id: String,
        created_at: String,
        user_id: String,
        conversation_id: String,
        /// Its `type`, and the fields of that.
        payload: Map<String, Value>,
        /// As it was given with the message.
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<Map<String, Value>>,
    }
    /// An event of an app or of the bot.
    Event {
        id: String,
        created_at: String,
        conversation_id: String,
        user_id: String,
        payload: Map<String, Value>,
    }
    /// Where a list goes on.
    Meta {
        /// Send it back as `?nextToken=`; absent at the end.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
    }
    /// A new user.
    MadeUser {
        user: User,
        /// For the header `x-user-key` of all other calls.
        key: String,
    }
    /// A user.
    UserAnswer { user: User, }
    /// A conversation.
    ConversationAnswer { conversation: Conversation, }
    /// Conversations of the caller's own, those with the newest activity first.
    ConversationList { conversations: Vec<Conversation>, meta: Meta, }
    /// A message.
    MessageAnswer { message: Message, }
    /// Messages, newest first.
    MessageList { messages: Vec<Message>, meta: Meta, }
    /// An event.
    EventAnswer { event: Event, }
    /// Somebody who takes part.
    ParticipantAnswer { participant: User, }
    /// Everybody who takes part, but the bot.
    ParticipantList { participants: Vec<User>, meta: Meta, }
    /// It is done.
    Done {}
    /// Something that happened.
    Signal {
        #[serde(rename = "type")]
        kind: SignalKind,
        /// A message or event with `isBot`, or the ids of what it is about.
        data: Map<String, Value>,
    }
}

/// What kind of thing happened.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SignalKind {
    /// Somebody said something.
    MessageCreated,
    /// A message was taken back.
    MessageDeleted,
    /// An app or the bot told an event; one of the bot has no id.
    EventCreated,
    /// Somebody takes part now.
    ParticipantAdded,
    /// Somebody does not take part any more.
    ParticipantRemoved,
    /// A message that is being made grew.
    MessageStreamDelta,
    /// It is a message now.
    MessageStreamComplete,
    /// It will not be one.
    MessageStreamAbort,
}
