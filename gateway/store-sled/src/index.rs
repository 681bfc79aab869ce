//! The index: the engine's trees with a checksum on each value, and large values in parts.
//!
//! Value: CRC-32C over tree, key and the rest (u32), version (u64), kind (u8), data. Data above 8 KiB are
//! compressed where that pays, with their size in front (kind 2, an LZ4 block). What is still above that lies in
//! parts (kind 1, and 3 when compressed): the row has the length and the number of parts, which lie in
//! [`Tree::Big`] under the version, no two alike. A flipped byte is an error that names tree and key, never
//! another value. The sum over all rows, kept in the checkpoint, tells when rows have gone missing.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use portico_store::StoreError;

use crate::blocks::MAX_VALUE;
use crate::engine::{Changed, Engine, NewRows};
use crate::op::{Cell, Tree};
use crate::slices::Watch;
use crate::wire::{Bad, Put, Take};

const SEAL: usize = 13;
const PART: usize = MAX_VALUE - SEAL;
/// More than any value takes.
const MOST: usize = 64 * 1024 * 1024;

/// Bits of a value's kind.
const IN_PARTS: u8 = 1;
const COMPRESSED: u8 = 2;

pub(crate) struct Index {
    engine: RwLock<Option<Arc<dyn Engine>>>,
    /// A reader has met a damaged row: the index thread is to look at all of them.
    doubted: AtomicBool,
}

/// Order-independent sum over rows: how many, which, how large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    pub(crate) digest: u64,
    pub(crate) live: u64,
}

impl Sum {
    fn of(tree: Tree, key: &[u8], value: &[u8]) -> u64 {
        let one = crc32c::crc32c_append(tree as u32, key);
        let sum = crc32c::crc32c_append(one, value);
        (u64::from(sum) << 16 | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn add(&mut self, tree: Tree, key: &[u8], value: &[u8]) {
        self.count = self.count.wrapping_add(1);
        self.digest = self.digest.wrapping_add(Self::of(tree, key, value));
        self.live = self.live.wrapping_add((key.len() + value.len()) as u64);
    }

    fn remove(&mut self, tree: Tree, key: &[u8], value: &[u8]) {
        self.count = self.count.wrapping_sub(1);
        self.digest = self.digest.wrapping_sub(Self::of(tree, key, value));
        self.live = self.live.wrapping_sub((key.len() + value.len()) as u64);
    }
}

fn seal(tree: Tree, key: &[u8], version: u64, kind: u8, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(SEAL + data.len());
    out.u32(0);
    out.u64(version);
    out.u8(kind);
    out.raw(data);
    let sum = checksum(tree, key, &out[4..]);
    out[..4].copy_from_slice(&sum.to_le_bytes());
    out
}

fn checksum(tree: Tree, key: &[u8], rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&[tree as u8]), key), rest)
}

/// The name of a row for operators: tree and the first bytes of its key.
pub(crate) fn row_name(tree: Tree, key: &[u8]) -> String {
    let hex: String = key.iter().take(24).map(|byte| format!("{byte:02x}")).collect();
    format!("index row {hex} of tree {}", tree.name())
}

fn damaged(tree: Tree, key: &[u8]) -> StoreError {
    StoreError::Damaged(format!("{} fails its checksum", row_name(tree, key)))
}

/// A value that was checked but perhaps lies in parts.
struct Opened<'a> {
    version: u64,
    kind: u8,
    data: &'a [u8],
}

fn unseal<'a>(tree: Tree, key: &[u8], value: &'a [u8]) -> Result<Opened<'a>, StoreError> {
    let open = || -> Result<Opened<'a>, Bad> {
        let mut take = Take(value);
        if take.u32()? != checksum(tree, key, take.0) {
            return Err(Bad);
        }
        Ok(Opened { version: take.u64()?, kind: take.u8()?, data: take.0 })
    };
    open().map_err(|Bad| damaged(tree, key))
}

/// Checks a value's own checksum; the answer is its version.
pub(crate) fn check(tree: Tree, key: &[u8], value: &[u8]) -> Result<u64, StoreError> {
    unseal(tree, key, value).map(|opened| opened.version)
}

/// The version that a value says it has; nothing is checked.
pub(crate) fn version_of(value: &[u8]) -> u64 {
    value.get(4..12).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn part_key(version: u64, part: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&version.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

/// Whether a value lies in parts.
fn is_big(value: &[u8]) -> bool {
    value.get(SEAL - 1).is_some_and(|kind| kind & IN_PARTS != 0)
}

/// Data above the size of a part, compressed where that makes them a quarter shorter; with the kind they are of.
fn shortened(data: &[u8]) -> (u8, Cow<'_, [u8]>) {
    let short = lz4_flex::block::compress_prepend_size(data);
    let pays = short.len() < data.len() - data.len() / 4;
    let (bits, data) = if pays { (COMPRESSED, Cow::Owned(short)) } else { (0, Cow::Borrowed(data)) };
    (if data.len() > PART { bits | IN_PARTS } else { bits }, data)
}

fn lengthened(data: &[u8]) -> Result<Vec<u8>, Bad> {
    let mut take = Take(data);
    let size = take.u32()? as usize;
    if size > MOST {
        return Err(Bad);
    }
    lz4_flex::block::decompress(take.0, size).map_err(|_| Bad)
}

/// What stands in a row whose value lies in parts.
fn head_of(data: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(6);
    head.u32(data.len() as u32);
    head.u16(data.len().div_ceil(PART) as u16);
    head
}

/// Length and number of parts of a large value.
fn parts_of(data: &[u8]) -> Result<(usize, u16), Bad> {
    let mut take = Take(data);
    Ok((take.u32()? as usize, take.u16()?))
}

impl Index {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine: RwLock::new(Some(engine)), doubted: AtomicBool::new(false) }
    }

    pub(crate) fn engine(&self) -> Result<Arc<dyn Engine>, StoreError> {
        let missing = || StoreError::Unavailable("the index is being opened or made again".into());
        self.engine.read().clone().ok_or_else(missing)
    }

    pub(crate) fn set(&self, engine: Option<Arc<dyn Engine>>) {
        *self.engine.write() = engine;
    }

    /// Whether a damaged row was met since this was last asked.
    pub(crate) fn take_doubt(&self) -> bool {
        self.doubted.swap(false, Ordering::Relaxed)
    }

    fn note_damage<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Damaged(_)) = &result {
            self.doubted.store(true, Ordering::Relaxed);
        }
        result
    }

    pub(crate) fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Cell>, StoreError> {
        self.note_damage(self.read(tree, key))
    }

    fn read(&self, tree: Tree, key: &[u8]) -> Result<Option<Cell>, StoreError> {
        let engine = self.engine()?;
        let Some(value) = engine.get(tree, key)? else { return Ok(None) };
        self.open(&*engine, tree, key, value).map(Some)
    }

    /// Makes a row whole that was read from the engine.
    pub(crate) fn whole(&self, tree: Tree, key: &[u8], value: Vec<u8>) -> Result<Cell, StoreError> {
        let engine = self.engine()?;
        self.note_damage(self.open(&*engine, tree, key, value))
    }

    /// Makes a value whole.
    fn open(&self, engine: &dyn Engine, tree: Tree, key: &[u8], value: Vec<u8>) -> Result<Cell, StoreError> {
        let mut value = value;
        // A large value may be replaced while its parts are read; then the row has changed too.
        for _ in 0..8 {
            let opened = unseal(tree, key, &value)?;
            let (version, kind) = (opened.version, opened.kind);
            let found = if kind & IN_PARTS == 0 {
                Some(Bytes::from(std::mem::take(&mut value)).slice(SEAL..))
            } else {
                let parts = self.parts(engine, version, opened.data).map_err(|()| damaged(tree, key))?;
                parts.map(Bytes::from)
            };
            if let Some(data) = found {
                if kind & COMPRESSED == 0 {
                    return Ok(Cell { version, data });
                }
                let data = lengthened(&data).map_err(|Bad| damaged(tree, key))?;
                return Ok(Cell { version, data: data.into() });
            }
            match engine.get(tree, key)? {
                Some(now) if now != value => value = now,
                _ => return Err(damaged(tree, key)),
            }
        }
        Err(StoreError::Unavailable(format!("{} changes too fast to be read", row_name(tree, key))))
    }

    fn parts(&self, engine: &dyn Engine, version: u64, data: &[u8]) -> Result<Option<Vec<u8>>, ()> {
        let (length, parts) = parts_of(data).map_err(|Bad| ())?;
        let mut out = Vec::with_capacity(length.min(16 * 1024 * 1024));
        for part in 0..parts {
            let key = part_key(version, part);
            let Some(value) = engine.get(Tree::Big, &key).map_err(|_| ())? else { return Ok(None) };
            out.extend_from_slice(unseal(Tree::Big, &key, &value).map_err(|_| ())?.data);
        }
        if out.len() == length { Ok(Some(out)) } else { Err(()) }
    }

    /// At most `limit` rows of a stretch.
    pub(crate) fn range(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Cell)>, StoreError> {
        self.note_damage(self.read_range(tree, from, to, reverse, limit))
    }

    fn read_range(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Cell)>, StoreError> {
        let engine = self.engine()?;
        let mut rows = Vec::new();
        for row in engine.range(tree, from, to, reverse).take(limit) {
            let (key, value) = row?;
            match self.open(&*engine, tree, &key, value) {
                Ok(cell) => rows.push((key, cell)),
                // Removed while we read it.
                Err(StoreError::Damaged(_)) if engine.get(tree, &key)?.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }
}

/// Reads and checks every row of an engine.
pub(crate) fn sum_of(engine: &dyn Engine) -> Result<Sum, StoreError> {
    let mut sum = Sum::default();
    for tree in Tree::ALL {
        for row in engine.range(tree, Bound::Unbounded, Bound::Unbounded, false) {
            let (key, value) = row?;
            check(tree, &key, &value)?;
            sum.add(tree, &key, &value);
        }
    }
    Ok(sum)
}

/// The one writer of the engine; keeps the sum over all rows.
pub(crate) struct Writer {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) sum: Sum,
    /// A copy of the rows is under way.
    pub(crate) watch: Option<Watch>,
}

impl Writer {
    pub(crate) fn new(engine: Arc<dyn Engine>, sum: Sum) -> Self {
        Self { engine, sum, watch: None }
    }

    fn tell(&mut self, tree: Tree, key: &[u8], old: Option<&[u8]>, version: u64) {
        if let Some(watch) = &mut self.watch {
            watch.changed(tree, key, old, version);
        }
    }

    fn put_sealed(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let old = self.engine.put(tree, key, value)?;
        self.tell(tree, key, old.as_deref(), version_of(value));
        self.sum.add(tree, key, value);
        self.forget(tree, key, old, Some(value))
    }

    /// Takes an old value out of the sum, and its parts out of the engine.
    fn forget(
        &mut self,
        tree: Tree,
        key: &[u8],
        old: Option<Vec<u8>>,
        new: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let Some(old) = old else { return Ok(()) };
        self.sum.remove(tree, key, &old);
        if is_big(&old) && new.map(version_of) != Some(version_of(&old)) {
            self.forget_parts(tree, key, &old)?;
        }
        Ok(())
    }

    /// Removes the parts of a large value that is there no more.
    fn forget_parts(&mut self, tree: Tree, key: &[u8], old: &[u8]) -> Result<(), StoreError> {
        let Ok(opened) = unseal(tree, key, old) else { return Ok(()) };
        let parts = parts_of(opened.data).map_or(0, |(_, parts)| parts);
        for part in 0..parts {
            let key = part_key(opened.version, part);
            if let Some(old) = self.engine.delete(Tree::Big, &key)? {
                self.tell(Tree::Big, &key, Some(&old), 0);
                self.sum.remove(Tree::Big, &key, &old);
            }
        }
        Ok(())
    }

    /// Seals data above the size of a part; their parts are written.
    fn seal_large(
        &mut self,
        tree: Tree,
        key: &[u8],
        version: u64,
        data: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let (kind, data) = shortened(data);
        if kind & IN_PARTS == 0 {
            return Ok(seal(tree, key, version, kind, &data));
        }
        for (number, part) in data.chunks(PART).enumerate() {
            let key = part_key(version, number as u16);
            self.put_sealed(Tree::Big, &key, &seal(Tree::Big, &key, version, 0, part))?;
        }
        Ok(seal(tree, key, version, kind, &head_of(&data)))
    }

    pub(crate) fn put(
        &mut self,
        tree: Tree,
        key: &[u8],
        version: u64,
        data: &[u8],
    ) -> Result<(), StoreError> {
        if data.len() <= PART {
            return self.put_sealed(tree, key, &seal(tree, key, version, 0, data));
        }
        let sealed = self.seal_large(tree, key, version, data)?;
        self.put_sealed(tree, key, &sealed)
    }

    pub(crate) fn delete(&mut self, tree: Tree, key: &[u8]) -> Result<bool, StoreError> {
        let old = self.engine.delete(tree, key)?;
        let was = old.is_some();
        if was {
            self.tell(tree, key, old.as_deref(), 0);
        }
        self.forget(tree, key, old, None)?;
        Ok(was)
    }

    /// Writes rows of a tree, ascending by key; one without version and data is deleted. The answer is how many
    /// are other than before.
    pub(crate) fn write<'a>(
        &mut self,
        tree: Tree,
        rows: impl Iterator<Item = (&'a [u8], Option<(u64, &'a [u8])>)> + Clone,
    ) -> Result<u64, StoreError> {
        // Parts first, so that no row is without its own.
        let mut large = Vec::new();
        for (key, row) in rows.clone() {
            if let Some((version, data)) = row.filter(|(_, data)| data.len() > PART) {
                large.push(self.seal_large(tree, key, version, data)?);
            }
        }
        let mut large = large.into_iter();
        let mut rows = rows.map(|(key, row)| {
            let sealed = row.and_then(|(version, data)| match data.len() {
                0..=PART => Some(seal(tree, key, version, 0, data)),
                _ => large.next(),
            });
            (key, sealed)
        });
        self.write_sealed(tree, &mut rows)
    }

    /// Writes rows as they stood in another engine, ascending by key.
    pub(crate) fn write_as_they_are(
        &mut self,
        tree: Tree,
        rows: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<(), StoreError> {
        let mut rows = rows.iter().map(|(key, value)| (key.as_slice(), Some(value.clone())));
        self.write_sealed(tree, &mut rows).map(|_| ())
    }

    fn write_sealed(&mut self, tree: Tree, rows: NewRows<'_, '_>) -> Result<u64, StoreError> {
        let (sum, watch) = (&mut self.sum, &mut self.watch);
        let (mut changed, mut gone) = (0, Vec::new());
        let written = self.engine.write(tree, rows, &mut |Changed { key, old, new }| {
            changed += 1;
            if let Some(watch) = watch {
                watch.changed(tree, key, old, new.map_or(0, version_of));
            }
            if let Some(new) = new {
                sum.add(tree, key, new);
            }
            if let Some(old) = old {
                sum.remove(tree, key, old);
                // The same version has the same parts.
                if is_big(old) && new.map(version_of) != Some(version_of(old)) {
                    gone.push((key.to_vec(), old.to_vec()));
                }
            }
        });
        for (key, old) in gone {
            self.forget_parts(tree, &key, &old)?;
        }
        written.map(|()| changed)
    }
}
