//! What is over goes: sessions, visitors' ids, drafts.

use portico_store::{Change, Commit, Expect, KeyRange, StoreError, Table};
use portico_turns::now;

use crate::{Live, LiveError};

/// Rows that one call looks at.
const PAGE: usize = 1_000;

impl Live {
    /// Removes sessions and visitors' ids whose time is over, and drafts to which nothing comes any more: a bounded
    /// number of rows per call, going on where the call before stopped. Meant to be called once a minute. Says how
    /// many rows went.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self) -> Result<u64, LiveError> {
        self.hub().sweep(now());
        let cursor = self.inner.swept.lock().clone();
        let range = KeyRange::prefix(portico_store::Key::new(), PAGE).after(cursor);
        let rows = self.inner.store.scan(Table::Session, range).await?;
        let last = rows.last().map(|(key, _)| key.clone()).filter(|_| rows.len() == PAGE);
        let now = now();
        let is_over = |value: &[u8]| {
            value.first_chunk().is_none_or(|until: &[u8; 8]| u64::from_be_bytes(*until) <= now)
        };
        let gone: Vec<Change> = rows
            .into_iter()
            .filter(|(_, row)| is_over(&row.value))
            .map(|(key, row)| Change::Write {
                table: Table::Session,
                key,
                value: None,
                expect: Expect::Version(row.version),
            })
            .collect();
        let count = gone.len() as u64;
        if count > 0 {
            match self.inner.store.commit(Commit::of(gone).ordered()).await {
                Ok(_) => {}
                // Somebody used one at this moment: the next round sees what is left.
                Err(StoreError::Conflict { .. }) => return Ok(0),
                Err(error) => return Err(error.into()),
            }
        }
        *self.inner.swept.lock() = last;
        Ok(count)
    }
}
