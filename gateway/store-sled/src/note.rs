//! Rows beside the journal's index: what became of an event, dead letters, attempts, idempotency keys.

use bytes::Bytes;
use portico_contract::{BotId, EventId, Millis};
use portico_store::{Attempt, DeadReason};

use crate::wire::{Bad, Put, Take};

/// What became of an event, where its place in the lane does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Pending until the head passes its number, then done.
    InPlace,
    /// The same under a later number.
    Moved(u64),
    Ignored,
    /// A dead letter since then.
    Dead(Millis),
    Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) fate: Fate,
    pub(crate) attempts: u32,
}

impl Note {
    pub(crate) fn encode(self) -> Bytes {
        let (byte, number) = match self.fate {
            Fate::InPlace => (0, 0),
            Fate::Moved(seq) => (1, seq),
            Fate::Ignored => (2, 0),
            Fate::Dead(at) => (3, at),
            Fate::Dropped => (4, 0),
        };
        let mut out = Vec::with_capacity(13);
        out.u8(byte);
        out.u64(number);
        out.u32(self.attempts);
        out.into()
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, Bad> {
        let mut take = Take(value);
        let byte = take.u8()?;
        let number = take.u64()?;
        let fate = match byte {
            0 => Fate::InPlace,
            1 => Fate::Moved(number),
            2 => Fate::Ignored,
            3 => Fate::Dead(number),
            4 => Fate::Dropped,
            _ => return Err(Bad),
        };
        Ok(Self { fate, attempts: take.u32()? })
    }
}

/// Dead letters are ordered by time.
pub(crate) fn dead_key(at: Millis, event: &EventId) -> Vec<u8> {
    [&at.to_be_bytes()[..], &event.0].concat()
}

pub(crate) fn read_dead_key(key: &[u8]) -> Option<(Millis, EventId)> {
    let mut take = Take(key);
    Some((u64::from_be_bytes(take.array().ok()?), EventId(take.array().ok()?)))
}

#[derive(Clone, Debug)]
pub(crate) struct Dead {
    pub(crate) bot: BotId,
    /// Segment that holds the record.
    pub(crate) segment: u32,
    pub(crate) reason: DeadReason,
    pub(crate) last: Option<Attempt>,
}

impl Dead {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        out.name(self.bot.as_str());
        out.u32(self.segment);
        out.u8(match self.reason {
            DeadReason::Exhausted => 0,
            DeadReason::Expired => 1,
            DeadReason::Refused => 2,
            DeadReason::Unsendable => 3,
        });
        out.u8(u8::from(self.last.is_some()));
        if let Some(last) = &self.last {
            put_attempt(&mut out, last);
        }
        out.into()
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, Bad> {
        let mut take = Take(value);
        let bot = BotId::parse(take.name()?).map_err(|_| Bad)?;
        let segment = take.u32()?;
        let reason = match take.u8()? {
            0 => DeadReason::Exhausted,
            1 => DeadReason::Expired,
            2 => DeadReason::Refused,
            3 => DeadReason::Unsendable,
            _ => return Err(Bad),
        };
        let last = if take.u8()? == 1 { Some(take_attempt(&mut take)?) } else { None };
        Ok(Self { bot, segment, reason, last })
    }
}

/// Bot and segment of a dead letter's row.
pub(crate) fn dead_owner(value: &[u8]) -> Option<(BotId, u32)> {
    Dead::decode(value).ok().map(|dead| (dead.bot, dead.segment))
}

pub(crate) fn attempt_key(event: &EventId, version: u64) -> Vec<u8> {
    [&event.0[..], &version.to_be_bytes()].concat()
}

pub(crate) fn encode_attempt(attempt: &Attempt) -> Bytes {
    let mut out = Vec::new();
    put_attempt(&mut out, attempt);
    out.into()
}

pub(crate) fn decode_attempt(value: &[u8]) -> Result<Attempt, Bad> {
    take_attempt(&mut Take(value))
}

fn put_attempt(out: &mut Vec<u8>, attempt: &Attempt) {
    out.u32(attempt.number);
    out.u64(attempt.at);
    out.u32(attempt.duration_ms);
    out.u32(attempt.status.map_or(u32::MAX, u32::from));
    out.blob(attempt.code.as_bytes());
    out.blob(attempt.detail.as_bytes());
}

fn take_attempt(take: &mut Take<'_>) -> Result<Attempt, Bad> {
    let number = take.u32()?;
    let at = take.u64()?;
    let duration_ms = take.u32()?;
    let status = take.u32()?;
    let mut text = || -> Result<String, Bad> { String::from_utf8(take.blob()?.to_vec()).map_err(|_| Bad) };
    let code = text()?;
    let detail = text()?;
    Ok(Attempt { number, at, duration_ms, status: u16::try_from(status).ok(), code, detail })
}

/// Idempotency keys are ordered by their last day.
pub(crate) fn once_key(day: u32, key: &[u8; 16]) -> Vec<u8> {
    [&day.to_be_bytes()[..], key].concat()
}

pub(crate) fn read_once_key(key: &[u8]) -> Option<(u32, [u8; 16])> {
    let mut take = Take(key);
    Some((u32::from_be_bytes(take.array().ok()?), take.array().ok()?))
}
