//! Lists: page sizes, cursors, ids in paths.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portico_contract::{BotId, ConversationId, EventId};
use portico_problem::{Kind, Problem};
use portico_store::{Key, Page};
use serde_json::{Value, json};

/// Items of a page: what was asked for, between 1 and 500; 50 without a wish.
pub(crate) fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(50).clamp(1, 500)
}

/// The place where the page before ended.
pub(crate) fn cursor(text: Option<&str>) -> Result<Option<Key>, Problem> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => URL_SAFE_NO_PAD
            .decode(text)
            .map(|bytes| Some(Key(bytes)))
            .map_err(|_| Problem::new(Kind::InvalidQuery, "cursor: send back what 'next' said, unchanged")),
    }
}

/// A page as an answer.
pub(crate) fn answer<T>(page: Page<T>, show: impl Fn(T) -> Value) -> Value {
    let items: Vec<Value> = page.items.into_iter().map(show).collect();
    match page.next {
        Some(key) => json!({ "items": items, "next": URL_SAFE_NO_PAD.encode(&key.0) }),
        None => json!({ "items": items }),
    }
}

fn bad_id(error: portico_contract::BadId) -> Problem {
    Problem::new(Kind::InvalidIdentifier, error.to_string())
}

/// An event's id.
pub(crate) fn event_id(text: &str) -> Result<EventId, Problem> {
    EventId::parse(text).map_err(bad_id)
}

/// A conversation's id.
pub(crate) fn conversation_id(text: &str) -> Result<ConversationId, Problem> {
    ConversationId::parse(text).map_err(bad_id)
}

/// A bot's id.
pub(crate) fn bot_id(text: &str) -> Result<BotId, Problem> {
    BotId::parse(text).map_err(bad_id)
}
