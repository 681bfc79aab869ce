//! The driver on the store for tests: order, fairness, gates, recovery, drain.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use portico_contract::{BotId, ConversationId, EventId, InstallationId, Millis};
use portico_store::{
    Append, Attempt, Change, Commit, DeadReason, Dir, Entry, EventKind, EventOutcome, Key, Lane, LaneState,
    NewEvent, NodeId, Store, Table,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::*;

type Script = Box<dyn Fn(&Seen) -> Act + Send + Sync>;

/// One call of the handler.
#[derive(Clone, Debug)]
struct Seen {
    conversation: ConversationId,
    seq: u64,
    attempts: u32,
    bot: String,
    /// How often this entry was seen before.
    before: usize,
}

enum Act {
    Done,
    Sleep(Duration),
    Fail(Duration),
    Hold,
    Bury,
    Wait,
    Panic,
    Forever,
}

struct Scripted {
    script: Mutex<Arc<Script>>,
    seen: Mutex<Vec<(Seen, Instant)>>,
    busy: Mutex<HashSet<ConversationId>>,
    overlaps: AtomicUsize,
    running: Mutex<HashMap<String, (usize, usize)>>,
    limit: usize,
    max_age: Option<Duration>,
    reopen: Option<Duration>,
    clock: TestClock,
    /// Commits what is carried first.
    carries: Option<Arc<dyn Store>>,
}

/// Wall time that follows the runtime's clock, so that paused tests need no sleep.
#[derive(Clone, Copy)]
struct TestClock(Instant);

const BASE: Millis = 1_750_000_000_000;

impl Clock for TestClock {
    fn now(&self) -> Millis {
        BASE + self.0.elapsed().as_millis() as u64
    }
}

impl Scripted {
    fn new(script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self {
            script: Mutex::new(Arc::new(Box::new(script))),
            seen: Mutex::default(),
            busy: Mutex::default(),
            overlaps: AtomicUsize::new(0),
            running: Mutex::default(),
            limit: 64,
            max_age: None,
            reopen: None,
            clock: TestClock(Instant::now()),
            carries: None,
        }
    }

    fn act(&self, script: impl Fn(&Seen) -> Act + Send + Sync + 'static) {
        *self.script.lock() = Arc::new(Box::new(script));
    }

    fn count(&self) -> usize {
        self.seen.lock().len()
    }

    fn attempt(&self, seen: &Seen) -> Attempt {
        Attempt {
            number: seen.attempts + 1,
            at: self.clock.now(),
            duration_ms: 0,
            status: None,
            code: "scripted".into(),
            detail: String::new(),
        }
    }
}

#[async_trait]
impl Handler for Scripted {
    fn group(&self, entry: &Entry) -> GroupKey {
        GroupKey::new(entry.event.bot.as_str())
    }

    fn limit(&self, _: &GroupKey) -> usize {
        self.limit
    }

    fn overdue(&self, entry: &Entry, now: Millis) -> bool {
        self.max_age.is_some_and(|age| entry.event.received_at + age.as_millis() as u64 <= now)
    }

    fn horizon(&self) -> Option<Duration> {
        self.max_age
    }

    fn reopen(&self, _: &GroupKey) -> Option<Duration> {
        self.reopen
    }

    fn carries(&self) -> bool {
        self.carries.is_some()
    }

    async fn handle(&self, ctx: &LaneCtx, entry: Entry) -> Verdict {
        let conversation = ctx.lane.conversation;
        if let Some(store) = &self.carries {
            let row = Change::put(Table::Meta, Key::new().bytes(&conversation.0).number(entry.seq), "row");
            if store.commit(Commit::of(ctx.carried.change().into_iter().chain([row]))).await.is_err() {
                return Verdict::Wait;
            }
            ctx.carried.done();
        }
        let seen = {
            let mut all = self.seen.lock();
            let before = all
                .iter()
                .filter(|(old, _)| old.conversation == conversation && old.seq == entry.seq)
                .count();
            let bot = entry.event.bot.as_str().to_owned();
            let seen = Seen { conversation, seq: entry.seq, attempts: entry.attempts, bot, before };
            all.push((seen.clone(), Instant::now()));
            seen
        };
        if !self.busy.lock().insert(conversation) {
            self.overlaps.fetch_add(1, Ordering::Relaxed);
        }
        {
            let mut running = self.running.lock();
            let (now, most) = running.entry(seen.bot.clone()).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        let script = self.script.lock().clone();
        let act = script(&seen);
        match act {
            Act::Sleep(pause) => tokio::time::sleep(pause).await,
            Act::Forever => std::future::pending().await,
            _ => tokio::task::yield_now().await,
        }
        self.busy.lock().remove(&conversation);
        self.running.lock().entry(seen.bot.clone()).or_default().0 -= 1;
        match act {
            Act::Done | Act::Sleep(_) | Act::Forever => Verdict::Settle(EventOutcome::Done),
            Act::Fail(pause) => Verdict::Defer {
                due: self.clock.now() + pause.as_millis() as u64,
                attempt: self.attempt(&seen),
                counts: true,
            },
            Act::Hold => Verdict::Hold { attempt: self.attempt(&seen) },
            Act::Bury => Verdict::Bury { reason: DeadReason::Refused, attempt: Some(self.attempt(&seen)) },
            Act::Wait => Verdict::Wait,
            Act::Panic => panic!("scripted"),
        }
    }
}

fn store() -> Arc<dyn Store> {
    Arc::new(portico_store::memory::MemoryStore::new())
}

fn conversation(number: u32) -> ConversationId {
    // Spread over shards like digests are.
    let mut bytes = [0; 16];
    bytes[0] = number.wrapping_mul(151) as u8;
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    ConversationId(bytes)
}

async fn append(store: &Arc<dyn Store>, bot: &str, conversations: impl IntoIterator<Item = ConversationId>) {
    append_at(store, bot, conversations, BASE).await;
}

async fn append_at(
    store: &Arc<dyn Store>,
    bot: &str,
    conversations: impl IntoIterator<Item = ConversationId>,
    at: Millis,
) {
    let changes = conversations.into_iter().map(|conversation| {
        Change::Append(Append {
            key: None,
            keep_days: 3,
            lane: Lane::inbound(conversation),
            event: NewEvent {
                id: EventId::new(),
                bot: BotId::parse(bot).unwrap(),
                installation: InstallationId::parse("i").unwrap(),
                kind: EventKind::Gateway,
                received_at: at,
                body: bytes::Bytes::from_static(b"{}"),
                raw: bytes::Bytes::new(),
                raw_of: None,
            },
        })
    });
    store.commit(Commit::of(changes)).await.unwrap();
}

fn options(handler: &Scripted) -> Options {
    Options { clock: Arc::new(handler.clock), ..Options::new(NodeId([1; 16])) }
}

fn start(store: &Arc<dyn Store>, handler: &Arc<Scripted>, options: Options) -> DriverHandle {
    Driver::start(store.clone(), Dir::Inbound, handler.clone(), options, CancellationToken::new())
}

/// Waits until something holds; with the clock paused this costs no time.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..200_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

async fn left(store: &Arc<dyn Store>) -> u64 {
    store.stats().backlog[0]
}

#[tokio::test(start_paused = true)]
async fn entries_are_worked_in_order_whatever_fails() {
    let plain = store();
    order_holds(&plain, None).await;
    let carrying = store();
    order_holds(&carrying, Some(carrying.clone())).await;
}

async fn order_holds(store: &Arc<dyn Store>, carries: Option<Arc<dyn Store>>) {
    // Every third try fails, and each entry needs up to three.
    let mut handler = Scripted::new(|seen| {
        let hash = seen.seq.wrapping_mul(31) ^ u64::from(seen.conversation.0[15]).wrapping_mul(17);
        match (hash + seen.before as u64) % 5 {
            0 if seen.before < 3 => Act::Fail(Duration::from_millis(300)),
            1 if seen.before < 3 => Act::Panic,
            2 => Act::Sleep(Duration::from_millis(7)),
            3 if seen.seq % 7 == 0 => Act::Bury,
            _ => Act::Done,
        }
    });
    handler.carries = carries;
    let handler = Arc::new(handler);
    let driver = start(store, &handler, options(&handler));
    for _ in 0..20 {
        append(store, "b", (0..50).map(conversation)).await;
    }
    let watched = store.clone();
    until("all settled", move || watched.stats().backlog[0] == 0).await;
    assert_eq!(handler.overlaps.load(Ordering::Relaxed), 0);
    let mut last: HashMap<ConversationId, u64> = HashMap::new();
    for (seen, _) in handler.seen.lock().iter() {
        let before = last.insert(seen.conversation, seen.seq).unwrap_or(0);
        assert!(seen.seq == before || seen.seq == before + 1, "{seen:?} after {before}");
    }
    assert_eq!(last.len(), 50);
    assert!(last.values().all(|seq| *seq == 20));
    let stats = driver.stats();
    assert_eq!(stats.settled + stats.buried, 1000);
    assert!(stats.panics > 0 && stats.deferred > 0);
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_settled_by_the_commit_with_which_the_next_one_begins() {
    let store = store();
    let mut handler = Scripted::new(|seen| if seen.seq == 7 { Act::Forever } else { Act::Done });
    handler.carries = Some(store.clone());
    let handler = Arc::new(handler);
    append(&store, "b", [conversation(1); 10]).await;
    let _driver = start(&store, &handler, options(&handler));
    until("the seventh is in hand", || handler.count() == 7).await;
    // All before it are settled while it is worked.
    assert_eq!(left(&store).await, 4);
    // The append, and one for each entry.
    assert_eq!(store.stats().commits, 1 + 7);
}

#[tokio::test(start_paused = true)]
async fn what_is_carried_is_settled_however_the_next_entry_ends() {
    for act in [|| Act::Wait, || Act::Hold, || Act::Bury, || Act::Panic, || Act::Forever] {
        let store = store();
        // This handler says that it carries, but leaves what it gets.
        struct Leaves(Scripted);
        #[async_trait]
        impl Handler for Leaves {
            fn group(&self, entry: &Entry) -> GroupKey {
                self.0.group(entry)
            }
            fn carries(&self) -> bool {
                true
            }
            async fn handle(&self, ctx: &LaneCtx, entry: Entry) -> Verdict {
                self.0.handle(ctx, entry).await
            }
        }
        let handler =
            Arc::new(Leaves(Scripted::new(move |seen| if seen.seq == 3 { act() } else { Act::Done })));
        append(&store, "b", [conversation(1); 3]).await;
        let options = options(&handler.0);
        let stop = CancellationToken::new();
        let driver = Driver::start(store.clone(), Dir::Inbound, handler.clone(), options, stop);
        until("the third was seen", || handler.0.count() == 3).await;
        driver.drain(Duration::from_millis(50)).await;
        assert!(left(&store).await <= 1, "{}", left(&store).await);
        assert!(driver.stats().settled >= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_never_has_more_lanes_in_work_than_its_limit() {
    let store = store();
    let mut handler = Scripted::new(|_| Act::Sleep(Duration::from_millis(5)));
    handler.limit = 3;
    let handler = Arc::new(handler);
    for _ in 0..2 {
        append(&store, "a", (0..40).map(conversation)).await;
        append(&store, "b", (100..140).map(conversation)).await;
    }
    let _driver = start(&store, &handler, options(&handler));
    until("all seen", || handler.count() == 160).await;
    let running = handler.running.lock();
    assert_eq!((running["a"].1, running["b"].1), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_hangs_does_not_hold_the_others() {
    let store = store();
    let handler = Arc::new(Scripted::new(|seen| if seen.bot == "dead" { Act::Forever } else { Act::Done }));
    append(&store, "dead", (0..500).map(conversation)).await;
    let driver = start(&store, &handler, options(&handler));
    until("the dead one is full", || handler.count() == 64).await;
    append(&store, "alive", (1000..1500).map(conversation)).await;
    let from = Instant::now();
    until("the others are through", || driver.stats().settled == 500).await;
    assert!(from.elapsed() < Duration::from_millis(100), "{:?}", from.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_closed_group_waits_for_a_poke_and_recovers_slowly() {
    let store = store();
    let handler = Arc::new(Scripted::new(|_| Act::Wait));
    append(&store, "b", (0..200).map(conversation)).await;
    let driver = start(&store, &handler, options(&handler));
    until("closed", || driver.stats().groups.first().is_some_and(|group| group.gate == GateKind::Closed))
        .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let closed = handler.count();
    assert!(closed <= 64, "{closed}");
    // A probe that fails closes it again, after one entry.
    driver.poke_group(&GroupKey::new("b"));
    until("probed", || handler.count() == closed + 1).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(handler.count(), closed + 1);
    assert_eq!(driver.stats().deferred, 0);

    handler.running.lock().clear();
    handler.act(|_| Act::Sleep(Duration::from_millis(900)));
    driver.poke_group(&GroupKey::new("b"));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(handler.running.lock()["b"].1, 4);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(handler.running.lock()["b"].1, 8);
    until("all through", || driver.stats().settled == 200).await;
    assert_eq!(left(&store).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_closed_group_is_tried_again_by_itself_where_the_handler_says_so() {
    let store = store();
    let mut handler = Scripted::new(|_| Act::Wait);
    handler.reopen = Some(Duration::from_secs(5));
    let handler = Arc::new(handler);
    append(&store, "b", [conversation(1)]).await;
    let _driver = start(&store, &handler, options(&handler));
    tokio::time::sleep(Duration::from_secs(52)).await;
    assert_eq!(handler.count(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_paused_group_takes_nothing_until_it_is_resumed() {
    let store = store();
    let handler = Arc::new(Scripted::new(|_| Act::Done));
    let driver = start(&store, &handler, options(&handler));
    driver.pause_group(&GroupKey::new("b"));
    append(&store, "b", (0..10).map(conversation)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(handler.count(), 0);
    driver.resume_group(&GroupKey::new("b"));
    until("through", || handler.count() == 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_held_lane_waits_for_an_operator() {
    let store = store();
    let handler = Arc::new(Scripted::new(|seen| if seen.before == 0 { Act::Hold } else { Act::Done }));
    let lane = Lane::inbound(conversation(1));
    append(&store, "b", [conversation(1), conversation(1)]).await;
    let driver = start(&store, &handler, options(&handler));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(handler.count(), 1);
    assert_eq!(store.lane(lane).await.unwrap().unwrap().state, LaneState::Held);
    store.commit(Commit::of([Change::Release { lane }])).await.unwrap();
    driver.poke(lane);
    until("again", || handler.count() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_larger_than_memory_is_worked_through() {
    let store = store();
    let handler = Arc::new(Scripted::new(|_| Act::Done));
    for page in 0..10 {
        append(
            &store,
            if page % 2 == 0 { "a" } else { "b" },
            (page * 200..(page + 1) * 200).map(conversation),
        )
        .await;
    }
    let options = Options { queue_per_group: 16, ..options(&handler) };
    let driver = start(&store, &handler, options);
    let most = AtomicUsize::new(0);
    until("all through", || {
        most.fetch_max(driver.stats().lanes, Ordering::Relaxed);
        driver.stats().settled == 2000
    })
    .await;
    assert!(most.load(Ordering::Relaxed) <= 2 * (16 + 64), "{most:?}");
    assert_eq!(left(&store).await, 0);
    assert_eq!(driver.stats().lanes, 0);
}

#[tokio::test(start_paused = true)]
async fn what_grows_too_old_is_buried_while_its_group_is_closed() {
    let store = store();
    let mut handler = Scripted::new(|_| Act::Wait);
    handler.max_age = Some(Duration::from_secs(3600));
    let handler = Arc::new(handler);
    append_at(&store, "b", (0..300).map(conversation), BASE).await;
    append_at(&store, "b", (0..10).map(conversation), BASE + 1_800_000).await;
    let driver = start(&store, &handler, options(&handler));
    tokio::time::sleep(Duration::from_secs(3500)).await;
    assert_eq!(driver.stats().buried, 0);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(driver.stats().buried, 300);
    assert_eq!(left(&store).await, 10);
    let dead = store.dead_letters(None, None, 10).await.unwrap();
    assert!(dead.items.iter().all(|letter| letter.reason == DeadReason::Expired && letter.last.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_what_is_in_hand_and_starts_nothing() {
    let store = store();
    let handler = Arc::new(Scripted::new(|_| Act::Sleep(Duration::from_secs(2))));
    append(&store, "b", (0..100).map(conversation)).await;
    let driver = start(&store, &handler, options(&handler));
    until("full", || handler.count() == 64).await;
    let drained = driver.drain(Duration::from_secs(15)).await;
    assert_eq!(drained, Drained { unfinished: 0 });
    assert_eq!((handler.count(), left(&store).await), (64, 36));
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_bounded_and_what_was_dropped_is_offered_again() {
    let store = store();
    let handler = Arc::new(Scripted::new(|_| Act::Forever));
    append(&store, "b", (0..3).map(conversation)).await;
    let driver = start(&store, &handler, options(&handler));
    until("in hand", || handler.count() == 3).await;
    let from = Instant::now();
    assert_eq!(driver.drain(Duration::from_secs(5)).await, Drained { unfinished: 3 });
    assert!(from.elapsed() < Duration::from_secs(6));
    assert_eq!(left(&store).await, 3);

    let again = Arc::new(Scripted::new(|_| Act::Done));
    let second = start(&store, &again, options(&again));
    until("through", || second.stats().settled == 3).await;
}

#[tokio::test(start_paused = true)]
async fn deferred_lanes_of_a_closed_group_do_not_hide_others() {
    let store = store();
    let handler = Arc::new(Scripted::new(|_| Act::Fail(Duration::from_secs(10))));
    append(&store, "closed", (0..600).map(conversation)).await;
    append(&store, "open", (1000..1010).map(conversation)).await;
    let driver = start(&store, &handler, options(&handler));
    until("all failed once", || driver.stats().deferred == 610).await;
    driver.pause_group(&GroupKey::new("closed"));
    handler.act(|_| Act::Done);
    until("the others are through", || driver.stats().settled == 10).await;
    driver.resume_group(&GroupKey::new("closed"));
    until("all are through", || driver.stats().settled == 610).await;
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_was_lost_is_found_within_two_polls() {
    let memory = Arc::new(portico_store::memory::MemoryStore::new());
    let store: Arc<dyn Store> = memory.clone();
    let handler = Arc::new(Scripted::new(|_| Act::Sleep(Duration::from_millis(50))));
    let driver = start(&store, &handler, options(&handler));
    append(&store, "b", [conversation(1)]).await;
    until("in hand", || handler.count() == 1).await;
    // The record of it is refused, so the lane is dropped; no wake-up will ever name it again.
    memory.refuse(Some(portico_store::StoreError::DiskFull { free_bytes: 0 }));
    until("dropped", || driver.stats().lanes == 0).await;
    memory.refuse(None);
    let from = Instant::now();
    until("through", || driver.stats().settled == 1).await;
    assert!(from.elapsed() <= Duration::from_secs(2), "{:?}", from.elapsed());
    assert_eq!(handler.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_for_a_while_does_not_make_work_be_done_twice() {
    let memory = Arc::new(portico_store::memory::MemoryStore::new());
    let store: Arc<dyn Store> = memory.clone();
    let handler = Arc::new(Scripted::new(|_| Act::Sleep(Duration::from_millis(50))));
    let driver = start(&store, &handler, options(&handler));
    append(&store, "b", [conversation(1)]).await;
    until("in hand", || handler.count() == 1).await;
    memory.refuse(Some(portico_store::StoreError::Unavailable("away".into())));
    tokio::time::sleep(Duration::from_secs(10)).await;
    memory.refuse(None);
    until("through", || driver.stats().settled == 1).await;
    assert_eq!(handler.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_newer_owner_ends_the_work_and_nothing_is_settled_by_the_old_one() {
    let store = store();
    let handler = Arc::new(Scripted::new(|_| Act::Sleep(Duration::from_millis(500))));
    for _ in 0..3 {
        append(&store, "b", [conversation(1)]).await;
    }
    let driver = start(&store, &handler, options(&handler));
    until("in hand", || handler.count() == 1).await;
    store.release(NodeId([1; 16])).await.unwrap();
    assert_eq!(store.hold(NodeId([2; 16]), 256).await.unwrap().len(), 256);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((handler.count(), left(&store).await), (1, 3));
    assert_eq!((driver.stats().fenced, driver.stats().settled), (1, 0));
    // Given back, the shards are worked again from where they stopped.
    store.release(NodeId([2; 16])).await.unwrap();
    until("through", || driver.stats().settled == 3).await;
    assert_eq!(handler.seen.lock()[1].0.seq, 1);
}

/// Not a test of speed, but of gross waste: prints what the driver itself costs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drivers_own_cost_is_small() {
    let store = store();
    let null = Arc::new(Null(AtomicUsize::new(0)));
    let _driver = Driver::start(
        store.clone(),
        Dir::Inbound,
        null.clone(),
        Options::new(NodeId([1; 16])),
        CancellationToken::new(),
    );
    let from = std::time::Instant::now();
    for _ in 0..20 {
        append(&store, "b", (0..1000).map(conversation)).await;
    }
    until("all through", || null.0.load(Ordering::Relaxed) == 20_000).await;
    let each = from.elapsed() / 20_000;
    assert!(each < Duration::from_millis(1), "{each:?} per entry");
}

struct Null(AtomicUsize);

#[async_trait]
impl Handler for Null {
    fn group(&self, entry: &Entry) -> GroupKey {
        GroupKey::new(entry.event.bot.as_str())
    }

    async fn handle(&self, _: &LaneCtx, _: Entry) -> Verdict {
        self.0.fetch_add(1, Ordering::Relaxed);
        Verdict::Settle(EventOutcome::Done)
    }
}
