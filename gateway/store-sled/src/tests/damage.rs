//! Broken bytes: never a wrong value; recovered from, or refused by name.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use portico_contract::EventId;
use portico_store::suite::{append, append_keyed, hold, inbound, must, put};
use portico_store::{Appended, Change, Key, KeyRange, Lane, Store, StoreError, Table};

use super::Folder;
use crate::checkpoint::{Checkpoint, Found};
use crate::op::Tree;
use crate::{SledStore, salvage};

const LANES: u32 = 4;

/// What a store held: bodies by lane, rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    lanes: BTreeMap<Lane, Vec<(u64, EventId, Vec<u8>)>>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

async fn content(store: &SledStore) -> Result<Content, StoreError> {
    let mut content = Content::default();
    for lane in (0..LANES).map(inbound) {
        let entries = store.peek(lane, 1000).await?;
        let entries = entries.into_iter().map(|entry| (entry.seq, entry.event.id, entry.event.body.to_vec()));
        content.lanes.insert(lane, entries.collect());
    }
    for (key, row) in store.scan(Table::User, KeyRange::prefix(Key::new(), 10_000)).await? {
        content.rows.insert(key.0, row.value.to_vec());
    }
    Ok(content)
}

/// Work of all kinds; the content after each commit.
async fn work(store: &SledStore, commits: u32) -> Vec<Content> {
    let owner = hold(store).await;
    let mut states = vec![content(store).await.unwrap()];
    for number in 0..commits {
        let lane = inbound(number % LANES);
        let mut changes = vec![
            append(lane, format!("body {number}")).1,
            Change::put(Table::User, Key::new().number(u64::from(number % 37)), format!("value {number}")),
        ];
        if number % 5 == 4 {
            let head = store.lane(lane).await.unwrap().unwrap().head;
            changes.push(owner.settle(lane, head));
        }
        if number % 11 == 10 {
            changes.push(append_keyed(lane, u64::from(number)));
            changes.push(Change::delete(Table::User, Key::new().number(u64::from(number % 7))));
        }
        must(store, changes).await;
        states.push(content(store).await.unwrap());
    }
    states
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn small(folder: &Folder) -> crate::Options {
    let mut options = folder.options();
    options.segment_bytes = 256 * 1024;
    options
}

/// Cutting the log's unsynced end at any byte leaves a beginning of the commits, never a mixture.
#[tokio::test]
async fn every_prefix_of_the_log_opens_to_a_prefix_of_the_commits() {
    let folder = Folder::new();
    let store = SledStore::open(small(&folder)).unwrap();
    let states = work(&store, 60).await;
    let (_, end) = crate::frame::split(store.shared.synced.load(std::sync::atomic::Ordering::Relaxed));
    // As after kill -9: no checkpoint was written.
    let image = Folder::new();
    copy(folder.0.path(), image.0.path());
    drop(store);
    let log = Path::new("data/log/00000001.seg");
    let bytes = fs::read(image.0.path().join(log)).unwrap();
    let mut last = 0;
    let (start, end) = (crate::segments::START, end as usize);
    for cut in (start..end).step_by(211).chain([end - 1, end]) {
        let tried = Folder::new();
        copy(image.0.path(), tried.0.path());
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        fs::write(tried.0.path().join(log), torn).unwrap();
        let store = SledStore::open(small(&tried)).unwrap();
        let found = content(&store).await.unwrap();
        let at = states.iter().position(|state| *state == found);
        let at = at.unwrap_or_else(|| panic!("cut at {cut}: not a state that ever was"));
        assert!(at >= last, "a longer log holds no less");
        last = at;
        put(&store, inbound(0), "goes on").await;
    }
    assert_eq!(last, states.len() - 1);
}

/// One byte flipped anywhere: the store refuses by name, recovers, or answers with an error; what it serves is
/// what was written.
#[tokio::test]
async fn a_flipped_byte_is_never_a_wrong_value() {
    let folder = Folder::new();
    let mut options = small(&folder);
    options.snapshot_bytes = 0;
    let store = SledStore::open(options).unwrap();
    let mut states = work(&store, 40).await;
    store.close().await.unwrap();
    drop(store);
    let store = SledStore::open(small(&folder)).unwrap();
    states.extend(work(&store, 40).await);
    let image = Folder::new();
    copy(folder.0.path(), image.0.path());
    drop(store);
    let last = states.last().unwrap();
    let mut outcomes = BTreeMap::<&str, u32>::new();
    for path in files(&image.0.path().join("data")) {
        let name = path.strip_prefix(image.0.path()).unwrap();
        let bytes = fs::read(&path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        if used == 0 || name.ends_with("LOCK") {
            continue;
        }
        for sample in 0..16 {
            let at = (sample * 7919 + sample * sample * 104_729) % used;
            let tried = Folder::new();
            copy(image.0.path(), tried.0.path());
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            fs::write(tried.0.path().join(name), flipped).unwrap();
            let outcome = match SledStore::open(small(&tried)) {
                Err(StoreError::Damaged(text)) => {
                    assert!(text.contains(".seg"), "the place is named: {text}");
                    "refused"
                }
                Err(other) => panic!("{name:?} at {at}: {other}"),
                Ok(store) => match content(&store).await {
                    Ok(found) if found == *last => "whole",
                    // The very last write of the log can't be told from one that was torn.
                    Ok(found) if states.contains(&found) && name.ends_with("00000001.seg") => "shorter",
                    Ok(_) => panic!("{name:?} at {at}: a wrong value"),
                    Err(StoreError::Damaged(_)) => "named",
                    Err(other) => panic!("{name:?} at {at}: {other}"),
                },
            };
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
    assert!(outcomes.get("refused").is_some_and(|count| *count > 0), "{outcomes:?}");
    assert!(outcomes.get("whole").is_some_and(|count| *count > 0), "{outcomes:?}");
    assert!(outcomes.get("shorter").is_none_or(|count| *count < 3), "{outcomes:?}");
}

/// A log broken in its middle is refused; salvaging keeps both parts and names what is lost.
#[tokio::test]
async fn damage_in_the_middle_is_refused_and_salvaged() {
    let folder = Folder::new();
    let store = SledStore::open(small(&folder)).unwrap();
    let lane = inbound(1);
    let mut ids = Vec::new();
    let mut places = Vec::new();
    for number in 0..30 {
        let at = store.shared.synced.load(std::sync::atomic::Ordering::Relaxed);
        places.push(crate::frame::split(at).1 as usize);
        ids.push(put(&store, lane, &format!("body {number}")).await.0);
    }
    let image = Folder::new();
    copy(folder.0.path(), image.0.path());
    drop(store);
    let data = image.0.path().join("data");
    let log = data.join("log/00000001.seg");
    let mut bytes = fs::read(&log).unwrap();
    bytes[places[10] + 60] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let refused = SledStore::open(small(&image)).err().unwrap().to_string();
    assert!(
        refused.contains("00000001.seg") && refused.contains(&format!("offset {}", places[10])),
        "{refused}"
    );
    let report = salvage(&data, &mut |_, _| {}).unwrap();
    assert_eq!(report.lost.len(), 1);
    assert_eq!(report.lost[0].offset as usize, places[10]);
    let kept = fs::read(report.lost[0].kept_in.as_ref().unwrap()).unwrap();
    assert_eq!(kept, bytes[places[10]..places[11]]);
    ids.remove(10);
    for round in 0..3 {
        let store = SledStore::open(small(&image)).unwrap();
        if round == 1 {
            // What is made again while it runs knows the new numbers, too.
            super::mend::ruin_after(&store, 0).await;
            store.checkpoint().await.unwrap();
            assert_eq!(store.health().problem, None);
        }
        let entries = store.peek(lane, 100).await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.event.id).collect::<Vec<_>>(), ids);
        assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (2..=30).collect::<Vec<_>>());
        store.close().await.unwrap();
    }
    let store = SledStore::open(small(&image)).unwrap();
    let owner = hold(&store).await;
    must(&store, [owner.settle(lane, 30)]).await;
    assert_eq!(store.lane(lane).await, Ok(None));
    assert_eq!(put(&store, lane, "next").await.1, 31);
}

/// An index that is gone, or whose checkpoint is gone, is made again from the log, with all keys and numbers.
#[tokio::test]
async fn a_lost_index_is_made_again() {
    for lost in ["sled", "checkpoint"] {
        let folder = Folder::new();
        let store = SledStore::open(small(&folder)).unwrap();
        let states = work(&store, 40).await;
        must(&store, [append_keyed(inbound(9), 1)]).await;
        store.close().await.unwrap();
        drop(store);
        let path = folder.0.path().join("data").join(lost);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let store = SledStore::open(small(&folder)).unwrap();
        assert!(store.health().problem.is_some_and(|problem| problem.contains("made again")));
        assert_eq!(content(&store).await.as_ref(), Ok(states.last().unwrap()));
        assert_eq!(must(&store, [append_keyed(inbound(9), 1)]).await, [Appended::Already]);
        assert_eq!(store.verify().await.map(|report| report.faults), Ok(Vec::new()));
    }
}

/// Rows that went missing while a window was written are no sum's business; the log brings them back.
#[tokio::test]
async fn rows_that_were_lost_in_a_crash_within_a_window_are_there_again() {
    for snapshot_bytes in [0, u64::MAX] {
        let folder = Folder::new();
        let mut options = small(&folder);
        options.snapshot_bytes = snapshot_bytes;
        let store = SledStore::open(options).unwrap();
        let states = work(&store, 40).await;
        store.close().await.unwrap();
        drop(store);
        let data = folder.0.path().join("data");
        let place = data.join("checkpoint");
        let Found::Whole(checkpoint) = Checkpoint::read(&place).unwrap() else { panic!("no checkpoint") };
        let engine = crate::packed::open(&data.join("sled/00000001"), 8 * 1024 * 1024).unwrap();
        let tree = Tree::Rows;
        let rows: Vec<_> =
            engine.range(tree, Bound::Unbounded, Bound::Unbounded, false).map(|row| row.unwrap().0).collect();
        assert!(!rows.is_empty());
        for key in &rows {
            engine.delete(tree, key).unwrap();
        }
        engine.flush().unwrap();
        drop(engine);
        Checkpoint { clean: false, ..checkpoint }.write(&place).unwrap();
        let store = SledStore::open(small(&folder)).unwrap();
        assert_eq!(content(&store).await.as_ref(), Ok(states.last().unwrap()));
        assert_eq!(store.health().problem, None);
        assert_eq!(store.verify().await.map(|report| report.faults), Ok(Vec::new()));
    }
}
