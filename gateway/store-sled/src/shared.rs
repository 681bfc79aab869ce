//! What the threads of one store share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, RwLock};
use portico_contract::Millis;
use portico_store::{DiskLevel, StoreError};

use crate::checkpointer::IndexThread;
use crate::fill::Filler;
use crate::index::Index;
use crate::options::Options;
use crate::queue::Queue;
use crate::recent::Recent;
use crate::segments::Segments;
use crate::signals::Hub;
use crate::state::State;

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) segments: Segments,
    pub(crate) state: RwLock<State>,
    pub(crate) index: Index,
    pub(crate) recent: Recent,
    pub(crate) queue: Queue,
    pub(crate) filler: Filler,
    pub(crate) indexer: IndexThread,
    pub(crate) hub: Hub,
    /// Log position at which this process began to write.
    pub(crate) opened_at: u64,
    /// Log position before which everything is synced.
    pub(crate) synced: AtomicU64,
    /// Why no commit is taken any more; for good.
    pub(crate) failed: Mutex<Option<String>>,
    pub(crate) is_failed: AtomicBool,
    /// The store is about to close: the index is not waited for much longer.
    pub(crate) closing: AtomicBool,
    /// What is wrong with the index, until it is mended.
    pub(crate) index_problem: Mutex<Option<String>>,
    /// What operators should know of the last start.
    pub(crate) notice: Mutex<Option<String>>,
    room: Mutex<Room>,
    level: AtomicU8,
    pub(crate) free: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) syncs: SyncTimes,
    /// Position of the last checkpoint, and of the older kept snapshot.
    pub(crate) checkpointed: AtomicU64,
    pub(crate) snapshotted: AtomicU64,
    /// One upkeep of a kind at a time.
    pub(crate) upkeep: tokio::sync::Mutex<()>,
}

impl Shared {
    #[allow(clippy::too_many_arguments, reason = "made in one place, from what recovery found")]
    pub(crate) fn new(
        options: Options,
        segments: Segments,
        state: State,
        index: Index,
        filler: Filler,
        indexer: IndexThread,
        synced: u64,
        checkpointed: u64,
    ) -> Self {
        Self {
            options,
            segments,
            state: RwLock::new(state),
            index,
            recent: Recent::default(),
            queue: Queue::default(),
            filler,
            indexer,
            hub: Hub::default(),
            opened_at: synced,
            synced: AtomicU64::new(synced),
            failed: Mutex::default(),
            is_failed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            index_problem: Mutex::default(),
            notice: Mutex::default(),
            room: Mutex::new(Room { measured: DiskLevel::Fine, index_waits: false }),
            level: AtomicU8::new(0),
            free: AtomicU64::new(u64::MAX),
            commits: AtomicU64::new(0),
            syncs: SyncTimes::default(),
            checkpointed: AtomicU64::new(checkpointed),
            snapshotted: AtomicU64::new(0),
            upkeep: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.options.path.join(name)
    }

    pub(crate) fn level(&self) -> DiskLevel {
        match self.level.load(Ordering::Relaxed) {
            0 => DiskLevel::Fine,
            1 => DiskLevel::Warn,
            2 => DiskLevel::RefuseHooks,
            _ => DiskLevel::SettleOnly,
        }
    }

    /// What the disk was found to be.
    pub(crate) fn set_measured(&self, level: DiskLevel) {
        let mut room = self.room.lock();
        room.measured = level;
        self.decide_level(&room);
    }

    /// Says whether the index waits for room: the log must not run ahead of it.
    pub(crate) fn set_index_waits(&self, waits: bool) {
        let mut room = self.room.lock();
        if room.index_waits != waits {
            room.index_waits = waits;
            self.decide_level(&room);
        }
    }

    fn decide_level(&self, room: &Room) {
        let least = if room.index_waits { DiskLevel::RefuseHooks } else { DiskLevel::Fine };
        let level = room.measured.max(least);
        let before = self.level();
        self.level.store(level as u8, Ordering::Relaxed);
        if level > before && level >= DiskLevel::Warn {
            tracing::warn!(?level, "the disk of the store is filling up");
        } else if level < before {
            tracing::info!(?level, "the disk of the store has room again");
        }
    }

    pub(crate) fn disk_full(&self) -> StoreError {
        StoreError::DiskFull { free_bytes: self.free.load(Ordering::Relaxed) }
    }

    /// Stops taking commits for good.
    pub(crate) fn fail(&self, why: String) {
        tracing::error!("the store is read-only until a restart: {why}");
        self.failed.lock().get_or_insert(why);
        self.is_failed.store(true, Ordering::Release);
    }

    pub(crate) fn failure(&self) -> Option<StoreError> {
        if !self.is_failed.load(Ordering::Acquire) {
            return None;
        }
        self.failed.lock().clone().map(StoreError::Unavailable)
    }
}

/// What decides how full the disk counts.
struct Room {
    measured: DiskLevel,
    index_waits: bool,
}

/// Milliseconds since 1970, never going back while the process lives.
pub(crate) fn now() -> Millis {
    static HIGHEST: AtomicU64 = AtomicU64::new(0);
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
    HIGHEST.fetch_max(wall, Ordering::Relaxed).max(wall)
}

/// Lets the calling thread give way to others by so much (Linux: of a thread, 19 is the most).
pub(crate) fn stand_back(by: i32) {
    if let Err(error) = rustix::process::nice(by) {
        tracing::debug!("a thread of the store keeps its priority: {error}");
    }
}

/// Durations of the last syncs.
#[derive(Default)]
pub(crate) struct SyncTimes {
    pub(crate) count: AtomicU64,
    last: Mutex<Vec<u32>>,
}

const KEPT: usize = 1024;

impl SyncTimes {
    pub(crate) fn add(&self, took: Duration) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) as usize;
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let mut last = self.last.lock();
        if last.len() < KEPT {
            last.push(micros);
        } else if let Some(oldest) = last.get_mut(count % KEPT) {
            *oldest = micros;
        }
    }

    /// Median and 99th percentile.
    pub(crate) fn percentiles(&self) -> (Duration, Duration) {
        let mut last = self.last.lock().clone();
        last.sort_unstable();
        let at = |percent: usize| {
            let micros = last.get((last.len() * percent / 100).min(last.len().saturating_sub(1)));
            Duration::from_micros(u64::from(micros.copied().unwrap_or(0)))
        };
        (at(50), at(99))
    }
}

/// Joins a store's threads once the last handle has gone.
#[derive(Default)]
pub(crate) struct Threads(pub(crate) Mutex<Vec<std::thread::JoinHandle<()>>>);

impl Threads {
    pub(crate) fn start(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let handle = std::thread::Builder::new()
            .name(name.into())
            .spawn(run)
            .map_err(|error| crate::segments::unavailable("start a thread", &error))?;
        self.0.lock().push(handle);
        Ok(())
    }

    pub(crate) fn join(&self) {
        for handle in self.0.lock().drain(..) {
            if handle.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

/// Shared by all threads.
pub(crate) type Handle = Arc<Shared>;
