//! One event on its way: rows, offer, answer, replies, verdict.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use portico_contract::{BotId, EventId, InstallationId, Millis};
use portico_lanes::{Clock, GroupKey, Handler, LaneCtx, Verdict};
use portico_store::records::Known;
use portico_store::{DeadReason, Entry, EventKind, StoreError};
use portico_telemetry::Metrics;
use portico_telemetry::metrics::{BreakerState, DispatchOutcome};
use tokio::time::Instant;

use crate::bot::Bot;
use crate::breaker::{Admit, Moved};
use crate::core::{Answer, Failure, Offer};
use crate::outcomes::end_of;
use crate::records::{Prepared, RecordFault, Scene, Subject, prepare};
use crate::retry::Case;
use crate::{Aliases, Ended, MediaLinks, Outcomes, Random, Replies, ReplyError};

/// How soon a receipt is looked at again whose message the outbox has not stored yet.
const RECEIPT_AGAIN: Duration = Duration::from_secs(1);
/// Pauses before replies that could not be kept are offered to the outbox again, within the same attempt.
const REPLIES_AGAIN: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

#[derive(Default)]
pub(crate) struct Bots {
    pub(crate) by_id: HashMap<BotId, Arc<Bot>>,
    pub(crate) by_key: HashMap<GroupKey, Arc<Bot>>,
}

/// Works mailboxes.
pub(crate) struct Mail {
    pub(crate) bots: RwLock<Bots>,
    pub(crate) replies: Arc<dyn Replies>,
    pub(crate) media: Arc<dyn MediaLinks>,
    pub(crate) aliases: Arc<dyn Aliases>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Random,
    pub(crate) metrics: Arc<Metrics>,
    /// Told how events end, where somebody wants to know.
    pub(crate) outcomes: OnceLock<Arc<dyn Outcomes>>,
    pub(crate) begun: Begun,
    /// Rows that were met lately, of all bots.
    pub(crate) known: Known,
}

/// Events whose rows this process may have written and that are not through yet. Only of others that came in since
/// its start is it sure that they have none.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    events: Mutex<HashSet<EventId>>,
    /// Epoch of the first owner that was seen: under a later one somebody else may have worked meanwhile.
    epoch: OnceLock<u64>,
}

impl Begun {
    /// Marks an event as begun; says whether nobody can have begun it before.
    fn begin(&self, ctx: &LaneCtx, entry: &Entry) -> bool {
        let first = *self.epoch.get_or_init(|| ctx.fence.epoch) == ctx.fence.epoch;
        self.events.lock().insert(entry.event.id) && entry.fresh && first
    }

    /// The event is not offered again.
    fn end(&self, event: EventId, verdict: &Verdict) {
        if matches!(verdict, Verdict::Settle(_) | Verdict::Bury { .. }) {
            self.events.lock().remove(&event);
        }
    }
}

#[async_trait]
impl Handler for Mail {
    fn group(&self, entry: &Entry) -> GroupKey {
        match self.bots.read().by_id.get(&entry.event.bot) {
            Some(bot) => bot.key.clone(),
            None => GroupKey::new(entry.event.bot.as_str()),
        }
    }

    fn limit(&self, group: &GroupKey) -> usize {
        self.bots.read().by_key.get(group).map_or(1, |bot| bot.concurrency)
    }

    async fn handle(&self, ctx: &LaneCtx, entry: Entry) -> Verdict {
        let Some(bot) = self.bots.read().by_id.get(&entry.event.bot).cloned() else {
            // Configured again, it goes on where it stopped.
            tracing::warn!(bot.id = %entry.event.bot, "events wait for bot '{}', which is not configured", entry.event.bot);
            return Verdict::Wait;
        };
        let id = entry.event.id;
        let wants = self.wants_end(&entry);
        let verdict = self.work(&bot, ctx, entry).await;
        if let (Some(mut ended), Some(taken)) = (wants, end_of(&verdict)) {
            ended.taken = taken;
            self.tell_end(ended).await;
        }
        self.begun.end(id, &verdict);
        self.count_dead(&verdict);
        verdict
    }

    fn carries(&self) -> bool {
        true
    }

    fn crashed(&self, attempts: u32, now: Millis) -> Verdict {
        let case = Case {
            before: attempts,
            now,
            took: Duration::ZERO,
            on_dead: crate::OnDead::Continue,
            random: (self.random)(),
        };
        let verdict = case.failed(Failure {
            status: None,
            code: "panic".into(),
            detail: "the gateway failed while it handled the event; its log names the place".into(),
        });
        self.count_dead(&verdict);
        verdict
    }

    fn overdue(&self, entry: &Entry, now: Millis) -> bool {
        // What an operator asked for again is meant, however old it is.
        if entry.replay {
            return false;
        }
        let bots = self.bots.read();
        let Some(bot) = bots.by_id.get(&entry.event.bot) else { return false };
        let age = u64::try_from(bot.max_age.as_millis()).unwrap_or(u64::MAX);
        entry.event.received_at.saturating_add(age) <= now
    }

    fn expired(&self, entry: &Entry) {
        self.begun.events.lock().remove(&entry.event.id);
        self.metrics.dead_letter(reason_word(DeadReason::Expired));
        tracing::warn!(
            bot.id = %entry.event.bot, event.id = %entry.event.id,
            "event {} waited longer than its bot allows and is a dead letter", entry.event.id
        );
        if let (Some(ended), Some(outcomes)) = (self.wants_end(entry), self.outcomes.get().cloned()) {
            let ended = Ended { taken: Err(DeadReason::Expired), ..ended };
            tokio::spawn(async move { outcomes.ended(ended).await });
        }
    }

    fn horizon(&self) -> Option<Duration> {
        self.bots.read().by_id.values().map(|bot| bot.max_age).min()
    }

    fn reopen(&self, group: &GroupKey) -> Option<Duration> {
        let bots = self.bots.read();
        let bot = bots.by_key.get(group)?;
        bot.health.breaker.lock().next_probe(Instant::now())
    }
}

impl Mail {
    /// What somebody wants to know of an event's end; only of the gateway's own, which live channels make.
    fn wants_end(&self, entry: &Entry) -> Option<Ended> {
        if entry.event.kind != EventKind::Gateway || self.outcomes.get().is_none() {
            return None;
        }
        Some(Ended {
            event: entry.event.id,
            installation: entry.event.installation.clone(),
            conversation: entry.event.lane.conversation,
            taken: Ok(()),
        })
    }

    async fn tell_end(&self, ended: Ended) {
        if let Some(outcomes) = self.outcomes.get() {
            outcomes.ended(ended).await;
        }
    }

    fn count_dead(&self, verdict: &Verdict) {
        if let Verdict::Bury { reason, .. } = verdict {
            self.metrics.dead_letter(reason_word(*reason));
        }
    }

    async fn work(&self, bot: &Arc<Bot>, ctx: &LaneCtx, entry: Entry) -> Verdict {
        let health = &bot.health;
        if entry.event.kind == EventKind::Unread {
            return Case::ignored();
        }
        if !health.breaker.lock().may(Instant::now()) {
            return Verdict::Wait;
        }
        let mut case = Case {
            before: entry.attempts,
            now: self.clock.now(),
            took: Duration::ZERO,
            on_dead: bot.on_dead,
            random: (self.random)(),
        };
        let alias = self.alias(&entry.event.installation);
        let scene = Scene {
            records: &bot.records,
            known: &self.known,
            alias: &alias,
            entry: &entry,
            media: self.media.as_ref(),
            bot_user: &health.bot_user,
            carried: &ctx.carried,
            fresh: self.begun.begin(ctx, &entry),
        };
        let subject = match prepare(&scene).await {
            Ok(Prepared::Offer(subject)) => *subject,
            Ok(Prepared::Nothing) => return Case::ignored(),
            Ok(Prepared::NotYet) => {
                let detail = "the message that the receipt names is not known yet".into();
                return case.again("unknown_message", detail, RECEIPT_AGAIN, true);
            }
            Err(fault) => return no_rows(&case, &entry, fault),
        };
        let offer = self.offer(ctx, &entry, &alias, subject);
        match health.breaker.lock().admit(Instant::now()) {
            Admit::Go => {}
            Admit::Probe => health.metrics.set_breaker(BreakerState::HalfOpen),
            Admit::No => return Verdict::Wait,
        }
        let begun = Instant::now();
        let answer = bot.core.offer(&offer).await;
        case.took = begun.elapsed();
        case.now = self.clock.now();
        self.report(bot, &offer, &answer, case.took);
        self.conclude(bot, &case, &offer, answer).await
    }

    fn alias(&self, installation: &InstallationId) -> Arc<str> {
        self.aliases.alias(installation).unwrap_or_else(|| installation.as_str().into())
    }

    fn offer(&self, ctx: &LaneCtx, entry: &Entry, alias: &str, subject: Subject) -> Offer {
        let event = &entry.event;
        Offer {
            id: event.id,
            created_at: event.received_at,
            kind: subject.kind,
            bot: event.bot.clone(),
            installation: event.installation.clone(),
            integration: alias.to_owned(),
            lane: ctx.lane.conversation,
            sequence: entry.seq,
            epoch: ctx.fence.epoch,
            attempt: entry.attempts.saturating_add(1),
            replay: entry.replay,
            conversation: subject.conversation,
            user: subject.user,
            message: subject.message,
            reaction: subject.reaction,
            payload: subject.payload,
        }
    }

    /// Tells breaker, metrics and log.
    fn report(&self, bot: &Bot, offer: &Offer, answer: &Answer, took: Duration) {
        let now = Instant::now();
        let mut breaker = bot.health.breaker.lock();
        let moved = match answer {
            Answer::Down(_) => breaker.down(now, offer.lane),
            Answer::Gone(failure) => {
                breaker.pause(now, format!("the core answered {}: {}", failure.code, failure.detail));
                tracing::error!(
                    bot.id = %bot.id,
                    "the core of bot '{}' answered 410: the bot is paused until somebody resumes it", bot.id
                );
                bot.health.metrics.set_breaker(BreakerState::Open);
                None
            }
            Answer::Accepted { .. } | Answer::Failed(_) | Answer::Later(..) | Answer::Refused(_) => {
                breaker.up(now)
            }
            Answer::NotForIt | Answer::Unsendable(_) => return,
        };
        // A failed probe leaves it open.
        if breaker.is_shut() {
            bot.health.metrics.set_breaker(BreakerState::Open);
        }
        drop(breaker);
        self.moved(bot, moved);
        bot.health.metrics.record(outcome(answer), took);
    }

    fn moved(&self, bot: &Bot, moved: Option<Moved>) {
        match moved {
            Some(Moved::Opened) => {
                bot.health.metrics.set_breaker(BreakerState::Open);
                tracing::warn!(
                    bot.id = %bot.id, "the core of bot '{}' is down: its events wait, no attempt is counted", bot.id
                );
            }
            Some(Moved::Closed) => {
                bot.health.metrics.set_breaker(BreakerState::Closed);
                tracing::info!(bot.id = %bot.id, "the core of bot '{}' answers again", bot.id);
            }
            None => {}
        }
    }

    async fn conclude(&self, bot: &Bot, case: &Case, offer: &Offer, answer: Answer) -> Verdict {
        let (code, verdict) = match answer {
            Answer::Accepted { replies, complaint } => {
                if let Some(complaint) = complaint {
                    refused_reply(bot, offer, &complaint);
                }
                if replies.is_empty() {
                    return Case::done();
                }
                return self.say(bot, case, offer, replies).await;
            }
            Answer::NotForIt => return Case::ignored(),
            Answer::Gone(_) => return Verdict::Wait,
            Answer::Down(failure) => {
                let mut breaker = bot.health.breaker.lock();
                if breaker.is_shut() {
                    return Verdict::Wait;
                }
                // A bot with few conversations never fills the window: at the end of the schedule a core from
                // which nobody has heard is down, and that is not the event's fault.
                let now = Instant::now();
                if case.is_last() && breaker.is_silent(now) {
                    let moved = breaker.open(now);
                    drop(breaker);
                    self.moved(bot, Some(moved));
                    return Verdict::Wait;
                }
                drop(breaker);
                (failure.code.clone(), case.failed(failure))
            }
            Answer::Failed(failure) => (failure.code.clone(), case.failed(failure)),
            Answer::Later(failure, pause) => (failure.code.clone(), case.later(failure, pause)),
            Answer::Refused(failure) => (failure.code.clone(), case.given_up(DeadReason::Refused, failure)),
            Answer::Unsendable(detail) => {
                let failure = Failure { status: None, code: "unsendable".into(), detail };
                ("unsendable".to_owned(), case.given_up(DeadReason::Unsendable, failure))
            }
        };
        tracing::warn!(
            bot.id = %bot.id, event.id = %offer.id, conversation.id = %offer.lane, attempt = offer.attempt,
            reason = %code, duration_ms = case.took.as_millis() as u64,
            "event {} was not taken by the core of bot '{}'", offer.id, bot.id
        );
        verdict
    }

    /// Keeps the core's replies. The core has the event: only an outbox that can't take them now makes the event
    /// be offered again, and then the replies that were kept are known by their place.
    async fn say(&self, bot: &Bot, case: &Case, offer: &Offer, replies: Vec<crate::Reply>) -> Verdict {
        let Some(conversation) = &offer.conversation else {
            refused_reply(bot, offer, "the event belongs to no conversation, so nobody can be answered");
            return Case::done();
        };
        let mut pauses = REPLIES_AGAIN.iter();
        loop {
            match self.replies.accept(&bot.id, conversation.id, replies.clone(), offer.id).await {
                Ok(()) => return Case::done(),
                Err(error @ ReplyError::Refused { .. }) => {
                    refused_reply(bot, offer, &error.to_string());
                    return Case::done();
                }
                Err(ReplyError::Unavailable(reason)) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return case.again("replies_unavailable", reason, Duration::from_secs(5), false),
                },
            }
        }
    }
}

/// A core's answer holds something that can't be sent: for operators, never a reason to ask again.
fn refused_reply(bot: &Bot, offer: &Offer, complaint: &str) {
    tracing::warn!(
        bot.id = %bot.id, event.id = %offer.id, conversation.id = %offer.lane, reason = "bad_reply",
        "the answer of bot '{}' to event {} can't be sent: {complaint}", bot.id, offer.id
    );
}

fn no_rows(case: &Case, entry: &Entry, fault: RecordFault) -> Verdict {
    let failure = |code: &str, detail: String| Failure { status: None, code: code.into(), detail };
    match fault {
        RecordFault::Unreadable(detail) => {
            case.given_up(DeadReason::Unsendable, failure("unreadable", detail))
        }
        RecordFault::Store(error @ StoreError::TooLarge { .. }) => {
            case.given_up(DeadReason::Unsendable, failure("too_large", error.to_string()))
        }
        RecordFault::Store(error @ StoreError::Damaged(_)) => {
            case.failed(failure("damaged", error.to_string()))
        }
        RecordFault::Store(error @ StoreError::Conflict { .. }) => {
            case.again("conflict", error.to_string(), Duration::from_secs(1), false)
        }
        RecordFault::Store(error) => {
            tracing::warn!(event.id = %entry.event.id, %error, "the rows of event {} could not be written", entry.event.id);
            Verdict::Wait
        }
    }
}

fn outcome(answer: &Answer) -> DispatchOutcome {
    match answer {
        Answer::Accepted { .. } | Answer::NotForIt => DispatchOutcome::Accepted,
        Answer::Failed(_) => DispatchOutcome::Retry,
        Answer::Later(..) => DispatchOutcome::Throttled,
        Answer::Refused(_) | Answer::Gone(_) | Answer::Unsendable(_) => DispatchOutcome::Refused,
        Answer::Down(failure) => match failure.code.as_str() {
            "timed_out" => DispatchOutcome::TimedOut,
            "unknown_result" => DispatchOutcome::Unknown,
            _ if failure.status.is_some() => DispatchOutcome::Retry,
            _ => DispatchOutcome::Unreachable,
        },
    }
}

fn reason_word(reason: DeadReason) -> &'static str {
    match reason {
        DeadReason::Exhausted => "exhausted",
        DeadReason::Expired => "expired",
        DeadReason::Refused => "refused",
        DeadReason::Unsendable => "unsendable",
    }
}
