//! A snapshot written in slices, between the windows that go into the engine meanwhile.
//!
//! A large index takes seconds to copy. Were windows to wait for that, all that is committed meanwhile would
//! stay in memory. So the writer keeps what a row was before it changes one that the copy has not reached
//! ([`Watch`]), and the copy takes that in its place: the file holds the rows of one log position, exactly, and
//! its sum is compared with the engine's sum of that moment before it gets its name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::ops::Bound;
use std::path::PathBuf;

use portico_store::StoreError;

use crate::checkpointer::Indexer;
use crate::disk::sync_folder;
use crate::index::{self, Sum, Writer};
use crate::op::Tree;
use crate::recover::io;
use crate::snapshot::Rows;

/// Bytes of rows that are copied between two looks at what else is to be done.
const SLICE: usize = 4 * 1024 * 1024;

/// Rows as they were when the copy began, of those that have changed since and that it has not reached.
pub(crate) struct Watch {
    /// Rows above it were written after the copy began.
    version: u64,
    /// The tree that is being copied; those before it are done.
    tree: Tree,
    /// The last key that was copied of it.
    last: Option<Vec<u8>>,
    /// `None` for a row that was not there.
    kept: BTreeMap<(Tree, Vec<u8>), Option<Vec<u8>>>,
}

impl Watch {
    fn new(version: u64) -> Self {
        Self { version, tree: Tree::Rows, last: None, kept: BTreeMap::new() }
    }

    fn has_passed(&self, tree: Tree, key: &[u8]) -> bool {
        tree < self.tree || (tree == self.tree && self.last.as_deref().is_some_and(|last| key <= last))
    }

    /// A row has changed; `old` is the value that was there, `version` that of the new one.
    pub(crate) fn changed(&mut self, tree: Tree, key: &[u8], old: Option<&[u8]>, version: u64) {
        // A row with a version above the copy's tells by itself that it is new, or has been kept already.
        let is_new = match old {
            Some(old) => index::version_of(old) > self.version,
            None => version > self.version,
        };
        if is_new || self.has_passed(tree, key) {
            return;
        }
        self.kept.entry((tree, key.to_vec())).or_insert_with(|| old.map(<[u8]>::to_vec));
    }

    /// The first kept row of a tree up to a key, or of the whole tree.
    fn take_up_to(&mut self, tree: Tree, key: Option<&[u8]>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let entry = self.kept.first_entry()?;
        let (at, known) = entry.key();
        if *at > tree || (*at == tree && key.is_some_and(|key| known.as_slice() > key)) {
            return None;
        }
        let ((_, key), old) = entry.remove_entry();
        Some((key, old))
    }
}

/// A snapshot under way. Dropped before its end it leaves nothing behind.
pub(crate) struct Running {
    folder: PathBuf,
    path: PathBuf,
    temp: PathBuf,
    rows: Option<Rows<BufWriter<File>>>,
    /// Sum over the rows of the engine when it began.
    goal: Sum,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.temp).or_else(crate::segments::gone) {
            tracing::warn!("a half-made snapshot cannot be removed: {error}");
        }
    }
}

/// Begins a snapshot of what the checkpoint has, in `snap/` of the store.
pub(crate) fn begin(indexer: &mut Indexer) -> Result<Running, StoreError> {
    let folder = indexer.path.join("snap");
    io("make snap/", std::fs::create_dir_all(&folder))?;
    let path = folder.join(format!("{:016x}.snap", indexer.checkpoint.position));
    let temp = path.with_extension("tmp");
    let rows = Some(Rows::create(&temp, &indexer.checkpoint)?);
    indexer.writer.watch = Some(Watch::new(indexer.checkpoint.version));
    Ok(Running { folder, path, temp, rows, goal: indexer.writer.sum })
}

impl Running {
    /// Copies a slice; true when the snapshot is complete and has its name.
    ///
    /// # Errors
    /// `Damaged` when a row is, or when the copy is not what the engine held; `Unavailable` when the engine was
    /// exchanged meanwhile or the disk refuses. The snapshot is of no use then.
    pub(crate) fn go_on(&mut self, writer: &mut Writer) -> Result<bool, StoreError> {
        let exchanged = || StoreError::Unavailable("the index was exchanged during a snapshot".into());
        let (Some(watch), Some(rows)) = (&mut writer.watch, &mut self.rows) else { return Err(exchanged()) };
        let mut copied = 0;
        for tree in Tree::ALL.into_iter().skip(watch.tree as usize) {
            let from = watch.last.take();
            let from = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            for row in writer.engine.range(tree, from, Bound::Unbounded, false) {
                let (key, value) = row?;
                let mut now = Some(value);
                while let Some((at, old)) = watch.take_up_to(tree, Some(&key)) {
                    if at == key {
                        now = old;
                    } else if let Some(old) = old {
                        copied += rows.put(tree, &at, &old)?;
                    }
                }
                if let Some(value) = now.filter(|value| index::version_of(value) <= watch.version) {
                    copied += rows.put(tree, &key, &value)?;
                }
                if copied >= SLICE {
                    (watch.tree, watch.last) = (tree, Some(key));
                    return Ok(false);
                }
            }
            while let Some((at, old)) = watch.take_up_to(tree, None) {
                if let Some(old) = old {
                    copied += rows.put(tree, &at, &old)?;
                }
            }
        }
        writer.watch = None;
        let Some(rows) = self.rows.take() else { return Err(exchanged()) };
        if *rows.sum() != self.goal {
            return Err(StoreError::Damaged("a snapshot does not hold the rows that it should".into()));
        }
        rows.finish()?;
        io("name the snapshot", std::fs::rename(&self.temp, &self.path))?;
        io("sync snap/", sync_folder(&self.folder))?;
        Ok(true)
    }
}
