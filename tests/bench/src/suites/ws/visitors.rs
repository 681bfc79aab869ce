//! What visitors say: until it is kept and acknowledged, beside webhooks of the same gateway; and to the core and back.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;

use super::core::{ANSWER, Core};
use super::echo::MOST;
use super::subjects::Subject;
use crate::bench::Bench;
use crate::core::agree;
use crate::hooks::{CONVERSATIONS, Deck, MessageId, Mix};
use crate::load::{Load, Proof};
use crate::portico::Portico;
use crate::report::{Must, Report};
use crate::sched::Cpu;
use crate::sockets::frames::{self, TEXT};
use crate::sockets::rounds::{Found, Rounds};
use crate::sockets::{Heard, Sockets};
use crate::suites::ingest::answers;
use crate::suites::limits::CONNECTIONS;

/// Letters of a message, so that its frame is about as long as a webhook.
const PAD: usize = 850;
/// Messages of a visitor whose bot takes none: fewer than the thousand that may wait for it.
const UNTAKEN: u32 = 900;
/// Crowds that talk one after the other while the bot takes nothing, so that none of their visitors says more.
const CROWDS: usize = 4;
/// First conversation number of visitors; below are those of webhooks.
const FIRST: u16 = 2000;

/// What a round found; times in µs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    lone: f64,
    lone_webhook: f64,
    busy: f64,
    busy_webhook: f64,
    rate: f64,
    rate_webhook: f64,
    /// Edge and commit threads, for an ack and for a webhook.
    cpu: f64,
    cpu_webhook: f64,
    back_rate: f64,
    back_p50: f64,
    back_p99: f64,
    back_cpu: f64,
}

/// One visitor's side of what was said and heard.
#[derive(Debug, Default)]
struct Book {
    said: u64,
    /// Numbers of acknowledged items and of those that were shown.
    acked: BTreeSet<u64>,
    shown: Vec<u64>,
    messages: Vec<MessageId>,
    answered: Vec<MessageId>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    t: &'a str,
    seq: Option<u64>,
    id: Option<&'a str>,
    code: Option<&'a str>,
}

/// Some visitors with a conversation each.
struct Visitors {
    sockets: Sockets,
    books: Vec<Book>,
    /// Of the first of them.
    lane: u16,
}

impl Visitors {
    fn enter(subject: &Subject, count: usize, lane: u16) -> Result<Self> {
        let (mut sockets, none) = (Sockets::new()?, json!({}));
        sockets.enter(&subject.target, count, |_| subject.target.dialect.greeting(None, &none))?;
        Ok(Self { sockets, books: (0..count).map(|_| Book::default()).collect(), lane })
    }

    /// Everybody says something and says the next once it is acknowledged, or answered.
    fn talk(&mut self, mut rounds: Rounds, until_answered: bool) -> Result<Found> {
        let lane = self.lane;
        rounds.clients = 0..self.books.len();
        let books = std::cell::RefCell::new(&mut self.books);
        let pad = "x".repeat(PAD);
        let next = |number: usize, out: &mut Vec<u8>| {
            let mut books = books.borrow_mut();
            let Some(book) = books.get_mut(number) else { return };
            book.said += 1;
            let id = MessageId::new(lane + number as u16, book.said);
            let mut text = Vec::new();
            id.mark(&mut text);
            let text = String::from_utf8_lossy(&text);
            let frame = json!({
                "t": "send", "id": format!("said-{:08}", book.said),
                "msg": { "type": "text", "text": format!("{text} {pad}") },
            });
            frames::put(out, TEXT, frame.to_string().as_bytes());
            book.messages.push(id);
        };
        rounds.talk(&mut self.sockets, next, |number, heard| {
            let mut books = books.borrow_mut();
            let book = books.get_mut(number).context("no such visitor")?;
            let has_answer = book.answered.len();
            let acked = note(book, heard).with_context(|| format!("visitor {number}"))?;
            Ok(if until_answered { book.answered.len() > has_answer } else { acked })
        })
    }

    /// What still comes is heard, until nothing does.
    fn finish(&mut self) -> Result<()> {
        let books = &mut self.books;
        while self.sockets.listen(Duration::from_millis(300), |at, heard, _| match books.get_mut(at) {
            Some(book) => note(book, heard).map(drop).with_context(|| format!("visitor {at}")),
            None => Ok(()),
        })? {}
        Ok(())
    }

    fn messages(&self) -> Vec<MessageId> {
        self.books.iter().flat_map(|book| book.messages.iter().copied()).collect()
    }

    /// Each message acknowledged once; items numbered without a gap, shown in order; and, where they are due,
    /// answers: one to each message, in the order in which they were said.
    fn check(&self, answered: bool) -> Result<()> {
        for (number, book) in self.books.iter().enumerate() {
            let said = book.messages.len();
            if book.acked.len() != said {
                bail!("visitor {number} said {said} things, {} were acknowledged", book.acked.len());
            }
            if answered && book.answered != book.messages {
                bail!(
                    "visitor {number} said {said} things and got {} answers, or not in order",
                    book.answered.len()
                );
            }
            if !book.shown.is_sorted_by(|one, next| one < next) {
                bail!("visitor {number} was shown items twice or out of order");
            }
            let all: BTreeSet<u64> = book.acked.iter().chain(&book.shown).copied().collect();
            let last = all.last().copied().unwrap_or(0);
            if all.len() as u64 != last {
                bail!("visitor {number} knows {} of {last} items of the conversation", all.len());
            }
        }
        Ok(())
    }
}

/// Writes down what was heard; says whether it acknowledges.
fn note(book: &mut Book, heard: Heard<'_>) -> Result<bool> {
    let text = match heard {
        Heard::Text(text) => text,
        Heard::Pong => return Ok(false),
        Heard::Closed(code) => bail!("closed with {code}"),
    };
    let frame: Frame<'_> = serde_json::from_slice(text)
        .with_context(|| format!("a frame that is none: {}", String::from_utf8_lossy(text)))?;
    match (frame.t, frame.seq) {
        ("ack", Some(seq)) => {
            let awaited = format!("said-{:08}", book.said);
            if frame.id != Some(&awaited) || !book.acked.insert(seq) {
                bail!("an ack of {:?} with number {seq}, where {awaited} was awaited", frame.id);
            }
            Ok(true)
        }
        ("nack", _) => bail!("refused: {}", frame.code.unwrap_or("without a code")),
        ("ev", Some(seq)) => {
            book.shown.push(seq);
            if memchr::memmem::find(text, ANSWER).is_some() {
                book.answered.extend(MessageId::find(text));
            }
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// Measures a round; `deck` makes the webhooks, `lane` names conversations that no other round has.
pub(super) fn measure(
    bench: &Bench,
    subject: &Subject,
    core: &Core,
    deck: &mut Deck,
    lane: u16,
) -> Result<Said> {
    let pid = subject.id();
    let rounds =
        |warm: Duration, window: Duration, most: u32| Rounds { pid, clients: 0..0, warm, window, most };
    core.answers(false);
    core.hold(true);
    // Alone, a webhook and a visitor's message.
    let mut one = Load::connect(subject.target.address, 1)?;
    let mut many = Load::connect(subject.target.address, CONNECTIONS)?;
    let lone_webhook = one.closed(deck, bench.window / 4)?;
    let mut alone = Visitors::enter(subject, 1, lane)?;
    let lone = alone.talk(rounds(bench.warm / 40, bench.window / 4, UNTAKEN), false)?;
    // Sixty-four at once.
    let warm = many.closed(deck, bench.warm)?;
    let before = Cpu::of(pid);
    let busy_webhook = many.closed(deck, bench.window)?;
    let webhooks = Cpu::of(pid).since(&before).named(answers) as f64 / busy_webhook.requests as f64 / 1e3;
    let mut told = vec![alone];
    let mut busy: Option<Found> = None;
    for number in 0..CROWDS {
        let mut crowd = Visitors::enter(subject, CONNECTIONS, lane + crowd_lane(number))?;
        let (warm, window) = (bench.warm / CROWDS as u32, bench.window / CROWDS as u32);
        let found = crowd.talk(rounds(warm, window, UNTAKEN), false)?;
        match &mut busy {
            Some(busy) => busy.join(found)?,
            None => busy = Some(found),
        }
        told.push(crowd);
    }
    let busy = busy.context("nobody talked")?;
    core.hold(false);

    let mut sent = Vec::new();
    for part in [&lone_webhook, &warm, &busy_webhook] {
        part.planned(Proof::Unauthorized)?;
        sent.extend(part.ids());
    }
    // One connection's conversations are all conversations, so the lone part is not in order with the others.
    let said: Vec<MessageId> = told.iter().flat_map(Visitors::messages).collect();
    let arrivals = core.take(sent.len() + said.len())?;
    let (theirs, webhook): (Vec<_>, Vec<_>) =
        arrivals.into_iter().partition(|one| one.id.conversation() >= FIRST);
    agree(&said, &theirs, true).context("visitors' messages")?;
    agree(&sent, &webhook, false).context("webhooks")?;
    for visitors in &mut told {
        visitors.finish()?;
        visitors.check(false)?;
    }
    drop(told);

    core.answers(true);
    let mut crowd = Visitors::enter(subject, CONNECTIONS, lane + crowd_lane(CROWDS))?;
    let back = crowd.talk(rounds(bench.warm, bench.window, MOST), true)?;
    crowd.finish()?;
    crowd.check(true)?;
    let said = crowd.messages();
    agree(&said, &core.take(said.len())?, true).context("at the core")?;
    Ok(Said {
        lone: lone.micros(0.5),
        lone_webhook: lone_webhook.micros(0.5),
        busy: busy.micros(0.5),
        busy_webhook: busy_webhook.micros(0.5),
        rate: busy.rate(),
        rate_webhook: busy_webhook.rate(),
        cpu: busy.cpu_of(answers),
        cpu_webhook: webhooks,
        back_rate: back.rate(),
        back_p50: back.micros(0.5),
        back_p99: back.micros(0.99),
        back_cpu: back.cpu(),
    })
}

/// A deck of the webhooks beside which visitors are measured, and the first lane of a round.
pub(super) fn deck() -> Deck {
    Deck::new(&Portico::paths(), Mix::NEW, CONNECTIONS, CONVERSATIONS, 0)
}

/// First lane of a crowd, counted from that of its round.
fn crowd_lane(crowd: usize) -> u16 {
    (1 + crowd * CONNECTIONS) as u16
}

/// First lane of a round: one of a lone visitor, then those of crowds. There are enough for 150 rounds.
pub(super) fn lane(round: usize) -> u16 {
    FIRST + ((round % 150) as u16) * crowd_lane(CROWDS + 1)
}

pub(super) fn tell(report: &mut Report, all: &[Said]) {
    let s = "ws";
    let column = |pick: fn(&Said) -> f64| -> Vec<f64> { all.iter().map(pick).collect() };
    let (none, title) = (Must::Nothing, "a visitor's message, alone, to its ack: p50");
    report.speed(s, title, "µs", &column(|one| one.lone), none);
    report.speed(s, "  a webhook, alone: p50", "µs", &column(|one| one.lone_webhook), none);
    let ratio = column(|one| one.lone / one.lone_webhook);
    report.speed(s, "  same, message ÷ webhook", "×", &ratio, Must::AtMost(1.2));
    report.speed(s, &format!("{CONNECTIONS} visitors, to the ack: p50"), "µs", &column(|one| one.busy), none);
    report.speed(s, "  same, message ÷ webhook", "×", &column(|one| one.busy / one.busy_webhook), none);
    report.speed(s, "  messages acknowledged, synced", "messages/s", &column(|one| one.rate), none);
    report.speed(s, "  same ÷ webhooks", "×", &column(|one| one.rate / one.rate_webhook), none);
    report.cost(
        s,
        "  CPU up to the ack, edge and commit threads",
        "µs/message",
        &column(|one| one.cpu),
        none,
    );
    report.cost(s, "  same ÷ webhook", "×", &column(|one| one.cpu / one.cpu_webhook), none);
    let title = format!("{CONNECTIONS} visitors, to the core and back, all kept");
    report.speed(s, &title, "messages/s", &column(|one| one.back_rate), none);
    report.speed(s, "  p50 from message to answer", "µs", &column(|one| one.back_p50), none);
    report.speed(s, "  p99", "µs", &column(|one| one.back_p99), none);
    report.cost(s, "  CPU, all threads", "µs/message", &column(|one| one.back_cpu), none);
}

#[cfg(test)]
mod tests;
