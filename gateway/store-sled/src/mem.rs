//! Memory in front of the index: what commits changed since the last checkpoint began.

use std::collections::BTreeMap;

use portico_contract::EventId;

use crate::blocks::Events;
use crate::op::{Cell, Tree};
use crate::record::EventRow;

/// Memory that a row takes beside its key and data, about.
const ROW: usize = 160;

pub(crate) type Cells = BTreeMap<Vec<u8>, Option<Cell>>;

/// One window between two checkpoints. Filled by the committer, then frozen, written to the engine, dropped.
#[derive(Default)]
pub(crate) struct Mem {
    trees: [Cells; Tree::ALL.len()],
    pub(crate) events: Events,
    /// Dedupe keys with their last day.
    pub(crate) seen: Vec<([u8; 16], u32)>,
    /// Memory in use, about.
    pub(crate) bytes: usize,
    /// Once frozen: log position up to which everything is in here or in the engine.
    pub(crate) upto: u64,
    /// Once frozen: the version counter.
    pub(crate) version: u64,
}

impl Mem {
    pub(crate) fn tree(&self, tree: Tree) -> &Cells {
        &self.trees[tree as usize]
    }

    /// `Some(None)` is a row that was deleted.
    pub(crate) fn get(&self, tree: Tree, key: &[u8]) -> Option<Option<&Cell>> {
        self.tree(tree).get(key).map(Option::as_ref)
    }

    pub(crate) fn put(&mut self, tree: Tree, key: Vec<u8>, cell: Option<Cell>) {
        let size = |cell: &Option<Cell>| cell.as_ref().map_or(0, |cell| cell.data.len());
        self.bytes += size(&cell);
        let length = key.len();
        match self.trees[tree as usize].insert(key, cell) {
            Some(old) => self.bytes = self.bytes.saturating_sub(size(&old)),
            None => self.bytes += length + ROW,
        }
    }

    /// Forgets all rows of a tree, deleted ones as well.
    pub(crate) fn clear(&mut self, tree: Tree) {
        for (key, cell) in std::mem::take(&mut self.trees[tree as usize]) {
            let size = key.len() + ROW + cell.map_or(0, |cell| cell.data.len());
            self.bytes = self.bytes.saturating_sub(size);
        }
    }

    pub(crate) fn put_event(&mut self, id: EventId, row: EventRow) {
        if self.events.insert(id, row).is_none() {
            self.bytes += 200;
        }
    }

    pub(crate) fn put_seen(&mut self, key: [u8; 16], day: u32) {
        self.seen.push((key, day));
        self.bytes += 24;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.seen.is_empty() && self.trees.iter().all(BTreeMap::is_empty)
    }
}
