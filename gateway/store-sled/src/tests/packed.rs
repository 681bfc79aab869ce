//! Rows in packs are the rows that were written: whatever is put, deleted, read meanwhile or broken off.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use portico_store::StoreError;
use proptest::prelude::*;

use super::Folder;
use crate::engine::{Engine, Rows};
use crate::index::{Index, Writer, sum_of};
use crate::op::Tree;
use crate::packed::{self, Packed};

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;
type AllRows = BTreeMap<(Tree, Vec<u8>), Vec<u8>>;

/// Trees in memory; writes fail once so many have been made.
struct Trees {
    rows: Mutex<AllRows>,
    writes_left: AtomicU64,
}

impl Trees {
    fn new() -> Arc<Self> {
        Arc::new(Self { rows: Mutex::default(), writes_left: AtomicU64::new(u64::MAX) })
    }

    fn count(&self) -> Result<(), StoreError> {
        let left = &self.writes_left;
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        before.map(|_| ()).map_err(|_| StoreError::Unavailable("broken off".into()))
    }
}

impl Engine for Trees {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.lock().get(&(tree, key.to_vec())).cloned())
    }
    fn put(&self, tree: Tree, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.count()?;
        Ok(self.rows.lock().insert((tree, key.to_vec()), value.to_vec()))
    }
    fn delete(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.count()?;
        Ok(self.rows.lock().remove(&(tree, key.to_vec())))
    }
    fn range<'a>(&'a self, tree: Tree, from: Bound<&[u8]>, to: Bound<&[u8]>, reverse: bool) -> Rows<'a> {
        let rows: Contents = self
            .rows
            .lock()
            .iter()
            .filter(|((at, _), _)| *at == tree)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        let rows = rows.range::<[u8], _>((from, to)).map(|(key, value)| Ok((key.clone(), value.clone())));
        let rows: Vec<_> = rows.collect();
        if reverse { Box::new(rows.into_iter().rev()) } else { Box::new(rows.into_iter()) }
    }
    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn size(&self) -> u64 {
        0
    }
}

/// A window: rows by key; one without a length is deleted.
type Window = BTreeMap<Vec<u8>, Option<usize>>;

fn key(number: u16) -> Vec<u8> {
    // Some keys are the beginning of others, and some share much.
    let mut key = format!("table {:03}", number / 8).into_bytes();
    key.extend(std::iter::repeat_n(b'x', usize::from(number % 8)));
    key
}

fn window() -> impl Strategy<Value = Window> {
    let length = prop_oneof![
        3 => Just(None),
        6 => (0_usize..200).prop_map(Some),
        2 => (1000_usize..5000).prop_map(Some),
        1 => (8000_usize..30_000).prop_map(Some),
    ];
    let row = (0_u16..900, length).prop_map(|(number, length)| (key(number), length));
    prop::collection::btree_map(any::<u16>(), row, 0..60).prop_map(|rows| rows.into_values().collect())
}

fn data(version: u64, length: usize) -> Vec<u8> {
    // Half of them can't be compressed.
    let mut seed = version.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8
    };
    (0..length).map(|at| if version.is_multiple_of(2) { next() } else { (at / 50) as u8 }).collect()
}

/// Writes a window and tells the model, unless it is broken off.
fn write(
    writer: &mut Writer,
    model: &mut Contents,
    window: &Window,
    version: u64,
) -> Result<u64, StoreError> {
    // No two rows have the same version.
    let version = |place: usize| version * 1000 + place as u64;
    let rows = window.iter().enumerate();
    let rows: Vec<_> = rows
        .map(|(place, (key, length))| {
            (key, version(place), length.map(|length| data(version(place), length)))
        })
        .collect();
    let rows = rows
        .iter()
        .map(|(key, version, data)| (key.as_slice(), data.as_deref().map(|data| (*version, data))));
    let changed = writer.write(Tree::Rows, rows.clone())?;
    for (key, row) in rows {
        match row {
            Some((_, data)) => model.insert(key.to_vec(), data.to_vec()),
            None => model.remove(key),
        };
    }
    Ok(changed)
}

fn contents(
    engine: &Arc<dyn Engine>,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
    reverse: bool,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = Index::new(engine.clone()).range(Tree::Rows, from, to, reverse, usize::MAX).unwrap();
    rows.into_iter().map(|(key, cell)| (key, cell.data.to_vec())).collect()
}

fn agree(engine: &Arc<dyn Engine>, model: &Contents) {
    let wanted: Vec<_> = model.clone().into_iter().collect();
    assert!(contents(engine, Bound::Unbounded, Bound::Unbounded, false) == wanted);
    let (low, high) = (key(200), key(700));
    for (from, to) in [
        (Bound::Included(&low[..]), Bound::Unbounded),
        (Bound::Excluded(&low[..]), Bound::Included(&high[..])),
        (Bound::Unbounded, Bound::Excluded(&high[..])),
    ] {
        let mut wanted: Vec<_> =
            model.range::<[u8], _>((from, to)).map(|(key, data)| (key.clone(), data.clone())).collect();
        assert!(contents(engine, from, to, false) == wanted);
        wanted.reverse();
        assert!(contents(engine, from, to, true) == wanted);
    }
    let index = Index::new(engine.clone());
    for number in 0..900 {
        let found = index.get(Tree::Rows, &key(number)).unwrap().map(|cell| cell.data.to_vec());
        assert!(found.as_ref() == model.get(&key(number)), "{number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn windows_are_merged_as_rows(windows in prop::collection::vec(window(), 1..12)) {
        let trees = Trees::new();
        let engine: Arc<dyn Engine> = Arc::new(Packed::over(trees.clone()));
        let mut writer = Writer::new(engine.clone(), Default::default());
        let mut model = Contents::new();
        for (version, window) in (1..).zip(&windows) {
            write(&mut writer, &mut model, window, version).unwrap();
            assert_eq!(sum_of(&*engine).unwrap(), writer.sum);
        }
        agree(&engine, &model);
        // One by one, and nothing is left.
        let all: Window = model.keys().map(|key| (key.clone(), None)).collect();
        for key in all.keys() {
            assert!(writer.delete(Tree::Rows, key).unwrap());
        }
        assert_eq!(writer.write(Tree::Rows, all.keys().map(|key| (key.as_slice(), None))), Ok(0));
        assert_eq!(writer.sum, sum_of(&*engine).unwrap());
        assert_eq!((writer.sum.count, trees.rows.lock().len()), (0, 0));
    }

    /// Whatever is left of a window that was broken off, the sum is that of the rows which are there, and the
    /// window can be written again; what it took away does not come back later.
    #[test]
    fn a_window_that_was_broken_off_is_written_again(
        windows in prop::collection::vec((window(), 0_u64..40), 1..10),
    ) {
        let trees = Trees::new();
        let engine: Arc<dyn Engine> = Arc::new(Packed::over(trees.clone()));
        let mut writer = Writer::new(engine.clone(), Default::default());
        let mut model = Contents::new();
        for (version, (window, writes)) in (1..).zip(&windows) {
            trees.writes_left.store(*writes, Ordering::Relaxed);
            let mut unused = Contents::new();
            let first = write(&mut writer, &mut unused, window, version);
            trees.writes_left.store(u64::MAX, Ordering::Relaxed);
            if first.is_err() {
                // Big values may have left parts behind, which are in the engine and in the sum.
                let found = sum_of(&*engine).unwrap();
                assert_eq!(found, writer.sum);
                // A start reads the rows that are there.
                writer = Writer::new(engine.clone(), found);
            }
            write(&mut writer, &mut model, window, version).unwrap();
            assert_eq!(sum_of(&*engine).unwrap(), writer.sum);
            // Packs go with their last row, also where the pack below still held it.
            let some: Vec<Vec<u8>> = model.keys().filter(|key| key.len() % 3 == 0).cloned().collect();
            writer.write(Tree::Rows, some.iter().map(|key| (key.as_slice(), None))).unwrap();
            model.retain(|key, _| key.len() % 3 != 0);
            assert_eq!(sum_of(&*engine).unwrap(), writer.sum);
        }
        agree(&engine, &model);
    }
}

/// What a pack held beyond the next one's key when parting it was broken off stays void once that one goes.
#[test]
fn a_row_does_not_come_back_with_the_pack_below() {
    let trees = Trees::new();
    let engine: Arc<dyn Engine> = Arc::new(Packed::over(trees.clone()));
    let mut writer = Writer::new(engine.clone(), Default::default());
    let mut model = Contents::new();
    let window =
        |rows: &[(u16, Option<usize>)]| rows.iter().map(|(number, row)| (key(*number), *row)).collect();
    write(&mut writer, &mut model, &window(&[(1, Some(1500)), (90, Some(1501))]), 1).unwrap();
    assert_eq!(trees.rows.lock().len(), 1);
    trees.writes_left.store(1, Ordering::Relaxed);
    let larger: Window = window(&[(90, Some(3001))]);
    assert!(write(&mut writer, &mut Contents::new(), &larger, 2).is_err());
    trees.writes_left.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(trees.rows.lock().len(), 2);
    write(&mut writer, &mut model, &larger, 2).unwrap();
    agree(&engine, &model);
    write(&mut writer, &mut model, &window(&[(90, None)]), 3).unwrap();
    agree(&engine, &model);
    assert_eq!((sum_of(&*engine).unwrap(), trees.rows.lock().len()), (writer.sum, 1));
}

/// Packs are parted all the time, and no reader ever misses a row that was there before.
#[test]
fn readers_find_every_row_while_packs_are_parted() {
    let folder = Folder::new();
    let engine = packed::open(&folder.options().path.join("sled"), 8 << 20).unwrap();
    let mut writer = Writer::new(engine.clone(), Default::default());
    let fixed: Vec<[u8; 8]> = (0..3000_u64).map(|number| (number << 32).to_be_bytes()).collect();
    let value = [7; 60];
    writer.write(Tree::Rows, fixed.iter().map(|key| (&key[..], Some((1, &value[..]))))).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..2_u64 {
            let (fixed, engine, done) = (&fixed, &engine, &done);
            scope.spawn(move || {
                let mut chance = reader;
                while !done.load(Ordering::Relaxed) {
                    chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(12_345);
                    let at = (chance >> 33) as usize % 2900;
                    assert!(engine.get(Tree::Rows, &fixed[at]).unwrap().is_some(), "{at}");
                    let (from, to) = (Bound::Included(&fixed[at][..]), Bound::Included(&fixed[at + 99][..]));
                    for reverse in [false, true] {
                        let rows = engine.range(Tree::Rows, from, to, reverse);
                        let mut keys: Vec<_> = rows.map(|row| row.unwrap().0).collect();
                        if reverse {
                            keys.reverse();
                        }
                        assert!(keys.is_sorted(), "each once, in order");
                        keys.retain(|key| key.ends_with(&[0; 4]));
                        assert_eq!(keys.len(), 100, "{reverse} from {at}");
                    }
                }
            });
        }
        for round in 1..40_u64 {
            let rows: Vec<[u8; 8]> = (0..3000_u64)
                .filter(|number| (number * 7 + round) % 3 == 0)
                .map(|number| ((number << 32) + (round * 2_654_435_761) % 0xffff_ffff + 1).to_be_bytes())
                .collect();
            writer
                .write(Tree::Rows, rows.iter().map(|key| (&key[..], Some((round + 1, &value[..])))))
                .unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(sum_of(&*engine).unwrap(), writer.sum);
}
