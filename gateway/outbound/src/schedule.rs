//! Things with a time: connectors' timers, scheduled messages and events, and states that run out.
//!
//! Any number of gateways may run a scheduler over one store: whoever takes a thing off the queue does it.
//! A timer is moved ahead before its tick and settled after it, so a crash in between makes it late, not lost.

use std::sync::Arc;
use std::time::Duration;

use portico_contract::{BotId, ConversationId, EventId, FaultCode, InstallationId, Millis, TimerTick};
use portico_store::records::{
    Due, GatewayEvent, Message, Records, Scheduled, State, StateType, due_now, iso, next_scheduled,
    schedule_changes, scheduled, timer_id,
};
use portico_store::{Commit, Lane, Store, StoreError};
use portico_turns::{Installation, Installations, Job, Turns};
use serde_json::{Map, Value, json};
use tracing::warn;

use crate::deliver::millis;
use crate::entry::{bot_lane, gateway_entry, no_installation};
use crate::{AcceptError, Outbox, now};

/// Longest sleep between two looks.
const POLL: Duration = Duration::from_secs(1);
/// Looks between two checks that every declared timer is set.
const ENSURE_EVERY: u64 = 30;
/// Looks between two walks over states.
const STATES_EVERY: u64 = 5;
/// Things taken in one look.
const BATCH: usize = 64;
/// When a timer whose tick did not end is tried again.
const RETRY: Millis = 60_000;
/// Time for one tick.
const TICK_LIMIT: Duration = Duration::from_secs(50);
/// When a message is tried again whose conversation's outbox is full.
const FULL_RETRY: Millis = 5_000;

/// The bots whose states are watched.
pub type Bots = Arc<dyn Fn() -> Vec<BotId> + Send + Sync>;

/// Does what is due. One per process.
pub struct Scheduler {
    store: Arc<dyn Store>,
    installations: Arc<Installations>,
    turns: Turns,
    outbox: Arc<Outbox>,
    bots: Bots,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

impl Scheduler {
    /// A scheduler over the store.
    pub fn new(
        store: Arc<dyn Store>,
        installations: Arc<Installations>,
        turns: Turns,
        outbox: Arc<Outbox>,
        bots: Bots,
    ) -> Self {
        Self { store, installations, turns, outbox, bots }
    }

    /// Works for ever; drop it to end.
    pub async fn run(&self) {
        let mut looks = 0_u64;
        loop {
            if let Err(error) = self.look(looks).await {
                warn!("the schedule could not be worked: {error}");
            }
            looks = looks.wrapping_add(1);
            let next = next_scheduled(self.store.as_ref()).await.ok().flatten();
            let wait = next.map_or(POLL, |due| Duration::from_millis(due.saturating_sub(now())).min(POLL));
            // Something due that could not be done must not make a busy loop.
            tokio::time::sleep(wait.max(Duration::from_millis(20))).await;
        }
    }

    async fn look(&self, looks: u64) -> Result<(), StoreError> {
        if looks.is_multiple_of(ENSURE_EVERY) {
            self.ensure_timers(now()).await?;
        }
        self.pass(now()).await?;
        if looks.is_multiple_of(STATES_EVERY) {
            for bot in (self.bots)() {
                self.expire_states(&bot, now()).await?;
            }
        }
        Ok(())
    }

    /// Sets the timers that manifests declare, where they are not set yet.
    ///
    /// # Errors
    /// As the store's.
    pub async fn ensure_timers(&self, now: Millis) -> Result<(), StoreError> {
        for installation in self.installations.all() {
            for (name, spec) in &installation.connector.manifest().timers {
                let id = timer_id(&installation.id, name);
                if spec.every_s == 0 || scheduled(self.store.as_ref(), &id).await?.is_some() {
                    continue;
                }
                let what = Scheduled::Timer { installation: installation.id.clone(), name: name.clone() };
                let due = now.saturating_add(period(spec.every_s, spec.jitter_s));
                self.store.commit(Commit::of(schedule_changes(&id, Some(due), &what))).await?;
            }
        }
        Ok(())
    }

    /// Does everything whose time has come.
    ///
    /// # Errors
    /// As the store's; what was not done is done by the next pass.
    pub async fn pass(&self, now: Millis) -> Result<(), StoreError> {
        let mut ticks = tokio::task::JoinSet::new();
        for due in due_now(self.store.as_ref(), now, BATCH).await? {
            match &due.what {
                Scheduled::Timer { installation, name } => {
                    if let Some((installation, retry)) =
                        self.take_timer(&due, installation, name, now).await?
                    {
                        let run = Tick {
                            store: self.store.clone(),
                            turns: self.turns.clone(),
                            installation,
                            retry,
                        };
                        ticks.spawn(run.run(name.clone(), due.id.clone(), due.due));
                    }
                }
                Scheduled::Message { bot, message } => {
                    self.message(&due, bot, message.as_ref().clone(), now).await?
                }
                Scheduled::Event { bot, id, event } => self.event(&due, bot, *id, event).await?,
            }
        }
        while ticks.join_next().await.is_some() {}
        Ok(())
    }

    /// Moves a timer ahead, so that nobody else ticks it. Gives its installation, and where it was moved to.
    async fn take_timer(
        &self,
        due: &Due,
        id: &InstallationId,
        name: &str,
        now: Millis,
    ) -> Result<Option<(Arc<Installation>, Millis)>, StoreError> {
        let Some(installation) = self.installations.get(id) else {
            return taken(self.store.commit(Commit::of(due.done_changes())).await).map(|_| None);
        };
        let spec = installation.connector.manifest().timers.get(name);
        let retry =
            now.saturating_add(spec.map_or(RETRY, |spec| RETRY.min(period(spec.every_s, 0)).max(1_000)));
        let moved = schedule_changes(&due.id, Some(retry), &due.what);
        let commit = Commit::of(due.done_changes().into_iter().chain(moved));
        let is_ours = taken(self.store.commit(commit).await)?;
        Ok((is_ours && !installation.is_paused(now)).then_some((installation, retry)))
    }

    async fn message(&self, due: &Due, bot: &BotId, message: Message, now: Millis) -> Result<(), StoreError> {
        let (conversation, id) = (message.conversation, message.id);
        match self.outbox.accept_due(bot, message, &due.done_changes()).await {
            Ok(_) => Ok(()),
            Err(AcceptError::TooMany { .. }) => {
                let moved = schedule_changes(&due.id, Some(now.saturating_add(FULL_RETRY)), &due.what);
                let commit = Commit::of(due.done_changes().into_iter().chain(moved));
                taken(self.store.commit(commit).await).map(|_| ())
            }
            // Moved or cancelled meanwhile, or done by another gateway.
            Err(AcceptError::Store(StoreError::Conflict { .. })) => Ok(()),
            Err(AcceptError::Store(error)) => Err(error),
            Err(error) => {
                warn!(message.id = %id, "a scheduled message can't be sent: {error}");
                let event = GatewayEvent {
                    kind: "message_failed".into(),
                    payload: json!({ "reason": error.to_string(), "code": error.api_type() }),
                    conversation_id: Some(conversation),
                    user_id: None,
                    message_id: Some(id),
                    workflow_id: None,
                };
                let told = gateway_entry(bot, no_installation(), bot_lane(bot), EventId::new(), &event);
                let commit = Commit::of(due.done_changes().into_iter().chain([told]));
                taken(self.store.commit(commit).await).map(|_| ())
            }
        }
    }

    async fn event(
        &self,
        due: &Due,
        bot: &BotId,
        id: EventId,
        event: &GatewayEvent,
    ) -> Result<(), StoreError> {
        let (lane, installation) = self.mailbox(bot, event.conversation_id).await?;
        let entry = gateway_entry(bot, installation, lane, id, event);
        let commit = Commit::of(due.done_changes().into_iter().chain([entry]));
        taken(self.store.commit(commit).await).map(|_| ())
    }

    /// The mailbox of a conversation, or the bot's own.
    async fn mailbox(
        &self,
        bot: &BotId,
        conversation: Option<ConversationId>,
    ) -> Result<(Lane, InstallationId), StoreError> {
        let Some(id) = conversation else { return Ok((bot_lane(bot), no_installation())) };
        let place = Records::of(self.store.clone(), bot.clone()).conversation(id).await?;
        Ok(match place {
            Some(place) => (Lane::inbound(id), place.value.installation.unwrap_or_else(no_installation)),
            None => (bot_lane(bot), no_installation()),
        })
    }

    /// Forgets states that were not used for their time, and tells the bot.
    ///
    /// # Errors
    /// As the store's.
    pub async fn expire_states(&self, bot: &BotId, now: Millis) -> Result<(), StoreError> {
        let records = Records::of(self.store.clone(), bot.clone());
        for old in records.expired_states(now, BATCH).await? {
            let state = &old.value;
            if state.expires_at.is_none_or(|at| at > now) {
                continue;
            }
            let conversation = match state.kind {
                StateType::Conversation => ConversationId::parse(&state.owner).ok(),
                _ => None,
            };
            let (lane, installation) = self.mailbox(bot, conversation).await?;
            let event = GatewayEvent {
                kind: "state_expired".into(),
                payload: json!({ "state": state_json(bot, state) }),
                conversation_id: conversation,
                user_id: match state.kind {
                    StateType::User => portico_contract::UserId::parse(&state.owner).ok(),
                    _ => None,
                },
                message_id: None,
                workflow_id: (state.kind == StateType::Workflow).then(|| state.owner.clone()),
            };
            let told = gateway_entry(bot, installation, lane, EventId::new(), &event);
            let commit = Commit::of(records.state_removal_changes(&old).into_iter().chain([told]));
            // A conflict: it was used at the last moment, and lives on.
            taken(self.store.commit(commit).await)?;
        }
        Ok(())
    }
}

/// One tick of a timer that was taken.
struct Tick {
    store: Arc<dyn Store>,
    turns: Turns,
    installation: Arc<Installation>,
    retry: Millis,
}

impl Tick {
    async fn run(self, name: String, id: String, due_at: Millis) {
        let job = Job::Tick(TimerTick { name: name.clone(), due_at });
        let ended = tokio::time::timeout(TICK_LIMIT, self.turns.run(&self.installation, job)).await;
        let again = match &ended {
            Ok(Ok(_)) => false,
            Ok(Err(fault)) => {
                warn!(installation.id = %self.installation.id, timer = name, "a timer failed: {fault}");
                matches!(fault.code, FaultCode::Unavailable | FaultCode::RateLimited | FaultCode::Conflict)
            }
            Err(_) => {
                warn!(installation.id = %self.installation.id, timer = name, "a timer took too long");
                true
            }
        };
        if let Err(error) = self.settle(&name, &id, again).await {
            warn!(installation.id = %self.installation.id, timer = name, "a timer could not be set again: {error}");
        }
    }

    /// Sets a repeating timer to its next time and removes one that is done, unless the tick set it itself.
    async fn settle(&self, name: &str, id: &str, again: bool) -> Result<(), StoreError> {
        let Some(held) = scheduled(self.store.as_ref(), id).await?.filter(|held| held.due == self.retry)
        else {
            return Ok(());
        };
        let mut changes = Vec::from(held.done_changes());
        match self.installation.connector.manifest().timers.get(name).filter(|spec| spec.every_s > 0) {
            Some(spec) => {
                let next = now().saturating_add(period(spec.every_s, spec.jitter_s));
                changes.extend(schedule_changes(id, Some(next), &held.what));
            }
            None if again => return Ok(()),
            None => {}
        }
        taken(self.store.commit(Commit::of(changes)).await).map(|_| ())
    }
}

/// Whether a commit happened; a conflict means that somebody else was first.
fn taken(done: Result<portico_store::Committed, StoreError>) -> Result<bool, StoreError> {
    match done {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Milliseconds to the next tick.
fn period(every_s: u32, jitter_s: u32) -> Millis {
    let mut random = [0; 8];
    // Without randomness there is no jitter, which is no harm.
    let random = getrandom::fill(&mut random).map_or(0, |()| u64::from_be_bytes(random));
    millis(Duration::from_secs(u64::from(every_s))) + random % (u64::from(jitter_s) * 1000 + 1)
}

/// A state as the runtime API shows it.
fn state_json(bot: &BotId, state: &State) -> Value {
    let mut object = Map::new();
    object.insert("id".into(), state.id.clone().into());
    object.insert("createdAt".into(), iso(state.created_at).into());
    object.insert("updatedAt".into(), iso(state.updated_at).into());
    object.insert("botId".into(), bot.as_str().into());
    object.insert("name".into(), state.name.clone().into());
    object.insert("type".into(), state.kind.as_str().into());
    object.insert("payload".into(), state.payload.clone());
    let owner = match state.kind {
        StateType::Conversation => Some("conversationId"),
        StateType::User => Some("userId"),
        _ => None,
    };
    if let Some(owner) = owner {
        object.insert(owner.into(), state.owner.clone().into());
    }
    if let Some(expiry) = state.expiry {
        object.insert("expiry".into(), expiry.into());
    }
    if let Some(at) = state.expires_at {
        object.insert("expiresAt".into(), iso(at).into());
    }
    Value::Object(object)
}
