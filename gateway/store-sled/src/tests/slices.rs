//! A snapshot in slices holds the rows of the moment in which it began, whatever is written meanwhile.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Folder;
use crate::checkpoint::Checkpoint;
use crate::checkpointer::Indexer;
use crate::engine::Engine;
use crate::index::Writer;
use crate::op::Tree;
use crate::{packed, slices, snapshot};

type Contents = BTreeMap<(Tree, Vec<u8>), Vec<u8>>;

fn contents(engine: &dyn Engine) -> Contents {
    let mut found = Contents::new();
    for tree in Tree::ALL {
        for row in engine.range(tree, Bound::Unbounded, Bound::Unbounded, false) {
            let (key, value) = row.unwrap();
            found.insert((tree, key), value);
        }
    }
    found
}

/// Numbers that look like chance and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// Puts or deletes a row, as windows do: rows of the port's tables have versions, others have none.
    fn write(&mut self, writer: &mut Writer, version: &mut u64) {
        let (tree, versioned) = match self.below(4) {
            0 => (Tree::Lane, false),
            1 => (Tree::Event, false),
            _ => (Tree::Rows, true),
        };
        let key = self.below(6000).to_be_bytes();
        if self.below(4) == 0 {
            writer.delete(tree, &key).unwrap();
            return;
        }
        *version += 1;
        // Some lie in parts.
        let length = if self.below(20) == 0 { 20_000 } else { 1000 + self.below(3000) };
        let data = vec![*version as u8; length as usize];
        writer.put(tree, &key, if versioned { *version } else { 0 }, &data).unwrap();
    }
}

fn indexer(folder: &Folder) -> Indexer {
    let options = folder.options();
    std::fs::create_dir_all(options.path.join("snap")).unwrap();
    let engine = packed::open(&options.path.join("sled"), options.cache_bytes).unwrap();
    Indexer::new(Writer::new(engine, Default::default()), Checkpoint::default(), &options)
}

#[test]
fn rows_that_change_while_a_snapshot_is_written_are_in_it_as_they_were() {
    let folder = Folder::new();
    let mut indexer = indexer(&folder);
    let (mut chance, mut version) = (Chance(7), 0);
    for _ in 0..8000 {
        chance.write(&mut indexer.writer, &mut version);
    }
    for round in 1..=3 {
        indexer.checkpoint.position = round;
        indexer.checkpoint.version = version;
        let wanted = contents(&*indexer.writer.engine);
        let mut running = slices::begin(&mut indexer).unwrap();
        let mut slices = 1;
        while !running.go_on(&mut indexer.writer).unwrap() {
            slices += 1;
            for _ in 0..700 {
                chance.write(&mut indexer.writer, &mut version);
            }
        }
        assert!(slices > 2 && indexer.writer.watch.is_none(), "{slices} slices");
        let mut found = Contents::new();
        let path = snapshot::list(&indexer.path).unwrap().pop().unwrap();
        let keep = |tree: Tree, key: &[u8], value: &[u8]| {
            found.insert((tree, key.to_vec()), value.to_vec());
            Ok(())
        };
        let head = snapshot::read(&path, keep).unwrap();
        assert_eq!(head.position, round);
        assert!(found == wanted, "{} rows, not the {} that were there", found.len(), wanted.len());
        assert!(contents(&*indexer.writer.engine) != wanted, "something has changed");
    }
}

#[test]
fn a_snapshot_that_is_given_up_leaves_nothing_behind() {
    let folder = Folder::new();
    let mut indexer = indexer(&folder);
    let (mut chance, mut version) = (Chance(9), 0);
    for _ in 0..4000 {
        chance.write(&mut indexer.writer, &mut version);
    }
    indexer.checkpoint.version = version;
    let mut running = slices::begin(&mut indexer).unwrap();
    assert!(!running.go_on(&mut indexer.writer).unwrap());
    // The engine was exchanged.
    indexer.writer = Writer::new(indexer.writer.engine.clone(), indexer.writer.sum);
    assert!(running.go_on(&mut indexer.writer).is_err());
    drop(running);
    assert_eq!(std::fs::read_dir(indexer.path.join("snap")).unwrap().count(), 0);
}
