//! A journaled event as it lies in the log: readable by itself, with a checksum of its own.
//!
//! The index keeps a [`Place`] for each event; reading a body is one positioned read and one checksum, and a
//! flipped byte is found here whatever the index says.

use bytes::Bytes;
use hashbrown::HashMap;
use portico_contract::{BotId, ConversationId, EventId, InstallationId, Millis};
use portico_store::{Dir, EventKind, EventOutcome, Lane, NewEvent, StoredEvent};

use crate::wire::{Bad, Put, Take};

/// Where a record lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

impl Place {
    /// The log position of its first byte.
    pub(crate) fn position(self) -> u64 {
        (u64::from(self.segment) << 32) | u64::from(self.offset)
    }
}

/// What the index knows of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventRow {
    pub(crate) place: Place,
    pub(crate) lane: Lane,
    pub(crate) seq: u64,
    pub(crate) kind: EventKind,
    pub(crate) received_at: Millis,
    pub(crate) bot: BotId,
    pub(crate) installation: InstallationId,
    /// Copied forward out of a segment that was to go.
    pub(crate) rescued: bool,
}

pub(crate) fn put_lane(out: &mut Vec<u8>, lane: Lane) {
    out.u8(lane.dir as u8);
    out.raw(&lane.conversation.0);
}

pub(crate) fn take_lane(take: &mut Take<'_>) -> Result<Lane, Bad> {
    let dir = match take.u8()? {
        0 => Dir::Inbound,
        1 => Dir::Outbound,
        _ => return Err(Bad),
    };
    Ok(Lane { dir, conversation: ConversationId(take.array()?) })
}

/// Names that come again and again, made once.
#[derive(Default)]
pub(crate) struct Names {
    bots: HashMap<Box<str>, BotId>,
    installations: HashMap<Box<str>, InstallationId>,
}

impl Names {
    pub(crate) fn bot(&mut self, name: &str) -> Result<BotId, Bad> {
        if let Some(known) = self.bots.get(name) {
            return Ok(known.clone());
        }
        let made = BotId::parse(name).map_err(|_| Bad)?;
        self.bots.insert(name.into(), made.clone());
        Ok(made)
    }

    pub(crate) fn installation(&mut self, name: &str) -> Result<InstallationId, Bad> {
        if let Some(known) = self.installations.get(name) {
            return Ok(known.clone());
        }
        let made = InstallationId::parse(name).map_err(|_| Bad)?;
        self.installations.insert(name.into(), made.clone());
        Ok(made)
    }
}

/// Appends a record; the answer is its length.
pub(crate) fn encode(out: &mut Vec<u8>, event: &NewEvent, lane: Lane, seq: u64) -> u32 {
    let start = out.len();
    out.u32(0);
    out.raw(&event.id.0);
    put_lane(out, lane);
    out.u64(seq);
    out.u64(event.received_at);
    out.u8(event.kind as u8);
    out.name(event.bot.as_str());
    out.name(event.installation.as_str());
    out.u8(u8::from(event.raw_of.is_some()));
    if let Some(id) = &event.raw_of {
        out.raw(&id.0);
    }
    out.blob(&event.body);
    out.blob(&event.raw);
    let sum = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&sum.to_le_bytes());
    (out.len() - start) as u32
}

/// Everything of a record but its bodies.
pub(crate) struct Head {
    pub(crate) id: EventId,
    pub(crate) row: EventRow,
    raw_of: Option<EventId>,
}

fn head(take: &mut Take<'_>, place: Place, names: &mut Names) -> Result<Head, Bad> {
    let id = EventId(take.array()?);
    let lane = take_lane(take)?;
    let seq = take.u64()?;
    let received_at = take.u64()?;
    let kind = EventKind::from_byte(take.u8()?).ok_or(Bad)?;
    let bot = names.bot(take.name()?)?;
    let installation = names.installation(take.name()?)?;
    let raw_of = if take.u8()? == 1 { Some(EventId(take.array()?)) } else { None };
    let row = EventRow { place, lane, seq, kind, received_at, bot, installation, rescued: false };
    Ok(Head { id, row, raw_of })
}

/// Reads the head of a record whose frame was checked already.
pub(crate) fn read_head(record: &[u8], place: Place, names: &mut Names) -> Result<Head, Bad> {
    let mut take = Take(record);
    take.u32()?;
    head(&mut take, place, names)
}

/// Whether a record's own checksum holds.
pub(crate) fn intact(record: &[u8]) -> bool {
    match record.split_first_chunk::<4>() {
        Some((sum, rest)) => crc32c::crc32c(rest) == u32::from_le_bytes(*sum),
        None => false,
    }
}

/// Reads a whole record. Bodies share the record's memory.
pub(crate) fn decode(record: &Bytes, place: Place) -> Result<StoredEvent, Bad> {
    if !intact(record) {
        return Err(Bad);
    }
    let mut take = Take(record);
    take.u32()?;
    let Head { id, row, raw_of } = head(&mut take, place, &mut Names::default())?;
    let body = take.blob()?;
    let raw = take.blob()?;
    Ok(StoredEvent {
        id,
        bot: row.bot,
        installation: row.installation,
        kind: row.kind,
        received_at: row.received_at,
        lane: row.lane,
        seq: row.seq,
        body: record.slice_ref(body),
        raw: record.slice_ref(raw),
        raw_of,
        outcome: EventOutcome::Pending,
    })
}
