//! Rows of tables: read your own commit, all or nothing, scans.

use std::sync::Arc;

use bytes::Bytes;

use super::{Home, append, inbound, must, put, refused, reopen};
use crate::{Change, Commit, Expect, Key, KeyRange, Row, Store, StoreError, Table};

fn key(text: &str) -> Key {
    Key::from(text.as_bytes())
}

async fn read(store: &dyn Store, table: Table, at: &str) -> Option<Row> {
    let row = store.get(table, &key(at)).await;
    let Ok(row) = row else { unreachable!("a healthy store reads: {row:?}") };
    if let Some(local) = store.get_local(table, &key(at)) {
        assert_eq!(local, Ok(row.clone()));
    }
    row
}

/// Whoever has an answer sees the row; versions grow; tables are apart.
pub async fn a_row_is_read_by_whoever_wrote_it(home: &dyn Home) {
    let store = home.open();
    must(&*store, [Change::put(Table::User, key("a"), "1")]).await;
    let first = read(&*store, Table::User, "a").await;
    assert_eq!(first.as_ref().map(|row| row.value.clone()), Some("1".into()));
    assert!(first.as_ref().is_some_and(|row| row.version > 0));
    must(&*store, [Change::put(Table::User, key("a"), "2")]).await;
    let second = read(&*store, Table::User, "a").await;
    assert!(second.as_ref().map(|row| row.version) > first.as_ref().map(|row| row.version));
    let store = reopen(home, store).await;
    assert_eq!(read(&*store, Table::User, "a").await, second);
    assert_eq!(read(&*store, Table::Message, "a").await, None);
    must(&*store, [Change::delete(Table::User, key("a"))]).await;
    assert_eq!(read(&*store, Table::User, "a").await, None);
    let store = reopen(home, store).await;
    assert_eq!(read(&*store, Table::User, "a").await, None);
    must(&*store, [Change::put(Table::User, key("a"), "3")]).await;
    let third = read(&*store, Table::User, "a").await;
    assert!(third.map(|row| row.version) > second.map(|row| row.version), "also after a deletion");
}

fn write(at: &str, value: &'static str, expect: Expect) -> Change {
    Change::Write {
        table: Table::State,
        key: key(at),
        value: Some(Bytes::from_static(value.as_bytes())),
        expect,
    }
}

/// A row that is not what was expected refuses the commit, in memory and on disk alike.
pub async fn expectations_decide_the_whole_commit(home: &dyn Home) {
    let mut store = home.open();
    let conflict = StoreError::Conflict { table: Table::State };
    must(&*store, [write("a", "1", Expect::Absent)]).await;
    for _ in 0..2 {
        assert_eq!(refused(&*store, [write("a", "2", Expect::Absent)]).await, conflict);
        let version = read(&*store, Table::State, "a").await.map_or(0, |row| row.version);
        assert_eq!(refused(&*store, [write("a", "2", Expect::Version(version + 1))]).await, conflict);
        assert_eq!(refused(&*store, [write("none", "2", Expect::Version(1))]).await, conflict);
        must(&*store, [write("a", "3", Expect::Version(version))]).await;
        assert_eq!(refused(&*store, [write("a", "4", Expect::Version(version))]).await, conflict);
        store = reopen(home, store).await;
    }
    let both = [write("b", "1", Expect::Absent), write("b", "2", Expect::Absent)];
    assert_eq!(refused(&*store, both).await, conflict, "the second sees what the first would have done");
    assert_eq!(read(&*store, Table::State, "b").await, None);
}

/// Everything of a commit happens, or nothing: rows, entries, keys.
pub async fn a_refused_commit_leaves_nothing(home: &dyn Home) {
    let store = home.open();
    must(&*store, [write("taken", "1", Expect::Absent)]).await;
    put(&*store, inbound(1), "before").await;
    let (id, event) = append(inbound(1), "refused");
    let changes = [
        event,
        super::append_keyed(inbound(2), 77),
        write("new", "1", Expect::Any),
        Change::delete(Table::State, key("taken")),
        write("taken", "2", Expect::Absent),
        write("new", "3", Expect::Absent),
    ];
    assert_eq!(refused(&*store, changes).await, StoreError::Conflict { table: Table::State });
    let store = reopen(home, store).await;
    assert_eq!(store.event(id).await.map(|event| event.is_some()), Ok(false));
    assert_eq!(store.lane(inbound(1)).await.ok().flatten().map(|head| head.next), Some(2));
    assert_eq!(store.lane(inbound(2)).await, Ok(None));
    assert_eq!(read(&*store, Table::State, "new").await, None);
    assert_eq!(read(&*store, Table::State, "taken").await.map(|row| row.value), Some("1".into()));
    let answers = must(&*store, [super::append_keyed(inbound(2), 77)]).await;
    assert_eq!(answers, [crate::Appended::New(1)], "its key is not known either");
}

/// Prefix, limit, both directions, going on after a key; over what is in memory and what is on disk.
pub async fn scans_go_both_ways(home: &dyn Home) {
    let store = home.open();
    let name = |prefix: char, number: u32| format!("{prefix}{number:03}");
    let puts = |numbers: Vec<u32>| {
        let put = |number: u32| {
            [
                Change::put(Table::Index, key(&name('a', number)), number.to_string()),
                Change::put(Table::Index, key(&name('b', number)), number.to_string()),
            ]
        };
        numbers.into_iter().flat_map(put).collect::<Vec<_>>()
    };
    must(&*store, puts((0..120).filter(|number| number % 3 == 0).collect())).await;
    let store = reopen(home, store).await;
    must(&*store, puts((0..120).filter(|number| number % 3 == 1).collect())).await;
    must(&*store, (0..120).step_by(6).map(|number| Change::delete(Table::Index, key(&name('b', number)))))
        .await;
    let wanted: Vec<String> =
        (0..120).filter(|number| number % 3 < 2 && number % 6 != 0).map(|number| name('b', number)).collect();
    for limit in [1, 7, 40, 1000] {
        for reverse in [false, true] {
            let mut seen = Vec::new();
            let mut after = None;
            loop {
                let mut range = KeyRange::prefix(key("b"), limit).after(after.clone());
                range.reverse = reverse;
                let rows = store.scan(Table::Index, range.clone()).await.unwrap_or_default();
                if let Some(local) = store.scan_local(Table::Index, range) {
                    assert_eq!(local, Ok(rows.clone()));
                }
                assert!(rows.len() <= limit);
                let Some((last, _)) = rows.last() else { break };
                after = Some(last.clone());
                seen.extend(rows.into_iter().map(|(key, _)| String::from_utf8_lossy(&key.0).into_owned()));
            }
            if reverse {
                seen.reverse();
            }
            assert_eq!(seen, wanted, "limit {limit}, reverse {reverse}");
        }
    }
    let all = store.scan(Table::Index, KeyRange::prefix(Key::new(), 1000)).await.unwrap_or_default();
    assert_eq!(all.len(), 80 + wanted.len());
    let from_outside = KeyRange::prefix(key("b"), 1).after(Some(key("a5")));
    let rows = store.scan(Table::Index, from_outside).await.unwrap_or_default();
    assert_eq!(rows.first().map(|(at, _)| at.clone()), wanted.first().map(|first| key(first)));
    let past = KeyRange::prefix(key("b"), 1).after(Some(key("c")));
    assert_eq!(store.scan(Table::Index, past).await.map(|rows| rows.len()), Ok(0));
}

/// A mebibyte comes back as it was, is replaced and deleted.
pub async fn large_rows_come_back_whole(home: &dyn Home) {
    let mut store = home.open();
    let value =
        |length: usize, seed: usize| -> Bytes { (0..length).map(|at| (at * 7 + seed) as u8).collect() };
    for (turn, length) in [1024 * 1024, 8 * 1024, 8 * 1024 - 13, 9_000, 300_000, 10].into_iter().enumerate() {
        must(&*store, [Change::put(Table::File, key("large"), value(length, turn))]).await;
        assert_eq!(read(&*store, Table::File, "large").await.map(|row| row.value), Some(value(length, turn)));
        store = reopen(home, store).await;
        assert_eq!(read(&*store, Table::File, "large").await.map(|row| row.value), Some(value(length, turn)));
        let rows = store.scan(Table::File, KeyRange::prefix(Key::new(), 10)).await.unwrap_or_default();
        assert_eq!(rows.first().map(|(_, row)| row.value.len()), Some(length));
    }
    must(&*store, [Change::delete(Table::File, key("large"))]).await;
    let store = reopen(home, store).await;
    assert_eq!(read(&*store, Table::File, "large").await, None);
}

/// Limits are named.
pub async fn too_large_is_refused(home: &dyn Home) {
    let store = home.open();
    let too_large =
        |error: StoreError| matches!(error, StoreError::TooLarge { bytes, limit, .. } if bytes > limit);
    let row = Change::put(Table::File, key("x"), vec![0; 1024 * 1024 + 1]);
    assert!(too_large(refused(&*store, [row]).await));
    let (_, event) = append(inbound(1), vec![0; 4 * 1024 * 1024 + 1]);
    assert!(too_large(refused(&*store, [event]).await));
    assert_eq!(store.lane(inbound(1)).await, Ok(None));
}

/// Sixteen tasks want the same row: one makes it, all others find it.
pub async fn get_or_create_makes_one_of_many(home: &dyn Home) {
    let store = home.open();
    for round in 0..20 {
        let mut tasks = Vec::new();
        for task in 0..16 {
            let store = Arc::clone(&store);
            tasks.push(tokio::spawn(async move {
                let change = Change::Write {
                    table: Table::Conversation,
                    key: Key::new().number(round),
                    value: Some(Bytes::from(format!("{task}"))),
                    expect: Expect::Absent,
                };
                store.commit(Commit::of([change])).await.is_ok()
            }));
        }
        let mut made = 0;
        for task in tasks {
            made += u32::from(task.await.unwrap_or(false));
        }
        assert_eq!(made, 1);
    }
}
