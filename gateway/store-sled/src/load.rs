//! From the engine's rows back to the state in memory.

use std::ops::Bound;

use portico_contract::Millis;
use portico_store::{LaneState, StoreError};

use crate::blocks;
use crate::decide::bad_row;
use crate::engine::Engine;
use crate::index::{self, Index, Sum};
use crate::keyset::day;
use crate::lane::{LaneMem, chunk_length, decode_chunk, read_chunk_key, read_lane_key};
use crate::note;
use crate::op::{Cell, Tree};
use crate::record::Names;
use crate::state::State;

/// Reads and checks every row. Lanes, numbers, keys and counts go into a new state; the sum tells the caller
/// whether rows are missing.
pub(crate) fn state_of(engine: &std::sync::Arc<dyn Engine>, now: Millis) -> Result<(State, Sum), StoreError> {
    let mut state = State::default();
    let mut sum = Sum::default();
    let mut names = Names::default();
    let opened = Index::new(engine.clone());
    for tree in Tree::ALL {
        for row in engine.range(tree, Bound::Unbounded, Bound::Unbounded, false) {
            let (key, value) = row?;
            let version = index::check(tree, &key, &value)?;
            state.version = state.version.max(version);
            sum.add(tree, &key, &value);
            if matches!(tree, Tree::Lane | Tree::Chunk | Tree::Event | Tree::Seen | Tree::Once | Tree::Meta) {
                let data = opened.whole(tree, &key, value)?.data;
                take(&mut state, tree, &key, &data, &mut names, now).map_err(|()| bad_row(tree, &key))?;
            }
        }
    }
    Ok((state, sum))
}

fn take(
    state: &mut State,
    tree: Tree,
    key: &[u8],
    data: &[u8],
    names: &mut Names,
    now: Millis,
) -> Result<(), ()> {
    match tree {
        Tree::Lane => {
            let at = read_lane_key(key).map_err(|_| ())?;
            let lane = LaneMem::decode(data).map_err(|_| ())?;
            if lane.head >= lane.next {
                state.idle.insert(at, lane.next);
                return Ok(());
            }
            if lane.state == LaneState::Deferred {
                state.due.insert((at.dir, lane.due, at));
            }
            state.lanes.insert(at, lane);
        }
        Tree::Chunk => {
            let (at, first) = read_chunk_key(key).map_err(|_| ())?;
            let last = (first + chunk_length(data)).saturating_sub(1);
            match state.lanes.get_mut(&at) {
                // A row that is newer than the lane's own comes from a window that was not completed; the log
                // brings its entries again.
                Some(lane) if first < lane.next && last >= lane.head => lane.chunks.push_back((first, last)),
                _ => state.mem.put(Tree::Chunk, key.to_vec(), None),
            }
        }
        Tree::Event => {
            for (id, row) in blocks::decode(data, names).map_err(|_| ())? {
                let facts = state.segments.entry(row.place.segment).or_default();
                facts.newest = facts.newest.max(row.received_at);
                if row.rescued {
                    state.rescued.insert(id, row.place.segment);
                }
            }
        }
        Tree::Seen => {
            let last = u32::from_be_bytes(*key.first_chunk().ok_or(())?);
            if last >= day(now) {
                for key in data.as_chunks::<16>().0 {
                    state.seen.insert(key, last);
                }
            }
        }
        Tree::Once => {
            let (last, key) = note::read_once_key(key).ok_or(())?;
            state.once.insert(&key, last);
        }
        Tree::Meta if key == b"epoch" => {
            state.epoch = u64::from_le_bytes(*data.first_chunk().ok_or(())?);
        }
        _ => {}
    }
    Ok(())
}

/// After a salvage: entries that were lost leave holes in their lanes; those left get new numbers. The answer
/// is how many are lost.
pub(crate) fn close_holes(state: &mut State, index: &Index) -> Result<u64, StoreError> {
    let mut broken = Vec::new();
    for (at, lane) in &state.lanes {
        let mut left: std::collections::BTreeMap<u64, crate::lane::Pend> =
            lane.entries.iter().map(|entry| (entry.seq, *entry)).collect();
        for (first, _) in &lane.chunks {
            let key = crate::lane::chunk_key(*at, *first);
            let cell = match state.cell(Tree::Chunk, &key) {
                Some(known) => known.cloned(),
                None => index.get(Tree::Chunk, &key)?,
            };
            let Some(cell) = cell else { continue };
            for entry in decode_chunk(*first, &cell.data).map_err(|_| bad_row(Tree::Chunk, &key))? {
                left.entry(entry.seq).or_insert(entry);
            }
        }
        let left: Vec<_> =
            left.into_values().filter(|entry| (lane.head..lane.next).contains(&entry.seq)).collect();
        let lost = lane.next - lane.head - left.len() as u64;
        if lost > 0 {
            broken.push((*at, left, lost));
        }
    }
    let mut count = 0;
    for (at, left, lost) in broken {
        count += lost;
        state.renumber(at, left);
    }
    Ok(count)
}

/// Ends recovery: every unsettled number must have its entry; counts are taken.
pub(crate) fn complete(state: &mut State, index: &Index) -> Result<(), StoreError> {
    let mut pins = Vec::new();
    let mut backlog = [0; 2];
    for (at, lane) in &state.lanes {
        backlog[at.dir as usize] += lane.next - lane.head;
        let mut seq = lane.head;
        while seq < lane.next {
            if let Some(entry) = lane.find(seq) {
                pins.push((entry.event, entry.place.segment));
                seq += 1;
                continue;
            }
            let gap = || {
                StoreError::Damaged(format!(
                    "entry {seq} of the lane of {} is missing in the index",
                    at.conversation
                ))
            };
            let first = lane.chunk_of(seq).ok_or_else(gap)?;
            let key = crate::lane::chunk_key(*at, first);
            let cell = match state.cell(Tree::Chunk, &key) {
                Some(known) => known.cloned(),
                None => index.get(Tree::Chunk, &key)?,
            };
            let run =
                decode_chunk(first, &cell.ok_or_else(gap)?.data).map_err(|_| bad_row(Tree::Chunk, &key))?;
            for entry in run.iter().filter(|entry| entry.seq >= seq && entry.seq < lane.next) {
                let entry = lane.find(entry.seq).unwrap_or(entry);
                pins.push((entry.event, entry.place.segment));
            }
            seq = run.last().map_or(seq, |last| last.seq) + 1;
        }
    }
    for (event, segment) in pins {
        state.pin(&event, segment);
    }
    state.backlog = backlog;
    let dead = index.range(Tree::Dead, Bound::Unbounded, Bound::Unbounded, false, usize::MAX)?;
    let mut rows: std::collections::BTreeMap<Vec<u8>, Cell> = dead.into_iter().collect();
    for (key, cell) in state.mem.tree(Tree::Dead) {
        match cell {
            Some(cell) => rows.insert(key.clone(), cell.clone()),
            None => rows.remove(key),
        };
    }
    for (key, cell) in rows {
        let dead = note::Dead::decode(&cell.data).map_err(|_| bad_row(Tree::Dead, &key))?;
        let (_, event) = note::read_dead_key(&key).ok_or_else(|| bad_row(Tree::Dead, &key))?;
        *state.dead.entry(dead.bot).or_default() += 1;
        state.pin(&event, dead.segment);
    }
    state.live = true;
    Ok(())
}
