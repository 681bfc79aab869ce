//! Who joined, left, blocked or unblocked.

use portico_contract::{CustomEvent, Event};
use serde_json::{Value, json};

use super::{Scene, full_name, millis, party, thread};
use crate::normalize::message::place;
use crate::wire::{ChatMember, ChatMemberUpdated, Message, User};

/// Somebody came into a group.
pub(super) fn joined(m: &Message<'_>, user: &User<'_>) -> Event {
    member("memberJoined", m, user)
}

/// Somebody left a group, or was removed.
pub(super) fn left(m: &Message<'_>, user: &User<'_>) -> Event {
    member("memberLeft", m, user)
}

fn member(name: &'static str, m: &Message<'_>, user: &User<'_>) -> Event {
    let by = m.from.as_ref().map_or(Value::Null, |by| by.id.to_string().into());
    Event::Custom(CustomEvent {
        name: name.into(),
        external_id: Some(format!("{}:{}:{}", m.chat.id, m.message_id, user.id)),
        thread: Some(place(m)),
        author: Some(party(user)),
        message: Some(m.message_id.to_string()),
        data: json!({ "member": person(user), "by": by, "at": millis(m.date) }),
    })
}

fn person(user: &User<'_>) -> Value {
    json!({
        "id": user.id.to_string(),
        "name": full_name(user),
        "username": user.username.as_ref().map(|name| name.as_str()),
        "isBot": user.is_bot,
    })
}

/// Whether a status means that its holder is outside.
fn outside(member: &ChatMember<'_>) -> bool {
    matches!(member.status.as_ref(), "left" | "kicked")
        || (member.status == "restricted" && member.is_member == Some(false))
}

/// The bot's own status in a chat changed. In a private chat `kicked` means that the person blocked the bot.
pub(super) fn own_status(scene: &Scene<'_>, change: &ChatMemberUpdated<'_>) -> Event {
    let (was, is) = (&change.old_chat_member, &change.new_chat_member);
    let name = match (change.chat.is_private(), outside(was), outside(is)) {
        (true, false, true) => "blocked",
        (true, true, false) => "unblocked",
        (false, true, false) => "botAdded",
        (false, false, true) => "botRemoved",
        (_, true, true) | (_, false, false) => "botStatusChanged",
    };
    changed(scene, name, change)
}

/// A member's status changed; sent only where `allowed_updates` asks for it.
pub(super) fn status(scene: &Scene<'_>, change: &ChatMemberUpdated<'_>) -> Event {
    changed(scene, "memberStatusChanged", change)
}

fn changed(scene: &Scene<'_>, name: &'static str, change: &ChatMemberUpdated<'_>) -> Event {
    let user = &change.new_chat_member.user;
    Event::Custom(CustomEvent {
        name: name.into(),
        external_id: Some(format!("{}:{}:{}", change.chat.id, user.id, scene.update_id)),
        thread: Some(thread(&change.chat, None, None, Some(&change.from))),
        author: Some(party(&change.from)),
        message: None,
        data: json!({
            "member": person(user),
            "oldStatus": change.old_chat_member.status,
            "newStatus": change.new_chat_member.status,
            "at": millis(change.date),
        }),
    })
}
