//! Keys of the typed rows. The bot leads each, so one bot's keys are never a prefix of another's.

use portico_contract::{BotId, ConversationId, EventId, InstallationId, MessageId, Millis, UserId};

use crate::Key;

use super::StateType;

/// What kind of secondary key an index row is; leads the key in the table.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Index {
    /// Conversations of a bot by time.
    ConversationTime = 1,
    /// Users of a bot by time.
    UserTime = 2,
    /// Conversations by tag.
    ConversationTag = 3,
    /// Users by tag.
    UserTag = 4,
    /// Who takes part in a conversation.
    Participant = 5,
    /// Which conversations a user takes part in.
    ConversationOf = 6,
    /// Conversation of a message.
    MessagePlace = 7,
    /// Message of a provider's id.
    External = 8,
    /// Object made for a set of tags.
    Claim = 9,
    /// States by the time at which they are forgotten.
    StateExpiry = 10,
    /// Conversation or user that an id made from a provider's new id stands for.
    Moved = 11,
    /// How far a user has read in a live conversation.
    ReadMark = 12,
}

pub(super) fn index(kind: Index, bot: &BotId) -> Key {
    Key::new().byte(kind as u8).text(bot.as_str())
}

pub(super) fn conversation(bot: &BotId, id: ConversationId) -> Key {
    Key::new().text(bot.as_str()).bytes(&id.0)
}

pub(super) fn user(bot: &BotId, id: &UserId) -> Key {
    Key::new().text(bot.as_str()).text(id.as_str())
}

pub(super) fn messages_of(bot: &BotId, conversation: ConversationId) -> Key {
    Key::new().text(bot.as_str()).bytes(&conversation.0)
}

pub(super) fn message(bot: &BotId, conversation: ConversationId, id: MessageId) -> Key {
    messages_of(bot, conversation).bytes(&id.0)
}

pub(super) fn stream_of(bot: &BotId, conversation: ConversationId) -> Key {
    Key::new().text(bot.as_str()).bytes(&conversation.0)
}

pub(super) fn read_marks(bot: &BotId, conversation: ConversationId) -> Key {
    index(Index::ReadMark, bot).bytes(&conversation.0)
}

/// Row 0 is the head of the stream.
pub(super) fn stream_item(bot: &BotId, conversation: ConversationId, seq: u64) -> Key {
    stream_of(bot, conversation).number(seq)
}

pub(super) fn message_place(bot: &BotId, id: MessageId) -> Key {
    index(Index::MessagePlace, bot).bytes(&id.0)
}

pub(super) fn by_time(kind: Index, bot: &BotId, at: Millis) -> Key {
    index(kind, bot).number(at)
}

pub(super) fn tag(kind: Index, bot: &BotId, name: &str, value: &str) -> Key {
    index(kind, bot).text(name).text(value)
}

pub(super) fn participants(bot: &BotId, conversation: ConversationId) -> Key {
    index(Index::Participant, bot).bytes(&conversation.0)
}

pub(super) fn conversations_of(bot: &BotId, user: &UserId) -> Key {
    index(Index::ConversationOf, bot).text(user.as_str())
}

pub(super) fn moved(bot: &BotId, id: &str) -> Key {
    index(Index::Moved, bot).text(id)
}

pub(super) fn state(bot: &BotId, kind: StateType, owner: &str, name: &str) -> Key {
    Key::new().text(bot.as_str()).text(kind.as_str()).text(owner).text(name)
}

/// Index key of a provider's message id within an installation.
pub fn external_key(bot: &BotId, installation: &InstallationId, external_id: &str) -> Key {
    index(Index::External, bot).text(installation.as_str()).text(external_id)
}

/// Key of the progress row of a delivery.
pub fn progress_key(event: EventId) -> Key {
    Key::new().bytes(&event.0)
}
