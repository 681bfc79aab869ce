//! Messages, mentions, edits and deletions.

use portico_contract::{
    Deletion, Edit, Event as Emitted, Fault, InboundMessage, Millis, Party, Tags, Thread, Turn,
};
use portico_kit::time::slack_ts_millis;

use super::event::Scene;
use super::{content, missing, unreadable};
use crate::place::Place;
use crate::wire::Event;

/// Subtypes that are somebody's words.
const WORDS: [&str; 4] = ["", "file_share", "thread_broadcast", "me_message"];

/// Subtypes that Slack writes by itself, or that other bots wrote.
const SERVICE: [&str; 33] = [
    "assistant_app_thread",
    "bot_add",
    "bot_disable",
    "bot_enable",
    "bot_message",
    "bot_remove",
    "channel_archive",
    "channel_convert_to_private",
    "channel_convert_to_public",
    "channel_join",
    "channel_leave",
    "channel_name",
    "channel_posting_permissions",
    "channel_purpose",
    "channel_topic",
    "channel_unarchive",
    "ekm_access_denied",
    "file_comment",
    "file_mention",
    "group_archive",
    "group_join",
    "group_leave",
    "group_name",
    "group_purpose",
    "group_topic",
    "group_unarchive",
    "huddle_thread",
    "message_replied",
    "pinned_item",
    "reminder_add",
    "reply_broadcast",
    "tombstone",
    "unpinned_item",
];

/// What a `message` or `app_mention` event says; `None` when it should be passed on whole.
pub(super) fn normalize(scene: Scene<'_>, event: &Event<'_>) -> Result<Option<Turn>, Fault> {
    match &*event.subtype {
        "message_changed" => changed(scene, event),
        "message_deleted" => deleted(scene, event).map(Some),
        words if WORDS.contains(&words) => written(scene, event),
        service if SERVICE.contains(&service) => Ok(Some(Turn::emit([]))),
        _ if is_foreign(scene, event) => Ok(Some(Turn::emit([]))),
        _ => Ok(None),
    }
}

/// Bots, and above all the bot itself: answering them makes a loop.
fn is_foreign(scene: Scene<'_>, message: &Event<'_>) -> bool {
    !message.bot_id.is_empty() || &*message.subtype == "bot_message" || scene.is_self(&message.user)
}

fn written(scene: Scene<'_>, event: &Event<'_>) -> Result<Option<Turn>, Fault> {
    if event.hidden || is_foreign(scene, event) {
        return Ok(Some(Turn::emit([])));
    }
    let user = event.user.some().ok_or_else(|| missing("event.user"))?;
    let channel = event.channel.some().ok_or_else(|| missing("event.channel"))?;
    let ts = event.ts.some().ok_or_else(|| missing("event.ts"))?;
    let sent_at = millis(ts, "event.ts")?;
    let place = Place { channel, channel_type: &event.channel_type, thread_ts: &event.thread_ts, ts };
    let mentions = &*event.kind == "app_mention" || mentions_self(scene, &event.text);
    if scene.config.only_on_mention && !mentions && !place.is_dm() {
        return Ok(Some(Turn::emit([])));
    }
    let Some(content) = content::of(scene.config, event) else { return Ok(None) };
    let mut tags = Tags::new().with("channelId", channel).with("ts", ts).with("userId", user);
    if mentions {
        tags.set("mentionsBot", "true");
    }
    let (thread, fork) = place.of_person(scene.config);
    // A message and its mention are two events with two ids; this is the same for both.
    let dedupe = [&*scene.envelope.team_id, ":", channel, ":", ts].concat();
    let reply_to = event.thread_ts.some().filter(|root| *root != ts).map(str::to_owned);
    let mut message = InboundMessage {
        external_id: ts.to_owned(),
        dedupe: Some(dedupe),
        thread,
        author: author(event, user),
        sent_at,
        content,
        reply_to,
        tags,
    };
    let Some(fork) = fork else { return Ok(Some(Turn::emit([Emitted::Message(message)]))) };
    let mut copy = message.clone();
    message.tags.set("forkedToThread", "true");
    copy.dedupe = copy.dedupe.map(|dedupe| dedupe + ":thread");
    copy.thread = fork;
    Ok(Some(Turn::emit([Emitted::Message(message), Emitted::Message(copy)])))
}

/// Slack calls it a change, too, when a link is unfolded, a reply counted or a reaction put on.
fn changed(scene: Scene<'_>, event: &Event<'_>) -> Result<Option<Turn>, Fault> {
    let Some(message) = &event.message else { return Err(missing("event.message")) };
    if &*message.subtype == "tombstone" {
        // A message with replies that was deleted leaves its place behind.
        let before = event.previous_message.as_deref().unwrap_or(message);
        if is_foreign(scene, before)
            || event.previous_message.as_ref().is_some_and(|before| &*before.subtype == "tombstone")
        {
            return Ok(Some(Turn::emit([])));
        }
        return gone(scene, event, &message.ts, before).map(Some);
    }
    let same = event.previous_message.as_ref().is_some_and(|before| *before.text == *message.text);
    let Some(edited) = message.edited.as_ref().filter(|_| !same) else { return Ok(Some(Turn::emit([]))) };
    if is_foreign(scene, message) || !WORDS.contains(&&*message.subtype) {
        return Ok(Some(Turn::emit([])));
    }
    let ts = message.ts.some().ok_or_else(|| missing("event.message.ts"))?;
    let user = message.user.some().or(edited.user.some()).ok_or_else(|| missing("event.message.user"))?;
    if scene.config.only_on_mention && !is_dm(event) && !mentions_self(scene, &message.text) {
        let before = event.previous_message.as_ref();
        // Only who mentioned the bot before was heard, so only that can have changed.
        if !before.is_some_and(|before| mentions_self(scene, &before.text)) {
            return Ok(Some(Turn::emit([])));
        }
    }
    let Some(content) = content::of(scene.config, message) else { return Ok(None) };
    let at = edited.ts.some().or(event.event_ts.some()).unwrap_or(ts);
    let at = millis(at, "event.message.edited.ts")?;
    let edit = |thread: Thread, event_id: String| {
        Emitted::Edit(Edit {
            event_id,
            external_id: ts.to_owned(),
            thread,
            author: author(message, user),
            content: content.clone(),
            at,
        })
    };
    both(scene, event, ts, &message.thread_ts, edit).map(Some)
}

fn deleted(scene: Scene<'_>, event: &Event<'_>) -> Result<Turn, Fault> {
    let nothing = Event::default();
    let before = event.previous_message.as_deref().unwrap_or(&nothing);
    if is_foreign(scene, before) {
        return Ok(Turn::emit([]));
    }
    let ts = event.deleted_ts.some().or(before.ts.some()).ok_or_else(|| missing("event.deleted_ts"))?;
    gone(scene, event, ts, before)
}

fn gone(scene: Scene<'_>, event: &Event<'_>, ts: &str, before: &Event<'_>) -> Result<Turn, Fault> {
    if ts.is_empty() {
        return Err(missing("event.message.ts"));
    }
    let unheard = scene.config.only_on_mention && !is_dm(event) && !mentions_self(scene, &before.text);
    if unheard {
        return Ok(Turn::emit([]));
    }
    let at = millis(event.event_ts.some().or(event.ts.some()).unwrap_or(ts), "event.event_ts")?;
    let person = before.user.some().map(|user| author(before, user));
    both(scene, event, ts, &before.thread_ts, |thread, event_id| {
        Emitted::Deletion(Deletion {
            event_id,
            external_id: ts.to_owned(),
            thread,
            author: person.clone(),
            at,
        })
    })
}

/// The change of a message that the bot may have got twice.
fn both(
    scene: Scene<'_>,
    event: &Event<'_>,
    ts: &str,
    thread_ts: &str,
    make: impl Fn(Thread, String) -> Emitted,
) -> Result<Turn, Fault> {
    let channel = event.channel.some().ok_or_else(|| missing("event.channel"))?;
    let place = Place { channel, channel_type: &event.channel_type, thread_ts, ts };
    let (thread, fork) = place.of_person(scene.config);
    let id = scene.event_id(event);
    let copy = fork.map(|fork| make(fork, format!("{id}:thread")));
    Ok(Turn::emit([Some(make(thread, id)), copy].into_iter().flatten()))
}

fn is_dm(event: &Event<'_>) -> bool {
    Place { channel: &event.channel, channel_type: &event.channel_type, thread_ts: "", ts: "" }.is_dm()
}

fn mentions_self(scene: Scene<'_>, text: &str) -> bool {
    // The id is looked for only where there is a mention at all.
    text.contains("<@")
        && scene.self_id().is_some_and(|id| {
            text.split("<@")
                .skip(1)
                .any(|rest| rest.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with(['>', '|'])))
        })
}

/// The author: Slack gives an id, and a profile only for people of other workspaces.
fn author(message: &Event<'_>, user: &str) -> Party {
    let mut party = Party { id: user.to_owned(), ..Party::default() };
    if let Some(profile) = &message.user_profile {
        party.name = profile.display_name.owned().or_else(|| profile.real_name.owned());
        party.picture_url = profile.image_72.owned();
    }
    party
}

pub(super) fn millis(ts: &str, field: &str) -> Result<Millis, Fault> {
    slack_ts_millis(ts).and_then(|millis| u64::try_from(millis).ok()).ok_or_else(|| {
        unreadable(format!("{field}: must be seconds and microseconds, such as 1360782804.083113"))
    })
}
