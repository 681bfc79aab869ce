//! A disk that fails: nothing is acknowledged that is not on it, and a restart is clean.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portico_store::suite::{append, hold, inbound, must, put};
use portico_store::{Appended, Commit, Committed, DiskLevel, Store, StoreError};

use super::Folder;
use crate::disk::{Disk, Space};
use crate::{DiskLimits, SledStore};

/// Fails its n-th write or sync of frames, and every `fill` while there is "no room".
#[derive(Default)]
pub(super) struct Faulty {
    writes_left: AtomicU64,
    syncs_left: AtomicU64,
    no_room: AtomicU64,
    pub(super) free: AtomicU64,
    /// Looks at the free space by the index thread, after which there is none.
    pub(super) looks_left: AtomicU64,
}

impl Faulty {
    pub(super) fn sound() -> Arc<Self> {
        let disk = Self::default();
        disk.writes_left.store(u64::MAX, Ordering::Relaxed);
        disk.syncs_left.store(u64::MAX, Ordering::Relaxed);
        disk.free.store(1 << 40, Ordering::Relaxed);
        disk.looks_left.store(u64::MAX, Ordering::Relaxed);
        Arc::new(disk)
    }

    fn count(left: &AtomicU64) -> io::Result<()> {
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if before.is_ok() { Ok(()) } else { Err(io::Error::from_raw_os_error(5)) }
    }
}

impl Disk for Faulty {
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        Self::count(&self.writes_left)?;
        crate::RealDisk.write_at(file, bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        Self::count(&self.syncs_left)?;
        crate::RealDisk.sync(file)
    }

    fn fill(&self, file: &File, from: u64, to: u64) -> io::Result<()> {
        if self.no_room.load(Ordering::Relaxed) > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        crate::RealDisk.fill(file, from, to)
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let by_index = std::thread::current().name() == Some("portico-index");
        if by_index && Self::count(&self.looks_left).is_err() {
            return Ok(Space { free: 0, used: 1 << 30 });
        }
        Ok(Space { free: self.free.load(Ordering::Relaxed), used: 1 << 30 })
    }
}

fn open(folder: &Folder, disk: &Arc<Faulty>) -> SledStore {
    let mut options = folder.options();
    options.disk = disk.clone();
    options.segment_bytes = 256 * 1024;
    SledStore::open(options).unwrap()
}

/// After the n-th sync or write fails no commit is answered with success any more, for n = 1…50.
#[tokio::test]
async fn nothing_is_acknowledged_after_a_failed_write_or_sync() {
    for n in (1..=50).step_by(7) {
        for syncs in [true, false] {
            let folder = Folder::new();
            let disk = Faulty::sound();
            let store = open(&folder, &disk);
            let left = if syncs { &disk.syncs_left } else { &disk.writes_left };
            left.store(n, Ordering::Relaxed);
            let mut acknowledged = Vec::new();
            let mut failed = false;
            for number in 0..80 {
                let (id, change) = append(inbound(number % 5), "x");
                match store.commit(Commit::of([change])).await {
                    Ok(_) => {
                        assert!(!failed, "a success after a failure");
                        acknowledged.push(id);
                    }
                    Err(StoreError::Unavailable(_)) => failed = true,
                    Err(other) => panic!("{other}"),
                }
            }
            assert!(failed && acknowledged.len() as u64 == n);
            let health = store.health();
            assert!(!health.writable && health.problem.is_some());
            assert!(store.close().await.is_err());
            drop(store);
            left.store(u64::MAX, Ordering::Relaxed);
            let store = open(&folder, &disk);
            assert!(store.health().writable);
            for id in acknowledged {
                assert!(store.event(id).await.unwrap().is_some(), "an acknowledged event is there");
            }
            put(&store, inbound(1), "again").await;
        }
    }
}

/// A full disk refuses and loses nothing; with room made the store serves again without a restart.
#[tokio::test]
async fn no_room_for_the_next_segment_is_not_final() {
    let folder = Folder::new();
    let disk = Faulty::sound();
    let store = open(&folder, &disk);
    put(&store, inbound(1), "first").await;
    // The next segment may be there already; the one after it is not.
    tokio::time::sleep(Duration::from_millis(200)).await;
    disk.no_room.store(1, Ordering::Relaxed);
    let body = "x".repeat(10_000);
    let mut kept = Vec::new();
    let mut refused = 0;
    while refused < 5 {
        let (id, change) = append(inbound(1), body.clone());
        match store.commit(Commit::of([change])).await {
            Ok(Committed::Done(answers)) => {
                assert!(matches!(answers.as_slice(), [Appended::New(_)]));
                kept.push(id);
            }
            Err(StoreError::DiskFull { .. }) => refused += 1,
            other => panic!("{other:?}"),
        }
        assert!(kept.len() < 200);
    }
    assert_eq!(store.health().disk, DiskLevel::SettleOnly);
    assert!(store.health().writable);
    disk.no_room.store(0, Ordering::Relaxed);
    let started = Instant::now();
    loop {
        match store.commit(Commit::of([append(inbound(1), "after").1])).await {
            Ok(_) => break,
            Err(StoreError::DiskFull { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(other) => panic!("{other}"),
        }
        assert!(started.elapsed() < Duration::from_secs(10));
    }
    drop(store);
    let store = open(&folder, &disk);
    for id in &kept {
        assert!(store.event(*id).await.unwrap().is_some());
    }
    let head = store.lane(inbound(1)).await.unwrap().unwrap();
    assert_eq!(head.next - head.head, kept.len() as u64 + 2);
}

/// The segment that was made ahead needs no room a second time.
#[tokio::test]
async fn a_start_on_a_full_disk_goes_on_in_the_segment_that_was_made_ahead() {
    let folder = Folder::new();
    let disk = Faulty::sound();
    let store = open(&folder, &disk);
    let (first, _) = put(&store, inbound(1), "first").await;
    let next = store.shared.segments.path(2);
    let started = Instant::now();
    while !next.exists() {
        assert!(started.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(store);
    disk.no_room.store(1, Ordering::Relaxed);
    let store = open(&folder, &disk);
    let body = "x".repeat(10_000);
    let mut kept = vec![first];
    // Until the second is the last: a third can't be made, which is for those to know who come late.
    loop {
        let (id, change) = append(inbound(1), body.clone());
        match store.commit(Commit::of([change])).await {
            Ok(_) => kept.push(id),
            Err(StoreError::DiskFull { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
    let (segment, _) = crate::frame::split(store.shared.synced.load(Ordering::Relaxed));
    assert_eq!(segment, 2);
    drop(store);
    let store = open(&folder, &disk);
    let found = store.peek(inbound(1), 100).await.unwrap();
    assert_eq!(found.iter().map(|entry| entry.event.id).collect::<Vec<_>>(), kept);
}

/// The levels refuse in order: webhooks first, in the end everything but settling.
#[tokio::test]
async fn levels_refuse_more_and_more() {
    let folder = Folder::new();
    let disk = Faulty::sound();
    let mut options = folder.options();
    options.disk = disk.clone();
    options.disk_limits =
        DiskLimits { every: Duration::from_millis(10), reserve: 0, ..DiskLimits::default() };
    let store = SledStore::open(options).unwrap();
    let owner = hold(&store).await;
    put(&store, inbound(1), "x").await;
    put(&store, inbound(1), "y").await;
    let wait = async |level| {
        while store.health().disk != level {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let try_in = async || store.commit(Commit::of([append(inbound(1), "z").1])).await;
    let try_out = async || store.commit(Commit::of([append(portico_store::suite::outbound(1), "z").1])).await;
    disk.free.store(800 << 20, Ordering::Relaxed);
    wait(DiskLevel::RefuseHooks).await;
    assert_eq!(try_in().await, Err(StoreError::DiskFull { free_bytes: 800 << 20 }));
    assert!(try_out().await.is_ok());
    disk.free.store(100 << 20, Ordering::Relaxed);
    wait(DiskLevel::SettleOnly).await;
    assert!(matches!(try_out().await, Err(StoreError::DiskFull { .. })));
    must(&store, [owner.settle(inbound(1), 1)]).await;
    must(&store, [owner.defer(inbound(1), 2, Some(1), 1)]).await;
    disk.free.store(1 << 40, Ordering::Relaxed);
    wait(DiskLevel::Fine).await;
    assert!(try_in().await.is_ok());
}
