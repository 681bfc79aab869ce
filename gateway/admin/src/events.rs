//! The journal: list, look, read the raw request, replay.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use portico_contract::{BotId, EventId, InstallationId};
use portico_problem::{Kind, Problem};
use portico_store::records::RawRequest;
use portico_store::{
    Change, Commit, Dir, EventFilter, EventKind, EventOutcome, EventSummary, Lane, StoreError, StoredEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::page::{Body, Params};
use crate::{Admin, page, store_problem};

/// Query of `GET /events`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventQuery {
    bot: Option<String>,
    installation: Option<String>,
    conversation: Option<String>,
    direction: Option<String>,
    kind: Option<EventKind>,
    outcome: Option<EventOutcome>,
    since: Option<u64>,
    until: Option<u64>,
    cursor: Option<String>,
    limit: Option<usize>,
}

impl EventQuery {
    fn filter(&self) -> Result<EventFilter, Problem> {
        let bad = |error: portico_contract::BadId| Problem::new(Kind::InvalidIdentifier, error.to_string());
        let lane = match &self.conversation {
            None => None,
            Some(text) => {
                let conversation = page::conversation_id(text)?;
                Some(match self.direction.as_deref() {
                    None | Some("inbound") => Lane::inbound(conversation),
                    Some("outbound") => Lane::outbound(conversation),
                    Some(_) => {
                        return Err(Problem::new(
                            Kind::InvalidQuery,
                            "direction: must be 'inbound' or 'outbound'",
                        ));
                    }
                })
            }
        };
        Ok(EventFilter {
            bot: self.bot.as_deref().map(BotId::parse).transpose().map_err(bad)?,
            installation: self.installation.as_deref().map(InstallationId::parse).transpose().map_err(bad)?,
            lane,
            kinds: self.kind.into_iter().collect(),
            outcome: self.outcome,
            since: self.since,
            until: self.until,
        })
    }
}

pub(crate) fn summary(event: &EventSummary) -> Value {
    json!({
        "id": event.id,
        "bot": event.bot,
        "installation": event.installation,
        "kind": event.kind,
        "receivedAt": portico_store::records::iso(event.received_at),
        "conversation": event.lane.conversation,
        "direction": direction(event.lane.dir),
        "sequence": event.seq,
        "outcome": event.outcome,
    })
}

fn direction(dir: Dir) -> &'static str {
    match dir {
        Dir::Inbound => "inbound",
        Dir::Outbound => "outbound",
    }
}

async fn find(admin: &Admin, id: &str) -> Result<StoredEvent, Problem> {
    let id = page::event_id(id)?;
    let event = admin.store.event(id).await.map_err(store_problem)?;
    event.ok_or_else(|| {
        Problem::new(Kind::ResourceNotFound, "there is no such event, or it is no longer kept")
    })
}

/// `GET /events`
pub(crate) async fn list(
    State(admin): State<Admin>,
    Params(query): Params<EventQuery>,
) -> Result<Json<Value>, Problem> {
    let cursor = page::cursor(query.cursor.as_deref())?;
    let events = admin
        .store
        .events(&query.filter()?, cursor, page::limit(query.limit))
        .await
        .map_err(store_problem)?;
    Ok(Json(page::answer(events, |event| summary(&event))))
}

/// `GET /events/{id}`: with its body and all attempts.
pub(crate) async fn show(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let event = find(&admin, &id).await?;
    let attempts = admin.store.attempts(event.id).await.map_err(store_problem)?;
    let body: Value = serde_json::from_slice(&event.body).unwrap_or(Value::Null);
    let mut shown = summary(&event.summary());
    shown["body"] = body;
    shown["hasRaw"] = (!event.raw.is_empty() || event.raw_of.is_some()).into();
    shown["attempts"] = attempts.iter().map(page::attempt).collect();
    Ok(Json(shown))
}

async fn raw_request(admin: &Admin, event: &StoredEvent) -> Result<RawRequest, Problem> {
    let none = || Problem::new(Kind::ResourceNotFound, "the request that brought this event is not kept");
    let raw = match event.raw_of {
        Some(holder) if event.raw.is_empty() => {
            admin.store.event(holder).await.map_err(store_problem)?.ok_or_else(none)?.raw
        }
        _ => event.raw.clone(),
    };
    RawRequest::decode(&raw).ok_or_else(none)
}

/// `GET /events/{id}/raw`: the body as it was received, as a download.
pub(crate) async fn raw(
    State(admin): State<Admin>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let event = find(&admin, &id).await?;
    let request = raw_request(&admin, &event).await?;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{}.raw\"", event.id)),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, request.body))
}

/// `POST /events/{id}/replay`: offers the event again under its own id; an unread webhook is read again.
pub(crate) async fn replay(
    State(admin): State<Admin>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let event = find(&admin, &id).await?;
    replay_one(&admin, &event).await.map(Json)
}

async fn replay_one(admin: &Admin, event: &StoredEvent) -> Result<Value, Problem> {
    if event.kind == EventKind::Unread {
        let request = raw_request(admin, event).await?;
        let installation = admin.installations.get(&event.installation).ok_or_else(|| {
            Problem::new(Kind::ResourceNotFound, "the installation of this webhook is gone or switched off")
        })?;
        let read = admin.inbound.read_again(&installation, request, event.received_at).await;
        return match read {
            Ok(events) => Ok(json!({ "id": event.id, "events": events })),
            Err(why) => Err(Problem::new(Kind::Runtime, format!("it is still not understood: {why}"))),
        };
    }
    let change = if event.outcome == EventOutcome::Dead {
        Change::Unbury { bot: event.bot.clone(), event: event.id }
    } else {
        Change::Replay { event: event.id }
    };
    admin.store.commit(Commit::of([change])).await.map_err(store_problem)?;
    Ok(json!({ "id": event.id, "events": 1 }))
}

/// Body of `POST /replay`: a filter as in `GET /events`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayMany {
    bot: Option<String>,
    installation: Option<String>,
    conversation: Option<String>,
    kind: Option<EventKind>,
    outcome: Option<EventOutcome>,
    since: Option<u64>,
    until: Option<u64>,
}

/// `POST /replay`: replays all events that a filter takes, oldest first; says how many.
pub(crate) async fn replay_many(
    State(admin): State<Admin>,
    Body(body): Body<ReplayMany>,
) -> Result<Json<Value>, Problem> {
    let query = EventQuery {
        bot: body.bot,
        installation: body.installation,
        conversation: body.conversation,
        kind: body.kind,
        outcome: body.outcome,
        since: body.since,
        until: body.until,
        ..EventQuery::default()
    };
    let filter = query.filter()?;
    if filter.bot.is_none() && filter.installation.is_none() && filter.lane.is_none() {
        return Err(Problem::new(Kind::InvalidPayload, "name a bot, an installation or a conversation"));
    }
    let mut ids: Vec<EventId> = Vec::new();
    let mut cursor = None;
    loop {
        let events = admin.store.events(&filter, cursor, 500).await.map_err(store_problem)?;
        ids.extend(events.items.iter().filter(|event| event.lane.dir == Dir::Inbound).map(|event| event.id));
        match events.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let mut replayed = 0u64;
    let mut failed = 0u64;
    for id in ids.into_iter().rev() {
        match admin.store.event(id).await {
            Ok(Some(event)) => match replay_one(&admin, &event).await {
                Ok(_) => replayed += 1,
                Err(_) => failed += 1,
            },
            Ok(None) | Err(StoreError::Damaged(_)) => failed += 1,
            Err(error) => return Err(store_problem(error)),
        }
    }
    Ok(Json(json!({ "replayed": replayed, "failed": failed })))
}
