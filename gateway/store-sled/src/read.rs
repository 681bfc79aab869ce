//! Reading: memory first, then the engine, bodies from the log.

use std::ops::Bound;

use portico_contract::EventId;
use portico_store::{
    Entry, EventOutcome, EventSummary, Key, KeyRange, Lane, Row, StoreError, StoredEvent, Table,
};

use crate::blocks;
use crate::decide::{bad_row, row_key};
use crate::index::Index;
use crate::lane::{Pend, chunk_key, decode_chunk};
use crate::mem::Mem;
use crate::note::Note;
use crate::op::{Cell, Tree};
use crate::record::{self, EventRow, Names, Place};
use crate::segments::damaged;
use crate::shared::Shared;

/// Bodies that one peek brings, in bytes.
const PEEK_BYTES: usize = 1024 * 1024;

/// The row of an event, from the block that would hold it.
pub(crate) fn event_in_index(index: &Index, id: &EventId) -> Result<Option<EventRow>, StoreError> {
    let block = index.range(Tree::Event, Bound::Unbounded, Bound::Included(&id.0), true, 1)?;
    let Some((key, cell)) = block.into_iter().next() else { return Ok(None) };
    let events = blocks::decode(&cell.data, &mut Names::default()).map_err(|_| bad_row(Tree::Event, &key))?;
    Ok(events.get(id).cloned())
}

/// First key after all that begin with a prefix.
pub(crate) fn prefix_end(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 255 {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn bounds_are_empty(from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to) | Bound::Included(to)) => {
            from >= to
        }
    }
}

type Step<'a> = (&'a Vec<u8>, Option<&'a Cell>);

fn stretch<'a>(
    mem: &'a Mem,
    tree: Tree,
    from: &Bound<Vec<u8>>,
    to: &Bound<Vec<u8>>,
    reverse: bool,
) -> Box<dyn Iterator<Item = Step<'a>> + 'a> {
    let rows = mem.tree(tree).range::<[u8], _>((as_slice(from), as_slice(to)));
    let rows = rows.map(|(key, cell)| (key, cell.as_ref()));
    if reverse { Box::new(rows.rev()) } else { Box::new(rows) }
}

impl Shared {
    pub(crate) fn cell(&self, tree: Tree, key: &[u8]) -> Result<Option<Cell>, StoreError> {
        if let Some(known) = self.state.read().cell(tree, key) {
            return Ok(known.cloned());
        }
        self.index.get(tree, key)
    }

    /// A row of the port's tables that memory did not know in this generation of the state.
    pub(crate) fn below(&self, generation: u64, key: &[u8]) -> Result<Option<Cell>, StoreError> {
        if let Some(known) = self.recent.get(generation, key) {
            return Ok(known);
        }
        let cell = self.index.get(Tree::Rows, key)?;
        self.recent.put(generation, key, cell.as_ref());
        Ok(cell)
    }

    /// At most `limit` rows of a tree between two keys, memory laid over the engine.
    pub(crate) fn range(
        &self,
        tree: Tree,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Cell)>, StoreError> {
        let (mut from, mut to) = (from, to);
        let mut rows = Vec::new();
        while rows.len() < limit && !bounds_are_empty(&from, &to) {
            let generation = self.state.read().generation;
            let fetch = (limit - rows.len()).saturating_add(16).min(4096);
            let below = self.index.range(tree, as_slice(&from), as_slice(&to), reverse, fetch)?;
            // What the engine has shown reaches to here; beyond it nothing may be taken from memory yet.
            let edge = (below.len() == fetch).then(|| below.last().map(|(key, _)| key.clone())).flatten();
            let state = self.state.read();
            if state.generation != generation {
                continue;
            }
            let (part_from, part_to) = match (&edge, reverse) {
                (None, _) => (from.clone(), to.clone()),
                (Some(edge), false) => (from.clone(), Bound::Included(edge.clone())),
                (Some(edge), true) => (Bound::Included(edge.clone()), to.clone()),
            };
            let mut layers: Vec<std::iter::Peekable<Box<dyn Iterator<Item = Step<'_>> + '_>>> = Vec::new();
            layers.push(stretch(&state.mem, tree, &part_from, &part_to, reverse).peekable());
            if let Some(frozen) = &state.frozen {
                layers.push(stretch(frozen, tree, &part_from, &part_to, reverse).peekable());
            }
            let engine: Box<dyn Iterator<Item = Step<'_>> + '_> =
                Box::new(below.iter().map(|(key, cell)| (key, Some(cell))));
            layers.push(engine.peekable());
            while rows.len() < limit {
                let mut best: Option<&Vec<u8>> = None;
                for layer in &mut layers {
                    if let Some((key, _)) = layer.peek() {
                        let nearer = best.is_none_or(|best| if reverse { *key > best } else { *key < best });
                        if nearer {
                            best = Some(key);
                        }
                    }
                }
                let Some(key) = best else { break };
                let mut value: Option<Option<&Cell>> = None;
                for layer in &mut layers {
                    if let Some((_, cell)) = layer.next_if(|(at, _)| *at == key) {
                        value.get_or_insert(cell);
                    }
                }
                if let Some(Some(cell)) = value {
                    rows.push((key.clone(), cell.clone()));
                }
            }
            match edge {
                None => break,
                Some(edge) if reverse => to = Bound::Excluded(edge),
                Some(edge) => from = Bound::Excluded(edge),
            }
        }
        Ok(rows)
    }

    pub(crate) fn row(&self, table: Table, key: &Key) -> Result<Option<Row>, StoreError> {
        let key = row_key(table, &key.0);
        let generation = {
            let state = self.state.read();
            if let Some(known) = state.cell(Tree::Rows, &key) {
                return Ok(known.map(|cell| Row { value: cell.data.clone(), version: cell.version }));
            }
            state.generation
        };
        let cell = self.below(generation, &key)?;
        Ok(cell.map(|cell| Row { value: cell.data, version: cell.version }))
    }

    pub(crate) fn rows(&self, table: Table, range: &KeyRange) -> Result<Vec<(Key, Row)>, StoreError> {
        let prefix = row_key(table, &range.prefix.0);
        let (mut from, mut to) = (Bound::Included(prefix.clone()), prefix_end(&prefix));
        if let Some(after) = &range.after {
            let after = row_key(table, &after.0);
            if range.reverse {
                if as_upper(&to, &after) {
                    to = Bound::Excluded(after);
                }
            } else if after >= prefix {
                from = Bound::Excluded(after);
            }
        }
        let rows = self.range(Tree::Rows, from, to, range.reverse, range.limit)?;
        let row = |(key, cell): (Vec<u8>, Cell)| {
            let key = key.get(1..).unwrap_or_default().to_vec();
            (Key(key), Row { value: cell.data, version: cell.version })
        };
        Ok(rows.into_iter().map(row).collect())
    }

    pub(crate) fn event_row(&self, id: &EventId) -> Result<Option<EventRow>, StoreError> {
        loop {
            let generation = {
                let state = self.state.read();
                if let Some(row) = state.event(id) {
                    return Ok(Some(row.clone()));
                }
                state.generation
            };
            let row = event_in_index(&self.index, id)?;
            // A window may have moved to the engine between the two looks.
            if row.is_some() || self.state.read().generation == generation {
                return Ok(row);
            }
        }
    }

    pub(crate) fn note(&self, id: &EventId) -> Result<Option<Note>, StoreError> {
        let Some(cell) = self.cell(Tree::Note, &id.0)? else { return Ok(None) };
        Note::decode(&cell.data).map(Some).map_err(|_| bad_row(Tree::Note, &id.0))
    }

    pub(crate) fn outcome(&self, id: &EventId, row: &EventRow) -> Result<EventOutcome, StoreError> {
        let note = self.note(id)?;
        Ok(self.state.read().outcome(row, note))
    }

    pub(crate) fn summary(&self, id: EventId, row: EventRow) -> Result<EventSummary, StoreError> {
        let outcome = self.outcome(&id, &row)?;
        Ok(EventSummary {
            id,
            bot: row.bot,
            installation: row.installation,
            kind: row.kind,
            received_at: row.received_at,
            lane: row.lane,
            seq: row.seq,
            outcome,
        })
    }

    /// An event with its bodies, read at a place where its record should be.
    fn event_at(&self, id: &EventId, place: Place) -> Result<Option<StoredEvent>, StoreError> {
        let Some(bytes) = self.segments.read(place)? else { return Ok(None) };
        let event = record::decode(&bytes, place).map_err(|_| damaged(place))?;
        if event.id == *id { Ok(Some(event)) } else { Err(damaged(place)) }
    }

    /// An event that the journal must have.
    fn kept_event(&self, id: &EventId, place: Place) -> Result<StoredEvent, StoreError> {
        if let Some(event) = self.event_at(id, place)? {
            return Ok(event);
        }
        // Its segment has gone; then the record was copied forward.
        let row = self.event_row(id)?.filter(|row| row.place != place).ok_or_else(|| damaged(place))?;
        self.event_at(id, row.place)?.ok_or_else(|| damaged(row.place))
    }

    pub(crate) fn stored_event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        let Some(row) = self.event_row(&id)? else { return Ok(None) };
        let Some(mut event) = self.event_at(&id, row.place)? else { return Ok(None) };
        event.outcome = self.outcome(&id, &row)?;
        Ok(Some(event))
    }

    /// Numbers and places of the first entries of a lane; with it whether more wait for their sync.
    fn pending(&self, at: Lane, n: usize) -> Result<(Vec<Pend>, bool), StoreError> {
        let synced = self.synced.load(std::sync::atomic::Ordering::Acquire);
        let mut found: Vec<Pend> = Vec::new();
        'again: for _ in 0..64 {
            found.clear();
            let mut begun: Option<(u64, u64)> = None;
            loop {
                let (missing, generation) = {
                    let state = self.state.read();
                    let Some(lane) = state.lanes.get(&at) else {
                        return Ok((Vec::new(), false));
                    };
                    let (head, end) =
                        *begun.get_or_insert((lane.head, lane.next.min(lane.head.saturating_add(n as u64))));
                    if lane.head != head {
                        continue 'again;
                    }
                    if let Some(first) = found.first_mut() {
                        first.attempts = lane.attempts;
                    }
                    let mut missing = None;
                    for seq in found.last().map_or(head, |last| last.seq + 1)..end {
                        let Some(entry) = lane.find(seq) else {
                            missing = lane.chunk_of(seq).map(|first| (first, seq, end));
                            break;
                        };
                        if entry.place.position() >= synced {
                            return Ok((found, true));
                        }
                        let attempts = if seq == head { lane.attempts } else { entry.attempts };
                        found.push(Pend { attempts, ..*entry });
                    }
                    (missing, state.generation)
                };
                let Some((first, from, end)) = missing else { return Ok((found, false)) };
                let key = chunk_key(at, first);
                // Gone only when the head has passed it: look again.
                let Some(cell) = self.cell(Tree::Chunk, &key)? else { continue 'again };
                let run = decode_chunk(first, &cell.data).map_err(|_| bad_row(Tree::Chunk, &key))?;
                let before = found.len();
                found.extend(run.into_iter().filter(|entry| (from..end).contains(&entry.seq)));
                if found.len() == before {
                    // The index was made again meanwhile, with other rows.
                    if self.state.read().generation != generation {
                        continue 'again;
                    }
                    return Err(bad_row(Tree::Chunk, &key));
                }
            }
        }
        Ok((found, false))
    }

    /// The first entries of a lane with their events; `None` when there are some but none is synced yet.
    pub(crate) fn entries(&self, lane: Lane, n: usize) -> Result<Option<Vec<Entry>>, StoreError> {
        let (pending, waits) = self.pending(lane, n)?;
        if pending.is_empty() && waits && n > 0 {
            return Ok(None);
        }
        let mut entries = Vec::with_capacity(pending.len());
        let mut bytes = 0;
        for entry in pending {
            let length = entry.place.length as usize;
            if !entries.is_empty() && bytes + length > PEEK_BYTES {
                break;
            }
            bytes += length;
            let event = self.kept_event(&entry.event, entry.place)?;
            let Pend { seq, replay, attempts, place, .. } = entry;
            let fresh = !replay && place.position() >= self.opened_at;
            entries.push(Entry { seq, replay, attempts, fresh, event });
        }
        Ok(Some(entries))
    }
}

/// Whether a key lies below an upper bound.
fn as_upper(to: &Bound<Vec<u8>>, key: &[u8]) -> bool {
    match to {
        Bound::Unbounded => true,
        Bound::Included(to) => key <= to.as_slice(),
        Bound::Excluded(to) => key < to.as_slice(),
    }
}
