//! The breaker of one bot's core: while the core is down no attempt is spent on its events.
//!
//! It opens when half of at least twenty attempts within thirty seconds found no core, or five in a row did,
//! of different conversations. Open, it lets one event through every five seconds; any answer of the core
//! closes it. Pure arithmetic: the time is handed in.

use std::time::Duration;

use portico_contract::ConversationId;
use portico_net::backoff::PROBE_EVERY;
use tokio::time::Instant;

const WINDOW: u64 = 30;
const LEAST: u32 = 20;
const IN_A_ROW: usize = 5;
/// A core that has answered nothing for so long is down, however few the attempts were.
const SILENT: Duration = Duration::from_secs(15 * 60);

/// Whether an event may be offered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admit {
    Go,
    /// To find out whether the core is back.
    Probe,
    No,
}

/// What a report changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    Opened,
    Closed,
}

/// How a breaker stands, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakerView {
    /// Events are offered.
    Closed,
    /// The core is down.
    Open {
        /// For how long.
        since: Duration,
    },
    /// The core asked not to be called any more, or an operator did: somebody has to resume the bot.
    Paused {
        /// For how long.
        since: Duration,
        /// Why.
        reason: String,
    },
}

#[derive(Clone, Debug)]
enum State {
    Closed,
    Open { since: Instant, probe_at: Instant },
    Paused { since: Instant, reason: String },
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    all: u32,
    down: u32,
}

#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    start: Instant,
    seconds: [Second; WINDOW as usize],
    /// Different conversations of the failures in a row, the first few.
    row: Vec<ConversationId>,
    last_up: Option<Instant>,
}

impl Breaker {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: State::Closed,
            start: now,
            seconds: [Second::default(); WINDOW as usize],
            row: Vec::new(),
            last_up: None,
        }
    }

    /// Whether [`Breaker::admit`] would let an event through.
    pub(crate) fn may(&self, now: Instant) -> bool {
        match &self.state {
            State::Closed => true,
            State::Open { probe_at, .. } => *probe_at <= now,
            State::Paused { .. } => false,
        }
    }

    /// Lets an event through, or not; a probe is given once each five seconds.
    pub(crate) fn admit(&mut self, now: Instant) -> Admit {
        match &mut self.state {
            State::Closed => Admit::Go,
            State::Open { probe_at, .. } if *probe_at <= now => {
                *probe_at = now + PROBE_EVERY;
                Admit::Probe
            }
            State::Open { .. } | State::Paused { .. } => Admit::No,
        }
    }

    /// The core answered, whatever it said.
    pub(crate) fn up(&mut self, now: Instant) -> Option<Moved> {
        self.last_up = Some(now);
        self.row.clear();
        self.second(now).all += 1;
        if matches!(self.state, State::Open { .. }) {
            self.reset();
            return Some(Moved::Closed);
        }
        None
    }

    /// The core was not reached.
    pub(crate) fn down(&mut self, now: Instant, conversation: ConversationId) -> Option<Moved> {
        let second = self.second(now);
        second.all += 1;
        second.down += 1;
        if self.row.len() < IN_A_ROW && !self.row.contains(&conversation) {
            self.row.push(conversation);
        }
        if !matches!(self.state, State::Closed) {
            return None;
        }
        let (all, down) = self.window(now);
        (self.row.len() >= IN_A_ROW || (all >= LEAST && down * 2 >= all)).then(|| self.open(now))
    }

    /// Whether nothing but failures came for so long that the core must be down.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.last_up.is_none_or(|at| now.saturating_duration_since(at) > SILENT)
    }

    /// Opens it at once.
    pub(crate) fn open(&mut self, now: Instant) -> Moved {
        self.state = State::Open { since: now, probe_at: now + PROBE_EVERY };
        Moved::Opened
    }

    /// Whether it is open or paused.
    pub(crate) fn is_shut(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    /// Lets nothing through until [`Breaker::resume`].
    pub(crate) fn pause(&mut self, now: Instant, reason: String) {
        if !matches!(self.state, State::Paused { .. }) {
            self.state = State::Paused { since: now, reason };
        }
    }

    /// Forgets what was.
    pub(crate) fn resume(&mut self) {
        self.reset();
    }

    /// When an event may be let through again; `None`: not before somebody resumes it.
    pub(crate) fn next_probe(&self, now: Instant) -> Option<Duration> {
        match &self.state {
            State::Closed => Some(PROBE_EVERY),
            State::Open { probe_at, .. } => Some(probe_at.saturating_duration_since(now)),
            State::Paused { .. } => None,
        }
    }

    pub(crate) fn view(&self, now: Instant) -> BreakerView {
        match &self.state {
            State::Closed => BreakerView::Closed,
            State::Open { since, .. } => BreakerView::Open { since: now.saturating_duration_since(*since) },
            State::Paused { since, reason } => {
                BreakerView::Paused { since: now.saturating_duration_since(*since), reason: reason.clone() }
            }
        }
    }

    fn reset(&mut self) {
        self.state = State::Closed;
        self.seconds = [Second::default(); WINDOW as usize];
        self.row.clear();
    }

    fn second(&mut self, now: Instant) -> &mut Second {
        // Second 0 marks an unused place.
        let number = now.saturating_duration_since(self.start).as_secs() + 1;
        let place = &mut self.seconds[(number % WINDOW) as usize];
        if place.number != number {
            *place = Second { number, all: 0, down: 0 };
        }
        place
    }

    fn window(&self, now: Instant) -> (u32, u32) {
        let number = now.saturating_duration_since(self.start).as_secs() + 1;
        self.seconds
            .iter()
            .filter(|second| second.number > 0 && second.number + WINDOW > number)
            .fold((0, 0), |(all, down), second| (all + second.all, down + second.down))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(number: u8) -> ConversationId {
        ConversationId([number; 16])
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn five_different_conversations_in_a_row_open_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        for number in 0..4 {
            assert_eq!(breaker.down(now, conversation(number)), None);
            assert_eq!(breaker.down(now, conversation(number)), None);
        }
        assert_eq!(breaker.up(now), None);
        for number in 0..4 {
            assert_eq!(breaker.down(now, conversation(number)), None);
        }
        assert_eq!(breaker.down(now, conversation(9)), Some(Moved::Opened));
        assert_eq!(breaker.admit(now), Admit::No);
    }

    #[test]
    fn half_of_twenty_within_thirty_seconds_open_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        let opened = (0..20).filter_map(|turn| {
            if turn % 2 == 0 { breaker.up(now) } else { breaker.down(now, conversation(1)) }
        });
        assert_eq!(opened.collect::<Vec<_>>(), [Moved::Opened]);

        // The same, so slowly that never twenty fall into one window.
        let mut breaker = Breaker::new(now);
        for turn in 0..100 {
            let now = at(now, turn * 2);
            if turn % 2 == 0 {
                breaker.up(now)
            } else {
                breaker.down(now, conversation(1))
            };
        }
        assert!(!breaker.is_shut());
    }

    #[test]
    fn open_it_lets_one_through_each_five_seconds_until_an_answer_comes() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        breaker.open(now);
        assert_eq!(breaker.admit(at(now, 4)), Admit::No);
        assert_eq!(breaker.admit(at(now, 5)), Admit::Probe);
        assert_eq!(breaker.admit(at(now, 5)), Admit::No);
        assert_eq!(breaker.down(at(now, 6), conversation(1)), None);
        assert_eq!(breaker.next_probe(at(now, 6)), Some(Duration::from_secs(4)));
        assert_eq!(breaker.admit(at(now, 10)), Admit::Probe);
        assert_eq!(breaker.up(at(now, 11)), Some(Moved::Closed));
        assert_eq!(breaker.admit(at(now, 11)), Admit::Go);
        // What was before does not open it again.
        assert_eq!(breaker.down(at(now, 11), conversation(1)), None);
    }

    #[test]
    fn a_pause_ends_only_by_hand() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        breaker.pause(now, "410".into());
        assert_eq!(breaker.admit(at(now, 1000)), Admit::No);
        assert_eq!(breaker.up(now), None);
        assert_eq!(breaker.next_probe(now), None);
        assert!(matches!(breaker.view(now), BreakerView::Paused { .. }));
        breaker.resume();
        assert_eq!(breaker.admit(now), Admit::Go);
    }

    #[test]
    fn silence_is_known() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        assert!(breaker.is_silent(now));
        breaker.up(now);
        assert!(!breaker.is_silent(at(now, 900)));
        assert!(breaker.is_silent(at(now, 901)));
    }
}
