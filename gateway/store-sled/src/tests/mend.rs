//! The index breaks while the store runs: it is mended, and nobody has lost a thing.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use portico_contract::EventId;
use portico_store::suite::{Owner, append, append_keyed, hold, inbound, must, outbound};
use portico_store::{
    Appended, Change, Commit, Committed, DiskLevel, Key, KeyRange, Lane, Store, StoreError, Table,
};

use super::Folder;
use super::faults::Faulty;
use crate::engine::{Engine, Rows};
use crate::op::Tree;
use crate::{Disk, DiskLimits, Options, RealDisk, SledStore, Space};

/// An engine whose files are overwritten at its n-th write, which fails like all that follow.
struct Ruined {
    inner: Arc<dyn Engine>,
    folder: PathBuf,
    writes_left: AtomicU64,
}

impl Ruined {
    fn write(&self) -> Result<(), StoreError> {
        let before =
            self.writes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if before.is_ok() {
            return Ok(());
        }
        for file in super::damage::files(&self.folder) {
            let length = fs::metadata(&file).unwrap().len() as usize;
            fs::write(&file, vec![0xa5; length]).unwrap();
        }
        Err(StoreError::Unavailable("no space left on device".into()))
    }
}

impl Engine for Ruined {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(tree, key)
    }
    fn put(&self, tree: Tree, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.write()?;
        self.inner.put(tree, key, value)
    }
    fn delete(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.write()?;
        self.inner.delete(tree, key)
    }
    fn range<'a>(&'a self, tree: Tree, from: Bound<&[u8]>, to: Bound<&[u8]>, reverse: bool) -> Rows<'a> {
        self.inner.range(tree, from, to, reverse)
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
    fn size(&self) -> u64 {
        self.inner.size()
    }
}

/// Lets the engine of an open store break at one of its next writes.
pub(super) async fn ruin_after(store: &SledStore, writes: u64) {
    let ruin = move |shared: &crate::shared::Shared, indexer: &mut crate::checkpointer::Indexer| {
        let folder = indexer.engine_folder(indexer.checkpoint.generation);
        let inner = indexer.writer.engine.clone();
        indexer.writer.engine = Arc::new(Ruined { inner, folder, writes_left: writes.into() });
        shared.index.set(Some(indexer.writer.engine.clone()));
        Ok(())
    };
    store.shared.indexer.run(ruin).await.unwrap();
}

const LANES: u32 = 5;

/// What was acknowledged, and thus must be found.
#[derive(Default)]
struct Told {
    waiting: BTreeMap<Lane, Vec<(u64, EventId)>>,
    bodies: BTreeMap<EventId, Bytes>,
    rows: BTreeMap<Vec<u8>, String>,
    count: u64,
}

impl Told {
    /// One more commit, and now and then a settling.
    async fn work(&mut self, store: &SledStore, owner: &Owner) {
        let number = self.count;
        self.count += 1;
        let lane = inbound((number % u64::from(LANES)) as u32);
        let body = format!("body {number} {}", "x".repeat((number * 37 % 900) as usize));
        let (id, append) = append(lane, body.clone());
        let (key, value) = (Key::new().number(number % 97), format!("value {number}"));
        let put = Change::put(Table::User, key.clone(), value.clone());
        let seq = match commit(store, [append, put, append_keyed(inbound(90), number)]).await[..] {
            [Appended::New(seq), Appended::New(_)] => seq,
            ref other => panic!("{other:?}"),
        };
        self.waiting.entry(lane).or_default().push((seq, id));
        self.bodies.insert(id, body.into());
        self.rows.insert(key.0, value);
        if number % 3 == 2 {
            let waiting = self.waiting.get_mut(&lane).unwrap();
            let through = waiting.remove(0).0;
            commit(store, [owner.settle(lane, through)]).await;
        }
    }

    async fn check(&self, store: &SledStore) {
        for (lane, waiting) in &self.waiting {
            let found = store.peek(*lane, 100_000).await.unwrap();
            let found: Vec<_> = found.iter().map(|entry| (entry.seq, entry.event.id)).collect();
            assert!(
                found == *waiting,
                "{} has {} entries from {:?} on, not {} from {:?} on",
                lane.conversation,
                found.len(),
                found.first(),
                waiting.len(),
                waiting.first()
            );
        }
        for (id, body) in &self.bodies {
            let event = store.event(*id).await.unwrap().expect("an acknowledged event is there");
            assert_eq!(event.body, *body);
        }
        let rows = store.scan(Table::User, KeyRange::prefix(Key::new(), 10_000)).await.unwrap();
        let rows: BTreeMap<_, _> = rows
            .into_iter()
            .map(|(key, row)| (key.0, String::from_utf8(row.value.to_vec()).unwrap()))
            .collect();
        let other = rows.iter().find(|(key, value)| self.rows.get(*key) != Some(value));
        assert!(other.is_none() && rows.len() == self.rows.len(), "{} rows, {other:?}", rows.len());
        for number in 0..self.count {
            assert_eq!(must(store, [append_keyed(inbound(90), number)]).await, [Appended::Already]);
        }
        assert_eq!(store.verify().await.unwrap().faults, Vec::<String>::new());
    }
}

/// Commits, again while rows that only the index has can't be read.
async fn commit<const N: usize>(store: &SledStore, changes: [Change; N]) -> Vec<Appended> {
    let started = Instant::now();
    loop {
        match store.commit(Commit::of(changes.clone())).await {
            Ok(Committed::Done(answers)) => return answers,
            Err(StoreError::Unavailable(_)) if started.elapsed() < Duration::from_secs(20) => {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn options(folder: &Folder) -> Options {
    Options { segment_bytes: 256 * 1024, idle_lanes: 4, ..folder.options() }
}

/// Breaks the index at some write, from a snapshot or from the whole log, under commits that go on.
async fn break_and_mend(writes: u64, snapshot_bytes: u64, checkpoint_bytes: u64) {
    let folder = Folder::new();
    let options = || Options { snapshot_bytes, checkpoint_bytes, ..options(&folder) };
    let store = SledStore::open(options()).unwrap();
    let owner = hold(&store).await;
    let mut told = Told::default();
    for part in 0..7 {
        for _ in 0..97 {
            told.work(&store, &owner).await;
        }
        // Lanes that are idle are in the index only.
        for number in 0..9 {
            let lane = inbound(100 + number);
            let seq = must(&store, [append(lane, "x").1]).await;
            assert_eq!(seq, [Appended::New(part + 1)]);
            must(&store, [owner.settle(lane, part + 1)]).await;
        }
        store.checkpoint().await.unwrap();
    }
    for round in 0..2 {
        ruin_after(&store, writes).await;
        let is_being_made =
            || store.health().problem.is_some_and(|problem| problem.contains("is being made again"));
        let mut seen = false;
        for _ in 0..40 {
            told.work(&store, &owner).await;
            seen |= is_being_made();
        }
        let mended = Cell::new(false);
        let mend = async {
            store.checkpoint().await.unwrap();
            mended.set(true);
        };
        let go_on = async {
            while !mended.get() {
                told.work(&store, &owner).await;
                seen |= is_being_made();
            }
        };
        tokio::join!(mend, go_on);
        assert!(seen, "round {round}: commits went on while it was made again");
        assert_eq!(store.health().problem, None, "it is well again");
        told.check(&store).await;
        for number in 0..9 {
            assert_eq!(
                must(&store, [append(inbound(100 + number), "x").1]).await,
                [Appended::New(8 + round)]
            );
            must(&store, [owner.settle(inbound(100 + number), 8 + round)]).await;
        }
        for _ in 0..200 {
            told.work(&store, &owner).await;
        }
        store.checkpoint().await.unwrap();
        told.check(&store).await;
    }
    store.close().await.unwrap();
    drop(store);
    let store = SledStore::open(options()).unwrap();
    assert_eq!(store.health().problem, None, "the start needs no mending");
    told.check(&store).await;
}

#[tokio::test]
async fn an_index_that_breaks_is_made_again_from_the_whole_log() {
    for writes in [0, 1, 30] {
        break_and_mend(writes, u64::MAX, 64 * 1024 * 1024).await;
    }
}

#[tokio::test]
async fn an_index_that_breaks_is_made_again_from_a_snapshot_and_the_log() {
    for writes in [0, 25] {
        break_and_mend(writes, 512 * 1024, 32 * 1024).await;
    }
}

/// A row that is wrong or has gone is found by whoever meets it, and the next window brings a whole index.
#[tokio::test]
async fn damaged_and_missing_rows_are_mended_without_a_restart() {
    for missing in [false, true] {
        let folder = Folder::new();
        let store = SledStore::open(options(&folder)).unwrap();
        let owner = hold(&store).await;
        let mut told = Told::default();
        for _ in 0..200 {
            told.work(&store, &owner).await;
        }
        store.checkpoint().await.unwrap();
        let key = crate::decide::row_key(Table::User, &Key::new().number(7).0);
        let spoil = move |_: &crate::shared::Shared, indexer: &mut crate::checkpointer::Indexer| {
            let engine = &indexer.writer.engine;
            let old = if missing {
                engine.delete(Tree::Rows, &key)?
            } else {
                engine.put(Tree::Rows, &key, b"?")?
            };
            assert!(old.is_some());
            Ok(())
        };
        store.shared.indexer.run(spoil).await.unwrap();
        if missing {
            assert_eq!(store.get(Table::User, &Key::new().number(7)).await, Ok(None));
            assert!(!store.verify().await.unwrap().faults.is_empty());
        } else {
            let read = store.get(Table::User, &Key::new().number(7)).await;
            assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
        }
        told.work(&store, &owner).await;
        store.checkpoint().await.unwrap();
        assert_eq!(store.health().problem, None);
        told.check(&store).await;
    }
}

/// A snapshot of an index that lacks rows would push out one that is whole.
#[tokio::test]
async fn an_index_that_lacks_rows_is_not_written_as_a_snapshot() {
    let folder = Folder::new();
    let store = SledStore::open(options(&folder)).unwrap();
    let owner = hold(&store).await;
    let mut told = Told::default();
    for _ in 0..50 {
        told.work(&store, &owner).await;
    }
    store.checkpoint().await.unwrap();
    let taken = store
        .shared
        .indexer
        .run(|shared, indexer| {
            indexer.writer.engine.delete(Tree::Meta, b"epoch")?;
            crate::sweep::take_snapshot(shared, indexer)
        })
        .await;
    assert!(matches!(taken, Err(StoreError::Damaged(_))), "{taken:?}");
    assert_eq!(crate::snapshot::list(&folder.options().path), Ok(Vec::new()));
    told.work(&store, &owner).await;
    store.checkpoint().await.unwrap();
    told.check(&store).await;
    assert_eq!(store.shared.indexer.run(crate::sweep::take_snapshot).await, Ok(()));
}

/// Without room the broken index makes way, webhooks are refused and the rest goes on; with room it is made
/// again by itself, wherever room ran out.
#[tokio::test]
async fn making_the_index_again_waits_for_room() {
    for looks in [0, 4] {
        let folder = Folder::new();
        let disk = Faulty::sound();
        let options = || Options {
            disk: disk.clone(),
            disk_limits: DiskLimits { every: Duration::from_millis(20), ..DiskLimits::off() },
            checkpoint_bytes: 16 * 1024,
            ..options(&folder)
        };
        let store = SledStore::open(options()).unwrap();
        let owner = hold(&store).await;
        let mut told = Told::default();
        for _ in 0..100 {
            told.work(&store, &owner).await;
        }
        store.checkpoint().await.unwrap();
        ruin_after(&store, 0).await;
        told.work(&store, &owner).await;
        let image = Folder::new();
        // The first look is for the window that fails.
        disk.looks_left.store(1 + looks, Ordering::Relaxed);
        let waits = async {
            let wait_for = async |wanted: DiskLevel| {
                let started = Instant::now();
                while store.health().disk != wanted {
                    assert!(started.elapsed() < Duration::from_secs(20), "{looks}: {:?}", store.health());
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            wait_for(DiskLevel::RefuseHooks).await;
            let problem = store.health().problem.unwrap();
            assert!(problem.contains("made again"), "{problem}");
            let refused = store.commit(Commit::of([append(inbound(1), "x").1])).await;
            assert!(matches!(refused, Err(StoreError::DiskFull { .. })), "{refused:?}");
            commit(&store, [append(outbound(7), "goes on").1]).await;
            let path = folder.options().path;
            assert_eq!(fs::read_dir(path.join("sled")).unwrap().count(), 0, "{looks}: room is given back");
            assert!(!path.join("sled.damaged").exists(), "{looks}: room is given back");
            assert!(!path.join("checkpoint").exists(), "a start would make it again, too");
            super::damage::copy(&path, &image.options().path);
            disk.looks_left.store(u64::MAX, Ordering::Relaxed);
            wait_for(DiskLevel::Fine).await;
        };
        let (done, ()) = tokio::join!(store.checkpoint(), waits);
        done.unwrap();
        assert_eq!(store.health().problem, None);
        told.check(&store).await;
        store.close().await.unwrap();
        drop(store);
        let store = SledStore::open(options()).unwrap();
        assert_eq!(store.health().problem, None);
        told.check(&store).await;
        assert_eq!(store.peek(outbound(7), 10).await.map(|entries| entries.len()), Ok(1));
        // Killed while it waited.
        let store = SledStore::open(Options { path: image.options().path, ..options() }).unwrap();
        told.check(&store).await;
    }
}

/// On a full disk a store can be closed; what it has answered is in the log.
#[tokio::test]
async fn a_full_disk_does_not_keep_a_store_from_closing() {
    let folder = Folder::new();
    let disk = Faulty::sound();
    let options = || Options { disk: disk.clone(), ..options(&folder) };
    let store = SledStore::open(options()).unwrap();
    let owner = hold(&store).await;
    let mut told = Told::default();
    for _ in 0..30 {
        told.work(&store, &owner).await;
    }
    disk.looks_left.store(0, Ordering::Relaxed);
    let closed = tokio::time::timeout(Duration::from_secs(20), store.close()).await;
    assert!(matches!(closed, Ok(Err(StoreError::DiskFull { .. }))), "{closed:?}");
    drop(store);
    disk.looks_left.store(u64::MAX, Ordering::Relaxed);
    told.check(&SledStore::open(options()).unwrap()).await;
}

/// A small disk of its own, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where mounting is refused: it takes root.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|done| done.status.success()).then(|| Self(at.to_owned()))
    }

    /// Writes until there is no room left.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = fs::File::create(&path).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            let block = vec![1; size];
            while file.write(&block).is_ok_and(|written| written > 0) {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().unwrap();
    }
}

/// Shows the index thread more room than there is, a few times: then the disk fills up after it has looked.
#[derive(Default)]
struct Late(AtomicU64);

impl Disk for Late {
    fn space(&self, folder: &Path) -> std::io::Result<Space> {
        let late = || self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if std::thread::current().name() == Some("portico-index") && late().is_ok() {
            return Ok(Space { free: 1 << 40, used: 1 });
        }
        RealDisk.space(folder)
    }
}

/// sled itself meets the end of the disk: while a window is written, and at each step of making it again.
#[tokio::test]
async fn a_disk_that_fills_up_under_the_engine_costs_nothing_but_time() {
    for late in [1, 2, 5] {
        let folder = Folder::new();
        let Some(disk) = SmallDisk::mount(&folder.options().path) else {
            #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know")]
            let () = eprintln!("skipped: a tmpfs can't be mounted here; run the tests as root");
            return;
        };
        let looks = Arc::new(Late::default());
        let options = || Options {
            disk: looks.clone(),
            disk_limits: DiskLimits { every: Duration::from_millis(20), ..DiskLimits::off() },
            segment_bytes: 1024 * 1024,
            snapshot_bytes: 0,
            ..options(&folder)
        };
        let store = SledStore::open(options()).unwrap();
        let owner = hold(&store).await;
        let mut told = Told::default();
        for _ in 0..4 {
            for _ in 0..60 {
                told.work(&store, &owner).await;
            }
            store.checkpoint().await.unwrap();
        }
        let ballast = disk.fill();
        for _ in 0..20 {
            told.work(&store, &owner).await;
        }
        looks.0.store(late, Ordering::Relaxed);
        let room = async {
            let started = Instant::now();
            while store.health().disk != DiskLevel::RefuseHooks || looks.0.load(Ordering::Relaxed) > 0 {
                assert!(started.elapsed() < Duration::from_secs(20), "{late}: {:?}", store.health());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(store.health().problem.is_some());
            fs::remove_file(ballast).unwrap();
        };
        let (done, ()) = tokio::join!(store.checkpoint(), room);
        done.unwrap();
        let generation = store.shared.indexer.run(|_, indexer| Ok(indexer.checkpoint.generation)).await;
        assert!(generation.is_ok_and(|generation| generation > 1), "{late}: it was made again");
        assert_eq!(store.health().problem, None);
        told.check(&store).await;
        drop(store);
        let store = SledStore::open(options()).unwrap();
        assert_eq!(store.health().problem, None);
        told.check(&store).await;
        drop((store, disk));
    }
}
