//! What travels, as a stream of server-sent events: the strip beside the demo's shop.
//!
//! The journal is read as an operator's tool reads it, a few times a second; nothing on the way of a message
//! knows that somebody looks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Sse as Stream};
use futures_util::stream;
use portico_contract::{Event, EventId};
use portico_store::records::{GatewayEvent, Message, Outgoing, Records};
use portico_store::{Dir, EventFilter, EventKind, EventOutcome, Store, StoreError, StoredEvent};
use serde_json::{Value, json};

/// How often the journal is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// Events that are looked at each time.
const MOST: usize = 40;
/// Longest text that is shown of an event, in characters.
const EXCERPT: usize = 140;

/// Answers with a stream of what is in the journal now and of what comes.
pub(super) async fn stream(store: Arc<dyn Store>) -> impl IntoResponse {
    let watch = Watch { store, seen: HashMap::new(), ready: Vec::new() };
    let events = stream::unfold(watch, async |mut watch| {
        let event = watch.next().await;
        Some((Ok::<_, Infallible>(event), watch))
    });
    Stream::new(events).keep_alive(KeepAlive::default())
}

struct Watch {
    store: Arc<dyn Store>,
    /// What was shown of an event last.
    seen: HashMap<EventId, EventOutcome>,
    /// What is to be shown next, the first at the end.
    ready: Vec<Value>,
}

impl Watch {
    async fn next(&mut self) -> Sse {
        loop {
            if let Some(value) = self.ready.pop() {
                return Sse::default().event("event").data(value.to_string());
            }
            if let Err(error) = self.look().await {
                tracing::debug!("the journal could not be read: {error}");
            }
            if self.ready.is_empty() {
                tokio::time::sleep(EVERY).await;
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let page = self.store.events(&EventFilter::default(), None, MOST).await?;
        let mut seen = HashMap::with_capacity(page.items.len());
        for event in page.items {
            seen.insert(event.id, event.outcome);
            if self.seen.get(&event.id) == Some(&event.outcome) {
                continue;
            }
            if let Some(stored) = self.store.event(event.id).await? {
                let text = self.text(&stored).await?;
                // Newest first here, so the oldest is taken first from the end.
                self.ready.push(json!({
                    "id": event.id,
                    "at": event.received_at,
                    "way": match event.lane.dir { Dir::Inbound => "in", Dir::Outbound => "out" },
                    "installation": event.installation,
                    "kind": kind(&stored),
                    "outcome": event.outcome,
                    "text": text,
                }));
            }
        }
        self.seen = seen;
        Ok(())
    }

    /// What an event says, in short.
    async fn text(&self, event: &StoredEvent) -> Result<String, StoreError> {
        let message = match event.kind {
            EventKind::Connector => {
                return Ok(match serde_json::from_slice::<Event>(&event.body) {
                    Ok(Event::Message(message)) => {
                        let (kind, payload) = message.content.into_parts();
                        excerpt(&kind, &payload)
                    }
                    _ => String::new(),
                });
            }
            EventKind::Gateway => match serde_json::from_slice::<GatewayEvent>(&event.body) {
                Ok(body) => body.message_id,
                Err(_) => None,
            },
            EventKind::Outgoing => match serde_json::from_slice::<Outgoing>(&event.body) {
                Ok(Outgoing::Message { message } | Outgoing::Edit { message }) => Some(message),
                _ => None,
            },
            EventKind::Unread => return Ok("genuine, but not understood: kept as it came".into()),
        };
        let Some(id) = message else { return Ok(String::new()) };
        let records = Records::of(self.store.clone(), event.bot.clone());
        let row = records.message_in(event.lane.conversation, id).await?;
        let text = row.map(|row| of_message(&row.value)).unwrap_or_default();
        Ok(match kind(event).as_str() {
            "message" | "message_created" => text,
            other => format!("{}: {text}", other.replace('_', " ")),
        })
    }
}

fn of_message(message: &Message) -> String {
    excerpt(&message.kind, &message.payload)
}

/// The name under which a person would look for an event.
fn kind(event: &StoredEvent) -> String {
    match event.kind {
        EventKind::Gateway => serde_json::from_slice::<GatewayEvent>(&event.body)
            .map_or_else(|_| "event".to_owned(), |body| body.kind),
        EventKind::Connector => serde_json::from_slice::<Value>(&event.body)
            .ok()
            .and_then(|body| body.get("kind")?.as_str().map(str::to_owned))
            .unwrap_or_else(|| "event".to_owned()),
        EventKind::Outgoing => "message".to_owned(),
        EventKind::Unread => "unread".to_owned(),
    }
}

fn excerpt(kind: &str, payload: &Value) -> String {
    let word = ["text", "markdown", "title"].iter().find_map(|name| payload.get(name)?.as_str());
    match word {
        Some(word) if word.chars().count() > EXCERPT => {
            let short: String = word.chars().take(EXCERPT).collect();
            format!("{short}…")
        }
        Some(word) => word.to_owned(),
        None => format!("[{kind}]"),
    }
}
