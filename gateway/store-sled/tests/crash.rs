//! Killed and cut off in the midst of work: everything acknowledged is there, once, in order.
//!
//! The worker is this very binary, started again with an environment of its own. `CRASH_ROUNDS` says how often
//! it is killed; without it 20 times.

#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portico_store::suite::{append, append_keyed, hold, inbound, key, must};
use portico_store::{Append, Appended, Change, Commit, Committed, EventFilter, Key, Store, Table};
use portico_store_sled::{Disk, DiskLimits, Options, SledStore};

const FOLDER: &str = "PORTICO_CRASH_FOLDER";
const FROM: &str = "PORTICO_CRASH_FROM";
const UNSYNCED: &str = "PORTICO_CRASH_UNSYNCED";
const LANES: u64 = 7;

/// A store that only pretends to sync, to prove that the power cut would find it out.
struct Unsynced;

impl Disk for Unsynced {
    fn sync(&self, _: &std::fs::File) -> std::io::Result<()> {
        Ok(())
    }
}

fn options(path: &Path) -> Options {
    Options {
        segment_bytes: 1024 * 1024,
        checkpoint_every: Duration::from_millis(60),
        snapshot_bytes: 2 * 1024 * 1024,
        disk_limits: DiskLimits::off(),
        cache_bytes: 4 * 1024 * 1024,
        ..Options::at(path)
    }
}

fn row(number: u64) -> Key {
    Key::new().number(number)
}

/// Appends until it is killed; says on its output what was acknowledged.
#[test]
#[ignore = "started by the tests below"]
fn worker() {
    let (Ok(folder), Ok(from)) = (std::env::var(FOLDER), std::env::var(FROM)) else { return };
    let from: u64 = from.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let started = Instant::now();
        let mut options = options(Path::new(&folder));
        if std::env::var(UNSYNCED).is_ok() {
            options.disk = Arc::new(Unsynced);
        }
        let store = Arc::new(SledStore::open(options).unwrap());
        say(&format!("open {}", started.elapsed().as_millis()));
        let owner = hold(&*store).await;
        let mut tasks = Vec::new();
        for task in 0..8_u64 {
            let (store, owner) = (store.clone(), owner.clone());
            tasks.push(tokio::spawn(async move {
                for turn in 0.. {
                    let number = from + turn * 8 + task;
                    let lane = inbound((number % LANES) as u32);
                    let Change::Append(appended) = append_keyed(lane, number) else { unreachable!() };
                    let mut event = appended.event;
                    event.body = format!("{number} {}", "x".repeat(number as usize % 2000)).into();
                    let id = event.id;
                    let once = Change::Append(Append { key: Some(key(number)), keep_days: 3, lane, event });
                    let put = Change::put(Table::Message, row(number), format!("row {number}"));
                    match store.commit(Commit::of([once, put])).await {
                        Ok(Committed::Done(answers)) => {
                            let [Appended::New(seq)] = answers[..] else { panic!("{number} was new") };
                            say(&format!("kept {number} {} {seq} {id}", number % LANES));
                        }
                        other => panic!("{other:?}"),
                    }
                    if turn % 9 == 8 {
                        let head = store.lane(lane).await.unwrap();
                        if let Some(head) = head {
                            let settled = store.commit(Commit::of([owner.settle(lane, head.head)])).await;
                            assert!(settled.is_ok());
                            say(&format!("settled {} {}", number % LANES, head.head));
                        }
                    }
                    if turn % 5 == 1 {
                        // Asks for no sync: may be lost, must not hurt.
                        let extra = append(lane, "ordered").1;
                        assert!(store.commit(Commit::of([extra]).ordered()).await.is_ok());
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// What was acknowledged so far.
#[derive(Default)]
struct Told {
    kept: BTreeMap<u64, (u32, u64, String)>,
    settled: BTreeMap<u32, u64>,
}

fn start(folder: &Path, from: u64, environment: &[(&str, String)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "worker", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(FROM, from.to_string());
    for (name, value) in environment {
        command.env(name, value);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Lets a worker run, ends it, and reads what it said.
fn round(folder: &Path, told: &mut Told, environment: &[(&str, String)], end: impl FnOnce(&mut Child)) {
    let from = told.kept.keys().next_back().map_or(0, |last| last + 100_000);
    let mut child = start(folder, from, environment);
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || output.lines().map_while(Result::ok).collect::<Vec<_>>());
    end(&mut child);
    let status = child.wait().unwrap();
    assert!(!status.success(), "the worker ended by itself");
    for line in reader.join().unwrap() {
        let parts: Vec<&str> = line.split(' ').collect();
        match parts[..] {
            ["kept", number, lane, seq, id] => {
                let facts = (lane.parse().unwrap(), seq.parse().unwrap(), id.to_owned());
                told.kept.insert(number.parse().unwrap(), facts);
            }
            ["settled", lane, through] => {
                let (lane, through): (u32, u64) = (lane.parse().unwrap(), through.parse().unwrap());
                let known = told.settled.entry(lane).or_default();
                *known = through.max(*known);
            }
            ["open", ms] => assert!(ms.parse::<u64>().unwrap() < 5_000, "ready again within 5 s"),
            _ => {}
        }
    }
}

/// Everything acknowledged is in the store, with its number; lanes have no gaps and no doubles.
async fn check(folder: &Path, told: &Told) {
    let store = SledStore::open(options(folder)).unwrap();
    assert_eq!(store.health().problem, None, "no index had to be made again");
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut numbers: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    let lanes: BTreeMap<_, u32> = (0..LANES as u32).map(|number| (inbound(number), number)).collect();
    let mut cursor = None;
    loop {
        let page = store.events(&EventFilter::default(), cursor, 1000).await.unwrap();
        for event in page.items {
            assert!(seen.insert(event.id.to_string(), event.seq).is_none(), "an event is listed twice");
            numbers.entry(lanes[&event.lane]).or_default().push(event.seq);
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    for (lane, mut numbers) in numbers {
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "lane {lane} has gaps or doubles");
    }
    for (number, (_, seq, id)) in &told.kept {
        assert_eq!(seen.get(id), Some(seq), "event {number} was acknowledged");
    }
    for (lane, through) in &told.settled {
        let head = store.lane(inbound(*lane)).await.unwrap();
        assert!(head.is_none_or(|head| head.head > *through), "what was settled stays settled");
    }
    for (number, (lane, _, _)) in told.kept.iter().rev().take(300) {
        let found = store.get(Table::Message, &row(*number)).await.unwrap().map(|row| row.value);
        assert_eq!(found, Some(format!("row {number}").into()));
        assert_eq!(must(&store, [append_keyed(inbound(*lane), *number)]).await, [Appended::Already]);
    }
    for lane in 0..LANES as u32 {
        let entries = store.peek(inbound(lane), 200).await.unwrap();
        assert!(entries.iter().all(|entry| entry.event.body == "ordered" || entry.event.body.len() > 1));
    }
    let faults = store.verify().await.unwrap().faults;
    assert_eq!(faults, Vec::<String>::new());
}

fn rounds() -> u64 {
    std::env::var("CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

/// Differs from round to round, covers the time around checkpoints.
fn pause(round: u64) -> Duration {
    Duration::from_millis(90 + (round * 53) % 260)
}

#[tokio::test]
async fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut told = Told::default();
    for number in 0..rounds() {
        round(&data, &mut told, &[], |child| {
            std::thread::sleep(pause(number));
            child.kill().unwrap();
        });
        if number % 5 == 4 {
            check(&data, &told).await;
        }
    }
    check(&data, &told).await;
    assert!(told.kept.len() > 500, "{} were acknowledged", told.kept.len());
}

/// Builds the library that undoes what was not synced.
fn library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/powercut/powercut.c");
    let library = folder.join("powercut.so");
    let built = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .args(["-ldl", "-lpthread"])
        .status();
    assert!(built.is_ok_and(|status| status.success()), "cc builds {}", source.display());
    library
}

async fn cut_rounds(torn: bool) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    let library = library(folder.path());
    let mut told = Told::default();
    for number in 0..rounds() {
        let mut environment = vec![
            ("LD_PRELOAD", library.display().to_string()),
            ("POWERCUT_DIR", data.display().to_string()),
            ("POWERCUT_MS", (150 + pause(number).as_millis()).to_string()),
        ];
        if torn {
            environment.push(("POWERCUT_TORN", "1".into()));
        }
        round(&data, &mut told, &environment, |_| {});
        if number % 5 == 4 {
            check(&data, &told).await;
        }
    }
    check(&data, &told).await;
    assert!(told.kept.len() > 100, "{} were acknowledged", told.kept.len());
}

#[tokio::test]
async fn a_power_cut_loses_nothing_acknowledged() {
    cut_rounds(false).await;
}

#[tokio::test]
async fn a_power_cut_that_leaves_torn_writes_loses_nothing_acknowledged() {
    cut_rounds(true).await;
}

/// The cut itself is tested: a log that is written but not synced is lost.
#[tokio::test]
async fn a_power_cut_finds_out_who_does_not_sync() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    let environment = [
        ("LD_PRELOAD", library(folder.path()).display().to_string()),
        ("POWERCUT_DIR", data.display().to_string()),
        ("POWERCUT_MS", "400".to_owned()),
        (UNSYNCED, "1".to_owned()),
    ];
    let mut told = Told::default();
    round(&data, &mut told, &environment, |_| {});
    assert!(!told.kept.is_empty());
    let Ok(store) = SledStore::open(options(&data)) else { return };
    let mut lost = 0;
    for (lane, seq, _) in told.kept.values() {
        let head = store.lane(inbound(*lane)).await.unwrap();
        lost += u64::from(head.is_none_or(|head| head.next <= *seq));
    }
    assert!(lost > 0, "what was not synced is gone");
}
