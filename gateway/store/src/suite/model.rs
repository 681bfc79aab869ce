//! Random work against a model: a page of code that does the same with plain lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use portico_contract::EventId;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Home, Owner, append, append_keyed, bot, hold, inbound, reopen};
use crate::{Appended, Change, Commit, Committed, Dir, EventOutcome, Lane, LaneState, Store, StoreError};

const LANES: u32 = 3;

/// A step; numbers are reduced to what there is.
#[derive(Clone, Debug)]
enum Step {
    Append { lane: u32, count: usize },
    AppendKeyed { lane: u32, key: u64 },
    Settle { lane: u32, count: u64, outcome: EventOutcome },
    Defer { lane: u32, due: Option<u64>, counts: bool },
    Bury { lane: u32 },
    Release { lane: u32 },
    Replay { which: usize },
    Unbury { which: usize },
    Drop { which: usize },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lane = 0..LANES;
    let outcome = prop_oneof![4 => Just(EventOutcome::Done), 1 => Just(EventOutcome::Ignored)];
    let step = prop_oneof![
        6 => (lane.clone(), 1..5_usize).prop_map(|(lane, count)| Step::Append { lane, count }),
        1 => (lane.clone(), 60..140_usize).prop_map(|(lane, count)| Step::Append { lane, count }),
        2 => (lane.clone(), 0..20_u64).prop_map(|(lane, key)| Step::AppendKeyed { lane, key }),
        6 => (lane.clone(), 1..6_u64, outcome).prop_map(|(lane, count, outcome)| Step::Settle { lane, count, outcome }),
        1 => (lane.clone(), 50..150_u64).prop_map(|(lane, count)| {
            Step::Settle { lane, count, outcome: EventOutcome::Done }
        }),
        3 => (lane.clone(), proptest::option::of(0..1000_u64), any::<bool>())
            .prop_map(|(lane, due, counts)| Step::Defer { lane, due, counts }),
        2 => lane.clone().prop_map(|lane| Step::Bury { lane }),
        1 => lane.prop_map(|lane| Step::Release { lane }),
        2 => any::<usize>().prop_map(|which| Step::Replay { which }),
        2 => any::<usize>().prop_map(|which| Step::Unbury { which }),
        1 => any::<usize>().prop_map(|which| Step::Drop { which }),
        2 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..40)
}

#[derive(Clone, Copy)]
struct Waiting {
    event: EventId,
    replay: bool,
    attempts: u32,
}

struct Queue {
    head: u64,
    entries: Vec<Waiting>,
    state: LaneState,
    attempts: u32,
    due: u64,
}

impl Queue {
    fn push(&mut self, entry: Waiting) {
        if self.entries.is_empty() {
            self.attempts = entry.attempts;
        }
        self.entries.push(entry);
    }

    fn advance(&mut self, count: usize) {
        self.entries.drain(..count);
        self.head += count as u64;
        (self.state, self.due) = (LaneState::Ready, 0);
        self.attempts = self.entries.first().map_or(0, |entry| entry.attempts);
    }
}

#[derive(Clone, Copy)]
struct Known {
    lane: u32,
    outcome: EventOutcome,
    attempts: u32,
}

struct Model {
    queues: Vec<Queue>,
    events: BTreeMap<EventId, Known>,
    keys: std::collections::BTreeSet<u64>,
}

impl Model {
    fn new() -> Self {
        let queue = |_| Queue { head: 1, entries: Vec::new(), state: LaneState::Ready, attempts: 0, due: 0 };
        Self {
            queues: (0..LANES).map(queue).collect(),
            events: BTreeMap::new(),
            keys: std::collections::BTreeSet::new(),
        }
    }

    fn add(&mut self, lane: u32, event: EventId) -> Appended {
        let queue = &mut self.queues[lane as usize];
        let seq = queue.head + queue.entries.len() as u64;
        queue.push(Waiting { event, replay: false, attempts: 0 });
        self.events.insert(event, Known { lane, outcome: EventOutcome::Pending, attempts: 0 });
        Appended::New(seq)
    }

    fn put_back(&mut self, event: EventId) {
        if let Some(known) = self.events.get_mut(&event) {
            known.outcome = EventOutcome::Pending;
            let entry = Waiting { event, replay: true, attempts: known.attempts };
            self.queues[known.lane as usize].push(entry);
        }
    }

    fn pick(&self, which: usize, outcome: Option<EventOutcome>) -> Option<EventId> {
        let fits = |known: &Known| outcome.is_none_or(|outcome| known.outcome == outcome);
        let found: Vec<EventId> =
            self.events.iter().filter(|(_, known)| fits(known)).map(|(id, _)| *id).collect();
        found.get(which % found.len().max(1)).copied()
    }

    fn end(&mut self, lane: u32, position: usize, outcome: EventOutcome, extra: u32) {
        let queue = &self.queues[lane as usize];
        let entry = queue.entries[position];
        let attempts = if position == 0 { queue.attempts } else { entry.attempts } + extra;
        if let Some(known) = self.events.get_mut(&entry.event) {
            (known.outcome, known.attempts) = (outcome, attempts);
        }
    }
}

type Checked = Result<(), TestCaseError>;

async fn commit(store: &dyn Store, change: Change) -> Result<Vec<Appended>, StoreError> {
    store.commit(Commit::of([change])).await.map(|done| match done {
        Committed::Done(answers) => answers,
        Committed::Same(_) => Vec::new(),
    })
}

async fn take(step: Step, model: &mut Model, store: &dyn Store, owner: &Owner) -> Checked {
    let missing = |what| Err(StoreError::NotFound(what));
    match step {
        Step::Append { lane, count } => {
            let made: Vec<_> = (0..count).map(|number| append(inbound(lane), number.to_string())).collect();
            let wanted: Vec<_> = made.iter().map(|(id, _)| model.add(lane, *id)).collect();
            let done = store.commit(Commit::of(made.into_iter().map(|(_, change)| change))).await;
            prop_assert_eq!(done, Ok(Committed::Done(wanted)));
        }
        Step::AppendKeyed { lane, key } => {
            let change = append_keyed(inbound(lane), key);
            let Change::Append(append) = &change else { return Ok(()) };
            let id = append.event.id;
            let wanted = if model.keys.insert(key) { model.add(lane, id) } else { Appended::Already };
            prop_assert_eq!(commit(store, change).await, Ok(vec![wanted]));
        }
        Step::Settle { lane, count, outcome } => {
            let queue = &model.queues[lane as usize];
            let through = queue.head + count - 1;
            let fits = count as usize <= queue.entries.len();
            let at = inbound(lane);
            let done =
                commit(store, Change::Settle { fence: owner.fence(at), lane: at, through, outcome }).await;
            if fits {
                prop_assert_eq!(done, Ok(Vec::new()));
                (0..count as usize).for_each(|position| model.end(lane, position, outcome, 0));
                model.queues[lane as usize].advance(count as usize);
            } else {
                prop_assert_eq!(done, missing("lane entry"));
            }
        }
        Step::Defer { lane, due, counts } => {
            let queue = &mut model.queues[lane as usize];
            let (at, seq) = (inbound(lane), queue.head);
            let attempt = super::attempt(1);
            let defer = Change::Defer { fence: owner.fence(at), lane: at, seq, due, attempt, counts };
            let done = commit(store, defer).await;
            if queue.entries.is_empty() {
                prop_assert_eq!(done, missing("lane entry"));
            } else {
                prop_assert_eq!(done, Ok(Vec::new()));
                queue.state = if due.is_some() { LaneState::Deferred } else { LaneState::Held };
                queue.due = due.unwrap_or(0);
                queue.attempts += u32::from(counts);
            }
        }
        Step::Bury { lane } => {
            let (at, seq) = (inbound(lane), model.queues[lane as usize].head);
            let done = commit(store, owner.bury(at, seq)).await;
            if model.queues[lane as usize].entries.is_empty() {
                prop_assert_eq!(done, missing("lane entry"));
            } else {
                prop_assert_eq!(done, Ok(Vec::new()));
                model.end(lane, 0, EventOutcome::Dead, 1);
                model.queues[lane as usize].advance(1);
            }
        }
        Step::Release { lane } => {
            prop_assert_eq!(commit(store, Change::Release { lane: inbound(lane) }).await, Ok(Vec::new()));
            let queue = &mut model.queues[lane as usize];
            (queue.state, queue.due) = (LaneState::Ready, 0);
        }
        Step::Replay { which } => {
            let Some(event) = model.pick(which, None) else { return Ok(()) };
            prop_assert_eq!(commit(store, Change::Replay { event }).await, Ok(Vec::new()));
            if model.events.get(&event).is_some_and(|known| known.outcome != EventOutcome::Pending) {
                model.put_back(event);
            }
        }
        Step::Unbury { which } => {
            let Some(event) = model.pick(which, Some(EventOutcome::Dead)) else { return Ok(()) };
            prop_assert_eq!(commit(store, Change::Unbury { bot: bot(), event }).await, Ok(Vec::new()));
            model.put_back(event);
        }
        Step::Drop { which } => {
            let Some(event) = model.pick(which, Some(EventOutcome::Dead)) else { return Ok(()) };
            prop_assert_eq!(commit(store, Change::DropDead { bot: bot(), event }).await, Ok(Vec::new()));
            if let Some(known) = model.events.get_mut(&event) {
                known.outcome = EventOutcome::Dropped;
            }
        }
        Step::Reopen => {}
    }
    Ok(())
}

async fn compare(model: &Model, store: &dyn Store) -> Checked {
    let mut backlog = 0;
    let mut due: Vec<(u64, Lane)> = Vec::new();
    for (number, queue) in (0..).zip(&model.queues) {
        let lane = inbound(number);
        let head = store.lane(lane).await.map_err(fail)?;
        backlog += queue.entries.len() as u64;
        if queue.entries.is_empty() {
            prop_assert_eq!(head, None);
            continue;
        }
        let Some(head) = head else { return Err(TestCaseError::fail("a lane with entries is listed")) };
        let next = queue.head + queue.entries.len() as u64;
        prop_assert_eq!((head.head, head.next), (queue.head, next));
        prop_assert_eq!((head.state, head.attempts, head.due), (queue.state, queue.attempts, queue.due));
        if queue.state == LaneState::Deferred {
            due.push((queue.due, lane));
        }
        let entries = store.peek(lane, 200).await.map_err(fail)?;
        prop_assert!(entries.len() >= queue.entries.len().min(64), "a peek brings a window");
        for (position, (entry, waiting)) in entries.iter().zip(&queue.entries).enumerate() {
            let attempts = if position == 0 { queue.attempts } else { waiting.attempts };
            prop_assert_eq!(entry.seq, queue.head + position as u64);
            prop_assert_eq!(
                (entry.event.id, entry.replay, entry.attempts),
                (waiting.event, waiting.replay, attempts)
            );
        }
    }
    due.sort();
    let listed = store.due(Dir::Inbound, u64::MAX, 10).await.map_err(fail)?;
    prop_assert_eq!(listed.iter().map(|head| (head.due, head.lane)).collect::<Vec<_>>(), due.clone());
    prop_assert_eq!(store.next_due(Dir::Inbound).await, Ok(due.first().map(|(due, _)| *due)));
    let stats = store.stats();
    prop_assert_eq!(stats.backlog, [backlog, 0]);
    let dead = model.events.values().filter(|known| known.outcome == EventOutcome::Dead).count() as u64;
    prop_assert_eq!(stats.dead_letters, dead);
    for (id, known) in model.events.iter().rev().take(50) {
        let event = store.event(*id).await.map_err(fail)?;
        prop_assert_eq!(event.map(|event| event.outcome), Some(known.outcome));
    }
    Ok(())
}

fn fail(error: StoreError) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

async fn run(home: &dyn Home, steps: Vec<Step>) -> Checked {
    let mut store: Arc<dyn Store> = home.open();
    let mut owner = hold(&*store).await;
    let mut model = Model::new();
    for step in steps {
        let reopens = matches!(step, Step::Reopen);
        take(step, &mut model, &*store, &owner).await?;
        if reopens {
            store = reopen(home, store).await;
            owner = hold(&*store).await;
            compare(&model, &*store).await?;
        }
    }
    compare(&model, &*store).await
}

/// Random steps on a store and on the model, compared. `PROPTEST_CASES` says how many lists of steps; without
/// it 64.
pub fn agrees<H: Home>(home: &dyn Fn() -> H) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match built {
        Ok(runtime) => runtime,
        Err(error) => unreachable!("a runtime can be made: {error}"),
    };
    let result = runner.run(&steps(), |steps| runtime.block_on(run(&home(), steps)));
    if let Err(error) = result {
        unreachable!("{error}");
    }
}
