//! The embedded store alone: so many callers that append events, in a process of its own.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use portico_contract::{BotId, EventId, InstallationId};
use portico_store::{
    Append, Appended, Change, Commit, Committed, DedupeKey, EventKind, Lane, NewEvent, Store,
};
use portico_store_sled::{Options, SledStore};
use tokio::task::LocalSet;

use crate::sched::Cpu;

/// Bytes of one event, body and raw request together.
pub(crate) const PAYLOAD: usize = 1024;

/// Appends for a while and prints rate, CPU per event by thread, and sizes.
///
/// # Errors
/// The store's.
pub(crate) fn store_append(folder: &Path, callers: usize, lasting: Duration) -> Result<()> {
    let store: Arc<dyn Store> = Arc::new(SledStore::open(Options::at(folder))?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let set = LocalSet::new();
    let opened = Instant::now();
    // Warm-up, then the measured part.
    set.block_on(&runtime, append(&store, callers, 0, lasting / 4))?;
    let (cpu, before, begin) = (Cpu::of(std::process::id()), store.stats(), Instant::now());
    let written = log_written();
    let done = set.block_on(&runtime, append(&store, callers, 1, lasting))?;
    let seconds = begin.elapsed().as_secs_f64();
    let spent = Cpu::of(std::process::id()).since(&cpu);
    let after = store.stats();
    let threads: Vec<_> =
        spent.by_name().into_iter().map(|(name, ns)| (name, ns as f64 / done as f64 / 1e3)).collect();
    let result = serde_json::json!({
        "events": done, "seconds": seconds, "threads": threads,
        "log_bytes_per_event": (log_written() - written) as f64 / done as f64,
        "all_s": opened.elapsed().as_secs_f64(), "all_cpu_s": Cpu::of(std::process::id()).total() as f64 / 1e9,
        "cpu_us": spent.total() as f64 / done as f64 / 1e3,
        "syncs": after.syncs - before.syncs,
        "sync_p50_us": after.sync_p50.as_micros() as u64,
    });
    writeln!(std::io::stdout(), "{result}")?;
    runtime.block_on(store.close())?;
    Ok(())
}

/// Bytes that the committer has written so far: the log, and nothing else.
fn log_written() -> u64 {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let text = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if text("comm").starts_with("portico-commit") {
            let io = text("io");
            let field = io.lines().find_map(|line| line.strip_prefix("wchar: "));
            sum += field.and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    sum
}

async fn append(store: &Arc<dyn Store>, callers: usize, part: u8, lasting: Duration) -> Result<u64> {
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let store = store.clone();
        tasks.push(tokio::task::spawn_local(async move {
            let (bot, installation) = (BotId::parse("bench")?, InstallationId::parse("bench")?);
            let mut done = 0_u64;
            while begin.elapsed() < lasting {
                let mut key = [part; 16];
                key[1..8].copy_from_slice(&(caller as u64).to_be_bytes()[1..]);
                key[8..].copy_from_slice(&done.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
                let mut lane = [0; 16];
                lane[..8].copy_from_slice(
                    &((caller as u64 * 16 + done % 16).wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes(),
                );
                let append = Append {
                    key: Some(DedupeKey(key)),
                    keep_days: 3,
                    lane: lane_of(lane),
                    event: NewEvent {
                        id: EventId::new(),
                        bot: bot.clone(),
                        installation: installation.clone(),
                        kind: EventKind::Connector,
                        received_at: 1_780_000_000_000,
                        body: Bytes::from(vec![b'{'; PAYLOAD / 4]),
                        raw: Bytes::from(vec![b'x'; PAYLOAD - PAYLOAD / 4]),
                        raw_of: None,
                    },
                };
                match store.commit(Commit::of([Change::Append(append)])).await? {
                    Committed::Done(appended) if matches!(appended.as_slice(), [Appended::New(_)]) => {
                        done += 1
                    }
                    _ => bail!("an append was taken for a repeat"),
                }
            }
            Ok(done)
        }));
    }
    let mut sum = 0;
    for task in tasks {
        sum += task.await??;
    }
    Ok(sum)
}

fn lane_of(bytes: [u8; 16]) -> Lane {
    Lane::inbound(portico_contract::ConversationId(bytes))
}
