//! Updates without a typed event: every kind goes to the bot under a name of its own, whole.
//!
//! These are rare, so they are read a second time, as plain JSON.

use portico_contract::{CustomEvent, Event, Fault, FaultCode, Party, Tags, Thread};
use serde_json::{Map, Value, json};

use super::{IDENTITY, Scene};

/// Kinds of update and the names of their events.
const KINDS: [(&str, &str); 13] = [
    ("business_connection", "businessConnection"),
    ("guest_message", "guestMessage"),
    ("message_reaction_count", "reactionCountChanged"),
    ("poll", "poll"),
    ("poll_answer", "pollAnswer"),
    ("inline_query", "inlineQuery"),
    ("chosen_inline_result", "chosenInlineResult"),
    ("shipping_query", "shippingQuery"),
    ("pre_checkout_query", "preCheckoutQuery"),
    ("purchased_paid_media", "purchasedPaidMedia"),
    ("chat_join_request", "chatJoinRequest"),
    ("chat_boost", "chatBoost"),
    ("removed_chat_boost", "removedChatBoost"),
];

/// Messages by which Telegram says that something about the chat changed; of no interest to a bot that talks.
const SERVICE: [&str; 43] = [
    "pinned_message",
    "new_chat_title",
    "new_chat_photo",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "forum_topic_created",
    "forum_topic_edited",
    "forum_topic_closed",
    "forum_topic_reopened",
    "general_forum_topic_hidden",
    "general_forum_topic_unhidden",
    "video_chat_scheduled",
    "video_chat_started",
    "video_chat_ended",
    "video_chat_participants_invited",
    "voice_chat_scheduled",
    "voice_chat_started",
    "voice_chat_ended",
    "voice_chat_participants_invited",
    "proximity_alert_triggered",
    "boost_added",
    "chat_background_set",
    "write_access_allowed",
    "connected_website",
    "passport_data",
    "giveaway_created",
    "giveaway_completed",
    "gift",
    "gift_upgrade_sent",
    "unique_gift",
    "paid_message_price_changed",
    "direct_message_price_changed",
    "checklist_tasks_done",
    "checklist_tasks_added",
    "suggested_post_approved",
    "suggested_post_approval_failed",
    "suggested_post_declined",
    "suggested_post_paid",
    "suggested_post_refunded",
    "chat_owner_changed",
];

/// A part of the update as plain JSON.
pub(super) fn part(scene: &Scene<'_>, key: &str) -> Result<Value, Fault> {
    let mut update = whole(scene)?;
    update.remove(key).ok_or_else(|| Fault::new(FaultCode::Unreadable, format!("{key}: is missing")))
}

fn whole(scene: &Scene<'_>) -> Result<Map<String, Value>, Fault> {
    serde_json::from_slice(scene.body)
        .map_err(|error| Fault::new(FaultCode::Unreadable, format!("not an update: {error}")))
}

/// The event of an update without a type of its own.
pub(super) fn update(scene: &Scene<'_>) -> Result<Event, Fault> {
    let update = whole(scene)?;
    let found = update.into_iter().find(|(key, value)| key != "update_id" && !value.is_null());
    let Some((key, data)) = found else {
        return Err(Fault::new(FaultCode::Unreadable, "update: nothing stands beside update_id"));
    };
    let known = KINDS.iter().find(|(kind, _)| *kind == key).map(|(_, name)| *name);
    // As a guest the bot can't write to the chat that it was called into.
    let thread = if key == "guest_message" { None } else { chat_of(&data) };
    let author = ["from", "user"].iter().find_map(|field| data.get(*field)).and_then(person);
    let message = data.get("message_id").and_then(Value::as_i64).map(|id| id.to_string());
    let (name, data) = match known {
        Some(name) => (name, data),
        None => ("unknownUpdate", json!({ "kind": key, "data": data })),
    };
    Ok(Event::Custom(CustomEvent {
        name: name.into(),
        external_id: Some(scene.update_id.to_string()),
        thread,
        author,
        message,
        data,
    }))
}

/// Events of a message without known content: none when it is a service message, else the message whole.
pub(super) fn message(
    scene: &Scene<'_>,
    key: &str,
    thread: Thread,
    author: Party,
    message_id: i64,
) -> Result<Vec<Event>, Fault> {
    let data = part(scene, key)?;
    if SERVICE.iter().any(|kind| data.get(*kind).is_some_and(|value| !value.is_null())) {
        return Ok(Vec::new());
    }
    Ok(vec![Event::Custom(CustomEvent {
        name: "unknownMessage".into(),
        external_id: Some(scene.update_id.to_string()),
        thread: Some(thread),
        author: Some(author),
        message: Some(message_id.to_string()),
        data,
    })])
}

fn chat_of(data: &Value) -> Option<Thread> {
    let chat = data.get("chat")?;
    let id = chat.get("id")?.as_i64()?.to_string();
    let text = |field: &str| chat.get(field).and_then(Value::as_str).unwrap_or_default();
    let tags = Tags::new()
        .with("chatId", id.clone())
        .with("id", id)
        .with("chatType", text("type"))
        .with("chatTitle", text("title"));
    Some(Thread::new("channel", &IDENTITY, tags))
}

fn person(user: &Value) -> Option<Party> {
    let id = user.get("id")?.as_i64()?.to_string();
    let text = |field: &str| user.get(field).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{} {}", text("first_name"), text("last_name")).trim().to_owned();
    let tags = Tags::new()
        .with("id", id.clone())
        .with("username", text("username"))
        .with("languageCode", text("language_code"));
    Some(Party {
        id,
        name: Some(name).filter(|name| !name.is_empty()),
        picture_url: None,
        is_bot: user.get("is_bot").and_then(Value::as_bool).unwrap_or_default(),
        tags,
    })
}
