//! From a turn's effects to the changes of one commit.

use bytes::Bytes;
use portico_contract::{
    ConversationId, Effect, Event, EventId, Fault, FaultCode, Millis, StateWrite, Thread, TimerSet, UserId,
};
use portico_store::records::{Scheduled, schedule_changes, timer_id};
use portico_store::{Append, Change, DedupeKey, EventKind, Expect, Lane, NewEvent, Table};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::host::{state_key, state_value};
use crate::{Installation, Signal};

/// Most events in one turn; most other effects.
const MAX_EVENTS: usize = 1000;
const MAX_EFFECTS: usize = 256;
/// Most bytes of one state value.
const MAX_STATE: usize = 256 * 1024;
/// Most bytes of one signal's name, and of its data as JSON.
const MAX_SIGNAL_NAME: usize = 100;
const MAX_SIGNAL: usize = 64 * 1024;

/// What a turn's effects come to.
#[derive(Debug, Default)]
pub struct Emitted {
    /// Changes to commit.
    pub changes: Vec<Change>,
    /// How many of them are events, in order.
    pub events: usize,
    /// Threads to open.
    pub open: Vec<Thread>,
    /// What to show once the changes are stored.
    pub signals: Vec<(ConversationId, Signal)>,
}

fn bad(rule: &str) -> Fault {
    Fault::new(FaultCode::Bug, format!("bad turn: {rule}"))
}

/// The key by which a repeat of an event is known.
pub(crate) fn dedupe_key(installation: &Installation, key: &[&str]) -> DedupeKey {
    let mut hash = Sha256::new();
    hash.update((installation.id.as_str().len() as u64).to_be_bytes());
    hash.update(installation.id.as_str());
    key.iter().for_each(|part| hash.update(part));
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    DedupeKey(bytes)
}

/// Checks a turn's effects and turns them into changes. A whole turn is refused if one effect is wrong.
///
/// `raw` is the stored form of the request that brought the events; the first of them keeps it.
///
/// # Errors
/// `bug`, naming the rule of the contract that the turn breaks.
pub fn webhook_changes(
    installation: &Installation,
    effects: Vec<Effect>,
    raw: Bytes,
    now: Millis,
) -> Result<Emitted, Fault> {
    let manifest = installation.connector.manifest();
    let keep_days = manifest.webhook.dedupe_days.unwrap_or(3).max(3);
    let mut emitted = Emitted::default();
    emitted.changes.reserve(effects.len());
    let mut others = 0;
    let mut raw = Some(raw);
    let mut holder = None;
    for effect in effects {
        if !matches!(effect, Effect::Emit(_)) {
            others += 1;
        }
        match effect {
            Effect::Emit(event) => {
                emitted.events += 1;
                if emitted.events > MAX_EVENTS {
                    return Err(bad("more than 1,000 events"));
                }
                let id = EventId::new();
                let kept = raw.take().unwrap_or_default();
                let raw_of = holder;
                if holder.is_none() && !kept.is_empty() {
                    holder = Some(id);
                }
                emitted.changes.push(append(installation, &event, id, kept, raw_of, keep_days, now)?);
            }
            Effect::Write(write) => emitted.changes.push(state_change(installation, write, now)?),
            Effect::Timer(timer) => emitted.changes.extend(timer_changes(installation, &timer, now)),
            Effect::Open(thread) => emitted.open.push(thread),
            Effect::Signal { thread, name, data, ttl_ms } => {
                emitted.signals.push(signal(installation, &thread, name, data, ttl_ms)?);
            }
        }
    }
    if others > MAX_EFFECTS {
        return Err(bad("more than 256 effects besides events"));
    }
    Ok(emitted)
}

/// An event's JSON, in memory of exactly its size.
fn json_of(event: &Event) -> serde_json::Result<Bytes> {
    thread_local! {
        static ROOM: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    ROOM.with_borrow_mut(|room| {
        room.clear();
        serde_json::to_writer(&mut *room, event)?;
        let json = Bytes::copy_from_slice(room);
        // One large event must not hold its memory for good.
        room.clear();
        room.shrink_to(MOST_ROOM);
        Ok(json)
    })
}

/// Memory that a thread keeps for writing JSON.
const MOST_ROOM: usize = 64 * 1024;

fn append(
    installation: &Installation,
    event: &Event,
    id: EventId,
    raw: Bytes,
    raw_of: Option<EventId>,
    keep_days: u8,
    now: Millis,
) -> Result<Change, Fault> {
    let conversation = match event.thread() {
        Some(thread) => checked(installation, thread)?,
        None => installation.own_lane,
    };
    let body = json_of(event).map_err(|error| bad(&format!("an event has no JSON form: {error}")))?;
    Ok(Change::Append(Append {
        key: event.dedupe_parts().map(|key| dedupe_key(installation, &key)),
        keep_days,
        lane: Lane::inbound(conversation),
        event: NewEvent {
            id,
            bot: installation.bot.clone(),
            installation: installation.id.clone(),
            kind: EventKind::Connector,
            received_at: now,
            body,
            raw,
            raw_of,
        },
    }))
}

pub(crate) fn checked(installation: &Installation, thread: &Thread) -> Result<ConversationId, Fault> {
    if !installation.connector.manifest().channels.contains_key(thread.channel.as_ref()) {
        return Err(bad("an event's channel is not in the manifest"));
    }
    if thread.key.len() > 500 {
        return Err(bad("a thread's key is above 500 bytes"));
    }
    Ok(installation.conversation_of(thread))
}

fn signal(
    installation: &Installation,
    thread: &Thread,
    name: String,
    data: Value,
    ttl_ms: u32,
) -> Result<(ConversationId, Signal), Fault> {
    if !installation.connector.manifest().live {
        return Err(bad("a signal of a connector that is not live"));
    }
    if name.is_empty() || name.len() > MAX_SIGNAL_NAME {
        return Err(bad("a signal's name must have 1 to 100 bytes"));
    }
    if serde_json::to_vec(&data).map_or(usize::MAX, |json| json.len()) > MAX_SIGNAL {
        return Err(bad("a signal's data is above 64 KiB"));
    }
    let by = UserId::of_bot(&installation.bot);
    Ok((checked(installation, thread)?, Signal { name, data, ttl_ms, by }))
}

fn state_change(installation: &Installation, write: StateWrite, now: Millis) -> Result<Change, Fault> {
    let states = &installation.connector.manifest().states;
    let spec = states
        .iter()
        .find(|(name, _)| match name.strip_suffix('*') {
            Some(prefix) => write.key.starts_with(prefix),
            None => **name == write.key,
        })
        .map(|(_, spec)| spec)
        .ok_or_else(|| bad("a state key is not in the manifest"))?;
    if write.data.as_ref().is_some_and(|data| data.len() > MAX_STATE) {
        return Err(bad("a state value is above 256 KiB"));
    }
    let lifetime = write.lifetime_s.or(spec.lifetime_s);
    let expires_at = lifetime.map_or(0, |seconds| now + u64::from(seconds) * 1000);
    let expect = match write.expect.as_deref() {
        None => Expect::Any,
        Some("") => Expect::Absent,
        Some(revision) => {
            Expect::Version(revision.parse().map_err(|_| bad("a revision is not one of ours"))?)
        }
    };
    Ok(Change::Write {
        table: Table::ConnectorState,
        key: state_key(&installation.id, &write.scope, &write.key),
        value: write.data.map(|data| state_value(&data, expires_at).into()),
        expect,
    })
}

fn timer_changes(installation: &Installation, timer: &TimerSet, now: Millis) -> Vec<Change> {
    let id = timer_id(&installation.id, &timer.name);
    let due = timer.after_ms.map(|after| now + u64::from(after));
    let what = Scheduled::Timer { installation: installation.id.clone(), name: timer.name.clone() };
    schedule_changes(&id, due, &what)
}
