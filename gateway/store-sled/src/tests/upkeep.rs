//! Sweeping, rescuing, rebuilding, backups.

use std::time::Duration;

use portico_contract::Millis;
use portico_store::suite::{append, append_keyed, bot, event, hold, inbound, must, put};
use portico_store::{
    Append, Appended, Change, Commit, EventFilter, EventOutcome, Key, Retention, Store, StoreError, Table,
};

use super::Folder;
use crate::shared::now;
use crate::{Options, SledStore, check_backup, restore, salvage, verify};

const HOUR: Millis = 3_600_000;

fn options(folder: &Folder) -> Options {
    let mut options = folder.options();
    options.segment_bytes = 256 * 1024;
    options.retention = Retention { events: Duration::from_secs(3600), ..Retention::default() };
    options
}

async fn sweep_all(store: &SledStore, at: Millis) -> (u64, u64) {
    let (mut removed, mut freed) = (0, 0);
    for _ in 0..20 {
        store.checkpoint().await.unwrap();
        let report = store.sweep(at).await.unwrap();
        removed += report.removed;
        freed += report.freed_bytes;
        if !report.more {
            break;
        }
    }
    (removed, freed)
}

/// Settled events go when their time is over, with their segments; what waits stays, and is moved out of the
/// way.
#[tokio::test]
async fn retention_frees_segments_and_rescues_what_waits() {
    let folder = Folder::new();
    let store = SledStore::open(options(&folder)).unwrap();
    let owner = hold(&store).await;
    let body = "x".repeat(20_000);
    let mut ids = Vec::new();
    for number in 0..120 {
        ids.push(put(&store, inbound(number % 4), &format!("{number} {body}")).await.0);
    }
    // One dead, the rest settled but for the last of lane 3.
    must(&store, [owner.bury(inbound(2), 1)]).await;
    let settle = |(lane, through)| owner.settle(inbound(lane), through);
    must(&store, [(0, 30), (1, 30), (2, 30), (3, 29)].map(settle)).await;
    must(&store, [append_keyed(inbound(0), 5)]).await;
    must(&store, [owner.settle(inbound(0), 31)]).await;
    for number in 0..40 {
        must(&store, [Change::put(Table::User, Key::new().number(number), body.clone())]).await;
    }
    let before = store.stats().log_bytes;
    sweep_all(&store, now()).await;
    let listed = store.events(&EventFilter::default(), None, 1000).await.unwrap().items.len();
    assert_eq!(listed, 121, "nothing is old yet");
    let (removed, freed) = sweep_all(&store, now() + 60 * HOUR).await;
    assert!(removed >= 119, "{removed} removed");
    assert!(freed > before / 2, "{freed} of {before} bytes freed");
    let old = store.shared.state.read().segments.keys().copied().filter(|segment| *segment < 8).count();
    assert_eq!(old, 0, "what was pinned was moved and its segments went");
    let left = store.events(&EventFilter::default(), None, 1000).await.unwrap().items;
    assert_eq!(
        left.iter().map(|event| event.outcome).collect::<Vec<_>>(),
        [EventOutcome::Pending, EventOutcome::Dead]
    );
    let entries = store.peek(inbound(3), 5).await.unwrap();
    assert_eq!(entries.iter().map(|entry| (entry.seq, entry.event.id)).collect::<Vec<_>>(), [(30, ids[119])]);
    assert!(entries[0].event.body.starts_with(b"119 "));
    assert!(store.event(ids[2]).await.unwrap().unwrap().body.starts_with(b"2 "));
    assert_eq!(store.event(ids[0]).await.map(|event| event.is_some()), Ok(false));
    assert_eq!(must(&store, [append_keyed(inbound(0), 5)]).await, [Appended::Already]);
    must(&store, [Change::Unbury { bot: bot(), event: ids[2] }]).await;
    let gone = store.commit(Commit::of([Change::Replay { event: ids[0] }])).await;
    assert_eq!(gone, Err(StoreError::NotFound("event")));
    store.close().await.unwrap();
    drop(store);
    let store = SledStore::open(options(&folder)).unwrap();
    assert_eq!(store.peek(inbound(2), 5).await.map(|entries| entries.len()), Ok(1));
    assert_eq!(store.peek(inbound(3), 5).await.map(|entries| entries.len()), Ok(1));
    assert_eq!(store.stats().backlog, [2, 0]);
    assert_eq!(store.verify().await.map(|report| report.faults), Ok(Vec::new()));
}

/// Keys are known as long as promised, and not for ever.
#[tokio::test]
async fn dedupe_keys_expire_by_day() {
    let folder = Folder::new();
    let store = SledStore::open(options(&folder)).unwrap();
    let keyed = |number, keep_days| {
        let Change::Append(append) = append_keyed(inbound(1), number) else { unreachable!() };
        Change::Append(Append { keep_days, ..append })
    };
    must(&store, [keyed(1, 3), keyed(2, 8)]).await;
    sweep_all(&store, now() + 72 * HOUR).await;
    assert_eq!(must(&store, [keyed(1, 3), keyed(2, 8)]).await, [Appended::Already, Appended::Already]);
    sweep_all(&store, now() + 6 * 24 * HOUR).await;
    assert_eq!(must(&store, [keyed(1, 3), keyed(2, 8)]).await, [Appended::New(3), Appended::Already]);
    assert_eq!(store.stats().dedupe_keys, 2);
}

/// A bloated engine is made again under the same rows.
#[tokio::test]
async fn a_bloated_index_is_made_again() {
    let folder = Folder::new();
    let store = SledStore::open(folder.options()).unwrap();
    for round in 0..30 {
        let puts = (0..200).map(|number| {
            Change::put(Table::User, Key::new().number(number), format!("{round} {}", "y".repeat(1000)))
        });
        must(&store, puts).await;
        store.checkpoint().await.unwrap();
    }
    must(&store, (2..200).map(|number| Change::delete(Table::User, Key::new().number(number)))).await;
    store.checkpoint().await.unwrap();
    let before = store.stats().index_bytes;
    store
        .shared
        .indexer
        .run(|shared, indexer| crate::sweep::rebuild_if_bloated(shared, indexer, 0))
        .await
        .unwrap();
    assert!(store.stats().index_bytes < before / 2, "{before} became {}", store.stats().index_bytes);
    let row = store.get(Table::User, &Key::new().number(1)).await.unwrap().unwrap();
    assert!(row.value.starts_with(b"29 "));
    must(&store, [Change::put(Table::User, Key::new().number(7), "new")]).await;
    store.close().await.unwrap();
    drop(store);
    let store = SledStore::open(folder.options()).unwrap();
    assert_eq!(store.health().problem, None);
    assert_eq!(store.get(Table::User, &Key::new().number(7)).await.unwrap().unwrap().value, "new");
    assert_eq!(store.get(Table::User, &Key::new().number(1)).await.unwrap(), Some(row));
}

/// A backup taken while writing goes on holds everything acknowledged before it; the restored store is fenced
/// off from the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_restored() {
    let folder = Folder::new();
    let target = Folder::new();
    let store = std::sync::Arc::new(SledStore::open(options(&folder)).unwrap());
    let owner = hold(&*store).await;
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(put(&*store, inbound(number % 3), "before").await.0);
    }
    must(&*store, [owner.settle(inbound(0), 10)]).await;
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0..300 {
                put(&*store, inbound(number % 3), "during").await;
            }
        })
    };
    let copy = target.0.path().join("copy");
    store.backup(&copy).await.unwrap();
    writer.await.unwrap();
    assert!(matches!(store.backup(&copy).await, Err(StoreError::Unavailable(_))), "a full folder is refused");
    let epoch = owner.fence(inbound(0)).epoch;
    store.close().await.unwrap();
    drop(store);
    let facts = check_backup(&copy).unwrap();
    let data = target.0.path().join("data");
    let mut steps = 0;
    assert_eq!(restore(&copy, &data, &mut |_, _| steps += 1), Ok(facts));
    assert!(steps > 2);
    assert!(restore(&copy, &data, &mut |_, _| {}).is_err());
    let store = SledStore::open(options(&target)).unwrap();
    for id in &ids {
        assert_eq!(store.event(*id).await.unwrap().unwrap().body, "before");
    }
    assert_eq!(store.lane(inbound(0)).await.unwrap().unwrap().head, 11);
    let held = store.get(Table::Meta, &Key::new().text("restored_at")).await.unwrap().unwrap();
    assert_eq!(held.value, facts.made_at.to_string());
    let owner = hold(&store).await;
    assert!(owner.fence(inbound(0)).epoch >= epoch + 1000);
    put(&store, inbound(0), "after").await;
    store.close().await.unwrap();
    drop(store);
    assert_eq!(verify(&data, &mut |_, _| {}).map(|report| report.faults), Ok(Vec::new()));
    let mut snapshot = std::fs::read_dir(copy.join("snap")).unwrap();
    let path = snapshot.next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(check_backup(&copy), Err(StoreError::Damaged(_))));
}

/// A segment in which nothing waits takes less room, and is read, verified, copied and applied as before.
#[tokio::test]
async fn settled_segments_are_compressed_and_read_as_before() {
    let folder = Folder::new();
    let store = SledStore::open(options(&folder)).unwrap();
    let owner = hold(&store).await;
    let body = "as it was said ".repeat(1300);
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(put(&store, inbound(number % 4), &format!("{number} {body}")).await.0);
    }
    let before = store.stats().log_bytes;
    must(&store, (0..4).map(|lane| owner.settle(inbound(lane), if lane == 3 { 23 } else { 25 }))).await;
    store.checkpoint().await.unwrap();
    let started = std::time::Instant::now();
    while store.stats().log_bytes > before / 2 {
        assert!(started.elapsed() < Duration::from_secs(20), "{} of {before}", store.stats().log_bytes);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let all_are_there = async |store: &SledStore| {
        for (number, id) in ids.iter().enumerate() {
            let event = store.event(*id).await.unwrap().unwrap();
            assert_eq!(event.body, format!("{number} {body}"));
        }
        assert_eq!(store.stats().backlog, [2, 0]);
        assert_eq!(store.verify().await.map(|report| report.faults), Ok(Vec::new()));
    };
    all_are_there(&store).await;
    must(&store, [Change::Replay { event: ids[0] }]).await;
    must(&store, [owner.settle(inbound(0), 26)]).await;
    let (target, image) = (Folder::new(), Folder::new());
    let copy = target.0.path().join("copy");
    store.backup(&copy).await.unwrap();
    super::damage::copy(folder.0.path(), image.0.path());
    store.close().await.unwrap();
    drop(store);
    let data = target.0.path().join("data");
    restore(&copy, &data, &mut |_, _| {}).unwrap();
    assert_eq!(verify(&data, &mut |_, _| {}).map(|report| report.faults), Ok(Vec::new()));
    all_are_there(&SledStore::open(options(&target)).unwrap()).await;
    // Without index, from the log alone.
    let data = folder.options().path;
    for lost in ["sled", "snap"] {
        std::fs::remove_dir_all(data.join(lost)).unwrap();
    }
    all_are_there(&SledStore::open(options(&folder)).unwrap()).await;
    // With a chunk that does not read.
    let data = image.options().path;
    std::fs::remove_dir_all(data.join("sled")).unwrap();
    let segment = data.join("log/00000002.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle + 1000);
    std::fs::write(&segment, bytes).unwrap();
    let refused = SledStore::open(options(&image)).err().unwrap().to_string();
    assert!(refused.contains("00000002.seg"), "{refused}");
    let report = salvage(&data, &mut |_, _| {}).unwrap();
    assert!(!report.lost.is_empty() && report.whole > 0);
    let store = SledStore::open(options(&image)).unwrap();
    let mut left = 0;
    for id in &ids {
        left += usize::from(store.event(*id).await.unwrap().is_some());
    }
    assert!((85..100).contains(&left), "{left} events");
}

/// Dead letters past their limit go, the oldest first.
#[tokio::test]
async fn dead_letters_are_limited_per_bot() {
    let folder = Folder::new();
    let mut options = options(&folder);
    options.retention.dead_letters_per_bot = 3;
    let store = SledStore::open(options).unwrap();
    let owner = hold(&store).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(put(&store, inbound(number), "x").await.0);
        must(&store, [owner.bury(inbound(number), 1)]).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sweep_all(&store, now()).await;
    let left = store.dead_letters(None, None, 10).await.unwrap().items;
    assert_eq!(left.iter().map(|letter| letter.event.id).collect::<Vec<_>>(), [ids[4], ids[3], ids[2]]);
    sweep_all(&store, now() + 31 * 24 * HOUR).await;
    assert_eq!(store.stats().dead_letters, 0);
}

/// One process at a time; the second is told who has the store.
#[tokio::test]
async fn a_second_open_names_the_holder() {
    let folder = Folder::new();
    let store = folder.store();
    let refused = SledStore::open(folder.options()).err().unwrap().to_string();
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    store.close().await.unwrap();
    drop(SledStore::open(folder.options()).unwrap());
}

/// A million entries behind cost little memory: a lane keeps a window, the rest is in the index.
#[tokio::test]
async fn a_long_backlog_keeps_a_window_in_memory() {
    let folder = Folder::new();
    let mut options = folder.options();
    options.checkpoint_bytes = 1024 * 1024;
    let store = SledStore::open(options).unwrap();
    for part in 0..40 {
        let made = (0..500).map(|number| append(inbound(1), format!("{part} {number}")).1);
        must(&store, made).await;
    }
    store.checkpoint().await.unwrap();
    {
        let state = store.shared.state.read();
        let lane = state.lanes.get(&inbound(1)).unwrap();
        assert!(lane.entries.len() <= crate::lane::WINDOW);
        assert_eq!(lane.next - lane.head, 20_000);
        assert!(state.mem.bytes < 4096);
    }
    let owner = hold(&store).await;
    must(&store, [owner.settle(inbound(1), 19_990)]).await;
    let entries = store.peek(inbound(1), 100).await.unwrap();
    assert_eq!(
        entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        (19_991..=20_000).collect::<Vec<_>>()
    );
    let other = event("x");
    assert!(store.event(other.id).await.unwrap().is_none());
}
