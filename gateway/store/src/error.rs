//! Why the store did not do what it was asked.

use crate::{Shard, Table};

/// Why a call failed. Nothing of a refused commit has happened; after `Unavailable` nothing is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store can't answer now; try again. After a failed write or sync it stays so until a restart.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The disk is too full for this kind of change.
    #[error("the disk is too full ({free_bytes} bytes free)")]
    DiskFull {
        /// Bytes that are left.
        free_bytes: u64,
    },
    /// Another owner has taken the shard: drop it at once.
    #[error("shard {shard} has a newer owner")]
    Fenced {
        /// The shard.
        shard: Shard,
    },
    /// A row is not what the write expected.
    #[error("a row of {table:?} changed meanwhile")]
    Conflict {
        /// Its table.
        table: Table,
    },
    /// The idempotency key was used before with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// There is no such event, dead letter or lane entry.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// A change is larger than a commit may be.
    #[error("{what} has {bytes} bytes, {limit} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Stored data is not what was written; the text names file and offset.
    #[error("damaged: {0}")]
    Damaged(String),
}
