//! Messages, posts and edits.

use std::fmt::Write;

use portico_contract::{
    Content, CustomEvent, Edit, Event, Fault, IdentityChange, InboundMessage, Party, Tags, Thread,
};
use portico_kit::split::{Measure, ellipsize};
use serde_json::{Value, json};

use super::{Scene, chat_party, content, full_name, member, millis, other, party, thread};
use crate::setup;
use crate::wire::Message;

/// Tags are short; a quote may be longer.
const TAG_LENGTH: usize = 500;

/// Events of a new message or post; `key` is its name in the update.
pub(super) fn message(scene: &Scene<'_>, key: &str, mut m: Message<'_>) -> Result<Vec<Event>, Fault> {
    if let Some(events) = housekeeping(&m) {
        return Ok(events);
    }
    let Some(author) = author(scene, &m) else { return Ok(Vec::new()) };
    let here = place(&m);
    if let Some(event) = custom(&m, &here, &author)? {
        return Ok(vec![event]);
    }
    let mut tags = tags(&m);
    let found = match m.text.take() {
        Some(text) => match command(scene, text.0.into_owned(), &mut tags) {
            Some(text) => Some(Content::text(text)),
            // For another bot in the same group.
            None => return Ok(Vec::new()),
        },
        None => content::content(&m)?,
    };
    let Some(content) = found else { return other::message(scene, key, here, author, m.message_id) };
    let dedupe = unique(&m);
    let external_id = m.message_id.to_string();
    tags.set_number("id", m.message_id);
    let reply_to = m.reply_to_message.and_then(|reply| {
        // In a topic every message "answers" the topic's root, unless a person answered something else.
        let root = reply.forum_topic_created.is_some()
            || (m.is_topic_message && m.message_thread_id == Some(reply.message_id));
        (!root).then(|| reply.message_id.to_string())
    });
    Ok(vec![Event::Message(InboundMessage {
        dedupe: Some(dedupe),
        external_id,
        thread: here,
        author,
        sent_at: millis(m.date),
        content,
        reply_to,
        tags,
    })])
}

/// Events of a message in a chat of a business account.
pub(super) fn business(scene: &Scene<'_>, m: Message<'_>) -> Result<Vec<Event>, Fault> {
    // Our own, sent in the account's name.
    if m.sender_business_bot.is_some() {
        return Ok(Vec::new());
    }
    if by_owner(&m) {
        return owner_message(scene, "business_message", &m);
    }
    message(scene, "business_message", m)
}

/// A private chat has the id of the other person; whoever else writes there is the account's owner.
fn by_owner(m: &Message<'_>) -> bool {
    m.business_connection_id.is_some()
        && m.chat.is_private()
        && m.from.as_ref().is_some_and(|user| user.id != m.chat.id)
}

fn owner_message(scene: &Scene<'_>, key: &str, m: &Message<'_>) -> Result<Vec<Event>, Fault> {
    Ok(vec![Event::Custom(CustomEvent {
        name: "businessOwnerMessage".into(),
        external_id: Some(format!("{}:{}", unique(m), m.edit_date.unwrap_or_default())),
        thread: Some(place(m)),
        author: m.from.as_ref().map(party),
        message: Some(m.message_id.to_string()),
        data: other::part(scene, key)?,
    })])
}

/// What tells a message from all others. Its own id counts within the chat, and a business account counts
/// apart from the bot.
fn unique(m: &Message<'_>) -> String {
    let mut id = String::with_capacity(48);
    if let Some(connection) = &m.business_connection_id {
        id.push_str(connection.as_str());
        id.push(':');
    }
    // Writing to a text can't fail.
    write!(id, "{}:{}", m.chat.id, m.message_id).unwrap_or_default();
    id
}

/// Events of an edit.
pub(super) fn edited(scene: &Scene<'_>, key: &str, m: Message<'_>) -> Result<Vec<Event>, Fault> {
    if m.sender_business_bot.is_some() {
        return Ok(Vec::new());
    }
    if by_owner(&m) {
        return owner_message(scene, key, &m);
    }
    let Some(author) = author(scene, &m) else { return Ok(Vec::new()) };
    let here = place(&m);
    let at = millis(m.edit_date.unwrap_or(m.date));
    let found = match &m.text {
        Some(text) => Some(Content::text(text.as_str())),
        None => content::content(&m)?,
    };
    let Some(content) = found else { return other::message(scene, key, here, author, m.message_id) };
    Ok(vec![Event::Edit(Edit {
        // Two edits may fall into one second; the update's own number tells them apart.
        event_id: format!("{}:{}", unique(&m), scene.update_id),
        external_id: m.message_id.to_string(),
        thread: here,
        author,
        content,
        at,
    })])
}

/// Where a message stands.
pub(super) fn place(m: &Message<'_>) -> Thread {
    let business = m.business_connection_id.as_ref().map(|id| id.as_str());
    thread(
        &m.chat,
        m.topic(),
        business,
        m.from.as_ref().filter(|user| business.is_none() || user.id == m.chat.id),
    )
}

/// Who wrote; `None` when it is a bot, or a post that was copied into a group and posts are not wanted.
fn author(scene: &Scene<'_>, m: &Message<'_>) -> Option<Party> {
    if m.is_automatic_forward && !scene.config.accept_channel_posts {
        return None;
    }
    // Anonymous administrators and channels write through a bot of Telegram's own.
    if let Some(chat) = &m.sender_chat {
        return Some(chat_party(chat));
    }
    match &m.from {
        Some(user) if user.is_bot => None,
        Some(user) => Some(party(user)),
        None => Some(chat_party(&m.chat)),
    }
}

/// Events of messages that nobody wrote.
fn housekeeping(m: &Message<'_>) -> Option<Vec<Event>> {
    let moved = match (m.migrate_to_chat_id, m.migrate_from_chat_id) {
        (Some(to), _) => Some((m.chat.id, to)),
        (None, Some(from)) => Some((from, m.chat.id)),
        (None, None) => None,
    };
    if let Some((from, to)) = moved {
        return Some(vec![moved_event(from, to, millis(m.date))]);
    }
    if let Some(joined) = &m.new_chat_members {
        return Some(joined.iter().map(|user| member::joined(m, user)).collect());
    }
    if let Some(user) = &m.left_chat_member {
        return Some(vec![member::left(m, user)]);
    }
    None
}

/// A group became a supergroup, with another id. Told by both chats, and by the answer to a call: the same
/// event each time.
pub(crate) fn moved_event(from: i64, to: i64, at: u64) -> Event {
    let thread = |id: i64| {
        let id = id.to_string();
        Thread::new("channel", &super::IDENTITY, Tags::new().with("id", id.clone()).with("chatId", id))
    };
    Event::Identity(IdentityChange {
        event_id: format!("{from}:{to}"),
        thread: thread(from),
        new_thread: Some(thread(to)),
        person: None,
        at,
    })
}

/// Messages that are events rather than something said.
fn custom(m: &Message<'_>, here: &Thread, author: &Party) -> Result<Option<Event>, Fault> {
    let (name, data): (&'static str, Value) = if let Some(sent) = &m.web_app_data {
        ("webAppData", json!({ "data": sent.data, "buttonText": sent.button_text }))
    } else if let Some(payment) = m.successful_payment {
        ("successfulPayment", content::raw(payment)?)
    } else if let Some(payment) = m.refunded_payment {
        ("refundedPayment", content::raw(payment)?)
    } else {
        return Ok(None);
    };
    Ok(Some(Event::Custom(CustomEvent {
        name: name.into(),
        external_id: Some(unique(m)),
        thread: Some(here.clone()),
        author: Some(author.clone()),
        message: Some(m.message_id.to_string()),
        data,
    })))
}

fn tags(m: &Message<'_>) -> Tags {
    let mut tags = Tags::new();
    tags.set_number("chatId", m.chat.id);
    if let Some(album) = &m.media_group_id {
        tags.set("mediaGroupId", album.as_str());
    }
    if let Some(quote) = &m.quote {
        tags.set("quote", ellipsize(&quote.text, TAG_LENGTH, Measure::Bytes));
    }
    if let Some(reply) = &m.external_reply
        && let (Some(chat), Some(id)) = (&reply.chat, reply.message_id)
    {
        tags.set("replyToChatId", format!("{}/{id}", chat.id));
    }
    if let Some(origin) = &m.forward_origin {
        if let Some(user) = &origin.sender_user {
            tags.set("forwardedFrom", full_name(user));
            tags.set("forwardedFromId", user.id.to_string());
        } else if let Some(name) = &origin.sender_user_name {
            tags.set("forwardedFrom", name.as_str());
        } else if let Some(chat) = origin.sender_chat.as_ref().or(origin.chat.as_ref()) {
            tags.set("forwardedFrom", chat.title.as_ref().map_or("", |title| title.as_str()));
            tags.set("forwardedFromId", chat.id.to_string());
        }
    }
    tags
}

/// Reads a command off a text's start. `/name@bot` is an address: `None` when it names another bot, and taken
/// out of the text when it names this one.
fn command(scene: &Scene<'_>, text: String, tags: &mut Tags) -> Option<String> {
    let Some(rest) = text.strip_prefix('/') else { return Some(text) };
    let (head, arguments) = match rest.find(char::is_whitespace) {
        Some(end) => (&rest[..end], rest[end..].trim()),
        None => (rest, ""),
    };
    let (name, bot) = head.split_once('@').map_or((head, None), |(name, bot)| (name, Some(bot)));
    let proper = (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !proper {
        return Some(text);
    }
    if let Some(bot) = bot
        && let Some(own) = setup::username(scene.host)
        && !bot.eq_ignore_ascii_case(&own)
    {
        return None;
    }
    tags.set("command", name);
    tags.set("commandArguments", ellipsize(arguments, TAG_LENGTH, Measure::Bytes));
    if name == "start" {
        tags.set("startPayload", ellipsize(arguments, TAG_LENGTH, Measure::Bytes));
    }
    if bot.is_some() {
        let tail = &rest[head.len()..];
        return Some(format!("/{name}{tail}"));
    }
    Some(text)
}
