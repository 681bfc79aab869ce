//! Rows that were lately read from the engine, or found missing there, so that hot ones cost one look.
//!
//! What it holds is good for one generation of the state: as long as no rows have moved from memory to the engine.
//! Rows that changed since lie in memory and are found there first.

use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::RwLock;

use crate::op::Cell;

/// Rows kept at most; then all are forgotten.
const MOST: usize = 8192;
/// Larger values are not kept.
const LARGE: usize = 1024;

#[derive(Default)]
pub(crate) struct Recent {
    /// Of the rows, readable without the lock.
    generation: AtomicU64,
    rows: RwLock<HashMap<Vec<u8>, Option<Cell>>>,
}

impl Recent {
    /// What the engine held in a generation; `None` when that is not known.
    #[expect(clippy::option_option, reason = "a row that is known to be missing is not an unknown one")]
    pub(crate) fn get(&self, generation: u64, key: &[u8]) -> Option<Option<Cell>> {
        let rows = self.rows.read();
        if self.generation.load(Ordering::Relaxed) != generation {
            return None;
        }
        rows.get(key).cloned()
    }

    /// Keeps what was read after the generation was looked at.
    pub(crate) fn put(&self, generation: u64, key: &[u8], cell: Option<&Cell>) {
        if cell.is_some_and(|cell| cell.data.len() > LARGE) {
            return;
        }
        let mut rows = self.rows.write();
        let known = self.generation.load(Ordering::Relaxed);
        if known > generation {
            return;
        }
        if known < generation || rows.len() >= MOST {
            rows.clear();
            self.generation.store(generation, Ordering::Relaxed);
        }
        rows.insert(key.to_vec(), cell.cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(data: &'static str) -> Cell {
        Cell { version: 1, data: data.into() }
    }

    #[test]
    fn a_row_is_known_in_its_own_generation_only() {
        let recent = Recent::default();
        recent.put(3, b"a", Some(&cell("one")));
        recent.put(3, b"b", None);
        assert_eq!(recent.get(3, b"a"), Some(Some(cell("one"))));
        assert_eq!(recent.get(3, b"b"), Some(None));
        assert_eq!(recent.get(3, b"c"), None);
        assert_eq!(recent.get(4, b"a"), None);
        // Read before the rows moved, kept after it.
        recent.put(5, b"a", Some(&cell("new")));
        recent.put(3, b"a", Some(&cell("late")));
        assert_eq!(recent.get(5, b"a"), Some(Some(cell("new"))));
        assert_eq!(recent.get(5, b"b"), None);
    }

    #[test]
    fn its_size_is_bounded() {
        let recent = Recent::default();
        for number in 0..3 * MOST {
            recent.put(1, &number.to_be_bytes(), None);
            assert!(recent.rows.read().len() <= MOST);
        }
        recent.put(1, b"large", Some(&Cell { version: 1, data: vec![0; LARGE + 1].into() }));
        assert_eq!(recent.get(1, b"large"), None);
    }
}
