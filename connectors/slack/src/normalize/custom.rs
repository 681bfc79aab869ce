//! Events under Slack's own names: everything that is no message, edit, deletion or reaction.

use portico_contract::{CustomEvent, Event as Emitted, Host, Level, Party, Thread, Turn};
use serde::Deserialize;
use serde_json::{Value, json};

use super::event::Scene;
use crate::profile::SlackUser;
use crate::wire::{Envelope, Event, Text, number};

/// A turn with one event.
pub(super) fn emit(name: &'static str, id: String, thread: Option<Thread>, user: &str, data: Value) -> Turn {
    let author = (!user.is_empty()).then(|| Party { id: user.to_owned(), ..Party::default() });
    Turn::emit([Emitted::Custom(CustomEvent {
        name: name.into(),
        external_id: Some(id).filter(|id| !id.is_empty()),
        thread,
        author,
        message: None,
        data,
    })])
}

/// An envelope of which only the frame is known.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    team_id: Text<'a>,
    event: Value,
}

/// Types that are read field by field: if that fails the request is kept raw, not passed on as something else.
const READ: [&str; 10] = [
    "message",
    "app_mention",
    "reaction_added",
    "reaction_removed",
    "member_joined_channel",
    "member_left_channel",
    "team_join",
    "assistant_thread_started",
    "app_uninstalled",
    "tokens_revoked",
];

/// An event whose frame alone could be read, as `event`; `None` for the types that are read field by field.
pub(super) fn foreign(body: &[u8]) -> Option<Turn> {
    let frame: Frame<'_> = portico_kit::json::from_slice(body).ok()?;
    let inner = frame.event.get("type").and_then(Value::as_str).unwrap_or_default();
    let known = matches!(&*frame.kind, "" | "url_verification" | "app_rate_limited");
    if known || READ.contains(&inner) { None } else { whole(frame) }
}

/// Any event, whole, as `event`; `None` when it has no type.
pub(super) fn any(body: &[u8]) -> Option<Turn> {
    whole(portico_kit::json::from_slice(body).ok()?)
}

fn whole(frame: Frame<'_>) -> Option<Turn> {
    let inner = frame.event.get("type").and_then(Value::as_str);
    let kind = if &*frame.kind == "event_callback" { inner? } else { frame.kind.some()? };
    let user = match frame.event.get("user") {
        Some(Value::String(id)) => id.as_str(),
        Some(Value::Object(user)) => user.get("id").and_then(Value::as_str).unwrap_or_default(),
        _ => "",
    };
    let data = json!({ "type": kind, "teamId": &*frame.team_id, "event": &frame.event });
    Some(emit("event", frame.event_id.to_string(), None, user, data))
}

/// Slack holds events back: the operator should know, and so may the bot.
pub(super) fn rate_limited(host: &dyn Host, envelope: &Envelope<'_>) -> Turn {
    host.log(Level::Warn, "Slack holds events back: more than 30,000 in an hour", &[]);
    let minute = number(envelope.minute_rate_limited).unwrap_or_default();
    let team = &*envelope.team_id;
    emit(
        "appRateLimited",
        format!("{team}:{minute}"),
        None,
        "",
        json!({ "teamId": team, "minuteRateLimited": minute }),
    )
}

/// Somebody joined the workspace: here `user` is an object.
pub(super) fn team_join(scene: Scene<'_>, event: &Event<'_>, body: &[u8]) -> Option<Turn> {
    let frame: Frame<'_> = portico_kit::json::from_slice(body).ok()?;
    let user: SlackUser = serde_json::from_value(frame.event.get("user")?.clone()).ok()?;
    if user.id.is_empty() {
        return None;
    }
    let data = json!({ "userId": user.id, "user": user.output() });
    Some(Turn::emit([Emitted::Custom(CustomEvent {
        name: "memberJoinedWorkspace".into(),
        external_id: Some(scene.event_id(event)),
        thread: None,
        author: Some(user.party()),
        message: None,
        data,
    })]))
}
