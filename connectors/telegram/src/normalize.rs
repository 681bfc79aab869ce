//! Inbound: one proven update becomes events.
//!
//! Telegram sends one update per request, with exactly one key beside `update_id`. The frequent ones are read
//! into borrowed types; anything else goes through `other`, which knows every kind by name and hands the
//! object on whole.

mod callback;
mod content;
mod member;
mod message;
mod other;
mod reaction;

pub(crate) use callback::JOB as PRESS;
pub(crate) use message::moved_event;

use portico_contract::{
    Context, Deletion, Event, Fault, FaultCode, Host, Millis, Outcome, Party, Reply, Tags, Thread, Turn,
    Verified,
};
use portico_kit::json;

use crate::config::Config;
use crate::wire::{Chat, Update, User};

/// Identity tags of the channel `channel`, in the manifest's order.
const IDENTITY: [&str; 2] = ["chatId", "threadId"];
/// Identity tags of the channel `business`, in the manifest's order.
const BUSINESS_IDENTITY: [&str; 2] = ["businessConnectionId", "chatId"];

/// What a normalizer needs besides the update's own part.
pub(super) struct Scene<'a> {
    host: &'a dyn Host,
    config: &'a Config,
    update_id: i64,
    body: &'a [u8],
}

/// The turn of an update.
///
/// # Errors
/// `unreadable` when the body is no update, with the path of what is wrong.
pub(crate) fn normalize(host: &dyn Host, ctx: &Context, verified: Verified<'_>) -> Result<Turn, Fault> {
    let body: &[u8] = &verified.request().body;
    let update: Update<'_> = json::from_slice(body)
        .map_err(|error| Fault::new(FaultCode::Unreadable, format!("not an update: {error}")))?;
    let config = Config::of(ctx)?;
    let scene = Scene { host, config: &config, update_id: update.update_id, body };
    let events = if let Some(message) = update.message {
        message::message(&scene, "message", *message)?
    } else if let Some(query) = update.callback_query {
        return callback::callback(&scene, &query);
    } else if let Some(message) = update.edited_message {
        message::edited(&scene, "edited_message", *message)?
    } else if let Some(message) = update.business_message {
        message::business(&scene, *message)?
    } else if let Some(message) = update.edited_business_message {
        message::edited(&scene, "edited_business_message", *message)?
    } else if let Some(message) = update.channel_post {
        if config.accept_channel_posts {
            message::message(&scene, "channel_post", *message)?
        } else {
            Vec::new()
        }
    } else if let Some(message) = update.edited_channel_post {
        if config.accept_channel_posts {
            message::edited(&scene, "edited_channel_post", *message)?
        } else {
            Vec::new()
        }
    } else if let Some(reaction) = update.message_reaction {
        reaction::reaction(&scene, &reaction)
    } else if let Some(change) = update.my_chat_member {
        vec![member::own_status(&scene, &change)]
    } else if let Some(change) = update.chat_member {
        vec![member::status(&scene, &change)]
    } else if let Some(deleted) = update.deleted_business_messages {
        let thread = thread(&deleted.chat, None, Some(&deleted.business_connection_id), None);
        deleted
            .message_ids
            .iter()
            .map(|id| {
                Event::Deletion(Deletion {
                    event_id: format!("{}:{}:{id}", deleted.business_connection_id, deleted.chat.id),
                    external_id: id.to_string(),
                    thread: thread.clone(),
                    author: None,
                    at: host.now(),
                })
            })
            .collect()
    } else {
        vec![other::update(&scene)?]
    };
    Ok(answered(Turn::emit(events)))
}

/// A body in the answer would be carried out as a call in the bot's name, so there never is one.
fn answered(turn: Turn) -> Turn {
    debug_assert!(turn.reply.is_none());
    turn.with_reply(Reply::status(200))
}

/// A turn without effects.
fn nothing() -> Turn {
    answered(Turn::done(Outcome::Nothing))
}

/// Telegram's seconds as milliseconds.
fn millis(seconds: i64) -> Millis {
    u64::try_from(seconds).unwrap_or_default().saturating_mul(1000)
}

/// The conversation of a chat. What is known of the person is told in private chats only, where it is the
/// conversation's own; in a group it would change with every message.
fn thread(chat: &Chat<'_>, topic: Option<i64>, business: Option<&str>, person: Option<&User<'_>>) -> Thread {
    let mut tags = Tags::new();
    tags.set_number("chatId", chat.id);
    tags.set("chatType", &*chat.kind);
    tags.set_number("id", chat.id);
    if let Some(user) = person.filter(|_| chat.is_private()) {
        tags.set_number("fromUserId", user.id);
        tags.set("fromUserName", full_name(user));
        if let Some(username) = &user.username {
            tags.set("fromUserUsername", username.as_str());
        }
    }
    if let Some(connection) = business {
        tags.set("businessConnectionId", connection);
        return Thread::new("business", &BUSINESS_IDENTITY, tags);
    }
    if let Some(title) = &chat.title {
        tags.set("chatTitle", title.as_str());
    }
    if let Some(topic) = topic {
        tags.set_number("threadId", topic);
    }
    Thread::new("channel", &IDENTITY, tags)
}

fn full_name(user: &User<'_>) -> String {
    match &user.last_name {
        // Not `format!`: this is the way of every message, and one allocation will do.
        Some(last) if !last.as_str().is_empty() => [&*user.first_name, last.as_str()].join(" "),
        _ => user.first_name.to_string(),
    }
}

fn party(user: &User<'_>) -> Party {
    let id = user.id.to_string();
    let mut tags = Tags::new();
    tags.set_number("id", user.id);
    if let Some(username) = &user.username {
        tags.set("username", username.as_str());
    }
    if let Some(language) = &user.language_code {
        tags.set("languageCode", language.as_str());
    }
    Party {
        id,
        name: Some(full_name(user)).filter(|name| !name.is_empty()),
        picture_url: None,
        is_bot: user.is_bot,
        tags,
    }
}

/// A chat that speaks as itself: a channel, or a group whose administrator stays anonymous.
fn chat_party(chat: &Chat<'_>) -> Party {
    let id = chat.id.to_string();
    let mut tags = Tags::new().with("id", id.clone());
    if let Some(username) = &chat.username {
        tags.set("username", username.as_str());
    }
    Party {
        id,
        name: chat.title.as_ref().map(|title| title.0.to_string()),
        picture_url: None,
        is_bot: false,
        tags,
    }
}
