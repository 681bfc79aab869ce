//! Signals: what happens in a live conversation, told to an address that the installation's operator set.
//!
//! The entry for it is in the commit of the stream's item, so a restart loses none; it stands in a lane beside the
//! conversation's own, so that order holds and messages don't wait for the operator's program. Its form is made when
//! it is told, by the API whose clients would be shown the same.

use std::sync::Arc;

use async_trait::async_trait;
use portico_contract::{ActionCall, BotId, ConversationId, EventId, InstallationId, Millis, TELL_SIGNAL};
use portico_lanes::{GroupKey, Verdict};
use portico_store::records::{Outgoing, Records, StreamItem, StreamWhat};
use portico_store::{Change, Commit, Entry, EventOutcome, StoreError};
use portico_turns::{Installation, Job, Turns};
use serde_json::{Value, json};

use crate::accept::Outbox;
use crate::deliver::Sender;
use crate::entry::outgoing_entry;
use crate::stream::is_live;
use crate::verdict::Failure;
use crate::{now, render};

/// The name under which a conversation's second lane is known.
const LANE: &str = "signals";
/// Ends the name of the group of an installation's signals; no installation's own name can hold it.
const GROUP: &str = "~signals";

/// The forms of signals.
#[async_trait]
pub trait Signals: Send + Sync {
    /// An item of a conversation's stream as a signal; `None` where it has no form, or is not there any more.
    ///
    /// # Errors
    /// The store's: it is asked again.
    async fn of_item(
        &self,
        at: &Arc<Installation>,
        conversation: ConversationId,
        seq: u64,
    ) -> Result<Option<Value>, StoreError>;

    /// An event of the bot that stands in no stream, as a signal; `None` where the conversation is not there.
    ///
    /// # Errors
    /// As [`Signals::of_item`].
    async fn of_event(
        &self,
        at: &Arc<Installation>,
        conversation: ConversationId,
        when: Millis,
        data: &Value,
    ) -> Result<Option<Value>, StoreError>;
}

/// Nothing has a form.
pub(crate) struct NoSignals;

#[async_trait]
impl Signals for NoSignals {
    async fn of_item(
        &self,
        _: &Arc<Installation>,
        _: ConversationId,
        _: u64,
    ) -> Result<Option<Value>, StoreError> {
        Ok(None)
    }

    async fn of_event(
        &self,
        _: &Arc<Installation>,
        _: ConversationId,
        _: Millis,
        _: &Value,
    ) -> Result<Option<Value>, StoreError> {
        Ok(None)
    }
}

/// Something to tell.
pub(crate) enum Told {
    /// An item of the stream, by its number.
    Item(u64),
    /// An event of the bot that stands in no stream.
    Event(Millis, Value),
}

/// Whether an operator set an address for what happens in an installation's conversations.
pub(crate) fn are_told(at: &Installation) -> bool {
    let to = at.connector.manifest().signals_to.as_ref();
    is_live(at) && to.and_then(|to| at.config.json().pointer(&to.address)).is_some_and(Value::is_string)
}

/// The entries that tell of items; none where nobody wants to know.
pub(crate) fn entries<'a>(
    bot: &BotId,
    at: Option<&Installation>,
    conversation: ConversationId,
    items: impl Iterator<Item = (u64, &'a StreamItem)>,
) -> Vec<Change> {
    let Some(at) = at.filter(|at| are_told(at)) else { return Vec::new() };
    let has_a_form = |what: &StreamWhat| {
        !matches!(what, StreamWhat::Status { .. } | StreamWhat::Updated { .. } | StreamWhat::Conversation)
    };
    let told = items.filter(|(_, item)| has_a_form(&item.what));
    told.map(|(seq, _)| entry(bot, at, conversation, &Outgoing::Signal { conversation, seq })).collect()
}

fn entry(bot: &BotId, at: &Installation, conversation: ConversationId, body: &Outgoing) -> Change {
    let lane = ConversationId::of_thread(bot, &at.id, LANE, &conversation.to_string());
    outgoing_entry(bot, at.id.clone(), lane, EventId::new(), body)
}

/// The entry that tells of what an action shows and nobody keeps; `None` where nobody wants to know, or the action
/// is another one.
pub(crate) fn event_entry(
    at: &Installation,
    conversation: Option<ConversationId>,
    action: &str,
    input: &Value,
) -> Option<Change> {
    let data = at.connector.manifest().signals_to.as_ref()?.events.get(action)?;
    let (conversation, data) = (conversation.filter(|_| are_told(at))?, input.pointer(data)?.clone());
    let body = Outgoing::SignalEvent { conversation, at: now(), data };
    Some(entry(&at.bot, at, conversation, &body))
}

/// The group of an installation's signals: its messages are another one, so neither takes the other's places.
pub(crate) fn group(entry: &Entry) -> Option<GroupKey> {
    // Asked for each entry, and the form is ours: reading the whole of it would tell no more.
    let is_signal = entry.event.body.starts_with(br#"{"kind":"signal"#);
    is_signal.then(|| GroupKey::new(format!("{}{GROUP}", entry.event.installation)))
}

/// The installation that a group belongs to.
pub(crate) fn installation_of(group: &GroupKey) -> Option<InstallationId> {
    let name = group.as_str();
    InstallationId::parse(name.strip_suffix(GROUP).unwrap_or(name)).ok()
}

impl Outbox {
    /// The installation of a live conversation whose signals are told.
    pub(crate) async fn teller(
        &self,
        records: &Records,
        conversation: ConversationId,
    ) -> Result<Option<Arc<Installation>>, StoreError> {
        // Most gateways have no such installation; they need not read the conversation for it.
        if !self.installations.any(are_told) {
            return Ok(None);
        }
        let place = records.conversation(conversation).await?;
        Ok(place.and_then(|place| self.carrier(&place.value)))
    }
}

impl Sender {
    /// Tells one thing.
    pub(crate) async fn tell(
        &self,
        entry: &Entry,
        conversation: ConversationId,
        told: Told,
    ) -> Result<Verdict, StoreError> {
        let records = Records::of(self.store.clone(), entry.event.bot.clone());
        let installation = self.installations.get(&entry.event.installation).filter(|at| are_told(at));
        let place = records.conversation(conversation).await?;
        let (Some(installation), Some(place)) = (installation, place) else {
            return self.settled(entry, EventOutcome::Ignored).await;
        };
        let since = if entry.replay { now() } else { entry.event.received_at };
        let work = self.begin(entry, records, installation, since);
        if now() >= work.deadline {
            return self.give_up(&work, Failure::expired()).await;
        }
        if self.waits(&work.installation) {
            return Ok(Verdict::Wait);
        }
        let (forms, at) = (&self.signals, &work.installation);
        let signal = match told {
            Told::Item(seq) => forms.of_item(at, conversation, seq).await?,
            Told::Event(when, data) => forms.of_event(at, conversation, when, &data).await?,
        };
        let Some(signal) = signal else { return self.settled(entry, EventOutcome::Ignored).await };
        let call = ActionCall {
            name: TELL_SIGNAL.into(),
            input: json!({ "signal": signal }),
            thread: Some(render::thread(&work.installation, &place.value)),
            message: None,
            idempotency_key: work.event.to_string(),
        };
        match self.turns.deliver_job(&work.installation, work.event, Job::Act(Box::new(call))).await {
            Ok(_) => {
                self.went_well(&work);
                self.settled(entry, EventOutcome::Done).await
            }
            Err(failed) => match self.later(&work, &place.value, &failed).await? {
                Some(verdict) => Ok(verdict),
                None => self.give_up(&work, Failure::of(&failed.fault)).await,
            },
        }
    }

    /// Forgets how far an entry's calls had got, and takes it off its lane.
    async fn settled(&self, entry: &Entry, outcome: EventOutcome) -> Result<Verdict, StoreError> {
        self.store.commit(Commit::of([Turns::forget_progress(entry.event.id)]).ordered()).await?;
        Ok(Verdict::Settle(outcome))
    }
}
