//! Messages that grow while a bot writes them: in memory only, and gone when the message is there.

use std::sync::Arc;
use std::time::Duration;

use portico_contract::{ConversationId, MessageId, Millis, UserId};
use portico_telemetry::metrics::{Gauge, Held};
use portico_turns::{DraftRefused, DraftStep, Outlet};

use crate::{Hub, LiveError, Signal, Speaker};

/// Most bytes of one draft's text: as much as a message may have.
const MAX_TEXT: usize = 64 * 1024;
/// Most drafts of one conversation at a time.
const MAX_DRAFTS: usize = 8;
/// Longest id of a draft, in bytes.
const MAX_ID: usize = 100;
/// How long a draft is kept to which nothing comes.
const IDLE: Millis = 10 * 60 * 1000;

/// A draft that grows.
pub(crate) struct Growing {
    pub(crate) id: String,
    by: Speaker,
    text: String,
    /// Number of the last delta.
    n: u64,
    began_at: Millis,
    grew_at: Millis,
    /// However it ends, it is one less.
    _counted: Held,
}

impl Growing {
    /// The whole draft so far, for one who comes later.
    pub(crate) fn whole(&self) -> Signal {
        self.delta(self.text.clone(), true)
    }

    fn delta(&self, text: String, full: bool) -> Signal {
        Signal::Delta {
            draft: self.id.clone(),
            n: self.n,
            text,
            full,
            by: self.by.clone(),
            began_at: self.began_at,
        }
    }

    /// Makes a step of a draft among those of its conversation; gives what those who listen are told. `open` counts
    /// drafts.
    pub(crate) fn step(
        drafts: &mut Vec<Self>,
        id: &str,
        by: &UserId,
        step: DraftStep,
        now: Millis,
        open: &Gauge,
    ) -> Result<Option<Signal>, DraftRefused> {
        let place = drafts.iter().position(|draft| draft.id == id);
        if place.and_then(|place| drafts.get(place)).is_some_and(|draft| draft.by.user != by.as_str()) {
            return Err(DraftRefused::Taken);
        }
        let (text, full) = match step {
            DraftStep::Abort => {
                let Some(place) = place else { return Ok(None) };
                drafts.remove(place);
                return Ok(Some(Signal::DraftEnded { draft: id.to_owned(), message: None }));
            }
            DraftStep::Append(text) => (text, false),
            DraftStep::Replace(text) => (text, true),
        };
        let before = place.and_then(|place| drafts.get(place)).map_or(0, |draft| draft.text.len());
        if id.len() > MAX_ID || text.len() + if full { 0 } else { before } > MAX_TEXT {
            return Err(DraftRefused::TooLong { limit: MAX_TEXT });
        }
        if place.is_none() {
            if drafts.len() >= MAX_DRAFTS {
                // One that nobody ended makes room for a new one.
                let idle = drafts.iter().position(|draft| draft.grew_at.saturating_add(IDLE) <= now);
                drafts.remove(idle.ok_or(DraftRefused::TooMany { limit: MAX_DRAFTS })?);
            }
            let speaker = Speaker { user: by.as_str().to_owned(), is_bot: true };
            let empty = String::new();
            drafts.push(Self {
                id: id.to_owned(),
                by: speaker,
                text: empty,
                n: 0,
                began_at: now,
                grew_at: now,
                _counted: Held::of(open.clone()),
            });
        }
        let last = drafts.len().saturating_sub(1);
        let Some(draft) = drafts.get_mut(place.unwrap_or(last)) else { return Ok(None) };
        if place.is_some() {
            draft.n += 1;
        }
        draft.grew_at = now;
        if full {
            draft.text.clone_from(&text);
        } else {
            draft.text.push_str(&text);
        }
        Ok(Some(draft.delta(text, full)))
    }

    /// Takes out the drafts to which nothing comes any more; gives their ids.
    pub(crate) fn take_idle(drafts: &mut Vec<Self>, now: Millis) -> Vec<String> {
        let mut idle = Vec::new();
        drafts.retain(|draft| {
            let is_idle = draft.grew_at.saturating_add(IDLE) <= now;
            if is_idle {
                idle.push(draft.id.clone());
            }
            !is_idle
        });
        idle
    }
}

/// The drafts of all conversations.
#[derive(Clone, Debug)]
pub struct Drafts {
    hub: Arc<Hub>,
}

impl Drafts {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// Puts a text behind a draft; the first one begins it.
    ///
    /// # Errors
    /// `Taken("draft")` when it is another user's, `Invalid` when it grows too long, `TooMany`.
    pub fn append(
        &self,
        conversation: ConversationId,
        draft: &str,
        by: &UserId,
        text: &str,
    ) -> Result<(), LiveError> {
        let step = DraftStep::Append(text.to_owned());
        self.hub.draft(conversation, draft, by, step).map_err(refused)
    }

    /// Makes a text the whole of a draft so far.
    ///
    /// # Errors
    /// As [`Drafts::append`].
    pub fn replace(
        &self,
        conversation: ConversationId,
        draft: &str,
        by: &UserId,
        text: &str,
    ) -> Result<(), LiveError> {
        let step = DraftStep::Replace(text.to_owned());
        self.hub.draft(conversation, draft, by, step).map_err(refused)
    }

    /// A draft became a message, which has been shown. Messages that carry [`crate::DRAFT_TAG`] do this by
    /// themselves.
    pub fn end(&self, conversation: ConversationId, draft: &str, message: MessageId) {
        self.hub.draft_ended(conversation, draft, message);
    }

    /// Gives a draft up. Nothing happens when there is none.
    ///
    /// # Errors
    /// `Taken("draft")` when it is another user's.
    pub fn abort(&self, conversation: ConversationId, draft: &str, by: &UserId) -> Result<(), LiveError> {
        self.hub.draft(conversation, draft, by, DraftStep::Abort).map_err(refused)
    }
}

fn refused(refused: DraftRefused) -> LiveError {
    match refused {
        DraftRefused::Taken => LiveError::Taken("draft"),
        DraftRefused::TooMany { .. } => LiveError::TooMany { retry_after: Duration::from_secs(5) },
        DraftRefused::TooLong { .. } | DraftRefused::Unsupported => {
            LiveError::invalid("text", refused.to_string())
        }
    }
}
