//! Publish and subscribe within the process, per conversation. Nothing here is kept: what must not be lost stands
//! in the stream, and those who listen read there what they miss.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use portico_contract::{ConversationId, Millis, UserId};
use portico_store::records::StreamWhat;
use portico_telemetry::Metrics;
use portico_turns::{DraftRefused, DraftStep, Outlet, ShownItem};
use serde_json::Value;

use crate::drafts::Growing;
use crate::listener::{Ear, Noise};
use crate::{DRAFT_TAG, Shown, Signal, Speaker, What};

/// Parts of the map, each under a lock of its own.
const SHARDS: usize = 64;
/// Longest time for which typing is shown, in milliseconds.
const TYPING: u32 = 30_000;

/// One conversation with somebody who listens, or something that grows.
#[derive(Default)]
struct Room {
    ears: Vec<Arc<Ear>>,
    drafts: Vec<Growing>,
}

impl Room {
    fn is_empty(&self) -> bool {
        self.ears.is_empty() && self.drafts.is_empty()
    }

    fn tell(&self, noise: &Noise) {
        for ear in &self.ears {
            ear.hear(noise.clone());
        }
    }
}

/// Where what happens is told to those who listen. One per process.
pub struct Hub {
    shards: Vec<Mutex<HashMap<ConversationId, Room>>>,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("listeners", &self.listeners()).finish_non_exhaustive()
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// A hub to which nobody listens yet.
    pub fn new() -> Self {
        Self::counted(Arc::default())
    }

    /// As [`Hub::new`], and the drafts that are open stand in these metrics.
    pub fn counted(metrics: Arc<Metrics>) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), metrics }
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().values().map(|room| room.ears.len()).sum::<usize>()).sum()
    }

    /// Shows something now to whoever listens to a conversation.
    pub fn show(&self, conversation: ConversationId, signal: Signal) {
        self.with(conversation, |room| room.tell(&Noise::Signal(Arc::new(signal))));
    }

    /// Somebody listens from now on; what grows is told as it stands.
    pub(crate) fn enter(&self, conversation: ConversationId, ear: &Arc<Ear>) {
        let mut rooms = self.shard(conversation).lock();
        let room = rooms.entry(conversation).or_default();
        for draft in &room.drafts {
            ear.hear(Noise::Signal(Arc::new(draft.whole())));
        }
        room.ears.push(ear.clone());
    }

    /// Somebody listens no more.
    pub(crate) fn leave(&self, conversation: ConversationId, ear: &Arc<Ear>) {
        self.with(conversation, |room| room.ears.retain(|known| !Arc::ptr_eq(known, ear)));
    }

    /// Makes a step of a draft.
    pub(crate) fn grow(
        &self,
        conversation: ConversationId,
        id: &str,
        by: &UserId,
        step: DraftStep,
        now: Millis,
    ) -> Result<(), DraftRefused> {
        let mut rooms = self.shard(conversation).lock();
        let room = rooms.entry(conversation).or_default();
        let done = Growing::step(&mut room.drafts, id, by, step, now, &self.metrics.drafts_open);
        if let Ok(Some(signal)) = &done {
            room.tell(&Noise::Signal(Arc::new(signal.clone())));
        }
        if room.is_empty() {
            rooms.remove(&conversation);
        }
        done.map(|_| ())
    }

    /// A draft became a message that was shown.
    pub(crate) fn draft_ended(
        &self,
        conversation: ConversationId,
        id: &str,
        message: portico_contract::MessageId,
    ) {
        self.with(conversation, |room| {
            room.drafts.retain(|draft| draft.id != id);
            let ended = Signal::DraftEnded { draft: id.to_owned(), message: Some(message) };
            room.tell(&Noise::Signal(Arc::new(ended)));
        });
    }

    /// Gives up drafts that nobody adds to any more.
    pub(crate) fn sweep(&self, now: Millis) {
        for shard in &self.shards {
            shard.lock().retain(|_, room| {
                let given_up = Growing::take_idle(&mut room.drafts, now);
                for draft in given_up {
                    room.tell(&Noise::Signal(Arc::new(Signal::DraftEnded { draft, message: None })));
                }
                !room.is_empty()
            });
        }
    }

    fn shard(&self, conversation: ConversationId) -> &Mutex<HashMap<ConversationId, Room>> {
        // Its bytes are a digest, so they spread evenly.
        &self.shards[usize::from(conversation.0[15]) % SHARDS]
    }

    /// Does something in a room, if there is one.
    fn with(&self, conversation: ConversationId, act: impl FnOnce(&mut Room)) {
        let mut rooms = self.shard(conversation).lock();
        if let Some(room) = rooms.get_mut(&conversation) {
            act(room);
            if room.is_empty() {
                rooms.remove(&conversation);
            }
        }
    }
}

/// An item as those who listen get it, where nothing has to be read for that.
fn ready(item: ShownItem) -> Noise {
    let ShownItem { seq, item, message } = item;
    let what = match (item.what, message) {
        (StreamWhat::Message { .. }, Some(message)) => What::Message { message, client_id: item.client_id },
        (StreamWhat::Updated { .. }, Some(message)) => What::Updated { message },
        (StreamWhat::Deleted { id, user }, _) => What::Deleted { id, user: Some(user) },
        (StreamWhat::Status { id, status, reason }, _) => What::Status { id, status, reason },
        (StreamWhat::Event { id, name, user, data, is_bot }, _) => {
            What::Event { id, name, user, data, is_bot, client_id: item.client_id }
        }
        (StreamWhat::Message { .. } | StreamWhat::Updated { .. }, None)
        | (StreamWhat::Participant { .. } | StreamWhat::Conversation, _) => return Noise::Stored(seq),
    };
    Noise::Item(Arc::new(Shown::new(seq, item.at, what)))
}

/// The draft that a message ends.
fn ends(item: &ShownItem) -> Option<(String, portico_contract::MessageId)> {
    let message = item.message.as_ref()?;
    if !matches!(item.item.what, StreamWhat::Message { .. }) {
        return None;
    }
    Some((message.tags.get(DRAFT_TAG)?.clone(), message.id))
}

impl Outlet for Hub {
    fn shown(&self, conversation: ConversationId, item: ShownItem) {
        let draft = ends(&item);
        self.with(conversation, |room| {
            if !room.ears.is_empty() {
                room.tell(&ready(item));
            }
        });
        if let Some((draft, message)) = draft {
            self.draft_ended(conversation, &draft, message);
        }
    }

    fn signal(&self, conversation: ConversationId, signal: portico_turns::Signal) {
        let portico_turns::Signal { name, data, ttl_ms, by } = signal;
        let named = |field: &str| data.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        let by = named("userId").and_then(|id| UserId::parse(id).ok()).unwrap_or(by);
        let speaker = Speaker { user: by.as_str().to_owned(), is_bot: true };
        match name.as_str() {
            "typing" => {
                let on = data.get("on").and_then(Value::as_bool).unwrap_or(true);
                let wished = data.get("timeoutMs").and_then(Value::as_u64);
                let wished = wished.and_then(|wished| u32::try_from(wished).ok()).unwrap_or(ttl_ms);
                let timeout_ms = if wished == 0 { TYPING } else { wished.min(TYPING) };
                self.show(conversation, Signal::Typing { by: speaker, on, timeout_ms });
            }
            "draft" => {
                let step = if let Some(text) = data.get("append").and_then(Value::as_str) {
                    DraftStep::Append(text.to_owned())
                } else if let Some(text) = data.get("text").and_then(Value::as_str) {
                    DraftStep::Replace(text.to_owned())
                } else {
                    DraftStep::Abort
                };
                let refused = match named("id") {
                    Some(id) => self.draft(conversation, id, &by, step).err().map(|error| error.to_string()),
                    None => Some("it has no id".to_owned()),
                };
                if let Some(reason) = refused {
                    tracing::warn!(conversation.id = %conversation, "a draft did not grow: {reason}");
                }
            }
            "event" => {
                self.show(conversation, Signal::Custom { data, by: speaker, at: portico_turns::now() });
            }
            _ => self.show(conversation, Signal::Command { name, data, ttl_ms }),
        }
    }

    fn draft(
        &self,
        conversation: ConversationId,
        id: &str,
        by: &UserId,
        step: DraftStep,
    ) -> Result<(), DraftRefused> {
        self.grow(conversation, id, by, step, portico_turns::now())
    }

    fn ended(&self, conversation: ConversationId) {
        let room = self.shard(conversation).lock().remove(&conversation);
        if let Some(room) = room {
            room.tell(&Noise::Ended);
        }
    }
}
