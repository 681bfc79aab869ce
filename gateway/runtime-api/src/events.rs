//! Events: a bot's own, an integration's, and those that wait for their time.

use axum::extract::State;
use bytes::Bytes;
use portico_contract::{ConversationId, EventId, MessageId, Millis};
use portico_outbound::{bot_lane, no_installation};
use portico_problem::Problem;
use portico_store::records::{Due, GatewayEvent, Scheduled, View, event_json, schedule_changes, scheduled};
use portico_store::{
    Append, Change, Commit, Committed, EventFilter, EventKind, EventOutcome, Expect, Key, KeyRange, Lane,
    NewEvent, Once, StoredEvent, Table,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::body::Json;
use crate::caller::Caller;
use crate::page::Paging;
use crate::path::{self, Segments};
use crate::problems::{self, no_reference, not_found};
use crate::query::Query;
use crate::shared::now;
use crate::wire::{self, Done, Meta, Schedule};
use crate::{Api, Shared};

/// Types that the gateway itself gives to events; a bot that sent one would be told things that did not happen.
const RESERVED: [&str; 11] = [
    "message_created",
    "message_updated",
    "message_deleted",
    "message_sent",
    "message_delivered",
    "message_read",
    "message_failed",
    "reaction_added",
    "reaction_removed",
    "state_expired",
    "unread",
];
const STATUSES: [&str; 6] = ["pending", "processed", "ignored", "failed", "scheduled", "canceled"];

/// An event to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewEventBody {
    /// The bot's own name for it, or the integration's (which the bot sees as `alias:type`).
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    payload: Map<String, Value>,
    /// When it is to happen, if not now.
    schedule: Option<Schedule>,
    conversation_id: Option<String>,
    user_id: Option<String>,
    message_id: Option<String>,
    workflow_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct EventAnswer {
    #[schema(value_type = wire::Event)]
    event: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct EventList {
    #[schema(value_type = Vec<wire::Event>)]
    events: Vec<Value>,
    meta: Meta,
}

type Answer<T> = Result<axum::Json<T>, Problem>;

/// Makes an event: the bot's is dispatched to itself, an integration's to the bot.
#[utoipa::path(post, path = "/v1/chat/events", operation_id = "createEvent", tag = "events",
    params(("idempotency-key" = Option<String>, Header, description = "the same key with the same body gives the first answer for 48 h")),
    request_body = NewEventBody, responses((status = 200, body = EventAnswer)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body: Json<NewEventBody>,
) -> Answer<EventAnswer> {
    let once = caller.once("createEvent", body.digest);
    let body = body.value;
    let (event, lane, installation) = read(&caller, &body).await?;
    let id = EventId::new();
    let at = now();
    let (changes, shown) = match &body.schedule {
        Some(schedule) => {
            let waiting = Waiting {
                event,
                due: schedule.due(at)?,
                created_at: at,
                via: own_id(&caller),
                canceled: false,
            };
            let what = Scheduled::Event { bot: caller.bot.clone(), id, event: waiting.event.clone() };
            let mut changes = schedule_changes(&thing(id), Some(waiting.due), &what);
            changes.push(Change::put(Table::Event, row(&caller, id), encode(&waiting)));
            (changes, waiting.show(&caller, id))
        }
        None => {
            let stored = StoredEvent {
                id,
                bot: caller.bot.clone(),
                installation,
                kind: EventKind::Gateway,
                received_at: at,
                lane,
                seq: 0,
                body: encode(&event),
                raw: Bytes::new(),
                raw_of: None,
                outcome: EventOutcome::Pending,
            };
            let shown = show(&api, &caller, &stored);
            let event = NewEvent {
                id,
                bot: stored.bot,
                installation: stored.installation,
                kind: stored.kind,
                received_at: at,
                body: stored.body,
                raw: Bytes::new(),
                raw_of: None,
            };
            (vec![Change::Append(Append { key: None, keep_days: 3, lane, event })], shown)
        }
    };
    let mut commit = Commit::of(changes);
    if let Some(once) = once {
        // What is too large to be kept with the key is read again by its id.
        let answer = if shown.to_string().len() < 60 * 1024 { shown.clone() } else { json!({ "id": id }) };
        commit = commit.once(Once { key: once.key, hash: once.hash, answer: answer.to_string().into() });
    }
    match api.store.commit(commit).await.map_err(problems::store)? {
        Committed::Done(_) => Ok(axum::Json(EventAnswer { event: shown })),
        Committed::Same(answer) => {
            let first: Value = serde_json::from_slice(&answer).unwrap_or_default();
            if first.get("type").is_some() {
                return Ok(axum::Json(EventAnswer { event: first }));
            }
            let id = first.get("id").and_then(Value::as_str).unwrap_or_default();
            let event = lookup(&api, &caller, path::event(id)?).await?.ok_or_else(|| not_found("event"))?;
            Ok(axum::Json(EventAnswer { event }))
        }
    }
}

/// An event, also one whose time has not come.
#[utoipa::path(get, path = "/v1/chat/events/{id}", operation_id = "getEvent", tag = "events",
    params(("id" = String, Path)), responses((status = 200, body = EventAnswer)))]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Answer<EventAnswer> {
    let event = lookup(&api, &caller, path::event(&id)?).await?.ok_or_else(|| not_found("event"))?;
    Ok(axum::Json(EventAnswer { event }))
}

/// Events: first those that wait for their time, then all others, newest first.
#[utoipa::path(get, path = "/v1/chat/events", operation_id = "listEvents", tag = "events",
    params(
        ("nextToken" = Option<String>, Query), ("pageSize" = Option<u32>, Query),
        ("type" = Option<String>, Query), ("conversationId" = Option<String>, Query),
        ("userId" = Option<String>, Query), ("messageId" = Option<String>, Query),
        ("workflowId" = Option<String>, Query), ("status" = Option<wire::EventStatus>, Query),
    ),
    responses((status = 200, body = EventList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, query: Query) -> Answer<EventList> {
    let paging = Paging::read(&api, &caller.bot, "events".into(), &query)?;
    let status = query.word("status", &STATUSES)?;
    let wanted = |event: &Value| {
        ["type", "conversationId", "userId", "messageId", "workflowId", "status"]
            .iter()
            .all(|field| query.one(field).is_none_or(|value| event[field] == value))
    };
    let waits = |status: &str| matches!(status, "scheduled" | "canceled");
    // A cursor begins with the part that it belongs to.
    let (mut journal, mut cursor) = match paging.after.as_deref().and_then(<[u8]>::split_first) {
        Some((part, key)) => (*part == b'j', Some(key).filter(|key| !key.is_empty()).map(Key::from)),
        None => (status.is_some_and(|status| !waits(status)), None),
    };
    let mut events = Vec::new();
    let mut next = None;
    for _ in 0..16 {
        let room = paging.size - events.len();
        let (found, after) = if journal {
            journaled(&api, &caller, query.one("conversationId"), status, cursor.take(), room).await?
        } else {
            waiting(&api, &caller, cursor.take(), room).await?
        };
        events.extend(found.into_iter().filter(|event| wanted(event)));
        if after.is_none() && !journal && status.is_none_or(|status| !waits(status)) {
            journal = true;
            next = Some(vec![b'j']);
        } else {
            next =
                after.as_ref().map(|key| [&[if journal { b'j' } else { b'w' }], key.0.as_slice()].concat());
        }
        cursor = after;
        if next.is_none() || events.len() == paging.size {
            break;
        }
    }
    Ok(axum::Json(EventList { events, meta: paging.meta(next.as_deref()) }))
}

/// Calls off an event whose time has not come.
#[utoipa::path(delete, path = "/v1/chat/events/scheduled/{id}", operation_id = "cancelScheduledEvent",
    tag = "events", params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Answer<Done> {
    let id = path::event(&id)?;
    let missing = || not_found("scheduled event");
    let (mut waiting, version) = waiting_row(&caller, id).await?.ok_or_else(missing)?;
    let due = due(&api, &caller, id).await?.ok_or_else(missing)?;
    waiting.canceled = true;
    let mut changes = Vec::from(due.done_changes());
    changes.push(Change::Write {
        table: Table::Event,
        key: row(&caller, id),
        value: Some(encode(&waiting)),
        expect: Expect::Version(version),
    });
    // A conflict: its time came this moment.
    if api.commit(changes).await? { Ok(axum::Json(Done {})) } else { Err(missing()) }
}

/// An event that waits for its time, or was called off before.
#[derive(Serialize, Deserialize)]
struct Waiting {
    event: GatewayEvent,
    due: Millis,
    created_at: Millis,
    /// The integration that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    canceled: bool,
}

impl Waiting {
    fn show(&self, caller: &Caller, id: EventId) -> Value {
        let mut shown = json!({
            "id": id,
            "createdAt": portico_store::records::iso(self.created_at),
            "type": own_type(caller, &self.event.kind),
            "payload": self.event.payload,
            "status": if self.canceled { "canceled" } else { "scheduled" },
            "failureReason": null,
        });
        if let Some(fields) = shown.as_object_mut() {
            let mut insert = |name: &str, value: Option<String>| {
                if let Some(value) = value {
                    fields.insert(name.into(), value.into());
                }
            };
            insert("conversationId", self.event.conversation_id.map(|id| id.to_string()));
            insert("userId", self.event.user_id.as_ref().map(ToString::to_string));
            insert("messageId", self.event.message_id.map(|id| id.to_string()));
            insert("workflowId", self.event.workflow_id.clone());
        }
        shown
    }
}

fn encode(value: &impl Serialize) -> Bytes {
    // Plain data: texts, numbers, JSON.
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn own_id(caller: &Caller) -> Option<String> {
    caller.via.as_ref().map(|via| via.id.to_string())
}

fn thing(id: EventId) -> String {
    format!("event:{id}")
}

fn row(caller: &Caller, id: EventId) -> Key {
    Key::new().text(caller.bot.as_str()).bytes(&id.0)
}

/// Reads a body: the event as the bot will see it, its lane, and the installation it is filed under.
async fn read(
    caller: &Caller,
    body: &NewEventBody,
) -> Result<(GatewayEvent, Lane, portico_contract::InstallationId), Problem> {
    if body.kind.is_empty() || body.kind.len() > 200 {
        return Err(Problem::field("type", "must be a text of 1 to 200 bytes"));
    }
    if caller.via.is_none() && RESERVED.contains(&body.kind.as_str()) {
        return Err(Problem::field("type", "is a name that the gateway gives to its own events"));
    }
    let mut event = GatewayEvent {
        kind: caller.view().stored_name(&body.kind),
        payload: Value::Object(body.payload.clone()),
        conversation_id: None,
        user_id: None,
        message_id: None,
        workflow_id: body.workflow_id.clone(),
    };
    let own = caller.via.as_ref();
    let mut lane = own.map_or_else(|| bot_lane(&caller.bot), |via| Lane::inbound(via.own_lane));
    let mut installation = own.map_or_else(no_installation, |via| via.id.clone());
    if let Some(id) = &body.message_id {
        let missing = || no_reference("messageId", "the message");
        let id = MessageId::parse(id).map_err(|_| missing())?;
        crate::messages::visible(caller, id).await?.ok_or_else(missing)?;
        event.message_id = Some(id);
    }
    if let Some(id) = &body.conversation_id {
        let place = crate::conversations::referenced(caller, id, "conversationId").await?.value;
        event.conversation_id = Some(place.id);
        lane = Lane::inbound(place.id);
        installation = place.installation.unwrap_or(installation);
    }
    if let Some(id) = &body.user_id {
        event.user_id = Some(crate::users::referenced(caller, id, "userId").await?.value.id);
    }
    if let Some(id) = &body.workflow_id {
        crate::workflows::read(caller, id)
            .await?
            .ok_or_else(|| no_reference("workflowId", "the workflow"))?;
    }
    Ok((event, lane, installation))
}

/// The name under which this caller knows a type.
fn own_type<'a>(caller: &Caller, kind: &'a str) -> &'a str {
    match caller.view() {
        View::Bot => kind,
        View::Integration(alias) => {
            kind.strip_prefix(alias).and_then(|rest| rest.strip_prefix(':')).unwrap_or(kind)
        }
    }
}

/// A journaled event as this caller sees it.
fn show(api: &Shared, caller: &Caller, stored: &StoredEvent) -> Value {
    let installation = api.installations.get(&stored.installation);
    let alias = installation.as_ref().map_or(stored.installation.as_str(), |found| &found.alias);
    let mut shown = event_json(stored, &caller.bot, alias);
    if let Some(payload) = shown.get_mut("payload") {
        api.media.publish(&stored.installation, payload);
        // Clients read an object, whatever a connector's own event carries.
        if payload.is_null() {
            *payload = json!({});
        } else if !payload.is_object() {
            *payload = json!({ "data": payload.take() });
        }
    }
    if let Some(Value::String(kind)) = shown.get_mut("type") {
        *kind = own_type(caller, kind).to_owned();
    }
    shown
}

fn is_shown(caller: &Caller, kind: EventKind, installation: &portico_contract::InstallationId) -> bool {
    matches!(kind, EventKind::Connector | EventKind::Gateway)
        && caller.via.as_ref().is_none_or(|via| via.id == *installation)
}

async fn lookup(api: &Shared, caller: &Caller, id: EventId) -> Result<Option<Value>, Problem> {
    if let Some(stored) = api.store.event(id).await.map_err(problems::store)? {
        let is_ours = stored.bot == caller.bot && is_shown(caller, stored.kind, &stored.installation);
        return Ok(is_ours.then(|| show(api, caller, &stored)));
    }
    let Some((waiting, _)) = waiting_row(caller, id).await? else { return Ok(None) };
    let is_there = waiting.canceled || due(api, caller, id).await?.is_some();
    Ok(is_there.then(|| waiting.show(caller, id)))
}

async fn waiting_row(caller: &Caller, id: EventId) -> Result<Option<(Waiting, u64)>, Problem> {
    let found = caller.records.store().get(Table::Event, &row(caller, id)).await.map_err(problems::store)?;
    let Some(found) = found else { return Ok(None) };
    let Ok(waiting) = serde_json::from_slice::<Waiting>(&found.value) else { return Ok(None) };
    let is_ours = caller.via.is_none() || waiting.via == own_id(caller);
    Ok(is_ours.then_some((waiting, found.version)))
}

/// The event's place on the schedule.
async fn due(api: &Shared, caller: &Caller, id: EventId) -> Result<Option<Due>, Problem> {
    let due = scheduled(api.store.as_ref(), &thing(id)).await.map_err(problems::store)?;
    Ok(due.filter(|due| matches!(&due.what, Scheduled::Event { bot, .. } if *bot == caller.bot)))
}

/// Events that wait, newest first. Rows of those whose time has come are swept out on the way.
async fn waiting(
    api: &Shared,
    caller: &Caller,
    after: Option<Key>,
    limit: usize,
) -> Result<(Vec<Value>, Option<Key>), Problem> {
    let prefix = Key::new().text(caller.bot.as_str());
    let range = KeyRange::prefix(prefix, limit).after(after).reversed();
    let rows = api.store.scan(Table::Event, range).await.map_err(problems::store)?;
    let next = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
    let (mut events, mut gone) = (Vec::new(), Vec::new());
    for (key, found) in rows {
        let Some(id) = key.0.last_chunk().copied().map(EventId) else { continue };
        let Ok(waiting) = serde_json::from_slice::<Waiting>(&found.value) else { continue };
        if !waiting.canceled && due(api, caller, id).await?.is_none() {
            gone.push(Change::delete(Table::Event, key));
        } else if caller.via.is_none() || waiting.via == own_id(caller) {
            events.push(waiting.show(caller, id));
        }
    }
    if !gone.is_empty() {
        api.store.commit(Commit::of(gone).ordered()).await.map_err(problems::store)?;
    }
    Ok((events, next))
}

async fn journaled(
    api: &Shared,
    caller: &Caller,
    conversation: Option<&str>,
    status: Option<&str>,
    after: Option<Key>,
    limit: usize,
) -> Result<(Vec<Value>, Option<Key>), Problem> {
    let filter = EventFilter {
        bot: Some(caller.bot.clone()),
        installation: caller.via.as_ref().map(|via| via.id.clone()),
        lane: conversation.and_then(|id| ConversationId::parse(id).ok()).map(Lane::inbound),
        kinds: vec![EventKind::Connector, EventKind::Gateway],
        outcome: match status {
            Some("pending") => Some(EventOutcome::Pending),
            Some("processed") => Some(EventOutcome::Done),
            Some("failed") => Some(EventOutcome::Dead),
            // Two outcomes show as ignored.
            _ => None,
        },
        ..EventFilter::default()
    };
    let page = api.store.events(&filter, after, limit).await.map_err(problems::store)?;
    let mut events = Vec::with_capacity(page.items.len());
    for summary in page.items {
        // Retention may have taken it meanwhile.
        if let Some(stored) = api.store.event(summary.id).await.map_err(problems::store)? {
            events.push(show(api, caller, &stored));
        }
    }
    Ok((events, page.next))
}
