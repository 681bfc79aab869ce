//! The contract suite: the promises of the port, proved on any adapter.
//!
//! An adapter gives a [`Home`], a place where a store lives, and one line in its tests:
//! `portico_store::store_suite!(home);`, where `home` is a function that makes an empty one. Durable adapters
//! are closed and opened again in the midst of it.

use std::sync::Arc;

use bytes::Bytes;
use portico_contract::{BotId, ConversationId, EventId, InstallationId, Millis};

use crate::{
    Append, Appended, Attempt, Change, Commit, Committed, DedupeKey, EventKind, Fence, Lane, NewEvent,
    NodeId, Store, StoreError,
};

pub mod dedupe;
pub mod dispatch;
pub mod lanes;
pub mod letters;
pub mod listing;
pub mod model;
pub mod rows;
pub mod signals;

/// A place where a store lives.
pub trait Home: Send + Sync {
    /// Opens the store in it: empty the first time; later with what was there, if [`Home::durable`].
    fn open(&self) -> Arc<dyn Store>;

    /// Whether a store that was closed can be opened again with all it held.
    fn durable(&self) -> bool;
}

/// Closes a store and opens it again, where its home is durable.
pub async fn reopen(home: &dyn Home, store: Arc<dyn Store>) -> Arc<dyn Store> {
    if !home.durable() {
        return store;
    }
    let closed = store.close().await;
    assert_eq!(closed, Ok(()), "a healthy store closes");
    drop(store);
    home.open()
}

/// The bot of all events made here.
pub fn bot() -> BotId {
    name(BotId::parse("support"))
}

fn name<T, E: std::fmt::Display>(parsed: Result<T, E>) -> T {
    match parsed {
        Ok(name) => name,
        Err(error) => unreachable!("a name of the suite is not one: {error}"),
    }
}

/// A mailbox by number; numbers spread over all shards.
pub fn inbound(number: u32) -> Lane {
    Lane::inbound(conversation(number))
}

/// An outbox by number.
pub fn outbound(number: u32) -> Lane {
    Lane::outbound(conversation(number))
}

fn conversation(number: u32) -> ConversationId {
    let thread = number.to_string();
    ConversationId::of_thread(&bot(), &name(InstallationId::parse("shop")), "dm", &thread)
}

/// A dedupe key by number.
pub fn key(number: u64) -> DedupeKey {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    DedupeKey(spread.to_be_bytes())
}

/// An event with a body.
pub fn event(body: impl Into<Bytes>) -> NewEvent {
    let id = EventId::new();
    NewEvent {
        id,
        bot: bot(),
        installation: name(InstallationId::parse("shop")),
        kind: EventKind::Connector,
        received_at: id.millis(),
        body: body.into(),
        raw: Bytes::from_static(b"raw"),
        raw_of: None,
    }
}

/// An append of a new event, and its id.
pub fn append(lane: Lane, body: impl Into<Bytes>) -> (EventId, Change) {
    let event = event(body);
    (event.id, Change::Append(Append { key: None, keep_days: 3, lane, event }))
}

/// An append that is known by a key.
pub fn append_keyed(lane: Lane, number: u64) -> Change {
    let event = event(format!("{{\"n\":{number}}}"));
    Change::Append(Append { key: Some(key(number)), keep_days: 3, lane, event })
}

/// Appends one event; the answer is its id and number.
pub async fn put(store: &dyn Store, lane: Lane, body: &str) -> (EventId, u64) {
    let (id, change) = append(lane, body.to_owned());
    match store.commit(Commit::of([change])).await {
        Ok(Committed::Done(answers)) => match answers.as_slice() {
            [Appended::New(seq)] => (id, *seq),
            other => unreachable!("one new event was appended: {other:?}"),
        },
        other => unreachable!("an append to a healthy store: {other:?}"),
    }
}

/// Takes all shards for a node.
pub async fn hold(store: &dyn Store) -> Owner {
    Owner::of(store, NodeId([7; 16])).await
}

/// Fences of an owner of all shards.
#[derive(Clone)]
pub struct Owner(Vec<Fence>);

impl Owner {
    /// Takes all shards for a node.
    pub async fn of(store: &dyn Store, node: NodeId) -> Self {
        let leases = store.hold(node, 256).await;
        let leases = leases.unwrap_or_default();
        assert_eq!(leases.len(), 256, "one node holds all shards");
        Self(leases.into_iter().map(|lease| lease.fence).collect())
    }

    /// The fence for a lane.
    pub fn fence(&self, lane: Lane) -> Fence {
        self.0[usize::from(lane.shard())]
    }

    /// Settles up to a number as done.
    pub fn settle(&self, lane: Lane, through: u64) -> Change {
        Change::Settle { fence: self.fence(lane), lane, through, outcome: crate::EventOutcome::Done }
    }

    /// Lets the head wait after a failed attempt.
    pub fn defer(&self, lane: Lane, seq: u64, due: Option<Millis>, number: u32) -> Change {
        Change::Defer { fence: self.fence(lane), lane, seq, due, attempt: attempt(number), counts: true }
    }

    /// Makes the head a dead letter.
    pub fn bury(&self, lane: Lane, seq: u64) -> Change {
        let reason = crate::DeadReason::Exhausted;
        Change::Bury { fence: self.fence(lane), lane, seq, reason, attempt: Some(attempt(9)) }
    }
}

/// A failed attempt.
pub fn attempt(number: u32) -> Attempt {
    Attempt {
        number,
        at: 1_000 + Millis::from(number),
        duration_ms: 12,
        status: Some(500),
        code: "http_500".into(),
        detail: "it said no".into(),
    }
}

/// Commits changes that must succeed.
pub async fn must(store: &dyn Store, changes: impl IntoIterator<Item = Change>) -> Vec<Appended> {
    match store.commit(Commit::of(changes)).await {
        Ok(Committed::Done(answers)) => answers,
        other => unreachable!("the commit should have happened: {other:?}"),
    }
}

/// Commits changes that must be refused; the answer is why.
pub async fn refused(store: &dyn Store, changes: impl IntoIterator<Item = Change>) -> StoreError {
    match store.commit(Commit::of(changes)).await {
        Err(error) => error,
        Ok(done) => unreachable!("the commit should have been refused: {done:?}"),
    }
}

/// Makes one test of each promise for an adapter. The argument is a function that makes an empty [`Home`].
#[macro_export]
macro_rules! store_suite {
    ($home:path) => {
        $crate::store_suite!(@tests $home;
            dedupe::the_same_key_from_eight_tasks_is_new_once,
            dedupe::a_key_is_known_after_a_reopen,
            dedupe::a_repeat_beside_a_new_event_is_told_apart,
            dedupe::once_answers_the_same_or_refuses,
            lanes::numbers_have_no_gaps_under_concurrent_append_and_settle,
            lanes::entries_come_back_whole_and_in_order,
            lanes::a_long_lane_survives_reopening,
            lanes::numbers_go_on_after_a_lane_was_empty,
            lanes::backlog_lists_lanes_in_stable_order,
            lanes::a_peek_is_bounded_in_bytes,
            dispatch::settling_moves_the_head,
            dispatch::deferring_counts_attempts_and_comes_due,
            dispatch::a_held_lane_waits_until_it_is_released,
            dispatch::fences_of_former_owners_are_refused,
            dispatch::an_attempt_that_does_not_count_is_kept,
            letters::a_buried_head_becomes_a_dead_letter,
            letters::an_unburied_event_goes_to_the_end_of_its_lane,
            letters::a_dropped_dead_letter_is_gone,
            letters::a_replay_keeps_id_and_attempts,
            letters::dead_letters_are_paged_newest_first,
            rows::a_row_is_read_by_whoever_wrote_it,
            rows::expectations_decide_the_whole_commit,
            rows::a_refused_commit_leaves_nothing,
            rows::scans_go_both_ways,
            rows::large_rows_come_back_whole,
            rows::too_large_is_refused,
            rows::get_or_create_makes_one_of_many,
            listing::events_are_paged_newest_first,
            listing::events_are_filtered,
            signals::every_append_is_signalled,
            signals::signals_end_when_the_store_closes,
            signals::an_ordered_commit_is_seen_at_once,
        );

        #[test]
        fn model_agrees_with_the_store() {
            $crate::suite::model::agrees(&$home);
        }
    };
    (@tests $home:path; $($module:ident :: $test:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::suite::$module::$test(&$home()).await;
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Home;
    use crate::Store;
    use crate::memory::MemoryStore;

    struct InMemory;

    impl Home for InMemory {
        fn open(&self) -> Arc<dyn Store> {
            Arc::new(MemoryStore::new())
        }

        fn durable(&self) -> bool {
            false
        }
    }

    fn home() -> InMemory {
        InMemory
    }

    crate::store_suite!(home);
}
