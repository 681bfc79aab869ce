//! An installation's own state entries, remembered for a moment: connectors read theirs with every webhook.
//!
//! Entries are forgotten when this gateway writes state of the installation, and after a second in any case, for
//! writes of others. A write that expects a revision is checked by the store, so it never rests on an old one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use portico_store::{Key, Row};

/// How long an entry is believed.
const BELIEVED: Duration = Duration::from_secs(1);
/// Most entries.
const MOST: usize = 256;

/// State entries that were read a moment ago; `None` for one that is not there.
#[derive(Default)]
pub(crate) struct Remembered(RwLock<HashMap<Key, (Instant, Option<Row>)>>);

impl Remembered {
    /// What was read, if it is still believed.
    pub(crate) fn get(&self, key: &Key) -> Option<Option<Row>> {
        let entries = self.0.read();
        let (read, row) = entries.get(key)?;
        (read.elapsed() < BELIEVED).then(|| row.clone())
    }

    /// Remembers what was read.
    pub(crate) fn put(&self, key: Key, row: Option<Row>) {
        let mut entries = self.0.write();
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(key, (Instant::now(), row));
    }

    /// Forgets everything: state was written, or is not what was believed.
    pub(crate) fn forget(&self) {
        self.0.write().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_or_never_read_is_asked_for_again() {
        let remembered = Remembered::default();
        let key = Key::new().text("me");
        assert_eq!(remembered.get(&key), None);
        let row = Row { value: "x".into(), version: 1 };
        remembered.put(key.clone(), Some(row.clone()));
        assert_eq!(remembered.get(&key), Some(Some(row)));
        remembered.put(Key::new().text("absent"), None);
        assert_eq!(remembered.get(&Key::new().text("absent")), Some(None));
        remembered.forget();
        assert_eq!(remembered.get(&key), None);
    }
}
