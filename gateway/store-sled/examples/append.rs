//! Appends per second, and CPU per append: `cargo run --release -p portico-store-sled --example append -- [FOLDER]`.
//!
//! 64 callers on a runtime of one thread append events of 1 KiB for some seconds; then the same with settling
//! beside it. The CPU is that of the whole process: committer, index and callers.

#![allow(clippy::print_stdout, reason = "it prints figures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portico_store::suite::{append_keyed, hold, inbound};
use portico_store::{Append, Appended, Change, Commit, Committed, Store};
use portico_store_sled::{Options, SledStore};

const CALLERS: u64 = 64;

/// CPU time of each thread group by name, in nanoseconds, and of the process.
fn cpu() -> Vec<(String, u64)> {
    let mut threads: Vec<(String, u64)> = Vec::new();
    let Ok(entries) = std::fs::read_dir("/proc/self/task") else { return threads };
    for entry in entries.flatten() {
        let read = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let name = read("comm").trim().to_owned();
        let nanos = read("schedstat").split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        match threads.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += nanos,
            None => threads.push((name, nanos)),
        }
    }
    threads
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()).and_then(|kib| kib.parse().ok()).unwrap_or(0) / 1024
}

async fn run(store: &Arc<SledStore>, seconds: u64, base: u64, settle: bool) {
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let slowest = Arc::new(AtomicU64::new(0));
    let body = bytes::Bytes::from(vec![b'x'; 1024]);
    let owner = hold(&**store).await;
    let (before, started, syncs) = (cpu(), Instant::now(), store.stats().syncs);
    let mut tasks = Vec::new();
    for caller in 0..CALLERS {
        let (store, stop, count, body) = (store.clone(), stop.clone(), count.clone(), body.clone());
        let (owner, slowest) = (owner.clone(), slowest.clone());
        tasks.push(tokio::spawn(async move {
            let mut number = base + caller;
            while !stop.load(Ordering::Relaxed) {
                let lane = inbound((number % 1000) as u32);
                let Change::Append(mut append) = append_keyed(lane, number) else { return };
                append.event.body = body.clone();
                let asked = Instant::now();
                let done = store.commit(Commit::of([Change::Append(Append { ..append })])).await;
                slowest.fetch_max(asked.elapsed().as_micros() as u64, Ordering::Relaxed);
                let Ok(Committed::Done(answers)) = done else { return };
                count.fetch_add(1, Ordering::Relaxed);
                if let (true, Some(Appended::New(seq))) = (settle, answers.first()) {
                    // What dispatch does: read the entry, settle it.
                    let entries = store.peek(lane, 1).await.unwrap_or_default();
                    if entries.first().is_some_and(|entry| entry.seq <= *seq) {
                        let settled = store.commit(Commit::of([owner.settle(lane, *seq)]).ordered()).await;
                        if settled.is_err() {
                            return;
                        }
                    }
                }
                number += CALLERS;
            }
        }));
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        if task.await.is_err() {
            println!("a caller failed");
        }
    }
    let (elapsed, count) = (started.elapsed().as_secs_f64(), count.load(Ordering::Relaxed));
    let stats = store.stats();
    println!(
        "{}: {:.0} appends/s, {} per sync, sync p50 {:?} p99 {:?}, slowest {} us, {} MiB resident",
        if settle { "append, peek, settle" } else { "append" },
        count as f64 / elapsed,
        count / (stats.syncs - syncs).max(1),
        stats.sync_p50,
        stats.sync_p99,
        slowest.load(Ordering::Relaxed),
        memory(),
    );
    let mut total = 0.0;
    for (name, nanos) in cpu() {
        let earlier = before.iter().find(|(known, _)| *known == name).map_or(0, |(_, nanos)| *nanos);
        let each = (nanos.saturating_sub(earlier)) as f64 / 1000.0 / count.max(1) as f64;
        total += each;
        if each > 0.01 {
            println!("    {each:6.2} us CPU per append in {name}");
        }
    }
    println!("    {total:6.2} us CPU per append in all");
}

/// One commit every five milliseconds, as on a quiet day: how long they take.
async fn lone(store: &SledStore, seconds: u64, base: u64) {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let mut took = Vec::new();
    for number in 0..seconds * 200 {
        tick.tick().await;
        let asked = Instant::now();
        if store.commit(Commit::of([append_keyed(inbound(7), base + number)])).await.is_err() {
            return;
        }
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!("200 a second: p50 {:?}, p99 {:?}, slowest {:?}", at(0.5), at(0.99), at(0.9999));
}

fn main() {
    let folder =
        std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("portico-append"), PathBuf::from);
    if folder.exists() {
        println!("the folder {} exists; give a new one", folder.display());
        return;
    }
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let (Ok(runtime), started) = (built, Instant::now()) else { return };
    match SledStore::open(Options { checkpoint_every: Duration::from_secs(5), ..Options::at(&folder) }) {
        Ok(store) => {
            println!("opened in {:?}", started.elapsed());
            let store = Arc::new(store);
            runtime.block_on(async {
                for round in 0..3 {
                    lone(&store, 3, 9_000_000_000 + round * 1_000_000).await;
                }
                for round in 0..3 {
                    run(&store, 6, round * 2_000_000_000, false).await;
                    run(&store, 6, round * 2_000_000_000 + 1_000_000_000, true).await;
                }
                let stats = store.stats();
                println!("log {} MiB, index {} MiB", stats.log_bytes >> 20, stats.index_bytes >> 20);
                let started = Instant::now();
                if let Err(error) = store.close().await {
                    println!("{error}");
                }
                println!("closed in {:?}", started.elapsed());
            });
        }
        Err(error) => println!("{error}"),
    }
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        println!("{error}");
    }
}
