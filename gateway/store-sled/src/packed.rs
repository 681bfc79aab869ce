//! Rows in packs: what the index knows as rows lies in the engine as runs of adjacent ones.
//!
//! sled takes about as long for a row of sixty bytes as for a pack of some dozens, so a window, which is sorted,
//! is merged pack by pack: each is read once and written once. A pack lies under the key of the first row that it
//! was made with and holds all rows from there up to the key of the next one. It keeps its key when that row goes.
//!
//! One thread writes. A pack that grows too large is parted, the last part first: then a reader finds a row in its
//! old pack or in its new one, and after an interruption the rows that a pack holds beyond the key of the next are
//! void. What a reader looks up from above may be parted between two looks of sled; `parted` tells it so.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portico_store::StoreError;

use crate::engine::{Changed, Engine, NewRows, Pair, Rows};
use crate::index::row_name;
use crate::op::Tree;
use crate::pack::{self, Opened, Reader, RowRef};
use crate::sled_engine::Sled;
use crate::wire::Bad;

/// Bytes of rows that are merged into one pack at once; the parts follow one another.
const GROUP: usize = 256 * 1024;

/// Whether rows of a tree are packed. Events and dedupe keys come in blocks of their own, and parts are large.
fn is_packed(tree: Tree) -> bool {
    !matches!(tree, Tree::Event | Tree::Seen | Tree::Big)
}

pub(crate) struct Packed {
    engine: Arc<dyn Engine>,
    /// Packs whose rows went into new ones above them, since the start.
    parted: AtomicU64,
}

fn damaged(tree: Tree, key: &[u8]) -> StoreError {
    StoreError::Damaged(format!("the pack of {} fails its checksum", row_name(tree, key)))
}

/// Opens sled in a folder, its rows in packs.
pub(crate) fn open(folder: &Path, cache_bytes: u64) -> Result<Arc<dyn Engine>, StoreError> {
    Ok(Arc::new(Packed::over(Arc::new(Sled::open(folder, cache_bytes)?))))
}

impl Packed {
    pub(crate) fn over(engine: Arc<dyn Engine>) -> Self {
        Self { engine, parted: AtomicU64::new(0) }
    }

    /// The highest pack up to a bound.
    fn highest(&self, tree: Tree, to: Bound<&[u8]>) -> Result<Option<Pair>, StoreError> {
        loop {
            let parted = self.parted.load(Ordering::Acquire);
            let found = self.engine.range(tree, Bound::Unbounded, to, true).next().transpose();
            // Else the new pack may have come behind the look and the old one have shrunk before it.
            if self.parted.load(Ordering::Acquire) == parted {
                return found;
            }
        }
    }

    /// Merges rows into the pack that they belong to; `after` is the key of the next pack.
    fn merge(
        &self,
        tree: Tree,
        before: Option<Pair>,
        after: Option<&[u8]>,
        new: &[(&[u8], Option<Vec<u8>>)],
        told: &mut dyn FnMut(Changed<'_>),
    ) -> Result<(), StoreError> {
        let (at, opened) = match before {
            None => (None, Opened::default()),
            Some((key, value)) => {
                let opened = Opened::read(tree, key.clone(), value, after);
                (Some(key.clone()), opened.map_err(|Bad| damaged(tree, &key))?)
            }
        };
        let mut rows: Vec<RowRef<'_>> = Vec::with_capacity(opened.len() + new.len());
        let mut changes: Vec<Changed<'_>> = Vec::with_capacity(new.len());
        let mut place = 0;
        for (key, value) in new {
            let key = *key;
            while let Some(row) = opened.row(place).filter(|(known, _)| *known < key) {
                rows.push(row);
                place += 1;
            }
            let old = opened.row(place).filter(|(known, _)| *known == key).map(|(_, value)| value);
            place += usize::from(old.is_some());
            let value = value.as_deref();
            rows.extend(value.map(|value| (key, value)));
            if old != value {
                changes.push(Changed { key, old, new: value });
            }
        }
        let last = opened.len().checked_sub(1).and_then(|last| opened.row(last));
        let grows_at_end = last.is_none_or(|(last, _)| new.first().is_some_and(|(key, _)| *key > last));
        rows.extend((place..opened.len()).filter_map(|place| opened.row(place)));
        if changes.is_empty() {
            return Ok(());
        }
        let mut firsts = pack::part(&rows, grows_at_end);
        let mut end = rows.len();
        let mut left = changes.as_slice();
        while let Some(first) = firsts.pop() {
            let part = rows.get(first..end).unwrap_or_default();
            let own = part.first().map_or(&[][..], |(key, _)| key);
            let (key, is_first) = match &at {
                Some(at) if first == 0 => (at.as_slice(), true),
                _ => (own, first == 0),
            };
            if is_first && end < rows.len() {
                self.parted.fetch_add(1, Ordering::AcqRel);
            }
            self.engine.put(tree, key, &pack::encode(tree, key, part))?;
            let kept = if is_first { 0 } else { left.partition_point(|change| change.key < own) };
            let (rest, done) = left.split_at(kept);
            done.iter().for_each(|change| told(*change));
            (left, end) = (rest, first);
        }
        if rows.is_empty()
            && let Some(at) = at
        {
            self.shrink_below(tree, &at)?;
            self.engine.delete(tree, &at)?;
        }
        left.iter().for_each(|change| told(*change));
        Ok(())
    }

    /// Takes out of the pack below a key what it holds from there on: void as long as a pack has that key.
    fn shrink_below(&self, tree: Tree, at: &[u8]) -> Result<(), StoreError> {
        let Some((key, value)) = self.highest(tree, Bound::Excluded(at))? else { return Ok(()) };
        let opened = Opened::read(tree, key.clone(), value, None).map_err(|Bad| damaged(tree, &key))?;
        let kept = opened.below(at, false);
        if kept < opened.len() {
            let rows: Vec<RowRef<'_>> = (0..kept).filter_map(|place| opened.row(place)).collect();
            self.engine.put(tree, &key, &pack::encode(tree, &key, &rows))?;
        }
        Ok(())
    }

    fn one(&self, tree: Tree, key: &[u8], value: Option<&[u8]>) -> Result<Option<Vec<u8>>, StoreError> {
        let mut was = None;
        let mut row = std::iter::once((key, value.map(<[u8]>::to_vec)));
        self.write(tree, &mut row, &mut |change| was = change.old.map(<[u8]>::to_vec))?;
        Ok(was)
    }
}

impl Engine for Packed {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_packed(tree) {
            return self.engine.get(tree, key);
        }
        let Some((at, value)) = self.highest(tree, Bound::Included(key))? else { return Ok(None) };
        let broken = |Bad| damaged(tree, key);
        let mut reader = Reader::open(tree, at, value).map_err(broken)?;
        while reader.step().map_err(broken)? {
            match reader.key().cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Some(reader.value().to_vec())),
                std::cmp::Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    fn put(&self, tree: Tree, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_packed(tree) {
            return self.engine.put(tree, key, value);
        }
        let old = self.get(tree, key)?;
        self.one(tree, key, Some(value))?;
        Ok(old)
    }

    fn delete(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_packed(tree) {
            return self.engine.delete(tree, key);
        }
        self.one(tree, key, None)
    }

    fn write(
        &self,
        tree: Tree,
        rows: NewRows<'_, '_>,
        told: &mut dyn FnMut(Changed<'_>),
    ) -> Result<(), StoreError> {
        if !is_packed(tree) {
            return self.engine.write(tree, rows, told);
        }
        let mut rows = rows.peekable();
        let mut group = Vec::new();
        while let Some((first, _)) = rows.peek() {
            let before = self.highest(tree, Bound::Included(first))?;
            let above = self.engine.range(tree, Bound::Excluded(first), Bound::Unbounded, false).next();
            let after = above.transpose()?.map(|(key, _)| key);
            let mut bytes = 0;
            while let Some(row) =
                rows.next_if(|(key, _)| bytes < GROUP && after.as_deref().is_none_or(|after| *key < after))
            {
                bytes += row.0.len() + row.1.as_ref().map_or(0, Vec::len);
                group.push(row);
            }
            self.merge(tree, before, after.as_deref(), &group, told)?;
            group.clear();
        }
        Ok(())
    }

    fn range<'a>(&'a self, tree: Tree, from: Bound<&[u8]>, to: Bound<&[u8]>, reverse: bool) -> Rows<'a> {
        if !is_packed(tree) {
            return self.engine.range(tree, from, to, reverse);
        }
        let (from, to) = (from.map(<[u8]>::to_vec), to.map(<[u8]>::to_vec));
        if reverse {
            Box::new(Down::new(self, tree, from, to))
        } else {
            Box::new(Up::new(self, tree, from, to))
        }
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.engine.flush()
    }

    fn size(&self) -> u64 {
        self.engine.size()
    }
}

type Edge = Bound<Vec<u8>>;

fn as_slice(bound: &Edge) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// Whether a key lies before a lower bound.
fn is_before(key: &[u8], from: &Edge) -> bool {
    match from {
        Bound::Unbounded => false,
        Bound::Included(from) => key < from.as_slice(),
        Bound::Excluded(from) => key <= from.as_slice(),
    }
}

/// Whether a key lies behind an upper bound.
fn is_behind(key: &[u8], to: &Edge) -> bool {
    match to {
        Bound::Unbounded => false,
        Bound::Included(to) => key > to.as_slice(),
        Bound::Excluded(to) => key >= to.as_slice(),
    }
}

/// Rows in ascending order.
struct Up<'a> {
    tree: Tree,
    from: Edge,
    to: Edge,
    /// The packs behind the next one.
    packs: Rows<'a>,
    next: Option<Result<Pair, StoreError>>,
    /// The pack that is read, and the key of the next.
    now: Option<(Reader, Option<Vec<u8>>)>,
}

impl<'a> Up<'a> {
    fn new(packed: &'a Packed, tree: Tree, from: Edge, to: Edge) -> Self {
        let first = match &from {
            Bound::Unbounded => Ok(None),
            Bound::Included(key) | Bound::Excluded(key) => packed.highest(tree, Bound::Included(key)),
        };
        let start = match &first {
            Ok(Some((key, _))) => Bound::Excluded(key.as_slice()),
            _ => as_slice(&from),
        };
        // Not up to `to`: the key of the pack behind it ends the last one.
        let mut packs = packed.engine.range(tree, start, Bound::Unbounded, false);
        let next = first.transpose().or_else(|| packs.next());
        Self { tree, from, to, packs, next, now: None }
    }

    /// Goes to the next pack; false at the end.
    fn turn(&mut self) -> Result<bool, StoreError> {
        self.now = None;
        let Some((key, value)) = self.next.take().transpose()? else { return Ok(false) };
        if is_behind(&key, &self.to) {
            return Ok(false);
        }
        self.next = self.packs.next();
        let end = match &self.next {
            Some(Ok((end, _))) => Some(end.clone()),
            _ => None,
        };
        let reader = Reader::open(self.tree, key.clone(), value).map_err(|Bad| damaged(self.tree, &key))?;
        self.now = Some((reader, end));
        Ok(true)
    }

    fn row(&mut self) -> Result<Option<Pair>, StoreError> {
        loop {
            let Some((reader, end)) = &mut self.now else {
                if self.turn()? {
                    continue;
                }
                return Ok(None);
            };
            let more = match reader.step() {
                Ok(more) => more,
                Err(Bad) => {
                    let error = damaged(self.tree, reader.key());
                    self.now = None;
                    return Err(error);
                }
            };
            // Rows from the next pack's key on are void.
            if !more || end.as_deref().is_some_and(|end| reader.key() >= end) {
                self.now = None;
                continue;
            }
            if is_before(reader.key(), &self.from) {
                continue;
            }
            if is_behind(reader.key(), &self.to) {
                (self.now, self.next) = (None, None);
                return Ok(None);
            }
            return Ok(Some((reader.key().to_vec(), reader.value().to_vec())));
        }
    }
}

impl Iterator for Up<'_> {
    type Item = Result<Pair, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row().transpose()
    }
}

/// Rows in descending order.
struct Down<'a> {
    packed: &'a Packed,
    tree: Tree,
    from: Edge,
    /// Where the next pack is looked for.
    to: Edge,
    now: Opened,
    /// Rows of the pack that are left.
    left: usize,
    ended: bool,
}

impl<'a> Down<'a> {
    fn new(packed: &'a Packed, tree: Tree, from: Edge, to: Edge) -> Self {
        Self { packed, tree, from, to, now: Opened::default(), left: 0, ended: false }
    }

    fn turn(&mut self) -> Result<bool, StoreError> {
        let Some((key, value)) = self.packed.highest(self.tree, as_slice(&self.to))? else {
            return Ok(false);
        };
        let to = std::mem::replace(&mut self.to, Bound::Excluded(key.clone()));
        self.ended = is_before(&key, &self.from);
        self.now =
            Opened::read(self.tree, key.clone(), value, None).map_err(|Bad| damaged(self.tree, &key))?;
        self.left = match &to {
            Bound::Unbounded => self.now.len(),
            Bound::Included(to) => self.now.below(to, true),
            Bound::Excluded(to) => self.now.below(to, false),
        };
        Ok(true)
    }

    fn row(&mut self) -> Result<Option<Pair>, StoreError> {
        loop {
            if let Some(place) = self.left.checked_sub(1)
                && let Some((key, value)) = self.now.row(place)
            {
                if is_before(key, &self.from) {
                    (self.left, self.ended) = (0, true);
                    return Ok(None);
                }
                self.left = place;
                return Ok(Some((key.to_vec(), value.to_vec())));
            }
            if self.ended || !self.turn()? {
                self.ended = true;
                return Ok(None);
            }
        }
    }
}

impl Iterator for Down<'_> {
    type Item = Result<Pair, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row().transpose()
    }
}
