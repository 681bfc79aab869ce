//! Dispatch as a whole, on the store for tests: cores within the process where the clock is paused, real HTTP
//! where bytes matter.

mod http;
mod outcomes;
mod pace;
mod rules;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use portico_contract::{
    BotId, Content, ConversationId, Event, EventId, InboundMessage, InstallationId, Millis, Party, Tags,
    Thread,
};
use portico_lanes::{Clock, Options};
use portico_net::{Client, ClientOptions};
use portico_store::memory::MemoryStore;
use portico_store::{Append, Change, Commit, EventKind, Lane, NewEvent, NodeId, Store};
use portico_telemetry::Metrics;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::*;

pub(crate) fn store() -> MemoryStore {
    MemoryStore::new()
}

/// Addresses that show what they were made from.
pub(crate) struct Links;

impl MediaLinks for Links {
    fn link(&self, installation: &InstallationId, handle: &str, meta: &MediaMeta<'_>) -> String {
        format!("https://media/{installation}/{handle}?{}", meta.mime_type.unwrap_or_default())
    }
}

/// Wall time that follows the runtime's clock, `speed` times as fast.
#[derive(Clone, Copy)]
struct TestClock {
    start: Instant,
    speed: u64,
}

const BASE: Millis = 1_750_000_000_000;

impl Clock for TestClock {
    fn now(&self) -> Millis {
        BASE + self.start.elapsed().as_millis() as u64 * self.speed
    }
}

type Said = (ConversationId, EventId, usize, String, serde_json::Value);

/// Replies that were accepted; the same event and place again is told apart.
#[derive(Default)]
struct Outbox {
    said: Mutex<Vec<Said>>,
    fail: Mutex<Vec<ReplyError>>,
}

#[async_trait]
impl Replies for Outbox {
    async fn accept(
        &self,
        _: &BotId,
        conversation: ConversationId,
        replies: Vec<Reply>,
        origin: EventId,
    ) -> Result<(), ReplyError> {
        if let Some(fault) = self.fail.lock().pop() {
            return Err(fault);
        }
        let mut said = self.said.lock();
        for reply in replies {
            if !said.iter().any(|old| old.1 == origin && old.2 == reply.index) {
                said.push((conversation, origin, reply.index, reply.kind, reply.payload));
            }
        }
        Ok(())
    }
}

struct Gateway {
    store: Arc<dyn Store>,
    outbox: Arc<Outbox>,
    dispatch: Dispatch,
    clock: TestClock,
}

fn bot() -> BotId {
    BotId::parse("support").unwrap()
}

fn client() -> Client {
    Client::new(ClientOptions::default()).unwrap()
}

fn shop() -> InstallationId {
    InstallationId::parse("shop").unwrap()
}

impl Gateway {
    fn with(core: CoreKind) -> Self {
        Self::start(BotCore::new(bot(), core), 1)
    }

    fn start(config: BotCore, speed: u64) -> Self {
        Self::polled(config, speed, Duration::from_millis(1000 / speed))
    }

    /// With fewer polls, for tests of days.
    fn polled(config: BotCore, speed: u64, poll: Duration) -> Self {
        let store: Arc<dyn Store> = Arc::new(store());
        let outbox = Arc::new(Outbox::default());
        let clock = TestClock { start: Instant::now(), speed };
        let options = Options { clock: Arc::new(clock), poll, ..Options::new(NodeId([7; 16])) };
        let parts = Parts {
            store: store.clone(),
            client: client(),
            replies: outbox.clone(),
            media: Arc::new(Links),
            aliases: Arc::new(|_: &InstallationId| Some(Arc::from("slack"))),
            metrics: Arc::new(Metrics::new()),
            options,
            random: Some(Arc::new(|| 0.5)),
        };
        let dispatch = Dispatch::start(parts, vec![config], CancellationToken::new()).unwrap();
        Self { store, outbox, dispatch, clock }
    }

    /// Keeps a text in a conversation; gives the event's id.
    async fn say(&self, place: &str, text: &str) -> EventId {
        self.keep(
            place,
            Event::Message(InboundMessage {
                external_id: EventId::new().to_string(),
                dedupe: None,
                thread: thread(place),
                author: Party { id: format!("U-{place}"), ..Party::default() },
                sent_at: self.clock.now(),
                content: Content::text(text),
                reply_to: None,
                tags: Tags::new(),
            }),
        )
        .await
    }

    async fn keep(&self, place: &str, event: Event) -> EventId {
        let id = EventId::new();
        let append = Append {
            key: None,
            keep_days: 3,
            lane: Lane::inbound(conversation(place)),
            event: NewEvent {
                id,
                bot: bot(),
                installation: shop(),
                kind: EventKind::Connector,
                received_at: self.clock.now(),
                body: serde_json::to_vec(&event).unwrap().into(),
                raw: Bytes::new(),
                raw_of: None,
            },
        };
        self.store.commit(Commit::of([Change::Append(append)])).await.unwrap();
        id
    }

    fn left(&self) -> u64 {
        self.store.stats().backlog[0]
    }

    fn breaker(&self) -> BreakerView {
        self.dispatch.bots()[0].breaker.clone()
    }
}

fn thread(place: &str) -> Thread {
    Thread::new("dm", &["id"], Tags::new().with("id", place))
}

fn conversation(place: &str) -> ConversationId {
    ConversationId::of_thread(&bot(), &shop(), "dm", place)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let from = std::time::Instant::now();
    while !holds() {
        assert!(from.elapsed() < Duration::from_secs(180), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

type Script = Arc<dyn Fn(&Offer) -> Answer + Send + Sync>;

/// A core within the process.
struct Scripted {
    script: Mutex<Script>,
    offers: Mutex<Vec<(Offer, Instant)>>,
}

impl Scripted {
    fn new(script: impl Fn(&Offer) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(Arc::new(script)), offers: Mutex::default() })
    }

    fn act(&self, script: impl Fn(&Offer) -> Answer + Send + Sync + 'static) {
        *self.script.lock() = Arc::new(script);
    }

    fn count(&self) -> usize {
        self.offers.lock().len()
    }

    /// Seconds between the offers of an event.
    fn pauses(&self, id: EventId) -> Vec<u64> {
        let offers = self.offers.lock();
        let times: Vec<Instant> =
            offers.iter().filter(|(offer, _)| offer.id == id).map(|(_, at)| *at).collect();
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
    }
}

#[async_trait]
impl Core for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    async fn offer(&self, offer: &Offer) -> Answer {
        self.offers.lock().push((offer.clone(), Instant::now()));
        let script = self.script.lock().clone();
        tokio::task::yield_now().await;
        script(offer)
    }
}

fn accepted() -> Answer {
    Answer::Accepted { replies: Vec::new(), complaint: None }
}

fn text_of(offer: &Offer) -> String {
    offer.message.as_ref().and_then(|row| row.payload["text"].as_str()).unwrap_or_default().to_owned()
}

/// Texts of a core's offers by conversation, each event once, in the order in which they were settled.
fn by_conversation(offers: &[(String, u64)]) -> HashMap<String, Vec<u64>> {
    let mut all: HashMap<String, Vec<u64>> = HashMap::new();
    for (place, number) in offers {
        all.entry(place.clone()).or_default().push(*number);
    }
    all
}
