//! Fourth step of the way out: one entry of an outbox is handed to the provider, or waits, or is given up.
//!
//! The driver gives one entry per conversation at a time (guarantee O2). Before: `accept`. After: `settle`,
//! which writes down what became of the message.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use portico_contract::{Content, EventId, FaultCode, MessageId, Millis};
use portico_lanes::{GroupKey, Handler, LaneCtx, Verdict};
use portico_store::records::{
    Conversation, DeliveryStatus, Message, Outgoing, Records, Versioned, progress_key,
};
use portico_store::{Attempt, Commit, DeadReason, Entry, EventOutcome, Store, StoreError, Table};
use portico_telemetry::Metrics;
use portico_telemetry::metrics::SendOutcome;
use portico_turns::{Delivery, DeliveryFault, Installation, Installations, Turns};

use crate::gates::Gates;
use crate::signals::{self, NoSignals, Signals, Told};
use crate::verdict::Failure;
use crate::{Go, Paces, fit, now, render};

/// Longest age of a message whose installation is gone.
pub(crate) const GONE_MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// How messages are sent.
#[derive(Clone, Copy, Debug)]
pub struct SenderOptions {
    /// Conversations of one installation that are worked on at a time.
    pub parallel: usize,
    /// Whether the bot gets `message_sent` when a provider took a message.
    pub tell_sent: bool,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self { parallel: 64, tell_sent: false }
    }
}

/// Works the outboxes: the handler of the outbound driver. One per process.
pub struct Sender {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) installations: Arc<Installations>,
    pub(crate) turns: Turns,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) paces: Arc<Paces>,
    pub(crate) options: SenderOptions,
    pub(crate) gates: Gates,
    /// Entries in work.
    pub(crate) busy: Mutex<HashSet<EventId>>,
    /// Entries whose message was failed because of its age, and when; the driver buries them.
    pub(crate) expired: Mutex<HashMap<EventId, Millis>>,
    pub(crate) signals: Arc<dyn Signals>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("options", &self.options).finish_non_exhaustive()
    }
}

/// One entry in work.
pub(crate) struct Work {
    pub(crate) installation: Arc<Installation>,
    pub(crate) records: Records,
    pub(crate) event: EventId,
    pub(crate) lane: portico_store::Lane,
    /// Attempts made before this one.
    pub(crate) attempts: u32,
    /// When it is given up.
    pub(crate) deadline: Millis,
    pub(crate) began: std::time::Instant,
}

/// A message in work, with its place.
pub(crate) struct Subject {
    pub(crate) message: Versioned<Message>,
    pub(crate) conversation: Conversation,
}

struct Busy<'a>(&'a Mutex<HashSet<EventId>>, EventId);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

impl Sender {
    /// A sender. `paces` is shared with [`crate::Actions`].
    pub fn new(
        store: Arc<dyn Store>,
        installations: Arc<Installations>,
        turns: Turns,
        metrics: Arc<Metrics>,
        paces: Arc<Paces>,
        options: SenderOptions,
    ) -> Self {
        Self {
            store,
            installations,
            turns,
            metrics,
            paces,
            options,
            gates: Gates::default(),
            busy: Mutex::new(HashSet::new()),
            expired: Mutex::new(HashMap::new()),
            signals: Arc::new(NoSignals),
        }
    }

    /// With the forms of what happens in live conversations, for operators who set an address for that.
    #[must_use]
    pub fn with_signals(mut self, signals: Arc<dyn Signals>) -> Self {
        self.signals = signals;
        self
    }

    async fn work(&self, entry: &Entry) -> Result<Verdict, StoreError> {
        let Ok(body) = serde_json::from_slice::<Outgoing>(&entry.event.body) else {
            return Ok(Verdict::Bury { reason: DeadReason::Unsendable, attempt: None });
        };
        match body {
            Outgoing::Message { message } => self.message(entry, message).await,
            Outgoing::Edit { message } => self.edit_sent(entry, message).await,
            Outgoing::Delete { message, external_ids } => self.take_back(entry, message, external_ids).await,
            Outgoing::Signal { conversation, seq } => self.tell(entry, conversation, Told::Item(seq)).await,
            Outgoing::SignalEvent { conversation, at, data } => {
                self.tell(entry, conversation, Told::Event(at, data)).await
            }
        }
    }

    async fn message(&self, entry: &Entry, id: MessageId) -> Result<Verdict, StoreError> {
        let records = Records::of(self.store.clone(), entry.event.bot.clone());
        let Some(mut message) = records.message_in(entry.event.lane.conversation, id).await? else {
            // Removed while it waited.
            self.store.commit(Commit::of([Turns::forget_progress(entry.event.id)]).ordered()).await?;
            return Ok(Verdict::Settle(EventOutcome::Ignored));
        };
        match standing(&message.value, entry.replay) {
            Standing::Waits => {}
            Standing::Sent => return Ok(Verdict::Settle(EventOutcome::Done)),
            Standing::Given(reason) => return Ok(Verdict::Bury { reason, attempt: None }),
            Standing::Again => message = self.begin_again(&records, message).await?,
        }
        let Some(conversation) = records.conversation(entry.event.lane.conversation).await? else {
            return Ok(Verdict::Settle(EventOutcome::Ignored));
        };
        let subject = Subject { message, conversation: conversation.value };
        let since =
            subject.message.value.delivery.as_ref().map_or(entry.event.received_at, |delivery| delivery.at);
        let Some(installation) = self.installations.get(&entry.event.installation) else {
            let deadline = since.saturating_add(millis(GONE_MAX_AGE));
            if now() >= deadline {
                self.fail_orphan(&records, entry.event.lane, entry.event.id, &subject).await?;
                return Ok(Verdict::Bury { reason: DeadReason::Expired, attempt: None });
            }
            return Ok(Verdict::Wait);
        };
        let mut work = self.begin(entry, records, installation, since);
        if now() >= work.deadline {
            if !self.was_held(work.event).await? {
                return self.fail(&work, &subject, Failure::expired()).await;
            }
            work.deadline = now().saturating_add(millis(work.installation.max_age));
        }
        if crate::is_live(&work.installation) {
            return self.show(&work, &subject).await;
        }
        if self.waits(&work.installation) {
            return Ok(Verdict::Wait);
        }
        self.send(&work, &subject).await
    }

    pub(crate) fn begin(
        &self,
        entry: &Entry,
        records: Records,
        installation: Arc<Installation>,
        since: Millis,
    ) -> Work {
        Work {
            records,
            event: entry.event.id,
            lane: entry.event.lane,
            attempts: entry.attempts,
            deadline: since.saturating_add(millis(installation.max_age)),
            installation,
            began: std::time::Instant::now(),
        }
    }

    /// Whether nothing may be tried with an installation now.
    pub(crate) fn waits(&self, installation: &Arc<Installation>) -> bool {
        installation.is_paused(now())
            || self.gates.closed(installation).is_some()
            || self.pacer(installation).paused().is_some()
    }

    pub(crate) fn pacer(&self, installation: &Installation) -> Arc<crate::Pacer> {
        self.paces.of(&installation.id, installation.connector.manifest())
    }

    async fn send(&self, work: &Work, subject: &Subject) -> Result<Verdict, StoreError> {
        let content = match subject.message.value.content() {
            Ok(content) => content,
            Err(error) => return self.fail(work, subject, Failure::unsendable(error.to_string())).await,
        };
        let parts = match render::parts(&work.installation, &subject.conversation, content.clone()) {
            Ok(parts) => parts,
            Err(fault) => return self.fail(work, subject, Failure::unsendable(fault.message)).await,
        };
        if let Some(verdict) = self.paced(work, &subject.conversation, parts.len()).await {
            return Ok(verdict);
        }
        match self.attempt(work, subject, parts.clone()).await? {
            Ok(delivery) => self.sent(work, subject, delivery).await,
            Err(failed) if failed.fault.code == FaultCode::Unsupported => {
                self.send_as_text(work, subject, content, parts, failed).await
            }
            Err(failed) => self.judge(work, subject, failed).await,
        }
    }

    async fn attempt(
        &self,
        work: &Work,
        subject: &Subject,
        parts: Vec<Content>,
    ) -> Result<Result<Delivery, DeliveryFault>, StoreError> {
        let message = render::outbound(
            &work.records,
            &work.installation,
            &subject.conversation,
            &subject.message.value,
            parts,
            work.attempts.saturating_add(1),
        )
        .await?;
        Ok(self.turns.deliver(&work.installation, work.event, message).await)
    }

    /// The provider refused a kind that its channel declares: once more as plain text.
    async fn send_as_text(
        &self,
        work: &Work,
        subject: &Subject,
        content: Content,
        tried: Vec<Content>,
        failed: DeliveryFault,
    ) -> Result<Verdict, StoreError> {
        let texts = match fit::as_text(content) {
            Ok(texts) if texts != tried => texts,
            _ => return self.fail(work, subject, Failure::of(&failed.fault)).await,
        };
        // Where calls were made, an earlier part may have arrived already.
        let begun = self.store.get(Table::Progress, &progress_key(work.event)).await?.is_some();
        self.store.commit(Commit::of([Turns::forget_progress(work.event)]).ordered()).await?;
        match self.attempt(work, subject, texts).await? {
            Ok(mut delivery) => {
                delivery.possible_duplicate |= begun && tried.len() > 1;
                self.sent(work, subject, delivery).await
            }
            Err(failed) if failed.fault.code == FaultCode::Unsupported => {
                self.fail(work, subject, Failure::of(&failed.fault)).await
            }
            Err(failed) => self.judge(work, subject, failed).await,
        }
    }

    /// Waits for the provider's pace; gives a verdict where that takes too long for a worker.
    pub(crate) async fn paced(
        &self,
        work: &Work,
        conversation: &Conversation,
        calls: usize,
    ) -> Option<Verdict> {
        let began = std::time::Instant::now();
        let go = self
            .pacer(&work.installation)
            .ready(&conversation.channel, render::short(conversation.id), calls)
            .await;
        let waits = &self.metrics.sends(work.installation.id.as_str()).waits;
        match go {
            Go::Now => {
                if began.elapsed() > Duration::from_millis(5) {
                    waits.record(began.elapsed());
                }
                None
            }
            Go::Paused(_) => Some(Verdict::Wait),
            Go::Later(wait) => {
                waits.record(wait);
                let attempt = work.attempt("paced", "waits for the pace of its conversation");
                Some(Verdict::Defer { due: work.due(wait), attempt, counts: false })
            }
        }
    }

    pub(crate) fn count(&self, work: &Work, outcome: SendOutcome) {
        self.metrics.sends(work.installation.id.as_str()).record(outcome, work.began.elapsed());
    }
}

enum Standing {
    /// It waits to be sent.
    Waits,
    /// The provider has it.
    Sent,
    /// It was failed before; only the lane does not know yet.
    Given(DeadReason),
    /// It was failed, and somebody wants it sent again.
    Again,
}

fn standing(message: &Message, replay: bool) -> Standing {
    let Some(delivery) = &message.delivery else { return Standing::Again };
    match delivery.status {
        DeliveryStatus::Pending => Standing::Waits,
        DeliveryStatus::Failed if replay => Standing::Again,
        DeliveryStatus::Failed if delivery.external_ids.is_empty() => Standing::Given(DeadReason::Refused),
        // A receipt said so after it was sent.
        DeliveryStatus::Failed => Standing::Sent,
        DeliveryStatus::Sent | DeliveryStatus::Delivered | DeliveryStatus::Read => Standing::Sent,
    }
}

pub(crate) fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

impl Work {
    /// A time from now, but not after the message is given up.
    pub(crate) fn due(&self, wait: Duration) -> Millis {
        now().saturating_add(millis(wait)).min(self.deadline)
    }

    /// What is noted of an attempt.
    pub(crate) fn attempt(&self, code: &str, detail: &str) -> Attempt {
        Attempt {
            number: self.attempts.saturating_add(1),
            at: now(),
            duration_ms: u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX),
            status: None,
            code: code.to_owned(),
            detail: crate::verdict::short_text(detail),
        }
    }
}

#[async_trait]
impl Handler for Sender {
    fn group(&self, entry: &Entry) -> GroupKey {
        signals::group(entry).unwrap_or_else(|| GroupKey::new(entry.event.installation.as_str()))
    }

    fn limit(&self, _group: &GroupKey) -> usize {
        self.options.parallel
    }

    async fn handle(&self, _ctx: &LaneCtx, entry: Entry) -> Verdict {
        self.busy.lock().insert(entry.event.id);
        let _busy = Busy(&self.busy, entry.event.id);
        match self.work(&entry).await {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::warn!(event.id = %entry.event.id, "the outbox could not be worked: {error}");
                let attempt = Attempt {
                    number: entry.attempts.saturating_add(1),
                    at: now(),
                    duration_ms: 0,
                    status: None,
                    code: "store".into(),
                    detail: crate::verdict::short_text(&error.to_string()),
                };
                Verdict::Defer { due: now() + 1_000, attempt, counts: false }
            }
        }
    }

    fn crashed(&self, attempts: u32, now: Millis) -> Verdict {
        // Never buried here: once it is too old, `handle` fails the message and tells the core.
        let attempt = Attempt {
            number: attempts.saturating_add(1),
            at: now,
            duration_ms: 0,
            status: None,
            code: "panic".into(),
            detail: "the gateway failed while it sent the message; its log names the place".into(),
        };
        Verdict::Defer {
            due: now.saturating_add(millis(crate::verdict::delay(attempts))),
            attempt,
            counts: true,
        }
    }

    fn overdue(&self, entry: &Entry, _now: Millis) -> bool {
        self.expired.lock().contains_key(&entry.event.id)
    }

    fn horizon(&self) -> Option<Duration> {
        let ages = self.installations.all().into_iter().map(|installation| installation.max_age);
        Some(ages.min().unwrap_or(GONE_MAX_AGE).min(GONE_MAX_AGE))
    }

    fn reopen(&self, group: &GroupKey) -> Option<Duration> {
        let id = signals::installation_of(group)?;
        let paused = self.installations.get(&id).and_then(|installation| self.pacer(&installation).paused());
        let left = self.gates.left(id.as_str()).max(paused).filter(|left| !left.is_zero());
        Some(left.unwrap_or(crate::gates::PROBE))
    }
}
