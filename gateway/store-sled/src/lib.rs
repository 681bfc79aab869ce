//! The embedded store: a redo log as the truth, sled as index and state behind it.
//!
//! A commit is decided in memory, written into the log with those that waited beside it, synced once, and
//! answered. sled learns of it later, coalesced, from one thread; a checkpoint says how far it has come, and
//! after a crash the log from there on is applied again.
//!
//! ```text
//! commit() ──queue──▶ portico-commit ──pwrite + fdatasync──▶ log/00000001.seg …      ──▶ answer
//!                          │ memory (state, window of changes)
//!                          └──frozen window each 30 s, 64 MiB of log or 12 MiB of memory──▶ portico-index
//!                               ──▶ packs of rows in sled/, checkpoint, snap/
//! ```
//! Segments of the log in which nothing waits any more are compressed by "portico-tidy" (`packed_log`).
//!
//! Modules in reading order: `store` (the port), `decide` and `state` (what a commit does), `committer`,
//! `frame` and `record` (the log's formats), `checkpointer`, `index`, `packed` and `pack` (sled behind), `recover`,
//! `mend`.

mod backup;
mod blocks;
mod checkpoint;
mod checkpointer;
mod committer;
mod decide;
mod disk;
mod engine;
mod fill;
mod frame;
mod index;
mod keyset;
mod lane;
mod listing;
mod load;
mod lock;
mod mem;
mod mend;
mod note;
mod op;
mod options;
mod pack;
mod packed;
mod packed_log;
mod queue;
mod read;
mod recent;
mod record;
mod recover;
mod relay;
mod salvage;
mod segments;
mod shared;
mod signals;
mod sled_engine;
mod slices;
mod snapshot;
mod state;
mod store;
mod sweep;
mod verify;
mod wire;

#[cfg(test)]
mod tests;

pub use backup::{BackupFacts, Progress, check_backup, restore};
pub use disk::{Disk, RealDisk, Space};
pub use options::{DiskLimits, Options};
pub use salvage::{Loss, SalvageReport, salvage};
pub use store::SledStore;
pub use verify::verify;
