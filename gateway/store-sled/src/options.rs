//! How an embedded store is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portico_store::Retention;

use crate::disk::{Disk, RealDisk};

/// When the disk counts as full. A level holds when either of its conditions does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskLimits {
    /// Used per cent from which settled bodies are kept half as long.
    pub warn_percent: u8,
    /// Used per cent from which webhooks are refused.
    pub refuse_percent: u8,
    /// Free bytes below which webhooks are refused.
    pub refuse_free: u64,
    /// Used per cent from which only settling is done.
    pub settle_percent: u8,
    /// Free bytes below which only settling is done.
    pub settle_free: u64,
    /// Bytes kept aside, to be given up for settling on a full disk; 0 for none.
    pub reserve: u64,
    /// How often free space is looked at.
    pub every: Duration,
}

const MIB: u64 = 1024 * 1024;

impl Default for DiskLimits {
    fn default() -> Self {
        Self {
            warn_percent: 85,
            refuse_percent: 92,
            refuse_free: 1024 * MIB,
            settle_percent: 97,
            settle_free: 512 * MIB,
            reserve: 64 * MIB,
            every: Duration::from_secs(5),
        }
    }
}

impl DiskLimits {
    /// No level is ever reached by measuring; a write that finds no room is still refused.
    pub fn off() -> Self {
        Self {
            warn_percent: 101,
            refuse_percent: 101,
            refuse_free: 0,
            settle_percent: 101,
            settle_free: 0,
            reserve: 0,
            every: Duration::from_secs(5),
        }
    }
}

/// How an embedded store is opened. `Options::at(path)` gives the defaults.
#[derive(Clone)]
pub struct Options {
    /// The store's folder; made when it isn't there.
    pub path: PathBuf,
    /// How long what is kept.
    pub retention: Retention,
    /// When the disk counts as full.
    pub disk_limits: DiskLimits,
    /// Size of a log segment in bytes, 256 KiB to 1 GiB. Default 64 MiB. Fixed at the first start.
    pub segment_bytes: u32,
    /// Longest time between two checkpoints.
    pub checkpoint_every: Duration,
    /// Bytes of log after which a checkpoint is made; the index waits in memory until then.
    pub checkpoint_bytes: u64,
    /// Memory for what the index does not have yet, in bytes: a window is closed at half of it, and from there on
    /// commits are slowed until they wait. While a window is being written it comes on top.
    pub memory_bytes: u64,
    /// Bytes of log after which a snapshot of the index is written, so that a damaged index needs no older log.
    pub snapshot_bytes: u64,
    /// Memory that sled may use for its cache, in bytes.
    pub cache_bytes: u64,
    /// Numbers of lanes without entries that are kept in memory; others are read from the index.
    pub idle_lanes: usize,
    /// How long a commit that did not ask for a sync may wait for one that does.
    pub linger: Duration,
    /// The way to the disk; tests put a faulty one here.
    pub disk: Arc<dyn Disk>,
}

impl Options {
    /// Bytes of memory at which a window is closed.
    pub(crate) fn window_bytes(&self) -> usize {
        usize::try_from(self.checkpoint_bytes.min(self.memory_bytes / 2)).unwrap_or(usize::MAX)
    }

    /// Bytes of memory at which commits wait for the index.
    pub(crate) fn most_bytes(&self) -> usize {
        usize::try_from(self.checkpoint_bytes.saturating_mul(3).min(self.memory_bytes)).unwrap_or(usize::MAX)
    }

    /// Defaults for a folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            retention: Retention::default(),
            disk_limits: DiskLimits::default(),
            segment_bytes: 64 * MIB as u32,
            checkpoint_every: Duration::from_secs(30),
            checkpoint_bytes: 64 * MIB,
            memory_bytes: 24 * MIB,
            snapshot_bytes: 1024 * MIB,
            cache_bytes: 16 * MIB,
            idle_lanes: 200_000,
            linger: Duration::from_millis(2),
            disk: Arc::new(RealDisk),
        }
    }
}
