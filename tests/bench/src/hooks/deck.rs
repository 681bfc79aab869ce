//! What is sent next on a connection: mostly new messages, some large, some forged, some repeated.

use std::time::{SystemTime, UNIX_EPOCH};

use super::MessageId;
use super::bodies::{self, Proofs, Provider};

/// What a request is, and with that what it must be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A new message of about 1 KiB: 2xx.
    New,
    /// A new message of 16 KiB: 2xx.
    Large,
    /// With a wrong signature: 401.
    Forged,
    /// The message before once more: 2xx, and no second event.
    Repeat,
}

/// One request that was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) id: MessageId,
    pub(crate) kind: Kind,
}

/// How many per mille of each kind; the rest is new.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) large: u64,
    pub(crate) forged: u64,
    pub(crate) repeat: u64,
}

impl Mix {
    /// The budget's mix.
    pub(crate) const BUDGET: Self = Self { large: 50, forged: 10, repeat: 10 };
    /// New messages only.
    pub(crate) const NEW: Self = Self { large: 0, forged: 0, repeat: 0 };
}

/// Where each provider's webhooks go; a provider without a path is not sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    pub(crate) slack: Option<String>,
    pub(crate) telegram: Option<String>,
    pub(crate) whatsapp: Option<String>,
    pub(crate) activity: Option<String>,
    /// Above 0: a number below this is added to the path, by conversation.
    pub(crate) spread: u16,
}

impl Paths {
    fn list(&self) -> Vec<(Provider, String)> {
        let named = [
            (Provider::Slack, &self.slack),
            (Provider::Telegram, &self.telegram),
            (Provider::WhatsApp, &self.whatsapp),
            (Provider::Activity, &self.activity),
        ];
        named.into_iter().filter_map(|(provider, path)| path.clone().map(|path| (provider, path))).collect()
    }
}

/// Conversations of a run.
pub(crate) const CONVERSATIONS: u16 = 1000;

/// Makes requests. Each connection has conversations of its own, so that the order of sending within a
/// conversation is defined; which of them speaks follows Zipf's law.
pub(crate) struct Deck {
    providers: Vec<(Provider, String)>,
    spread: u16,
    proofs: Proofs,
    mix: Mix,
    /// For each connection: conversations with their cumulated weight.
    shares: Vec<Vec<(u16, f64)>>,
    number: u64,
    random: u64,
    body: Vec<u8>,
    now_s: u64,
    last: Vec<Option<MessageId>>,
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Deck {
    /// A deck for so many connections; numbers of messages begin after `number`.
    pub(crate) fn new(paths: &Paths, mix: Mix, connections: usize, conversations: u16, number: u64) -> Self {
        let shares = (0..connections)
            .map(|connection| {
                let mut sum = 0.0;
                let own = (0..conversations).filter(|one| usize::from(*one) % connections == connection);
                own.map(|one| {
                    sum += 1.0 / (f64::from(one) + 1.0);
                    (one, sum)
                })
                .collect()
            })
            .collect();
        Self {
            providers: paths.list(),
            spread: paths.spread,
            proofs: Proofs::new(),
            mix,
            shares,
            number,
            random: 0x9e37_79b9_7f4a_7c15 ^ number,
            body: Vec::with_capacity(20 * 1024),
            now_s: now_s(),
            last: vec![None; connections],
        }
    }

    /// Number of the newest message.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Changes the mix.
    pub(crate) fn set_mix(&mut self, mix: Mix) {
        self.mix = mix;
    }

    fn random(&mut self) -> u64 {
        // xorshift64*: fast, the same in every run.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn conversation(&mut self, connection: usize) -> u16 {
        let random = self.random();
        let Some(shares) = self.shares.get(connection).filter(|shares| !shares.is_empty()) else { return 0 };
        let whole = shares.last().map_or(0.0, |(_, sum)| *sum);
        let point = (random >> 11) as f64 / (1_u64 << 53) as f64 * whole;
        let at = shares.partition_point(|(_, sum)| *sum <= point);
        shares.get(at).or(shares.last()).map_or(0, |(one, _)| *one)
    }

    /// Writes the next request of a connection into `out`, which still holds the last one.
    pub(crate) fn next(&mut self, connection: usize, out: &mut Vec<u8>) -> Ticket {
        let draw = self.random() % 1000;
        let Mix { large, forged, repeat } = self.mix;
        if draw < repeat
            && let Some(id) = self.last.get(connection).copied().flatten()
            && !out.is_empty()
        {
            return Ticket { id, kind: Kind::Repeat };
        }
        let kind = match draw.saturating_sub(repeat) {
            draw if draw < forged => Kind::Forged,
            draw if draw < forged + large => Kind::Large,
            _ => Kind::New,
        };
        if self.number.is_multiple_of(1024) {
            self.now_s = now_s();
        }
        self.number += 1;
        let id = MessageId::new(self.conversation(connection), self.number);
        let size = if kind == Kind::Large { 16 * 1024 } else { 920 + (self.random() % 200) as usize };
        let Some((provider, path)) =
            self.providers.get(usize::from(id.conversation()) % self.providers.len().max(1))
        else {
            return Ticket { id, kind };
        };
        self.body.clear();
        bodies::body(*provider, id, self.now_s, size, &mut self.body);
        out.clear();
        out.extend_from_slice(b"POST ");
        out.extend_from_slice(path.as_bytes());
        if let Some(part) = id.conversation().checked_rem(self.spread) {
            // Writing to memory can't fail.
            let _fits = std::io::Write::write_fmt(out, format_args!("{part}"));
        }
        out.extend_from_slice(b" HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench/1\r\naccept: */*\r\n");
        out.extend_from_slice(b"content-type: application/json\r\n");
        self.proofs.headers(*provider, &self.body, self.now_s, kind == Kind::Forged, out);
        // Writing to memory can't fail.
        let _fits =
            std::io::Write::write_fmt(out, format_args!("content-length: {}\r\n\r\n", self.body.len()));
        out.extend_from_slice(&self.body);
        if let Some(last) = self.last.get_mut(connection) {
            *last = (kind != Kind::Forged).then_some(id);
        }
        Ticket { id, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_what_was_asked_for_and_repeats_are_equal() {
        let paths = Paths { slack: Some("/s".into()), telegram: Some("/t".into()), ..Paths::default() };
        let mut deck = Deck::new(&paths, Mix::BUDGET, 4, CONVERSATIONS, 0);
        let mut out = Vec::new();
        let (mut counts, mut before) = (std::collections::BTreeMap::new(), Vec::new());
        for _ in 0..20_000 {
            let ticket = deck.next(1, &mut out);
            *counts.entry(ticket.kind).or_insert(0_u64) += 1;
            if ticket.kind == Kind::Repeat {
                assert_eq!(out, before);
            }
            assert_eq!(usize::from(ticket.id.conversation()) % 4, 1);
            assert_eq!(MessageId::find(&out), Some(ticket.id));
            before.clone_from(&out);
        }
        assert!((800..1200).contains(&counts[&Kind::Large]), "{counts:?}");
        assert!((130..270).contains(&counts[&Kind::Forged]), "{counts:?}");
        assert!((130..270).contains(&counts[&Kind::Repeat]), "{counts:?}");
    }
}
