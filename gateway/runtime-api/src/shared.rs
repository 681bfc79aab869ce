//! What all handlers share: the parts of the gateway, the pace of each bot, and locks for get-or-create.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use portico_contract::BotId;
use portico_kit::signature::Hmac256;
use portico_problem::Problem;
use portico_store::{Change, Commit, StoreError};
use portico_turns::Installation;

use crate::{Rate, RuntimeApi, problems};

/// How often something is done again because a row changed meanwhile.
pub(crate) const TRIES: usize = 64;

pub(crate) type Api = Arc<Shared>;

/// The API's state.
pub(crate) struct Shared {
    api: RuntimeApi,
    paces: Mutex<HashMap<BotId, Arc<DefaultDirectRateLimiter>>>,
    locks: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
    signer: Hmac256,
}

impl Deref for Shared {
    type Target = RuntimeApi;

    fn deref(&self) -> &RuntimeApi {
        &self.api
    }
}

impl Shared {
    pub(crate) fn new(mut api: RuntimeApi) -> Self {
        api.public_url.truncate(api.public_url.trim_end_matches('/').len());
        Self {
            signer: Hmac256::new(&api.file_key),
            paces: Mutex::default(),
            locks: (0..64).map(|_| tokio::sync::Mutex::new(())).collect(),
            hasher: RandomState::new(),
            api,
        }
    }

    /// Counts a call of a bot; an error is the number of seconds after which it may call again.
    pub(crate) fn pace(&self, bot: &BotId) -> Result<(), u64> {
        let known = self.paces.lock().get(bot).cloned();
        let limiter = known.unwrap_or_else(|| {
            let rate = self.limits.rates.get(bot).copied().unwrap_or(self.limits.rate);
            self.paces.lock().entry(bot.clone()).or_insert_with(|| Arc::new(limiter(rate))).clone()
        });
        limiter.check().map_err(|wait| {
            let wait = wait.wait_time_from(DefaultClock::default().now());
            u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
        })
    }

    /// Makes those wait for each other who would create the same thing. The store decides all the same; this
    /// spares it refused commits.
    pub(crate) async fn turn(&self, of: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let index = usize::try_from(self.hasher.hash_one(of)).unwrap_or(usize::MAX) % self.locks.len();
        self.locks[index].lock().await
    }

    /// Commits changes. `false`: a row was not what they expected, and nothing happened.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<bool, Problem> {
        match self.store.commit(Commit::of(changes)).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict { .. }) => {
                tokio::task::yield_now().await;
                Ok(false)
            }
            Err(error) => Err(problems::store(error)),
        }
    }

    /// The installation of a bot that a text names, by its id or its alias.
    pub(crate) fn named(&self, bot: &BotId, name: &str) -> Option<Arc<Installation>> {
        self.installations
            .find(name)
            .filter(|found| found.bot == *bot)
            .or_else(|| self.installations.of_bot(bot, name))
    }

    /// Signs parts of an address or a token.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let lengths: Vec<[u8; 8]> = parts.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
        let all: Vec<&[u8]> =
            lengths.iter().zip(parts).flat_map(|(length, part)| [length.as_slice(), *part]).collect();
        self.signer.mac(&all)
    }
}

fn limiter(rate: Rate) -> DefaultDirectRateLimiter {
    let count = rate.count.max(1);
    let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
    let period = (rate.per / count).max(Duration::from_nanos(1));
    // Only a period of nought is refused.
    let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
    RateLimiter::direct(quota.allow_burst(burst))
}

pub(crate) use portico_turns::now;

/// Others kept changing the same thing.
pub(crate) fn too_busy() -> Problem {
    Problem::unavailable("others keep changing the same thing; try again", 1)
}
