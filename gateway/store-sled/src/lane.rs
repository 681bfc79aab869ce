//! One lane in memory: its head, and the entries near it.

use std::collections::VecDeque;

use portico_contract::{EventId, Millis};
use portico_store::{Lane, LaneHead, LaneState};

use crate::op::{put_place, take_place, take_state};
use crate::record::{Place, put_lane, take_lane};
use crate::wire::{Bad, Put, Take};

/// Entries of a lane that stay in memory once the index has them, and entries in one row of the index.
pub(crate) const WINDOW: usize = 64;
/// Entries that all lanes together may keep so; where more wait each keeps few, and the rest is read when its turn
/// comes.
const MANY: u64 = 100_000;
const FEW: usize = 8;

/// Entries of a lane that stay in memory when so many wait in all.
pub(crate) fn kept(backlog: u64) -> usize {
    if backlog > MANY { FEW } else { WINDOW }
}

/// An unsettled entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pend {
    pub(crate) seq: u64,
    pub(crate) event: EventId,
    /// Where the record was when the entry was made; a rescued record has another place in the index.
    pub(crate) place: Place,
    /// Attempts made before it came here.
    pub(crate) attempts: u32,
    /// It came back by a replay.
    pub(crate) replay: bool,
    /// The index has it.
    pub(crate) saved: bool,
}

/// Every number in `head..next` is in `entries` or in one of `chunks`.
#[derive(Clone, Debug)]
pub(crate) struct LaneMem {
    pub(crate) head: u64,
    pub(crate) next: u64,
    pub(crate) state: LaneState,
    pub(crate) attempts: u32,
    pub(crate) due: Millis,
    /// Ascending; with gaps where only the index has the entries.
    pub(crate) entries: VecDeque<Pend>,
    /// Rows of the index: first and last number, ascending.
    pub(crate) chunks: VecDeque<(u64, u64)>,
}

impl LaneMem {
    pub(crate) fn empty(next: u64) -> Self {
        Self {
            head: next,
            next,
            state: LaneState::Ready,
            attempts: 0,
            due: 0,
            entries: VecDeque::new(),
            chunks: VecDeque::new(),
        }
    }

    pub(crate) fn find(&self, seq: u64) -> Option<&Pend> {
        let first = self.entries.front()?.seq;
        let guess = usize::try_from(seq.checked_sub(first)?).ok()?;
        match self.entries.get(guess) {
            Some(entry) if entry.seq == seq => Some(entry),
            _ => self
                .entries
                .binary_search_by_key(&seq, |entry| entry.seq)
                .ok()
                .and_then(|at| self.entries.get(at)),
        }
    }

    /// The row of the index that holds a number.
    pub(crate) fn chunk_of(&self, seq: u64) -> Option<u64> {
        let at = self.chunks.partition_point(|(_, last)| *last < seq);
        self.chunks.get(at).filter(|(first, _)| *first <= seq).map(|(first, _)| *first)
    }

    pub(crate) fn insert(&mut self, entry: Pend) {
        match self.entries.back() {
            Some(last) if last.seq >= entry.seq => {
                if let Err(at) = self.entries.binary_search_by_key(&entry.seq, |known| known.seq) {
                    self.entries.insert(at, entry);
                }
            }
            _ => self.entries.push_back(entry),
        }
    }

    pub(crate) fn as_head(&self, lane: Lane) -> LaneHead {
        LaneHead {
            lane,
            head: self.head,
            next: self.next,
            state: self.state,
            attempts: self.attempts,
            due: self.due,
        }
    }

    /// Value of the lane's row.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(29);
        out.u64(self.next);
        out.u64(self.head);
        out.u8(self.state as u8);
        out.u32(self.attempts);
        out.u64(self.due);
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, Bad> {
        let mut take = Take(value);
        let next = take.u64()?;
        let head = take.u64()?;
        let state = take_state(take.u8()?)?;
        let attempts = take.u32()?;
        let due = take.u64()?;
        Ok(Self { head, state, attempts, due, ..Self::empty(next) })
    }

    /// Gives entries that the index does not have yet as its rows, and forgets all but the first `keep`.
    pub(crate) fn save(&mut self, lane: Lane, keep: usize, mut put: impl FnMut(Vec<u8>, Vec<u8>)) {
        let mut run: Vec<Pend> = Vec::new();
        let mut made = Vec::new();
        let mut finish = |run: &mut Vec<Pend>| {
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                made.push((first.seq, last.seq));
                put(chunk_key(lane, first.seq), encode_chunk(run));
            }
            run.clear();
        };
        for entry in self.entries.iter_mut().filter(|entry| !entry.saved) {
            if run.len() == WINDOW || run.last().is_some_and(|last| last.seq + 1 != entry.seq) {
                finish(&mut run);
            }
            entry.saved = true;
            run.push(*entry);
        }
        finish(&mut run);
        self.chunks.extend(made);
        self.chunks.make_contiguous().sort_unstable();
        self.entries.truncate(keep);
        if self.entries.capacity() > 4 * keep {
            self.entries.shrink_to(keep);
        }
    }
}

pub(crate) fn lane_key(lane: Lane) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    put_lane(&mut key, lane);
    key
}

pub(crate) fn read_lane_key(key: &[u8]) -> Result<Lane, Bad> {
    take_lane(&mut Take(key))
}

pub(crate) fn chunk_key(lane: Lane, first: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(25);
    put_lane(&mut key, lane);
    key.extend_from_slice(&first.to_be_bytes());
    key
}

pub(crate) fn read_chunk_key(key: &[u8]) -> Result<(Lane, u64), Bad> {
    let mut take = Take(key);
    let lane = take_lane(&mut take)?;
    Ok((lane, u64::from_be_bytes(take.array()?)))
}

fn encode_chunk(run: &[Pend]) -> Vec<u8> {
    let mut out = Vec::with_capacity(run.len() * 33);
    for entry in run {
        out.raw(&entry.event.0);
        put_place(&mut out, entry.place);
        out.u32(entry.attempts);
        out.u8(u8::from(entry.replay));
    }
    out
}

pub(crate) fn decode_chunk(first: u64, value: &[u8]) -> Result<Vec<Pend>, Bad> {
    let mut take = Take(value);
    let mut run = Vec::with_capacity(value.len() / 33);
    while !take.is_empty() {
        run.push(Pend {
            seq: first + run.len() as u64,
            event: EventId(take.array()?),
            place: take_place(&mut take)?,
            attempts: take.u32()?,
            replay: take.u8()? == 1,
            saved: true,
        });
    }
    Ok(run)
}

/// Number of entries in a row of the index.
pub(crate) fn chunk_length(value: &[u8]) -> u64 {
    (value.len() / 33) as u64
}
