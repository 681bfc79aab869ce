//! Third step: one commit with everything that the request says. The dedupe key is tested in the same
//! transaction that appends, so a mark without an event can't be left by a crash.

use std::sync::Arc;

use portico_contract::{Effect, EventId, InboundRequest};
use portico_store::records::RawRequest;
use portico_store::{
    Append, Appended, Change, Commit, Committed, DedupeKey, EventKind, Lane, NewEvent, Store, StoreError,
};
use portico_turns::{Installation, Turns, webhook_changes};
use sha2::{Digest, Sha256};

use crate::normalize::Why;

/// What became of the request's events.
pub(crate) enum Kept {
    /// On disk.
    Done { new: usize, repeats: usize },
    /// State that the turn read has changed: make the turn again.
    Changed,
    /// The turn breaks the contract.
    Broken(Why),
    /// The store refused; nothing is known.
    Failed(StoreError),
}

fn raw_of(installation: &Installation, request: &InboundRequest) -> bytes::Bytes {
    RawRequest::encode(
        request.method.as_str(),
        &request.path,
        &request.query,
        &request.headers,
        &installation.keep_headers,
        &request.body,
    )
}

/// Stores a turn's effects.
pub(crate) async fn keep(
    store: &Arc<dyn Store>,
    turns: &Turns,
    installation: &Arc<Installation>,
    effects: Vec<Effect>,
    request: &InboundRequest,
) -> Kept {
    let raw = raw_of(installation, request);
    let emitted = match webhook_changes(installation, effects, raw, request.received_at) {
        Ok(emitted) => emitted,
        Err(fault) => return Kept::Broken(fault.into()),
    };
    // Events alone change no state.
    let writes = emitted.changes.len() > emitted.events;
    let kept = if emitted.changes.is_empty() {
        Kept::Done { new: 0, repeats: 0 }
    } else {
        commit(store, Commit::of(emitted.changes)).await
    };
    if writes {
        installation.state_changed();
    }
    for thread in &emitted.open {
        if let Err(error) = turns.open(installation, thread, request.received_at).await {
            return Kept::Failed(error);
        }
    }
    kept
}

/// Stores a genuine request that was not understood, as it came.
pub(crate) async fn keep_unread(
    store: &Arc<dyn Store>,
    installation: &Arc<Installation>,
    request: &InboundRequest,
    why: &Why,
) -> Kept {
    let raw = raw_of(installation, request);
    let mut hash = Sha256::new();
    hash.update(b"unread");
    hash.update(installation.id.as_str());
    hash.update(&raw);
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    let body = serde_json::json!({ "code": why.code, "message": why.message, "field": why.field });
    let append = Append {
        key: Some(DedupeKey(key)),
        keep_days: installation.connector.manifest().webhook.dedupe_days.unwrap_or(3).max(3),
        lane: Lane::inbound(installation.own_lane),
        event: NewEvent {
            id: EventId::new(),
            bot: installation.bot.clone(),
            installation: installation.id.clone(),
            kind: EventKind::Unread,
            received_at: request.received_at,
            body: body.to_string().into(),
            raw,
            raw_of: None,
        },
    };
    commit(store, Commit::of([Change::Append(append)])).await
}

async fn commit(store: &Arc<dyn Store>, commit: Commit) -> Kept {
    match store.commit(commit).await {
        Ok(Committed::Done(appended)) => {
            let new = appended.iter().filter(|one| matches!(one, Appended::New(_))).count();
            Kept::Done { new, repeats: appended.len() - new }
        }
        Ok(Committed::Same(_)) => Kept::Done { new: 0, repeats: 0 },
        Err(StoreError::Conflict { .. }) => Kept::Changed,
        Err(error) => Kept::Failed(error),
    }
}
