//! What the index costs behind the answers: `cargo run --release -p portico-store-sled --example index -- FOLDER
//! [EVENTS] [CONVERSATIONS] [MIB]`; the last is the memory for what the index does not have yet.
//!
//! Events of the three messaging channels with the rows that dispatch makes of them: the message, its place, the
//! provider's id of it, the conversation. The CPU is told by thread, with what each wrote.

#![allow(clippy::print_stdout, reason = "it prints figures")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use portico_store::suite::{append_keyed, hold, inbound};
use portico_store::{Appended, Change, Commit, Committed, Key, Store, Table};
use portico_store_sled::{Options, SledStore};

const CALLERS: u64 = 64;
const TEXT: &str = "the order from last week has not come yet, could you look where the parcel is and tell me when \
    to expect it? My customer number is 4711 and the invoice says it left the house on monday; nobody here has \
    seen it since. ";

/// CPU nanoseconds and bytes written of each thread, by name.
fn threads() -> BTreeMap<String, (u64, u64)> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir("/proc/self/task") else { return found };
    for entry in entries.flatten() {
        let read = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let nanos = read("schedstat").split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        let io = read("io");
        let wrote = io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).unwrap_or(0);
        let sum: &mut (u64, u64) = found.entry(read("comm").trim().to_owned()).or_default();
        *sum = (sum.0 + nanos, sum.1 + wrote);
    }
    found
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()).and_then(|kib| kib.parse().ok()).unwrap_or(0) / 1024
}

/// Bytes that a folder takes on the disk.
fn taken(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => taken(&entry.path()),
        Ok(facts) => facts.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (number ^ (number >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// A text of so many bytes that is not quite like the others.
fn text(number: u64, length: usize) -> String {
    let mut out = format!("{:016x} ", mixed(number));
    while out.len() < length {
        out.push_str(TEXT);
    }
    out.truncate(length);
    out
}

async fn caller(store: Arc<SledStore>, caller: u64, events: u64, conversations: u64) -> Option<()> {
    let owner = hold(&*store).await;
    for number in (caller..events).step_by(CALLERS as usize) {
        // Some conversations are much busier than others; each belongs to one caller.
        let chance = (mixed(number) >> 11) as f64 / (1_u64 << 53) as f64;
        let place = (chance * chance * chance * (conversations / CALLERS) as f64) as u64;
        let conversation = place * CALLERS + caller;
        let lane = inbound(conversation as u32);
        let length = if number % 20 == 7 { 15_000 } else { 600 };
        let said = text(number, length);
        let Change::Append(mut append) = append_keyed(lane, number) else { return None };
        append.event.body = format!("{{\"id\":{number},\"text\":\"{said}\"}}").into();
        append.event.raw = format!("{}{}", text(number + 1, 500), said).into();
        let id = append.event.id.0;
        let Ok(Committed::Done(answers)) = store.commit(Commit::of([Change::Append(append)])).await else {
            return None;
        };
        let [Appended::New(seq)] = answers[..] else { return None };
        let external = match number % 3 {
            0 => format!("D{conversation}:{}.{number:06}", 1_780_000_000 + number / 100),
            1 => format!("{conversation}:{number}"),
            _ => format!("wamid.HBgL{:016x}{:016x}", mixed(number), mixed(number + 7)),
        };
        let bot = Key::new().text("bench");
        let index = |kind: u8| Key::new().byte(kind).text("bench");
        let at = lane.conversation.0;
        let row =
            format!("{{\"id\":{number},\"user\":\"u{conversation}\",\"payload\":{{\"text\":\"{said}\"}}}}");
        let facts = format!("{number} {}", text(conversation, 200));
        store.peek(lane, 1).await.ok()?;
        let rows = [
            owner.settle(lane, seq),
            Change::put(Table::Message, bot.clone().bytes(&at).bytes(&id), row),
            Change::put(Table::Index, index(7).bytes(&id), at.to_vec()),
            Change::put(Table::Index, index(8).text("install").text(&external), Bytes::from(id.to_vec())),
            Change::put(Table::Conversation, bot.bytes(&at), facts),
        ];
        store.commit(Commit::of(rows).ordered()).await.ok()?;
    }
    Some(())
}

async fn measure(store: Arc<SledStore>, folder: &Path, events: u64, conversations: u64) {
    let (before, started) = (threads(), Instant::now());
    let running: Vec<_> = (0..CALLERS)
        .map(|number| tokio::spawn(caller(store.clone(), number, events, conversations)))
        .collect();
    let samples = tokio::spawn(async {
        let mut samples = Vec::new();
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            samples.push(resident());
            if samples.len() % 4 == 0 {
                println!("    resident, MiB: {samples:?}");
            }
        }
    });
    for task in running {
        if !matches!(task.await, Ok(Some(()))) {
            println!("a caller failed");
        }
    }
    samples.abort();
    let took = started.elapsed();
    let now = threads();
    println!("{events} events in {took:?}, {} MiB resident", resident());
    for (name, (nanos, wrote)) in now {
        let (nanos_before, wrote_before) = before.get(&name).copied().unwrap_or_default();
        let each = |all: u64| all as f64 / events as f64;
        let (cpu, wrote) =
            (each(nanos.saturating_sub(nanos_before)) / 1e3, each(wrote.saturating_sub(wrote_before)));
        if cpu > 0.01 {
            println!("    {cpu:6.2} us CPU, {wrote:6.0} bytes written per event in {name}");
        }
    }
    for part in ["log", "sled", "snap"] {
        println!("    {:6} MiB in {part}/", taken(&folder.join(part)) >> 20);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from).filter(|folder| !folder.exists()) else {
        println!("give a folder that does not exist");
        return;
    };
    let mut number = |default| arguments.next().and_then(|word| word.parse().ok()).unwrap_or(default);
    let (events, conversations) = (number(200_000), number(1024).max(CALLERS));
    let memory_bytes = number(24) << 20;
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    match (built, SledStore::open(Options { memory_bytes, ..Options::at(&folder) })) {
        (Ok(runtime), Ok(store)) => {
            let store = Arc::new(store);
            runtime.block_on(async {
                measure(store.clone(), &folder, events, conversations).await;
                let started = Instant::now();
                let before = threads();
                if let Err(error) = store.close().await {
                    println!("{error}");
                }
                let index =
                    |all: &BTreeMap<String, (u64, u64)>| all.get("portico-index").map_or(0, |it| it.0);
                println!(
                    "closed in {:?}, {} ms of it index",
                    started.elapsed(),
                    (index(&threads()) - index(&before)) / 1_000_000
                );
            });
        }
        (Err(error), _) => println!("{error}"),
        (_, Err(error)) => println!("{error}"),
    }
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        println!("{error}");
    }
}
