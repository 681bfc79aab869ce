//! What a commit became once it was decided: physical changes with their numbers given.
//!
//! The committer decides, writes these and applies them; recovery reads and applies them again. Both go
//! through `State::apply`, and applying twice changes nothing.

use bytes::Bytes;
use portico_contract::{EventId, Millis};
use portico_store::{Lane, LaneState, NewEvent};

use crate::record::{self, EventRow, Names, Place, put_lane, take_lane};
use crate::wire::{Bad, Put, Take};

/// A tree of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Tree {
    /// Rows of the port's tables: table byte, key.
    Rows = 0,
    /// Lane → next, head, state.
    Lane = 1,
    /// Runs of unsettled entries: lane, first number.
    Chunk = 2,
    /// Blocks of the journal's index: first event id.
    Event = 3,
    /// What the place in a lane does not tell of an event: outcome, later number, attempts.
    Note = 4,
    /// Dead letters: time, event.
    Dead = 5,
    /// Attempts: event, version.
    Try = 6,
    /// Blocks of dedupe keys: last day, position, number.
    Seen = 7,
    /// Idempotency keys: last day, key.
    Once = 8,
    /// Parts of values above 8 KiB: version, number.
    Big = 9,
    /// Facts of the store itself.
    Meta = 10,
}

impl Tree {
    pub(crate) const ALL: [Self; 11] = [
        Self::Rows,
        Self::Lane,
        Self::Chunk,
        Self::Event,
        Self::Note,
        Self::Dead,
        Self::Try,
        Self::Seen,
        Self::Once,
        Self::Big,
        Self::Meta,
    ];

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Lane => "lane",
            Self::Chunk => "entry",
            Self::Event => "event",
            Self::Note => "note",
            Self::Dead => "dead",
            Self::Try => "try",
            Self::Seen => "seen",
            Self::Once => "once",
            Self::Big => "big",
            Self::Meta => "meta",
        }
    }
}

/// A value of the index, or of the memory in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) version: u64,
    pub(crate) data: Bytes,
}

impl Cell {
    /// Version and data.
    pub(crate) fn as_pair(&self) -> (u64, &[u8]) {
        (self.version, &self.data)
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// An event, its record, its entry.
    Append { key: Option<([u8; 16], u32)>, event: NewEvent, lane: Lane, seq: u64, place: Place },
    /// The same, read back from the log.
    Appended { key: Option<([u8; 16], u32)>, id: EventId, row: EventRow },
    /// An old event at the end of its lane again.
    Requeue { lane: Lane, seq: u64, event: EventId, attempts: u32, place: Place },
    /// The head moves; `attempts` are those of the new head.
    Head { lane: Lane, head: u64, attempts: u32 },
    /// The head waits, or is released.
    Wait { lane: Lane, seq: u64, state: LaneState, due: Millis, attempts: u32 },
    /// A row of a tree.
    Cell { tree: Tree, key: Vec<u8>, version: u64, data: Option<Bytes> },
    /// A new owner of all shards.
    Epoch { epoch: u64 },
    /// A record copied forward out of a segment; which one is known only while it happens.
    Rescue { record: Bytes, id: EventId, row: EventRow, from: u32 },
}

/// Appends an operation to a frame. Records get their place from `base`, the log position of `out`'s start.
pub(crate) fn encode(out: &mut Vec<u8>, op: &mut Op, segment: u32, base: u32) {
    match op {
        Op::Append { key, event, lane, seq, place } => {
            out.u8(0);
            put_key(out, key);
            let at = out.len();
            out.u32(0);
            let length = record::encode(out, event, *lane, *seq);
            out[at..at + 4].copy_from_slice(&length.to_le_bytes());
            *place = Place { segment, offset: base + (at as u32) + 4, length };
        }
        Op::Appended { .. } => {} // made by reading only
        Op::Requeue { lane, seq, event, attempts, place } => {
            out.u8(1);
            put_lane(out, *lane);
            out.u64(*seq);
            out.raw(&event.0);
            out.u32(*attempts);
            put_place(out, *place);
        }
        Op::Head { lane, head, attempts } => {
            out.u8(2);
            put_lane(out, *lane);
            out.u64(*head);
            out.u32(*attempts);
        }
        Op::Wait { lane, seq, state, due, attempts } => {
            out.u8(3);
            put_lane(out, *lane);
            out.u64(*seq);
            out.u8(*state as u8);
            out.u64(*due);
            out.u32(*attempts);
        }
        Op::Cell { tree, key, version, data } => {
            out.u8(4);
            out.u8(*tree as u8);
            out.u16(key.len() as u16);
            out.raw(key);
            out.u64(*version);
            out.u8(u8::from(data.is_some()));
            if let Some(data) = data {
                out.blob(data);
            }
        }
        Op::Epoch { epoch } => {
            out.u8(5);
            out.u64(*epoch);
        }
        Op::Rescue { record, row, .. } => {
            out.u8(6);
            out.u32(record.len() as u32);
            row.place = Place { segment, offset: base + out.len() as u32, length: record.len() as u32 };
            out.raw(record);
        }
    }
}

fn put_key(out: &mut Vec<u8>, key: &Option<([u8; 16], u32)>) {
    match key {
        Some((key, day)) => {
            out.u8(1);
            out.raw(key);
            out.u32(*day);
        }
        None => out.u8(0),
    }
}

pub(crate) fn put_place(out: &mut Vec<u8>, place: Place) {
    out.u32(place.segment);
    out.u32(place.offset);
    out.u32(place.length);
}

pub(crate) fn take_place(take: &mut Take<'_>) -> Result<Place, Bad> {
    Ok(Place { segment: take.u32()?, offset: take.u32()?, length: take.u32()? })
}

pub(crate) fn take_state(byte: u8) -> Result<LaneState, Bad> {
    match byte {
        0 => Ok(LaneState::Ready),
        1 => Ok(LaneState::Deferred),
        2 => Ok(LaneState::Held),
        _ => Err(Bad),
    }
}

/// Upper bound of an operation's encoded length.
pub(crate) fn bound(op: &Op) -> usize {
    match op {
        Op::Append { event, .. } => 360 + event.body.len() + event.raw.len(),
        Op::Cell { key, data, .. } => 20 + key.len() + data.as_ref().map_or(0, Bytes::len),
        Op::Rescue { record, .. } => 8 + record.len(),
        _ => 80,
    }
}

/// Reads the operations of a frame's payload, which begins at `offset` of `segment`.
pub(crate) fn decode(payload: &[u8], segment: u32, offset: u32, names: &mut Names) -> Result<Vec<Op>, Bad> {
    let mut take = Take(payload);
    let mut ops = Vec::new();
    while !take.is_empty() {
        let op = match take.u8()? {
            0 => {
                let key = if take.u8()? == 1 { Some((take.array()?, take.u32()?)) } else { None };
                let record = take.blob()?;
                let end = payload.len() - take.0.len();
                let place = Place {
                    segment,
                    offset: offset + (end - record.len()) as u32,
                    length: record.len() as u32,
                };
                let head = record::read_head(record, place, names)?;
                Op::Appended { key, id: head.id, row: head.row }
            }
            1 => Op::Requeue {
                lane: take_lane(&mut take)?,
                seq: take.u64()?,
                event: EventId(take.array()?),
                attempts: take.u32()?,
                place: take_place(&mut take)?,
            },
            2 => Op::Head { lane: take_lane(&mut take)?, head: take.u64()?, attempts: take.u32()? },
            3 => Op::Wait {
                lane: take_lane(&mut take)?,
                seq: take.u64()?,
                state: take_state(take.u8()?)?,
                due: take.u64()?,
                attempts: take.u32()?,
            },
            4 => {
                let tree = Tree::from_byte(take.u8()?).ok_or(Bad)?;
                let length = take.u16()?;
                let key = take.raw(usize::from(length))?.to_vec();
                let version = take.u64()?;
                let data = if take.u8()? == 1 { Some(Bytes::copy_from_slice(take.blob()?)) } else { None };
                Op::Cell { tree, key, version, data }
            }
            5 => Op::Epoch { epoch: take.u64()? },
            6 => {
                let record = take.blob()?;
                let end = payload.len() - take.0.len();
                let place = Place {
                    segment,
                    offset: offset + (end - record.len()) as u32,
                    length: record.len() as u32,
                };
                let head = record::read_head(record, place, names)?;
                let row = EventRow { rescued: true, ..head.row };
                Op::Rescue { record: Bytes::new(), id: head.id, row, from: 0 }
            }
            _ => return Err(Bad),
        };
        ops.push(op);
    }
    Ok(ops)
}
