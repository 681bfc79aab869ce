//! R1: the process is killed at random points while everything is under load.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use portico_tests::gateway::{Gateway, GatewaySpec};
use portico_tests::sim::core::CoreAnswer;

use super::load::{Book, Load, assert_all_arrived, counts};
use super::power_cut::{Medium, cut};
use super::stage::{FIRST_CHAT, Kind, Stage, all_pages, say, tail};

/// Conversations of each kind under load.
const EACH: u32 = 5;
/// Telegram conversations that the bot writes to.
const CHATS: u32 = 30;
/// Numbers of the conversations that only open a chat.
const OPENED: u32 = 100;
const KINDS: [Kind; 4] = [Kind::Webhook(0), Kind::Webhook(1), Kind::Slack, Kind::Telegram];

/// How the gateway ends in each round.
pub(super) enum Crash {
    /// The process is killed; the page cache survives.
    Kill,
    /// The power is cut; in odd rounds all unsynced writes are lost, in even ones any of them.
    PowerCut(Medium),
}

impl Crash {
    fn prepare(&self, spec: &mut GatewaySpec, round: u32) {
        if let Self::PowerCut(medium) = self {
            medium.under(spec, round.is_multiple_of(2));
        }
    }

    async fn happen(&self, gateway: Gateway) -> GatewaySpec {
        match self {
            Self::Kill => gateway.kill().unwrap(),
            Self::PowerCut(_) => cut(gateway).await,
        }
    }
}

/// What came of some rounds.
pub(super) struct Rounds {
    pub(super) stage: Stage,
    pub(super) gateway: Gateway,
    pub(super) book: Book,
    /// How long each start took until the gateway was ready.
    pub(super) starts: Vec<Duration>,
    /// When each crash began and was over.
    pub(super) crashes: Vec<(Instant, Instant)>,
    /// The chats that the bot wrote to, as the gateway names them.
    pub(super) chats: Vec<String>,
}

/// Crashes a gateway again and again under load.
pub(super) async fn rounds(count: u32, crash: Crash) -> Rounds {
    // A core that takes its moment, so that there is always something under way.
    let answer = |event: &portico_tests::sim::core::CoreEvent| {
        CoreAnswer::done()
            .after(Duration::from_millis(u64::from(event.id.as_bytes().last().copied().unwrap_or(0)) % 16))
    };
    let mut stage = Stage::set(answer, "", "").await;
    crash.prepare(&mut stage.spec, 1);
    let mut gateway = stage.start().await;
    let mut load = Load::new(stage.spec.ports.0);
    for conversation in 0..EACH {
        for kind in KINDS {
            load.incoming(kind, conversation, Duration::from_millis(20));
        }
    }
    for chat in 0..CHATS {
        say(&gateway, Kind::Telegram, OPENED + chat, 1, &format!("hello from chat {chat}, number 1")).await;
    }
    stage
        .core
        .wait_until("the greetings", Duration::from_secs(30), |core| chats(core).len() == CHATS as usize)
        .await
        .unwrap();
    let chats: Vec<String> = chats(&stage.core).into_iter().collect();
    for chat in &chats {
        load.outgoing(chat, Duration::from_millis(1_200));
    }
    let (mut starts, mut crashes) = (Vec::new(), Vec::new());
    for round in 1..=count {
        let mut random = [0; 2];
        getrandom::fill(&mut random).unwrap();
        tokio::time::sleep(Duration::from_millis(250 + u64::from(u16::from_le_bytes(random)) % 600)).await;
        let begun = Instant::now();
        let mut spec = crash.happen(gateway).await;
        crashes.push((begun, Instant::now()));
        crash.prepare(&mut spec, round + 1);
        let begun = Instant::now();
        gateway = spec.start().await.unwrap_or_else(|why| panic!("round {round}: {why:#}"));
        starts.push(begun.elapsed());
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let book = load.end().await;
    Rounds { stage, gateway, book, starts, crashes, chats }
}

fn chats(core: &portico_tests::sim::core::Ledger) -> BTreeSet<String> {
    let greetings = core.events().into_iter().filter(|event| event.text().starts_with("hello from chat"));
    greetings.map(|event| event.conversation().to_owned()).collect()
}

impl Rounds {
    /// Nothing acknowledged is lost, in either direction; order holds; repeats are those in flight.
    pub(super) async fn assert_promises(&self) {
        let context = || tail(&self.stage.spec);
        let (outgoing, incoming): (BTreeSet<String>, BTreeSet<String>) =
            self.book.acknowledged.iter().cloned().partition(|text| text.contains(" answers "));
        assert!(self.book.odd.is_empty(), "unexpected answers: {:?}\n{}", self.book.odd, context());
        assert!(
            incoming.len() > 10 * self.crashes.len(),
            "only {} messages came in: no load",
            incoming.len()
        );
        assert!(outgoing.len() > self.crashes.len(), "only {} messages went out: no load", outgoing.len());
        assert_all_arrived(&self.stage.core, &incoming, Duration::from_secs(60), &context).await;
        self.assert_repeats();
        self.assert_sent(&outgoing).await;
    }

    /// The core saw an event twice only where a crash came between its answer and the record of it, which is a
    /// matter of milliseconds; never twice within one life of the gateway.
    fn assert_repeats(&self) {
        // What a dying gateway wrote is still read from its socket a moment later, in the next one's time.
        let late = |at: Instant| {
            self.crashes.iter().any(|(begin, end)| *begin <= at && at < *end + Duration::from_secs(1))
        };
        let mut last: BTreeMap<String, (usize, Instant, Instant)> = BTreeMap::new();
        for one in self.stage.core.received().into_iter().filter(|one| one.is_done()) {
            let at = one.event.at.into_std();
            let life = self.crashes.iter().filter(|(_, end)| *end < at).count();
            let answered = one.answered_at.map_or(at, tokio::time::Instant::into_std);
            if let Some((before, answered, first)) = last.insert(one.event.id.clone(), (life, answered, at)) {
                if late(first) {
                    continue;
                }
                assert!(before < life, "{} was taken twice within one life of the gateway", one.event.id);
                let (begin, _) = self.crashes[before];
                let known_for = begin.saturating_duration_since(answered);
                assert!(
                    known_for < Duration::from_secs(1),
                    "{} came again in life {life}, though it was taken {known_for:?} before crash {before}",
                    one.event.id
                );
            }
        }
    }

    /// Each accepted message is at the provider once, or more than once and marked; in order.
    async fn assert_sent(&self, outgoing: &BTreeSet<String>) {
        let texts = |sent: Vec<portico_tests::sim::provider::Sent>| -> Vec<(String, String)> {
            let text = |body: &serde_json::Value| body["text"].as_str().unwrap_or_default().to_owned();
            sent.into_iter()
                .map(|sent| (sent.to, text(&sent.body)))
                .filter(|(_, text)| text.contains(" answers "))
                .collect()
        };
        let missing = || -> Vec<String> {
            let there: BTreeSet<String> =
                texts(self.stage.telegram.messages()).into_iter().map(|(_, text)| text).collect();
            outgoing.difference(&there).cloned().collect()
        };
        let end = Instant::now() + Duration::from_secs(90);
        while !missing().is_empty() {
            assert!(
                Instant::now() < end,
                "accepted and not sent: {:?}\n{}",
                missing(),
                tail(&self.stage.spec)
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let sent = texts(self.stage.telegram.messages());
        let counted = counts(sent.iter().map(|(_, text)| text.as_str()));
        let mut marked: BTreeSet<String> = BTreeSet::new();
        for chat in &self.chats {
            for message in
                all_pages(&self.gateway, &format!("/bots/support/conversations/{chat}/messages")).await
            {
                if message["delivery"]["possibleDuplicate"] == true {
                    marked.insert(message["payload"]["text"].as_str().unwrap_or_default().to_owned());
                }
            }
        }
        let silent: Vec<_> =
            counted.iter().filter(|(text, count)| **count > 1 && !marked.contains(*text)).collect();
        assert!(
            silent.is_empty(),
            "sent more than once and not marked: {silent:?}\n{}",
            tail(&self.stage.spec)
        );
        // Once more for each crash that came while it was on its way; three in a row would be no chance.
        assert!(counted.values().all(|count| *count <= 3), "a message left again and again: {counted:?}");
        let mut last = BTreeMap::<&str, u64>::new();
        for (to, text) in &sent {
            assert!(to.parse::<i64>().is_ok_and(|chat| chat >= FIRST_CHAT), "sent to {to}");
            let number = text.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
            let before = last.insert(to, number).unwrap_or(0);
            assert!(number == before || number == before + 1, "chat {to} got {number} after {before}");
        }
    }

    /// Ready again within 5 s. Half of the starts may be slower on a machine that does much else.
    pub(super) fn assert_quick_starts(&self) {
        let mut starts = self.starts.clone();
        starts.sort();
        let middle = starts[starts.len() / 2];
        assert!(middle <= Duration::from_secs(5), "ready again after {middle:?} in the middle: {starts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_out_of_order_when_the_process_is_killed_twenty_times() {
    let rounds = rounds(20, Crash::Kill).await;
    rounds.assert_promises().await;
    rounds.assert_quick_starts();
}
