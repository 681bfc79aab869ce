//! Load with a book: what was sent, what was acknowledged, what was answered otherwise.
//!
//! Each conversation has a sender of its own that behaves as a provider does: it repeats a message until it is
//! taken, then goes on to the next. The last number of each text is its place in the conversation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use parking_lot::Mutex;
use portico_tests::sim::core::Ledger;
use portico_tests::sim::sign::SignedRequest;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::line::{Broken, Line};
use super::stage::{Kind, bot_headers, text_message};

/// What became of all requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    /// Texts that were answered 2xx.
    pub(super) acknowledged: BTreeSet<String>,
    /// Statuses other than 2xx, with how often.
    pub(super) refused: BTreeMap<u16, usize>,
    /// Exchanges without an answer.
    pub(super) broken: Vec<Broken>,
    /// First bodies of unexpected answers.
    pub(super) odd: Vec<String>,
}

/// Running senders.
pub(super) struct Load {
    book: Arc<Mutex<Book>>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    port: u16,
}

impl Load {
    pub(super) fn new(port: u16) -> Self {
        Self { book: Arc::default(), stop: watch::channel(false).0, tasks: JoinSet::new(), port }
    }

    /// What happened so far.
    pub(super) fn book(&self) -> Book {
        self.book.lock().clone()
    }

    /// One more conversation of incoming messages, a message each `pause`.
    pub(super) fn incoming(&mut self, kind: Kind, conversation: u32, pause: Duration) {
        let request = move |number, text: &str| kind.message(conversation, number, text);
        self.conversation(kind, conversation, pause, request);
    }

    /// As [`Load::incoming`] without a pause, each message with `bytes` more that nobody reads.
    pub(super) fn padded(&mut self, kind: Kind, conversation: u32, bytes: usize) {
        let request = move |number, text: &str| kind.padded_message(conversation, number, text, bytes);
        self.conversation(kind, conversation, Duration::ZERO, request);
    }

    fn conversation(
        &mut self,
        kind: Kind,
        conversation: u32,
        pause: Duration,
        request: impl Fn(u64, &str) -> SignedRequest + Send + 'static,
    ) {
        let (book, mut stop, mut line) = (self.book.clone(), self.stop.subscribe(), Line::to(self.port));
        let path = kind.path();
        self.tasks.spawn(async move {
            for number in 1.. {
                let text = format!("{}/{conversation} says {number}", kind.installation());
                let request = request(number, &text);
                loop {
                    let answer = line.post(&path, &request).await;
                    if note(&book, answer, &text) {
                        break;
                    }
                    if rest(&mut stop, Duration::from_millis(25)).await {
                        return;
                    }
                }
                if rest(&mut stop, pause).await {
                    return;
                }
            }
        });
    }

    /// One more conversation of messages that the bot creates, a message each `pause`.
    pub(super) fn outgoing(&mut self, conversation: &str, pause: Duration) {
        let (book, mut stop, mut line) = (self.book.clone(), self.stop.subscribe(), Line::to(self.port));
        let conversation = conversation.to_owned();
        self.tasks.spawn(async move {
            for number in 1.. {
                let text = format!("{conversation} answers {number}");
                let headers = bot_headers(Some(&format!("{conversation}-{number}")));
                let body = bytes::Bytes::from(text_message(&conversation, &text).to_string());
                loop {
                    let answer = line.send(Method::POST, "/v1/chat/messages", &headers, body.clone()).await;
                    if note(&book, answer, &text) {
                        break;
                    }
                    if rest(&mut stop, Duration::from_millis(25)).await {
                        return;
                    }
                }
                if rest(&mut stop, pause).await {
                    return;
                }
            }
        });
    }

    /// Stops all senders and gives the book.
    pub(super) async fn end(mut self) -> Book {
        self.stop.send_replace(true);
        while let Some(done) = self.tasks.join_next().await {
            done.unwrap();
        }
        self.book()
    }
}

fn note(book: &Mutex<Book>, answer: Result<portico_tests::sim::client::Reply, Broken>, text: &str) -> bool {
    let mut book = book.lock();
    match answer {
        Ok(reply) if reply.is_success() => {
            book.acknowledged.insert(text.to_owned());
            return true;
        }
        Ok(reply) => {
            *book.refused.entry(reply.status).or_default() += 1;
            if reply.status != 503 && book.odd.len() < 5 {
                book.odd.push(format!("{} {text}: {}", reply.status, reply.text()));
            }
        }
        Err(broken) => book.broken.push(broken),
    }
    false
}

/// Waits, and says whether the load is to end.
async fn rest(stop: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok()
}

/// Waits until the core has all that was acknowledged, and asserts what the promises say of it: nothing lost,
/// nothing out of order, no second event of one message.
pub(super) async fn assert_all_arrived(
    core: &Ledger,
    incoming: &BTreeSet<String>,
    within: Duration,
    context: &dyn Fn() -> String,
) {
    let waited = core
        .wait_until("all acknowledged messages", within, |core| {
            let seen: BTreeSet<String> = core.events().iter().map(|event| event.text().to_owned()).collect();
            incoming.is_subset(&seen)
        })
        .await;
    if let Err(why) = waited {
        let seen: BTreeSet<String> = core.events().iter().map(|event| event.text().to_owned()).collect();
        let lost: Vec<&String> = incoming.difference(&seen).collect();
        panic!(
            "{why}; {} lost, the first of them {:?}\n{}",
            lost.len(),
            &lost[..lost.len().min(5)],
            context()
        );
    }
    assert_in_order(core, context);
}

/// No gap, no inversion, no second event of one message, no two deliveries of a conversation at once.
pub(super) fn assert_in_order(core: &Ledger, context: &dyn Fn() -> String) {
    let first = |list: &[(String, u64)]| list.iter().take(5).cloned().collect::<Vec<_>>();
    let (inversions, gaps, doubled) = (core.inversions(), core.gaps(), core.doubled_places());
    assert!(
        inversions.is_empty(),
        "{} inversions, first {:?}\n{}",
        inversions.len(),
        first(&inversions),
        context()
    );
    assert!(gaps.is_empty(), "{} gaps, first {:?}\n{}", gaps.len(), first(&gaps), context());
    assert!(
        doubled.is_empty(),
        "{} messages became two events, first {:?}\n{}",
        doubled.len(),
        first(&doubled),
        context()
    );
    assert!(core.refused().is_empty(), "the core refused signatures: {:?}", core.refused());
}

/// Times of each text among those that arrived.
pub(super) fn counts<'a>(texts: impl Iterator<Item = &'a str>) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for text in texts {
        *counts.entry(text.to_owned()).or_default() += 1;
    }
    counts
}
