//! The null core: takes every event, says nothing, and remembers what came when. The far end of the inbound
//! path, against which every answered webhook is held.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use parking_lot::Mutex;

use crate::hooks::MessageId;
use crate::server::{Reply, Server};

/// One event that arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) id: MessageId,
    pub(crate) at: Instant,
}

#[derive(Default)]
struct Book {
    arrivals: Mutex<Vec<Arrival>>,
    count: AtomicU64,
    strange: AtomicU64,
    /// The first of them, cut short.
    sample: Mutex<String>,
}

/// A running null core.
pub(crate) struct NullCore {
    server: Server,
    book: Arc<Book>,
}

impl NullCore {
    /// Starts one.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub(crate) fn start(cpu: usize) -> Result<Self> {
        let book = Arc::new(Book::default());
        let held = Arc::new(AtomicBool::new(false));
        let (mine, holding) = (book.clone(), held.clone());
        let handler = move |_: &[u8], body: &[u8]| {
            note(&mine, body);
            if holding.load(Ordering::Relaxed) { Reply::Later } else { Reply::Done }
        };
        Ok(Self { server: Server::start(cpu, held, Box::new(handler))?, book })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Holds answers back, so that nothing more is dispatched, or lets them go.
    pub(crate) fn hold(&self, on: bool) {
        self.server.hold(on);
    }

    /// Events that arrived since the last [`NullCore::take`].
    pub(crate) fn count(&self) -> u64 {
        self.book.count.load(Ordering::Relaxed)
    }

    /// How many requests held no message of the bench, with the first of them.
    pub(crate) fn strange(&self) -> Option<String> {
        let count = self.book.strange.load(Ordering::Relaxed);
        (count > 0).then(|| {
            format!("{count} requests at the core held no message of the bench: {}", self.book.sample.lock())
        })
    }

    /// All arrivals so far, and forgets them.
    pub(crate) fn take(&self) -> Vec<Arrival> {
        let taken = std::mem::take(&mut *self.book.arrivals.lock());
        self.book.count.fetch_sub(taken.len() as u64, Ordering::Relaxed);
        taken
    }

    /// How many arrivals pass.
    pub(crate) fn matching(&self, pass: impl Fn(MessageId) -> bool) -> usize {
        self.book.arrivals.lock().iter().filter(|one| pass(one.id)).count()
    }

    /// Forgets arrivals that do not pass.
    pub(crate) fn retain(&self, pass: impl Fn(MessageId) -> bool) {
        let mut arrivals = self.book.arrivals.lock();
        let before = arrivals.len();
        arrivals.retain(|one| pass(one.id));
        self.book.count.fetch_sub((before - arrivals.len()) as u64, Ordering::Relaxed);
    }

    /// Waits until so many have arrived, as long as some do.
    ///
    /// # Errors
    /// When nothing came for `patience`, with how many are missing.
    pub(crate) fn wait_for(&self, count: u64, patience: Duration) -> Result<()> {
        let (mut seen, mut since) = (self.count(), Instant::now());
        while seen < count {
            if since.elapsed() > patience {
                bail!("the core got {seen} of {count} events, and nothing for {} s", patience.as_secs());
            }
            std::thread::sleep(Duration::from_millis(2));
            let now = self.count();
            if now > seen {
                (seen, since) = (now, Instant::now());
            }
        }
        Ok(())
    }
}

fn note(book: &Book, body: &[u8]) {
    match MessageId::find(body) {
        Some(id) => {
            book.arrivals.lock().push(Arrival { id, at: Instant::now() });
            book.count.fetch_add(1, Ordering::Relaxed);
        }
        None => {
            if book.strange.fetch_add(1, Ordering::Relaxed) == 0 {
                let text = String::from_utf8_lossy(body);
                *book.sample.lock() = text.chars().take(1500).collect();
            }
        }
    }
}

/// Whether what arrived is what was acknowledged: each once, and, where `ordered`, in the order of sending
/// within each conversation.
///
/// # Errors
/// Says how many are missing, too many, or out of order.
pub(crate) fn agree(acknowledged: &[MessageId], arrivals: &[Arrival], ordered: bool) -> Result<()> {
    let mut sent: Vec<MessageId> = acknowledged.to_vec();
    sent.sort_unstable();
    let mut came: Vec<MessageId> = arrivals.iter().map(|arrival| arrival.id).collect();
    let mut last = std::collections::HashMap::new();
    let disorder = came
        .iter()
        .filter(|id| last.insert(id.conversation(), id.number()).is_some_and(|before| before >= id.number()))
        .count();
    came.sort_unstable();
    let count = came.len();
    came.dedup();
    let twice = count - came.len();
    let missing = sent.iter().filter(|id| came.binary_search(id).is_err()).count();
    let unknown = came.iter().filter(|id| sent.binary_search(id).is_err()).count();
    if missing + unknown + twice > 0 || (ordered && disorder > 0) {
        bail!(
            "of {} acknowledged events {missing} are missing at the core, {twice} came twice, {unknown} came that were \
             never acknowledged, {disorder} came out of order",
            sent.len()
        );
    }
    Ok(())
}

/// Whether all that was acknowledged is at the core after a crash, each conversation's first offers in order.
/// An event may be offered twice, when its end was not kept; and one may be there whose answer was cut off.
///
/// # Errors
/// Says how many are missing or out of order.
pub(crate) fn survived(acknowledged: &[MessageId], arrivals: &[Arrival]) -> Result<()> {
    let (mut seen, mut last) = (std::collections::HashSet::new(), std::collections::HashMap::new());
    let disorder = arrivals
        .iter()
        .filter(|one| seen.insert(one.id))
        .filter(|one| {
            last.insert(one.id.conversation(), one.id.number())
                .is_some_and(|before| before >= one.id.number())
        })
        .count();
    let missing = acknowledged.iter().filter(|id| !seen.contains(*id)).count();
    if missing + disorder > 0 {
        bail!(
            "of {} acknowledged events {missing} are lost, {disorder} came out of order",
            acknowledged.len()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(ids: &[(u16, u64)]) -> Vec<Arrival> {
        ids.iter().map(|(lane, n)| Arrival { id: MessageId::new(*lane, *n), at: Instant::now() }).collect()
    }

    #[test]
    fn a_crash_may_repeat_but_not_lose_or_disorder() {
        let sent: Vec<_> = [(1, 1), (1, 2)].map(|(lane, n)| MessageId::new(lane, n)).to_vec();
        assert!(survived(&sent, &arrivals(&[(1, 1), (1, 1), (1, 2), (1, 3)])).is_ok());
        assert!(survived(&sent, &arrivals(&[(1, 2), (1, 1)])).is_err());
        assert!(survived(&sent, &arrivals(&[(1, 2)])).is_err());
    }

    #[test]
    fn losses_repeats_strangers_and_disorder_are_seen() {
        let sent: Vec<_> = [(1, 1), (1, 2), (2, 3)].map(|(lane, n)| MessageId::new(lane, n)).to_vec();
        assert!(agree(&sent, &arrivals(&[(2, 3), (1, 1), (1, 2)]), true).is_ok());
        assert!(agree(&sent, &arrivals(&[(2, 3), (1, 2), (1, 1)]), true).is_err());
        assert!(agree(&sent, &arrivals(&[(2, 3), (1, 2), (1, 1)]), false).is_ok());
        assert!(agree(&sent, &arrivals(&[(1, 1), (1, 2)]), true).is_err());
        assert!(agree(&sent, &arrivals(&[(1, 1), (1, 2), (2, 3), (2, 4)]), true).is_err());
        assert!(agree(&sent, &arrivals(&[(1, 1), (1, 1), (1, 2), (2, 3)]), false).is_err());
    }
}
