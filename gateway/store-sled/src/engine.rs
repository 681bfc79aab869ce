//! The engine of the index: a few calls, so that it can be exchanged.
//!
//! Only the thread "portico-index" writes. Nothing here stands on the way to an answer: what commits change is
//! read from memory until this thread has brought it here.

use std::ops::Bound;

use portico_store::StoreError;

use crate::op::Tree;

/// Key and value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);
/// Rows of a stretch, read as they are asked for.
pub(crate) type Rows<'a> = Box<dyn Iterator<Item = Result<Pair, StoreError>> + 'a>;
/// Rows to write, ascending by key; one without a value is deleted.
pub(crate) type NewRows<'a, 'k> = &'a mut dyn Iterator<Item = (&'k [u8], Option<Vec<u8>>)>;

/// A row that was written: what was there, and what is there now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) old: Option<&'a [u8]>,
    pub(crate) new: Option<&'a [u8]>,
}

/// Ordered trees of keys and values.
pub(crate) trait Engine: Send + Sync {
    /// A value.
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Writes a value; the answer is what was there.
    fn put(&self, tree: Tree, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Removes a value; the answer is what was there.
    fn delete(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Writes many rows of a tree. `told` hears of each that is another than before, once it is written; after an
    /// error it has heard of those that were.
    fn write(
        &self,
        tree: Tree,
        rows: NewRows<'_, '_>,
        told: &mut dyn FnMut(Changed<'_>),
    ) -> Result<(), StoreError> {
        for (key, new) in rows {
            let old = match &new {
                Some(value) => self.put(tree, key, value)?,
                None => self.delete(tree, key)?,
            };
            if old != new {
                told(Changed { key, old: old.as_deref(), new: new.as_deref() });
            }
        }
        Ok(())
    }
    /// Rows between two keys, ascending or descending.
    fn range<'a>(&'a self, tree: Tree, from: Bound<&[u8]>, to: Bound<&[u8]>, reverse: bool) -> Rows<'a>;
    /// Returns when everything written before survives a power cut.
    fn flush(&self) -> Result<(), StoreError>;
    /// Bytes on disk.
    fn size(&self) -> u64;
}

/// Stands in for an engine that is being opened again.
pub(crate) struct Closed;

fn closed<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("the index is being opened or made again".into()))
}

impl Engine for Closed {
    fn get(&self, _: Tree, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        closed()
    }
    fn put(&self, _: Tree, _: &[u8], _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        closed()
    }
    fn delete(&self, _: Tree, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        closed()
    }
    fn range<'a>(&'a self, _: Tree, _: Bound<&[u8]>, _: Bound<&[u8]>, _: bool) -> Rows<'a> {
        Box::new(std::iter::once(closed()))
    }
    fn flush(&self) -> Result<(), StoreError> {
        closed()
    }
    fn size(&self) -> u64 {
        0
    }
}
