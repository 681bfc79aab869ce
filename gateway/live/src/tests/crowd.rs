//! Many listen to one conversation, quick ones beside slow ones, while the machine is busy: each gets every item
//! once and in order, and nobody waits for anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portico_contract::ConversationId;
use portico_store::Store;
use portico_store::memory::MemoryStore;

use super::world::{World, sled};
use crate::{Bounds, Heard, Listener, Signal, Speaker};

/// Who says something at the same time, and how much each says.
const WRITERS: usize = 4;
const EACH: usize = 75;
const ALL: u64 = (WRITERS * EACH) as u64;
/// Listeners of each habit.
const ALIKE: usize = 8;
/// Far beyond what a busy machine needs; a wake-up that got lost is never made good.
const PATIENCE: Duration = Duration::from_secs(60);

/// How somebody listens.
#[derive(Clone, Copy, Debug)]
enum Habit {
    /// Takes what comes at once.
    Quick,
    /// Takes a while over each item, and little may wait for them.
    Slow,
    /// Gives up waiting again and again, as a connection does that has something else to do.
    Restless,
    /// Leaves after a few items, and comes back where they were.
    Returning,
    /// Waits for several conversations at once; whichever speaks first ends the waiting for the others.
    Beside,
}

/// Threads that do nothing but work, until dropped.
struct Load(Arc<AtomicBool>, Vec<std::thread::JoinHandle<()>>);

impl Load {
    fn of(threads: usize) -> Self {
        let busy = Arc::new(AtomicBool::new(true));
        let spin = || {
            let busy = busy.clone();
            std::thread::spawn(move || {
                while busy.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let all = (0..threads).map(|_| spin()).collect();
        Self(busy, all)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
        for thread in self.1.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// Takes note of what was heard; true for an item.
fn note(heard: Heard, seqs: &mut Vec<u64>) -> bool {
    match heard {
        Heard::Item(shown) => {
            seqs.push(shown.seq);
            true
        }
        Heard::Signal(_) | Heard::Lagged => false,
        other => panic!("heard {other:?}"),
    }
}

fn is_whole(seqs: &[u64]) -> bool {
    seqs.last().copied().unwrap_or(0) >= ALL
}

/// Listens until everything was heard.
async fn listen(world: Arc<World>, conversation: ConversationId, habit: Habit, seqs: &mut Vec<u64>) {
    let bounds = match habit {
        Habit::Slow => Bounds { frames: 3, bytes: 2_000 },
        _ => Bounds::default(),
    };
    let begin = |after| world.live.listen(&world.at, conversation, bounds).after(after);
    let mut listener: Listener = begin(0);
    match habit {
        Habit::Beside => {
            // Another conversation, where nothing ever happens, is looked at first each time.
            let (_, silent) = world.visitor().await;
            let mut silent = world.listen(silent);
            while !is_whole(seqs) {
                tokio::select! {
                    biased;
                    heard = silent.next() => panic!("heard {heard:?}"),
                    heard = listener.next() => drop(note(heard, seqs)),
                }
            }
        }
        Habit::Restless => {
            while !is_whole(seqs) {
                let waited = tokio::time::timeout(Duration::from_micros(200), listener.next()).await;
                if let Ok(heard) = waited {
                    note(heard, seqs);
                }
            }
        }
        Habit::Quick | Habit::Slow | Habit::Returning => {
            while !is_whole(seqs) {
                let is_item = note(listener.next().await, seqs);
                match habit {
                    Habit::Slow => tokio::time::sleep(Duration::from_millis(2)).await,
                    Habit::Returning if is_item && seqs.len().is_multiple_of(7) => {
                        let seen = listener.seen();
                        drop(listener);
                        listener = begin(seen);
                    }
                    _ => {}
                }
            }
        }
    }
}

async fn everybody_hears_everything(store: Arc<dyn Store>) {
    let world = Arc::new(World::over(store).await);
    let (user, conversation) = world.visitor().await;
    let running = world.drive();
    let load = Load::of(2);
    let habits = [Habit::Quick, Habit::Slow, Habit::Restless, Habit::Returning, Habit::Beside];
    let listeners: Vec<_> = habits
        .into_iter()
        .flat_map(|habit| std::iter::repeat_n(habit, ALIKE))
        .map(|habit| {
            let world = world.clone();
            let task = tokio::spawn(async move {
                let mut seqs = Vec::new();
                let all = listen(world, conversation, habit, &mut seqs);
                let in_time = tokio::time::timeout(PATIENCE, all).await.is_ok();
                (seqs, in_time)
            });
            (habit, task)
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (world, user) = (world.clone(), user.id.clone());
            tokio::spawn(async move {
                for number in 0..EACH {
                    // Half of it comes from the bot, through the outbox.
                    if writer % 2 == 0 {
                        world.say(conversation, &user, &format!("c{writer}-{number:06}")).await;
                    } else {
                        world.bot_says(conversation, &format!("b{writer}-{number:06}")).await;
                    }
                    let by = Speaker { user: "support".into(), is_bot: true };
                    world.hub.show(conversation, Signal::Typing { by, on: true, timeout_ms: 1_000 });
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let wanted: Vec<u64> = (1..=ALL).collect();
    for (habit, task) in listeners {
        let (seqs, in_time) = task.await.unwrap();
        assert!(in_time, "{habit:?} stopped getting items after {:?}", seqs.last());
        assert_eq!(seqs, wanted, "{habit:?}");
    }
    drop(load);
    running.kill().await;
    assert_eq!(world.hub.listeners(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quick_and_slow_ones_hear_everything_once_and_in_order() {
    everybody_hears_everything(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quick_and_slow_ones_hear_everything_once_and_in_order_over_the_store_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    everybody_hears_everything(sled(folder.path())).await;
}
