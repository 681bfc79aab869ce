//! sled 0.34.7 as engine, with what it lacks.
//!
//! Its `flush` on Linux is `sync_file_range`, which no power cut respects, so every file of the folder is
//! synced here through a descriptor of our own. It may panic on a damaged file, so every call is guarded.

use std::fs::File;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use portico_store::StoreError;

use crate::disk::sync_folder;
use crate::engine::{Engine, Pair, Rows};
use crate::op::Tree;
use crate::segments::unavailable;

/// Longest time that an open may take before the index counts as damaged.
const OPEN_LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Sled {
    folder: PathBuf,
    /// `None` only while it is dropped.
    db: Option<sled::Db>,
    trees: Vec<sled::Tree>,
}

fn broken(what: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("the index in sled/ cannot {what}: {error}"))
}

fn guard<T>(what: &str, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(unavailable(&format!("{what} in the index"), &error)),
        Ok(Err(error)) => Err(broken(what, &error)),
        Err(_) => Err(broken(what, &"it panicked")),
    }
}

impl Sled {
    /// Opens a folder, in a thread of its own, so that neither a panic nor a hang reaches the caller.
    pub(crate) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let path = folder.to_path_buf();
        let (answer, wait) = mpsc::channel();
        std::thread::Builder::new()
            .name("portico-sled-open".into())
            .spawn(move || {
                let opened = guard("be opened", || {
                    let db = sled::Config::default()
                        .path(&path)
                        .cache_capacity(cache_bytes)
                        .flush_every_ms(None)
                        .mode(sled::Mode::HighThroughput)
                        .open()?;
                    let mut trees = Vec::with_capacity(Tree::ALL.len());
                    for tree in Tree::ALL {
                        trees.push(db.open_tree(tree.name())?);
                    }
                    Ok(Self { folder: path, db: Some(db), trees })
                });
                // Nobody listens any more when the limit has passed.
                let _late = answer.send(opened);
            })
            .map_err(|error| unavailable("start a thread", &error))?;
        match wait.recv_timeout(OPEN_LIMIT) {
            Ok(opened) => opened,
            Err(_) => Err(broken("be opened", &format!("no answer within {} s", OPEN_LIMIT.as_secs()))),
        }
    }

    fn tree(&self, tree: Tree) -> &sled::Tree {
        &self.trees[tree as usize]
    }
}

impl Drop for Sled {
    /// sled writes once more when it goes, and one that has failed may panic at that.
    fn drop(&mut self) {
        let (db, trees) = (self.db.take(), std::mem::take(&mut self.trees));
        if catch_unwind(AssertUnwindSafe(move || drop((trees, db)))).is_err() {
            tracing::debug!("sled panicked while it was closed");
        }
    }
}

impl Engine for Sled {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guard("be read", || Ok(self.tree(tree).get(key)?.map(|value| value.to_vec())))
    }

    fn put(&self, tree: Tree, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guard("be written", || Ok(self.tree(tree).insert(key, value)?.map(|value| value.to_vec())))
    }

    fn delete(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guard("be written", || Ok(self.tree(tree).remove(key)?.map(|value| value.to_vec())))
    }

    fn range<'a>(&'a self, tree: Tree, from: Bound<&[u8]>, to: Bound<&[u8]>, reverse: bool) -> Rows<'a> {
        let bounds = (from.map(<[u8]>::to_vec), to.map(<[u8]>::to_vec));
        let mut rows = match catch_unwind(AssertUnwindSafe(|| self.tree(tree).range::<Vec<u8>, _>(bounds))) {
            Ok(rows) => rows,
            Err(_) => return Box::new(std::iter::once(Err(broken("be read", &"it panicked")))),
        };
        let mut failed = false;
        Box::new(std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let row = guard("be read", || {
                let row = if reverse { rows.next_back() } else { rows.next() };
                row.transpose().map(|row| row.map(|(key, value)| -> Pair { (key.to_vec(), value.to_vec()) }))
            });
            failed = row.is_err();
            row.transpose()
        }))
    }

    fn flush(&self) -> Result<(), StoreError> {
        guard("be flushed", || self.db.as_ref().map_or(Ok(0), |db| db.flush()))?;
        sync_all(&self.folder).map_err(|error| unavailable("sync the index", &error))
    }

    fn size(&self) -> u64 {
        folder_size(&self.folder)
    }
}

fn sync_all(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => sync_all(&entry.path())?,
            Ok(_) => match File::open(entry.path()) {
                Ok(file) => file.sync_data()?,
                // sled removes snapshots of its own while we look.
                Err(error) => crate::segments::gone(error)?,
            },
            Err(error) => crate::segments::gone(error)?,
        }
    }
    sync_folder(folder)
}

pub(crate) fn folder_size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(facts) if facts.is_dir() => folder_size(&entry.path()),
            Ok(facts) => facts.len(),
            Err(_) => 0,
        })
        .sum()
}
