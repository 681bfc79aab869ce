//! The running dispatch: started with its parts, asked and steered by the operator's API.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use portico_contract::{BotId, Millis};
use portico_lanes::{Drained, Driver, DriverHandle, DriverStats, GroupKey, Options};
use portico_net::Client;
use portico_store::records::Known;
use portico_store::{Dir, Lane, Store};
use portico_telemetry::Metrics;
use portico_telemetry::metrics::BreakerState;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bot::{Bot, Health};
use crate::handler::{Begun, Bots, Mail};
use crate::{Aliases, BotCore, BreakerView, MediaLinks, Outcomes, Replies};

/// Numbers evenly spread over 0 to 1, for the spread of retries.
pub type Random = Arc<dyn Fn() -> f64 + Send + Sync>;

/// A bot that can't be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bots.{bot}.{fault}")]
pub struct DispatchError {
    /// The bot.
    pub bot: BotId,
    /// Field and fault, such as `core.secret: must be …`.
    pub fault: String,
}

/// What dispatch works with.
#[derive(Clone)]
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Calls cores.
    pub client: Client,
    /// Takes replies.
    pub replies: Arc<dyn Replies>,
    /// Names media.
    pub media: Arc<dyn MediaLinks>,
    /// Names installations.
    pub aliases: Arc<dyn Aliases>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// How lanes are driven; its clock is dispatch's, too.
    pub options: Options,
    /// Randomness; `None`: the system's.
    pub random: Option<Random>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How a bot is.
#[derive(Clone, Debug)]
pub struct BotStatus {
    /// The bot.
    pub bot: BotId,
    /// Kind of its core.
    pub core: &'static str,
    /// Its breaker.
    pub breaker: BreakerView,
    /// Whether an operator paused it.
    pub paused: bool,
    /// Conversations that wait in memory.
    pub queued: usize,
    /// Conversations being worked.
    pub running: usize,
    /// Whether more conversations wait in the store only.
    pub more: bool,
}

/// The running dispatch. Clones name the same one.
#[derive(Clone)]
pub struct Dispatch {
    mail: Arc<Mail>,
    driver: DriverHandle,
    store: Arc<dyn Store>,
    client: Client,
    metrics: Arc<Metrics>,
    health: Arc<Mutex<HashMap<BotId, Arc<Health>>>>,
}

impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch").field("driver", &self.driver).finish_non_exhaustive()
    }
}

impl Dispatch {
    /// Sets bots up and starts to work their mailboxes, on the current runtime.
    ///
    /// # Errors
    /// Every bot whose configuration can't work; nothing was started.
    pub fn start(
        parts: Parts,
        bots: Vec<BotCore>,
        shutdown: CancellationToken,
    ) -> Result<Self, Vec<DispatchError>> {
        Self::begin(parts, bots, OnceLock::new(), shutdown)
    }

    /// As [`Dispatch::start`], and tells somebody how events of the gateway's own making end, from the first one on:
    /// what a crash left over may be worked before this returns.
    ///
    /// # Errors
    /// As [`Dispatch::start`].
    pub fn start_telling(
        parts: Parts,
        bots: Vec<BotCore>,
        outcomes: Arc<dyn Outcomes>,
        shutdown: CancellationToken,
    ) -> Result<Self, Vec<DispatchError>> {
        Self::begin(parts, bots, OnceLock::from(outcomes), shutdown)
    }

    fn begin(
        parts: Parts,
        bots: Vec<BotCore>,
        outcomes: OnceLock<Arc<dyn Outcomes>>,
        shutdown: CancellationToken,
    ) -> Result<Self, Vec<DispatchError>> {
        let health = Arc::default();
        let table = table(&parts.store, &parts.client, &parts.metrics, &health, bots)?;
        let mail = Arc::new(Mail {
            bots: RwLock::new(table),
            replies: parts.replies,
            media: parts.media,
            aliases: parts.aliases,
            clock: parts.options.clock.clone(),
            random: parts.random.unwrap_or_else(|| Arc::new(system_random)),
            metrics: parts.metrics.clone(),
            outcomes,
            begun: Begun::default(),
            known: Known::default(),
        });
        let driver = Driver::start(parts.store.clone(), Dir::Inbound, mail.clone(), parts.options, shutdown);
        Ok(Self { mail, driver, store: parts.store, client: parts.client, metrics: parts.metrics, health })
    }

    /// Tells somebody how events of the gateway's own making end, from now on. Only the first call counts.
    pub fn tell_outcomes(&self, outcomes: Arc<dyn Outcomes>) {
        if self.mail.outcomes.set(outcomes).is_err() {
            tracing::warn!("somebody is told already how events end");
        }
    }

    /// Exchanges the bots' configuration; what is learnt of a bot's core is kept, and events in hand finish on
    /// the old one.
    ///
    /// # Errors
    /// As [`Dispatch::start`]; the old configuration stays.
    pub fn replace(&self, bots: Vec<BotCore>) -> Result<(), Vec<DispatchError>> {
        let table = table(&self.store, &self.client, &self.metrics, &self.health, bots)?;
        let keys: Vec<GroupKey> = table.by_key.keys().cloned().collect();
        *self.mail.bots.write() = table;
        for key in keys {
            self.driver.poke_group(&key);
        }
        Ok(())
    }

    /// Says hello to a bot's core, where its kind knows such a thing.
    ///
    /// # Errors
    /// What the core answered; or that there is no such bot.
    pub async fn introduce(&self, bot: &BotId) -> Result<(), String> {
        let Some(found) = self.bot(bot) else { return Err(format!("there is no bot '{bot}'")) };
        found.core.introduce().await
    }

    /// Offers no further events to a bot's core.
    pub fn pause(&self, bot: &BotId) {
        self.driver.pause_group(&GroupKey::new(bot.as_str()));
    }

    /// Goes on after a pause, whoever ordered it, and tries a core that is down at once.
    pub fn resume(&self, bot: &BotId) {
        if let Some(found) = self.bot(bot) {
            found.health.breaker.lock().resume();
            found.health.metrics.set_breaker(BreakerState::Closed);
        }
        self.driver.resume_group(&GroupKey::new(bot.as_str()));
    }

    /// Looks at a mailbox now.
    pub fn poke(&self, lane: Lane) {
        self.driver.poke(lane);
    }

    /// How the bots are, by id.
    pub fn bots(&self) -> Vec<BotStatus> {
        let stats = self.driver.stats();
        let now = Instant::now();
        let bots = self.mail.bots.read();
        let mut all: Vec<BotStatus> = bots
            .by_id
            .values()
            .map(|bot| {
                let group = stats.groups.iter().find(|group| group.key == bot.key);
                BotStatus {
                    bot: bot.id.clone(),
                    core: bot.core.kind(),
                    breaker: bot.health.breaker.lock().view(now),
                    paused: group.is_some_and(|group| group.paused),
                    queued: group.map_or(0, |group| group.queued),
                    running: group.map_or(0, |group| group.running),
                    more: group.is_some_and(|group| group.overflow),
                }
            })
            .collect();
        all.sort_by(|one, other| one.bot.cmp(&other.bot));
        all
    }

    /// When the oldest event that still waits was kept.
    pub fn oldest(&self) -> Option<Millis> {
        self.store.stats().oldest.first().copied().flatten()
    }

    /// How the driver is.
    pub fn stats(&self) -> DriverStats {
        self.driver.stats()
    }

    /// Takes nothing new, and waits for what is in hand.
    pub async fn drain(&self, timeout: Duration) -> Drained {
        self.driver.drain(timeout).await
    }

    fn bot(&self, bot: &BotId) -> Option<Arc<Bot>> {
        self.mail.bots.read().by_id.get(bot).cloned()
    }
}

fn table(
    store: &Arc<dyn Store>,
    client: &Client,
    metrics: &Arc<Metrics>,
    health: &Arc<Mutex<HashMap<BotId, Arc<Health>>>>,
    bots: Vec<BotCore>,
) -> Result<Bots, Vec<DispatchError>> {
    let mut table = Bots::default();
    let mut faults = Vec::new();
    let mut known = health.lock();
    for config in bots {
        let id = config.bot.clone();
        let learnt = known
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Health::new(metrics.bot(id.as_str()))))
            .clone();
        match Bot::new(config, store.clone(), client, learnt) {
            Ok(bot) => {
                let bot = Arc::new(bot);
                table.by_key.insert(bot.key.clone(), bot.clone());
                table.by_id.insert(id, bot);
            }
            Err(fault) => faults.push(DispatchError { bot: id, fault }),
        }
    }
    if faults.is_empty() { Ok(table) } else { Err(faults) }
}

/// For the spread of retries: no secret, so the system is asked for a seed only.
fn system_random() -> f64 {
    static STATE: OnceLock<AtomicU64> = OnceLock::new();
    let state = STATE.get_or_init(|| AtomicU64::new(getrandom::u64().unwrap_or(0)));
    // SplitMix64 (Steele, Lea, Flood 2014).
    let mut word = state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from(((word ^ (word >> 31)) >> 32) as u32) / f64::from(u32::MAX)
}
