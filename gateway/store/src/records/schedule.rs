//! Things to do at a time: timers of connectors, scheduled messages and events of bots.
//!
//! Each has an id; its row holds what to do and when. A second row, ordered by time, is the queue; a queue
//! row whose time is not that of its thing is stale (it was moved or cancelled) and is dropped when found.

use portico_contract::{BotId, EventId, InstallationId, Millis};
use serde::{Deserialize, Serialize};

use super::{GatewayEvent, Message};
use crate::{Change, Expect, Key, KeyRange, Store, StoreError, Table};

/// Something to do at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Scheduled {
    /// A connector's timer.
    Timer {
        /// The installation.
        installation: InstallationId,
        /// The timer.
        name: String,
    },
    /// A message to send.
    Message {
        /// The bot.
        bot: BotId,
        /// The message, as it will be stored.
        message: Box<Message>,
    },
    /// An event to dispatch to its own bot.
    Event {
        /// The bot.
        bot: BotId,
        /// Its id, given when it was scheduled.
        id: EventId,
        /// The event.
        event: GatewayEvent,
    },
}

#[derive(Serialize, Deserialize)]
struct ScheduleRow {
    due: Millis,
    what: Scheduled,
}

/// Something that is due, with what is needed to take it off the queue.
#[derive(Clone, Debug)]
pub struct Due {
    /// Id of the thing.
    pub id: String,
    /// When it was due.
    pub due: Millis,
    /// What to do.
    pub what: Scheduled,
    /// Version of its row.
    pub version: u64,
}

fn thing(id: &str) -> Key {
    Key::new().byte(1).text(id)
}

fn queued(due: Millis, id: &str) -> Key {
    Key::new().byte(0).number(due).text(id)
}

/// Id of a connector's timer.
pub fn timer_id(installation: &InstallationId, name: &str) -> String {
    format!("timer:{installation}:{name}")
}

/// Changes that schedule a thing under an id, moving it if it is there; `None` cancels it.
pub fn schedule_changes(id: &str, due: Option<Millis>, what: &Scheduled) -> Vec<Change> {
    match due {
        Some(due) => vec![
            Change::put(Table::Schedule, thing(id), super::encode(&ScheduleRow { due, what: what.clone() })),
            Change::put(Table::Schedule, queued(due, id), id.to_owned()),
        ],
        None => vec![Change::delete(Table::Schedule, thing(id))],
    }
}

impl Due {
    /// Changes that take the thing off the queue; refused with `Conflict` when somebody moved it meanwhile.
    pub fn done_changes(&self) -> [Change; 2] {
        [
            Change::Write {
                table: Table::Schedule,
                key: thing(&self.id),
                value: None,
                expect: Expect::Version(self.version),
            },
            Change::delete(Table::Schedule, queued(self.due, &self.id)),
        ]
    }
}

/// A scheduled thing, with its time.
///
/// # Errors
/// As the store's.
pub async fn scheduled(store: &dyn Store, id: &str) -> Result<Option<Due>, StoreError> {
    let Some(row) = store.get(Table::Schedule, &thing(id)).await? else { return Ok(None) };
    let read: super::Versioned<ScheduleRow> = super::decode(Table::Schedule, &row)?;
    Ok(Some(Due { id: id.to_owned(), due: read.value.due, what: read.value.what, version: read.version }))
}

/// Things whose time has come, earliest first, at most `limit`. Stale queue rows are removed on the way.
///
/// # Errors
/// As the store's.
pub async fn due_now(store: &dyn Store, now: Millis, limit: usize) -> Result<Vec<Due>, StoreError> {
    let mut found = Vec::new();
    let mut stale = Vec::new();
    for (key, row) in store.scan(Table::Schedule, KeyRange::prefix(Key::new().byte(0), limit)).await? {
        let due = key.0.get(1..9).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        if due > now {
            break;
        }
        let id = String::from_utf8_lossy(&row.value).into_owned();
        match scheduled(store, &id).await? {
            Some(thing) if thing.due == due => found.push(thing),
            _ => stale.push(Change::delete(Table::Schedule, key)),
        }
    }
    if !stale.is_empty() {
        store.commit(crate::Commit::of(stale).ordered()).await?;
    }
    Ok(found)
}

/// When the next thing is due.
///
/// # Errors
/// As the store's.
pub async fn next_scheduled(store: &dyn Store) -> Result<Option<Millis>, StoreError> {
    let first = store.scan(Table::Schedule, KeyRange::prefix(Key::new().byte(0), 1)).await?;
    Ok(first.first().and_then(|(key, _)| key.0.get(1..9)?.try_into().ok()).map(u64::from_be_bytes))
}
