//! What a core was given, and the questions that tests ask of it: order, gaps, repeats, overlaps.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{CoreEvent, SignatureFault};

/// Finds an event's conversation and its place in it; `None` leaves the event out of the order checks.
pub type Sequence = fn(&CoreEvent) -> Option<(String, u64)>;

/// One delivery and how it was answered.
#[derive(Clone, Debug)]
pub struct Received {
    /// What came.
    pub event: CoreEvent,
    /// The answer; `None` while it is open, and where the connection was reset.
    pub status: Option<u16>,
    /// When the answer was ready; `None` while it is open.
    pub answered_at: Option<Instant>,
}

impl Received {
    /// Whether the gateway was told that the event is done.
    pub fn is_done(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// The record of one core. Clones share it.
#[derive(Clone, Debug)]
pub struct Ledger {
    book: Arc<Mutex<Book>>,
    changes: watch::Sender<u64>,
    sequence: Sequence,
}

#[derive(Debug, Default)]
struct Book {
    received: Vec<Received>,
    /// Number of the request to its place in `received`.
    places: HashMap<u64, usize>,
    attempts: HashMap<String, u32>,
    refused: Vec<SignatureFault>,
}

impl Ledger {
    pub(super) fn new(sequence: Sequence) -> Self {
        let (changes, _) = watch::channel(0);
        Self { book: Arc::default(), changes, sequence }
    }

    /// Every delivery in the order of arrival, repeats included.
    pub fn received(&self) -> Vec<Received> {
        self.book.lock().received.clone()
    }

    /// Events that were answered 2xx, each id once, in the order in which they came.
    pub fn events(&self) -> Vec<CoreEvent> {
        let mut seen = HashSet::new();
        let book = self.book.lock();
        let done = book.received.iter().filter(|one| one.is_done() && seen.insert(one.event.id.clone()));
        done.map(|one| one.event.clone()).collect()
    }

    /// Why requests were refused: all of them are faults of the gateway.
    pub fn refused(&self) -> Vec<SignatureFault> {
        self.book.lock().refused.clone()
    }

    /// Events that came after a later one of their conversation: (conversation, place), in order of arrival.
    pub fn inversions(&self) -> Vec<(String, u64)> {
        let mut highest: HashMap<String, u64> = HashMap::new();
        let mut late = Vec::new();
        for (conversation, place) in self.events().iter().filter_map(self.sequence) {
            let top = highest.entry(conversation.clone()).or_insert(place);
            if place < *top {
                late.push((conversation, place));
            } else {
                *top = place;
            }
        }
        late
    }

    /// Places that are missing between the first and the last of each conversation.
    pub fn gaps(&self) -> Vec<(String, u64)> {
        let mut places: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for (conversation, place) in self.events().iter().filter_map(self.sequence) {
            places.entry(conversation).or_default().insert(place);
        }
        let mut missing = Vec::new();
        for (conversation, present) in places {
            if let (Some(first), Some(last)) = (present.first(), present.last()) {
                let holes = (*first..=*last).filter(|place| !present.contains(place));
                missing.extend(holes.map(|place| (conversation.clone(), place)));
            }
        }
        missing
    }

    /// Ids that were answered 2xx more than once, with how often.
    pub fn duplicates(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for one in self.book.lock().received.iter().filter(|one| one.is_done()) {
            *counts.entry(one.event.id.clone()).or_insert(0) += 1;
        }
        counts.retain(|_, count| *count > 1);
        counts
    }

    /// Places of one conversation that came under more than one id: second events of one message.
    pub fn doubled_places(&self) -> Vec<(String, u64)> {
        let mut ids: HashMap<(String, u64), HashSet<String>> = HashMap::new();
        for event in self.events() {
            if let Some(place) = (self.sequence)(&event) {
                ids.entry(place).or_default().insert(event.id);
            }
        }
        let mut doubled: Vec<_> =
            ids.into_iter().filter(|(_, ids)| ids.len() > 1).map(|(place, _)| place).collect();
        doubled.sort();
        doubled
    }

    /// Conversations that had two deliveries open at once.
    pub fn overlaps(&self) -> BTreeSet<String> {
        let mut busy_until: HashMap<String, Option<Instant>> = HashMap::new();
        let mut found = BTreeSet::new();
        for one in &self.book.lock().received {
            let conversation = one.event.conversation().to_owned();
            if let Some(end) = busy_until.get(&conversation)
                && end.is_none_or(|end| end > one.event.at)
            {
                found.insert(conversation.clone());
            }
            busy_until.insert(conversation, one.answered_at);
        }
        found
    }

    /// Waits until `n` different events were answered 2xx, and returns all of them.
    ///
    /// # Errors
    /// Fewer were within `timeout`; the text counts what came.
    pub async fn wait_for(&self, n: usize, timeout: Duration) -> anyhow::Result<Vec<CoreEvent>> {
        self.wait_until(&format!("{n} events"), timeout, |ledger| ledger.events().len() >= n).await?;
        Ok(self.events())
    }

    /// Waits until `holds` is true; it is asked again after every delivery and every answer.
    ///
    /// # Errors
    /// It was not within `timeout`; the text names `what` and counts what came.
    pub async fn wait_until(
        &self,
        what: &str,
        timeout: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if holds(self) {
                    return;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        if tokio::time::timeout(timeout, waiting).await.is_ok() {
            return Ok(());
        }
        let (received, refused) = (self.received(), self.refused());
        anyhow::bail!(
            "waited {} ms for {what}; {} deliveries, {} events done, {} refused {:?}",
            timeout.as_millis(),
            received.len(),
            self.events().len(),
            refused.len(),
            refused.first()
        )
    }

    pub(super) fn begin(&self, number: u64, id: String, headers: HeaderMap, body: Value) -> CoreEvent {
        let mut book = self.book.lock();
        let attempt = book.attempts.entry(id.clone()).or_default();
        *attempt += 1;
        let event = CoreEvent { id, attempt: *attempt, headers, body, at: Instant::now() };
        let place = book.received.len();
        book.places.insert(number, place);
        book.received.push(Received { event: event.clone(), status: None, answered_at: None });
        drop(book);
        self.changed();
        event
    }

    pub(super) fn finish(&self, number: u64, status: Option<u16>) {
        let mut book = self.book.lock();
        if let Some(place) = book.places.remove(&number)
            && let Some(one) = book.received.get_mut(place)
        {
            one.status = status;
            one.answered_at = Some(Instant::now());
        }
        drop(book);
        self.changed();
    }

    pub(super) fn refuse(&self, fault: SignatureFault) {
        self.book.lock().refused.push(fault);
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

/// The usual [`Sequence`]: tests write `… 17` and the last number of the text is the place.
pub(super) fn last_number_of_text(event: &CoreEvent) -> Option<(String, u64)> {
    let place = event.text().rsplit(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?;
    Some((event.conversation().to_owned(), place.parse().ok()?))
}
