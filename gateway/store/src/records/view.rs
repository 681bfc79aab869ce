//! The public objects of the runtime API, as one viewer sees them.
//!
//! A bot sees every tag under its full name; an integration sees its own, without the prefix
//! (Botpress protocol, "Namespaces"). Dates are ISO 8601 in UTC and end in `Z`.

use portico_contract::{BotId, Event, Millis, ReceiptStage};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{Conversation, Direction, GatewayEvent, Message, MessageDelivery, TagMap, User};
use crate::{EventKind, EventOutcome, StoredEvent};

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View<'a> {
    /// The bot.
    Bot,
    /// The integration of this alias.
    Integration(&'a str),
}

impl View<'_> {
    /// Stored tags as this viewer names them.
    pub fn tags(&self, stored: &TagMap) -> Value {
        let mut shown = Map::new();
        for (name, value) in stored {
            match self {
                Self::Bot => {
                    shown.insert(name.clone(), value.clone().into());
                }
                Self::Integration(alias) => {
                    if let Some(own) = name.strip_prefix(alias).and_then(|rest| rest.strip_prefix(':')) {
                        shown.insert(own.to_owned(), value.clone().into());
                    }
                }
            }
        }
        Value::Object(shown)
    }

    /// A tag's name as it is stored, from the name that this viewer gave.
    pub fn stored_name(&self, name: &str) -> String {
        match self {
            Self::Bot => name.to_owned(),
            Self::Integration(alias) => format!("{alias}:{name}"),
        }
    }
}

/// Last millisecond that has a date here: the end of the year 9999, less the span of time zones.
const LAST: u64 = 253_402_207_200_999;

/// A time as ISO 8601 with milliseconds, ending in `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iso(pub Millis);

impl Iso {
    /// The text's 24 characters.
    fn text(self) -> [u8; 24] {
        let millis = if self.0 > LAST { 0 } else { self.0 };
        let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
        // Days to a date, in years that begin with March (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
        let day = days + 719_468;
        let (era, of_era) = (day / 146_097, day % 146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let date = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = era * 400 + year + u64::from(month <= 2);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |at: usize, width: usize, mut number: u64| {
            for place in text.iter_mut().skip(at).take(width).rev() {
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(0, 4, year);
        put(5, 2, month);
        put(8, 2, date);
        put(11, 2, of_day / 3_600_000);
        put(14, 2, of_day / 60_000 % 60);
        put(17, 2, of_day / 1000 % 60);
        put(20, 3, of_day % 1000);
        text
    }
}

impl std::fmt::Display for Iso {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl Serialize for Iso {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// A time as ISO 8601 with milliseconds, ending in `Z`.
pub fn iso(millis: u64) -> String {
    Iso(millis).to_string()
}

fn insert(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

/// A row as a viewer sees it, for writing it straight into a body.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a, T>(pub &'a T, pub View<'a>);

/// Tags as a viewer names them, with what a message's delivery adds.
struct ShownTags<'a>(&'a TagMap, View<'a>, Option<&'a MessageDelivery>);

impl Serialize for ShownTags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(stored, view, delivery) = self;
        let mut shown = serializer.serialize_map(None)?;
        let added = |name: &str| delivery.is_some() && ADDED.contains(&name);
        for (name, value) in stored.iter() {
            match view {
                View::Bot if added(name) => {}
                View::Bot => shown.serialize_entry(name, value)?,
                View::Integration(alias) => {
                    if let Some(own) = name.strip_prefix(*alias).and_then(|rest| rest.strip_prefix(':')) {
                        shown.serialize_entry(own, value)?;
                    }
                }
            }
        }
        if let (View::Bot, Some(delivery)) = (view, delivery) {
            let [status, failure, duplicate] = ADDED;
            shown.serialize_entry(status, delivery.status.as_str())?;
            match (&delivery.reason, stored.get(failure)) {
                (Some(reason), _) => shown.serialize_entry(failure, reason)?,
                (None, Some(kept)) => shown.serialize_entry(failure, kept)?,
                (None, None) => {}
            }
            match (delivery.possible_duplicate, stored.get(duplicate)) {
                (true, _) => shown.serialize_entry(duplicate, "true")?,
                (false, Some(kept)) => shown.serialize_entry(duplicate, kept)?,
                (false, None) => {}
            }
        }
        shown.end()
    }
}

/// Tags by which an outgoing message's way shows.
const ADDED: [&str; 3] = ["portico:status", "portico:failure", "portico:possibleDuplicate"];

impl Serialize for Shown<'_, Conversation> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(row, view) = self;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("id", &row.id)?;
        object.serialize_entry("createdAt", &Iso(row.created_at))?;
        object.serialize_entry("updatedAt", &Iso(row.updated_at))?;
        object.serialize_entry("channel", &row.channel)?;
        object.serialize_entry("integration", &row.integration)?;
        object.serialize_entry("tags", &ShownTags(&row.tags, *view, None))?;
        object.serialize_entry("messageCount", &row.message_count)?;
        object.serialize_entry("properties", &row.properties)?;
        if let Some(task) = &row.current_task {
            object.serialize_entry("currentTaskId", task)?;
        }
        object.end()
    }
}

impl Serialize for Shown<'_, User> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(row, view) = self;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("id", &row.id)?;
        object.serialize_entry("createdAt", &Iso(row.created_at))?;
        object.serialize_entry("updatedAt", &Iso(row.updated_at))?;
        object.serialize_entry("tags", &ShownTags(&row.tags, *view, None))?;
        if let Some(name) = &row.name {
            object.serialize_entry("name", name)?;
        }
        if let Some(address) = &row.picture_url {
            object.serialize_entry("pictureUrl", address)?;
        }
        object.serialize_entry("properties", &row.properties)?;
        object.serialize_entry("attributes", &row.attributes)?;
        object.end()
    }
}

impl Serialize for Shown<'_, Message> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(row, view) = self;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("id", &row.id)?;
        object.serialize_entry("createdAt", &Iso(row.created_at))?;
        object.serialize_entry("updatedAt", &Iso(row.updated_at))?;
        object.serialize_entry("type", &row.kind)?;
        object.serialize_entry("payload", &row.payload)?;
        object.serialize_entry("direction", &row.direction)?;
        object.serialize_entry("userId", &row.user)?;
        object.serialize_entry("conversationId", &row.conversation)?;
        // Of a visitor's own message, how far it got is no news to the bot.
        let way = row.delivery.as_ref().filter(|_| row.direction == Direction::Outgoing);
        object.serialize_entry("tags", &ShownTags(&row.tags, *view, way))?;
        if let Some(origin) = &row.origin {
            object.serialize_entry("origin", origin)?;
        }
        object.end()
    }
}

fn value_of(shown: impl Serialize) -> Value {
    // Rows are plain data: texts, numbers, maps with text keys.
    serde_json::to_value(shown).unwrap_or_default()
}

/// A conversation.
pub fn conversation_json(conversation: &Conversation, view: View<'_>) -> Value {
    value_of(Shown(conversation, view))
}

/// A user.
pub fn user_json(user: &User, view: View<'_>) -> Value {
    value_of(Shown(user, view))
}

/// A message. An outgoing message's way shows as the tag `portico:status` (and `portico:failure`).
pub fn message_json(message: &Message, view: View<'_>) -> Value {
    value_of(Shown(message, view))
}

/// The type under which a bot sees a connector's event; `alias` is the installation's.
pub fn event_type(event: &Event, alias: &str) -> String {
    match event {
        Event::Message(_) => "message_created".into(),
        Event::Edit(_) => "message_updated".into(),
        Event::Deletion(_) => "message_deleted".into(),
        Event::Reaction(reaction) => {
            if reaction.added { "reaction_added" } else { "reaction_removed" }.into()
        }
        Event::Receipt(receipt) => match receipt.stage {
            ReceiptStage::Accepted => "message_sent",
            ReceiptStage::Delivered => "message_delivered",
            ReceiptStage::Read => "message_read",
            ReceiptStage::Failed => "message_failed",
        }
        .into(),
        Event::Identity(_) => format!("{alias}:identity_changed"),
        Event::Custom(event) => format!("{alias}:{}", event.name),
    }
}

/// A journaled event as the runtime API shows it. The payload is the event's own; the objects that a
/// dispatch adds for the core are left out.
pub fn event_json(stored: &StoredEvent, bot: &BotId, alias: &str) -> Value {
    let status = match stored.outcome {
        EventOutcome::Pending => "pending",
        EventOutcome::Done => "processed",
        EventOutcome::Ignored | EventOutcome::Dropped => "ignored",
        EventOutcome::Dead => "failed",
    };
    let mut object = Map::new();
    object.insert("id".into(), stored.id.to_string().into());
    object.insert("createdAt".into(), iso(stored.received_at).into());
    object.insert("status".into(), status.into());
    object.insert("failureReason".into(), Value::Null);
    match stored.kind {
        EventKind::Connector => {
            if let Ok(event) = serde_json::from_slice::<Event>(&stored.body) {
                object.insert("type".into(), event_type(&event, alias).into());
                if event.thread().is_some() {
                    object.insert("conversationId".into(), stored.lane.conversation.to_string().into());
                }
                let author = match &event {
                    Event::Message(message) => Some(&message.author),
                    Event::Edit(edit) => Some(&edit.author),
                    Event::Reaction(reaction) => Some(&reaction.author),
                    Event::Deletion(deletion) => deletion.author.as_ref(),
                    Event::Custom(event) => event.author.as_ref(),
                    Event::Receipt(_) | Event::Identity(_) => None,
                };
                if let Some(author) = author {
                    let id = portico_contract::UserId::of_party(bot, &stored.installation, &author.id);
                    object.insert("userId".into(), id.as_str().into());
                }
                let payload = match event {
                    Event::Message(message) => {
                        let id = portico_contract::MessageId::of_event(stored.id).to_string();
                        object.insert("messageId".into(), id.into());
                        let (kind, payload) = message.content.into_parts();
                        json!({ "type": kind, "payload": payload })
                    }
                    Event::Custom(event) => event.data,
                    other => serde_json::to_value(&other).unwrap_or_default(),
                };
                object.insert("payload".into(), payload);
            }
        }
        EventKind::Gateway => {
            if let Ok(event) = serde_json::from_slice::<GatewayEvent>(&stored.body) {
                object.insert("type".into(), event.kind.into());
                object.insert("payload".into(), event.payload);
                insert(&mut object, "conversationId", event.conversation_id.map(|id| id.to_string()));
                insert(&mut object, "userId", event.user_id.map(|id| id.as_str().to_owned()));
                insert(&mut object, "messageId", event.message_id.map(|id| id.to_string()));
                insert(&mut object, "workflowId", event.workflow_id);
            }
        }
        EventKind::Unread | EventKind::Outgoing => {}
    }
    object.entry("type").or_insert_with(|| "unread".into());
    object.entry("payload").or_insert_with(|| json!({}));
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_shown_in_the_viewers_names() {
        let stored: TagMap = [("slack:id", "C1"), ("mine", "x"), ("slacker:id", "no")]
            .map(|(n, v)| (n.into(), v.into()))
            .into();
        assert_eq!(View::Bot.tags(&stored), json!({ "mine": "x", "slack:id": "C1", "slacker:id": "no" }));
        assert_eq!(View::Integration("slack").tags(&stored), json!({ "id": "C1" }));
        assert_eq!(View::Integration("slack").stored_name("id"), "slack:id");
    }

    #[test]
    fn dates_end_in_z() {
        assert_eq!(iso(1_767_322_985_007), "2026-01-02T03:03:05.007Z");
        assert_eq!(iso(u64::MAX), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(LAST), "9999-12-30T22:00:00.999Z");
        assert_eq!(iso(LAST + 1), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // A stretch that is no multiple of a day, a month or a year, over leap years, centuries and eras.
        for millis in (0..LAST).step_by(86_400_000 * 13 + 37_123_457) {
            let known = jiff::Timestamp::from_millisecond(i64::try_from(millis).unwrap()).unwrap();
            assert_eq!(iso(millis), format!("{known:.3}"));
        }
    }

    #[test]
    fn an_outgoing_messages_way_shows_over_tags_of_the_same_name() {
        let mut row = Message {
            id: portico_contract::MessageId([1; 16]),
            conversation: portico_contract::ConversationId([2; 16]),
            user: portico_contract::UserId::parse("u").unwrap(),
            direction: super::super::Direction::Outgoing,
            kind: "text".into(),
            payload: json!({ "text": "x" }),
            tags: [("portico:status", "mine"), ("portico:failure", "kept"), ("a", "b")]
                .map(|(n, v)| (n.into(), v.into()))
                .into(),
            delivery: Some(MessageDelivery {
                status: super::super::DeliveryStatus::Sent,
                at: 1,
                reason: None,
                external_ids: Vec::new(),
                possible_duplicate: true,
            }),
            origin: None,
            created_at: 0,
            updated_at: 1,
        };
        let shown = message_json(&row, View::Bot);
        assert_eq!(
            shown,
            json!({
                "id": row.id,
                "createdAt": "1970-01-01T00:00:00.000Z", "updatedAt": "1970-01-01T00:00:00.001Z",
                "type": "text", "payload": { "text": "x" }, "direction": "outgoing", "userId": "u",
                "conversationId": row.conversation,
                "tags": {
                    "a": "b", "portico:failure": "kept", "portico:possibleDuplicate": "true", "portico:status": "sent",
                },
            })
        );
        // Written straight into a body, no name comes twice.
        let text = serde_json::to_string(&Shown(&row, View::Bot)).unwrap();
        assert_eq!(text.matches("portico:status").count(), 1);
        row.delivery = None;
        assert_eq!(message_json(&row, View::Bot)["tags"]["portico:status"], "mine");
    }
}
