//! Telegram's JSON as it comes in: only the fields that are read, borrowed from the body where they can be.
//!
//! Decision: these are not `teloxide_core::types`. Those own every text, and fail as a whole on a member of an
//! enum that is newer than they are; an update that fails blocks its chat at Telegram, so reading must be
//! tolerant. `tests::agreement` reads the same fixtures with both and compares.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// A text that borrows from the body unless it holds escapes. (`Option<Cow<str>>` would always copy.)
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// One update. Kinds that are not listed here are read again in `normalize::other`, as plain JSON.
#[derive(Debug, Deserialize)]
pub(crate) struct Update<'a> {
    pub(crate) update_id: i64,
    #[serde(borrow)]
    pub(crate) message: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    pub(crate) edited_message: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    pub(crate) channel_post: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    pub(crate) edited_channel_post: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    pub(crate) business_message: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    pub(crate) edited_business_message: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    pub(crate) deleted_business_messages: Option<DeletedBusinessMessages<'a>>,
    #[serde(borrow)]
    pub(crate) callback_query: Option<Box<CallbackQuery<'a>>>,
    #[serde(borrow)]
    pub(crate) message_reaction: Option<Box<MessageReaction<'a>>>,
    #[serde(borrow)]
    pub(crate) my_chat_member: Option<Box<ChatMemberUpdated<'a>>>,
    #[serde(borrow)]
    pub(crate) chat_member: Option<Box<ChatMemberUpdated<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct User<'a> {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) is_bot: bool,
    #[serde(borrow, default)]
    pub(crate) first_name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) last_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) username: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) language_code: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Chat<'a> {
    pub(crate) id: i64,
    /// `private`, `group`, `supergroup`, `channel`.
    #[serde(rename = "type", borrow, default)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) title: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) username: Option<Text<'a>>,
}

impl Chat<'_> {
    pub(crate) fn is_private(&self) -> bool {
        self.kind == "private"
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    pub(crate) message_id: i64,
    /// Seconds since 1970.
    #[serde(default)]
    pub(crate) date: i64,
    pub(crate) edit_date: Option<i64>,
    #[serde(borrow)]
    pub(crate) chat: Chat<'a>,
    pub(crate) message_thread_id: Option<i64>,
    #[serde(default)]
    pub(crate) is_topic_message: bool,
    #[serde(borrow)]
    pub(crate) from: Option<User<'a>>,
    #[serde(borrow)]
    pub(crate) sender_chat: Option<Chat<'a>>,
    #[serde(default)]
    pub(crate) is_automatic_forward: bool,
    #[serde(borrow)]
    pub(crate) business_connection_id: Option<Text<'a>>,
    pub(crate) sender_business_bot: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(crate) media_group_id: Option<Text<'a>>,
    pub(crate) reply_to_message: Option<ReplyTo>,
    #[serde(borrow)]
    pub(crate) external_reply: Option<ExternalReply<'a>>,
    #[serde(borrow)]
    pub(crate) quote: Option<Quote<'a>>,
    #[serde(borrow)]
    pub(crate) forward_origin: Option<Origin<'a>>,

    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) caption: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) photo: Option<Vec<PhotoSize<'a>>>,
    #[serde(borrow)]
    pub(crate) audio: Option<Attachment<'a>>,
    #[serde(borrow)]
    pub(crate) voice: Option<Attachment<'a>>,
    #[serde(borrow)]
    pub(crate) video: Option<Attachment<'a>>,
    #[serde(borrow)]
    pub(crate) video_note: Option<Attachment<'a>>,
    #[serde(borrow)]
    pub(crate) animation: Option<Attachment<'a>>,
    #[serde(borrow)]
    pub(crate) document: Option<Attachment<'a>>,
    #[serde(borrow)]
    pub(crate) sticker: Option<Sticker<'a>>,
    pub(crate) location: Option<Place>,
    #[serde(borrow)]
    pub(crate) venue: Option<Venue<'a>>,
    #[serde(borrow)]
    pub(crate) contact: Option<Contact<'a>>,
    #[serde(borrow)]
    pub(crate) web_app_data: Option<WebAppData<'a>>,

    // Handed on as they are, under a kind of the connector's own.
    #[serde(borrow)]
    pub(crate) dice: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) poll: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) game: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) story: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) paid_media: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) live_photo: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) invoice: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) checklist: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) giveaway: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) giveaway_winners: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) rich_message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) users_shared: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) chat_shared: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) successful_payment: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) refunded_payment: Option<&'a RawValue>,

    #[serde(borrow)]
    pub(crate) new_chat_members: Option<Vec<User<'a>>>,
    #[serde(borrow)]
    pub(crate) left_chat_member: Option<User<'a>>,
    pub(crate) migrate_to_chat_id: Option<i64>,
    pub(crate) migrate_from_chat_id: Option<i64>,
}

impl Message<'_> {
    /// The topic it stands in. Without `is_topic_message` the thread id names a chain of replies.
    pub(crate) fn topic(&self) -> Option<i64> {
        self.message_thread_id.filter(|_| self.is_topic_message)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReplyTo {
    pub(crate) message_id: i64,
    pub(crate) forum_topic_created: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ExternalReply<'a> {
    pub(crate) message_id: Option<i64>,
    #[serde(borrow)]
    pub(crate) chat: Option<Chat<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Quote<'a> {
    #[serde(borrow, default)]
    pub(crate) text: Cow<'a, str>,
}

/// Where a forwarded message comes from; which fields are there depends on its kind.
#[derive(Debug, Deserialize)]
pub(crate) struct Origin<'a> {
    #[serde(borrow)]
    pub(crate) sender_user: Option<User<'a>>,
    #[serde(borrow)]
    pub(crate) sender_user_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) sender_chat: Option<Chat<'a>>,
    #[serde(borrow)]
    pub(crate) chat: Option<Chat<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PhotoSize<'a> {
    #[serde(borrow)]
    pub(crate) file_id: Cow<'a, str>,
    #[serde(default)]
    pub(crate) width: u32,
    #[serde(default)]
    pub(crate) height: u32,
    pub(crate) file_size: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Attachment<'a> {
    #[serde(borrow)]
    pub(crate) file_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) file_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) mime_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) title: Option<Text<'a>>,
    pub(crate) file_size: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sticker<'a> {
    #[serde(borrow)]
    pub(crate) file_id: Cow<'a, str>,
    #[serde(default)]
    pub(crate) is_animated: bool,
    #[serde(default)]
    pub(crate) is_video: bool,
    #[serde(borrow)]
    pub(crate) emoji: Option<Text<'a>>,
    pub(crate) file_size: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Place {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Venue<'a> {
    pub(crate) location: Place,
    #[serde(borrow)]
    pub(crate) title: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) address: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Contact<'a> {
    #[serde(borrow)]
    pub(crate) phone_number: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) first_name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) last_name: Option<Text<'a>>,
    pub(crate) user_id: Option<i64>,
    #[serde(borrow)]
    pub(crate) vcard: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WebAppData<'a> {
    #[serde(borrow)]
    pub(crate) data: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) button_text: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DeletedBusinessMessages<'a> {
    #[serde(borrow)]
    pub(crate) business_connection_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) chat: Chat<'a>,
    pub(crate) message_ids: Vec<i64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CallbackQuery<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) from: User<'a>,
    #[serde(borrow)]
    pub(crate) message: Option<Pressed<'a>>,
    #[serde(borrow)]
    pub(crate) inline_message_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) data: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) game_short_name: Option<Text<'a>>,
}

/// The message with the button. One that Telegram no longer shows to the bot has an id and a chat only.
#[derive(Debug, Deserialize)]
pub(crate) struct Pressed<'a> {
    pub(crate) message_id: i64,
    #[serde(borrow)]
    pub(crate) chat: Chat<'a>,
    pub(crate) message_thread_id: Option<i64>,
    #[serde(default)]
    pub(crate) is_topic_message: bool,
    #[serde(borrow)]
    pub(crate) business_connection_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) reply_markup: Option<Keyboard<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Keyboard<'a> {
    #[serde(borrow, default)]
    pub(crate) inline_keyboard: Vec<Vec<Button<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Button<'a> {
    #[serde(borrow, default)]
    pub(crate) text: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) callback_data: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MessageReaction<'a> {
    #[serde(borrow)]
    pub(crate) chat: Chat<'a>,
    pub(crate) message_id: i64,
    #[serde(borrow)]
    pub(crate) user: Option<User<'a>>,
    #[serde(borrow)]
    pub(crate) actor_chat: Option<Chat<'a>>,
    #[serde(default)]
    pub(crate) date: i64,
    #[serde(borrow, default)]
    pub(crate) old_reaction: Vec<ReactionType<'a>>,
    #[serde(borrow, default)]
    pub(crate) new_reaction: Vec<ReactionType<'a>>,
}

#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct ReactionType<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) emoji: Option<EmojiText<'a>>,
    #[serde(borrow)]
    pub(crate) custom_emoji_id: Option<EmojiText<'a>>,
}

/// As [`Text`], comparable.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(transparent)]
pub(crate) struct EmojiText<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[derive(Debug, Deserialize)]
pub(crate) struct ChatMemberUpdated<'a> {
    #[serde(borrow)]
    pub(crate) chat: Chat<'a>,
    #[serde(borrow)]
    pub(crate) from: User<'a>,
    #[serde(default)]
    pub(crate) date: i64,
    #[serde(borrow)]
    pub(crate) old_chat_member: ChatMember<'a>,
    #[serde(borrow)]
    pub(crate) new_chat_member: ChatMember<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChatMember<'a> {
    #[serde(borrow)]
    pub(crate) status: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) user: User<'a>,
    pub(crate) is_member: Option<bool>,
}
