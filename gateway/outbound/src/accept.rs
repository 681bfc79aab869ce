//! First step of the way out: a message is checked and kept, in one synced commit (guarantee O1).
//!
//! The commit holds the message's row, the conversation's count, the sender's place in the conversation, the
//! outbox entry, and the caller's idempotency key. After: `deliver`, which the outbox lane leads to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portico_contract::{BotId, ConversationId, EventId, MessageId, Millis, UserId};
use portico_store::records::{
    Conversation, Direction, Message, Records, Scheduled, TagMap, schedule_changes,
};
use portico_store::{Change, Commit, Committed, IdempotencyKey, Key, Lane, Once, Store, StoreError, Table};
use portico_telemetry::Metrics;
use portico_telemetry::metrics::Limit;
use portico_turns::{Installation, Installations, NoOutlet, Outlet, ShownItem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::draft::{Draft, draft, draft_changes, incoming_items, sender_changes};
use crate::stream::{is_live, sent_now};
use crate::{AcceptError, now, signals};

/// Most unsettled entries of one conversation's outbox.
pub const MAX_LANE: u64 = 500;
/// Most events of one live conversation that may wait for its bot, before its visitors are asked to wait.
pub const MAX_MAILBOX: u64 = 1_000;
/// Largest answer that the store keeps with an idempotency key.
const MAX_ANSWER: usize = 64 * 1024;
/// How often a commit is made again because a row changed meanwhile.
const MAX_CONFLICTS: usize = 32;
/// Tag of a message that names the message it answers, by Portico's id.
pub(crate) const REPLY_TO: &str = "replyTo";

/// What an API caller's repeat is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnceKey {
    /// Digest over caller and key.
    pub key: IdempotencyKey,
    /// Digest over the request.
    pub hash: [u8; 16],
}

/// A message to accept.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The bot.
    pub bot: BotId,
    /// Where it is said.
    pub conversation: ConversationId,
    /// Who says it. The bot's own user ([`UserId::of_bot`]) is made at its first use.
    pub user: UserId,
    /// Type, as on the wire.
    pub kind: String,
    /// Payload, as on the wire.
    pub payload: Value,
    /// Tags under their stored names (`slack:id`, or the bot's own `mine`).
    pub tags: TagMap,
    /// `synthetic` for messages that nobody typed.
    pub origin: Option<String>,
    /// The message that it answers; kept as the tag `replyTo`.
    pub reply_to: Option<MessageId>,
    /// Makes it happen once for a caller's key.
    pub once: Option<OnceKey>,
}

/// Where messages are accepted. One per process, shared behind an `Arc`.
pub struct Outbox {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) installations: Arc<Installations>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) outlet: Arc<dyn Outlet>,
    most: u64,
    pub(crate) most_in_mailbox: u64,
    /// Callers of one conversation wait for each other here rather than in conflicts of its row.
    locks: Vec<Mutex<()>>,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

/// What was kept.
pub(crate) struct Kept {
    pub(crate) messages: Vec<Message>,
    /// Numbers in the stream of a live conversation, of those that came in.
    pub(crate) seqs: Vec<u64>,
    /// Whether an earlier call kept it.
    pub(crate) repeat: bool,
}

impl Kept {
    fn before(messages: Vec<Message>) -> Self {
        Self { messages, seqs: Vec::new(), repeat: true }
    }
}

/// What one commit holds, and what is shown after it.
struct Batch {
    changes: Vec<Change>,
    shown: Vec<ShownItem>,
}

/// What the store keeps for a repeat: the messages, or their ids where they are too large to keep twice.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Whole(Vec<Message>),
    Named(Vec<(ConversationId, MessageId)>),
}

impl Outbox {
    /// An outbox over the store.
    pub fn new(store: Arc<dyn Store>, installations: Arc<Installations>, metrics: Arc<Metrics>) -> Self {
        Self {
            store,
            installations,
            metrics,
            outlet: Arc::new(NoOutlet),
            most: MAX_LANE,
            most_in_mailbox: MAX_MAILBOX,
            locks: (0..64).map(|_| Mutex::new(())).collect(),
        }
    }

    /// With another number of messages that may wait in one conversation.
    #[must_use]
    pub fn at_most(mut self, most: u64) -> Self {
        self.most = most;
        self
    }

    /// With another number of events of one live conversation that may wait for its bot.
    #[must_use]
    pub fn mailbox_at_most(mut self, most: u64) -> Self {
        self.most_in_mailbox = most;
        self
    }

    /// Tells those who listen to live conversations.
    #[must_use]
    pub fn with_outlet(mut self, outlet: Arc<dyn Outlet>) -> Self {
        self.outlet = outlet;
        self
    }

    /// Keeps a message of the bot and puts it into its conversation's outbox. In a conversation whose
    /// installation is gone, or that never had one, it is only kept.
    ///
    /// # Errors
    /// [`AcceptError`]; then nothing was stored.
    pub async fn accept(&self, new: NewMessage) -> Result<Message, AcceptError> {
        let draft = draft(&new, Direction::Outgoing, EventId::new())?;
        let (bot, once) = (new.bot, new.once);
        first(self.store_all(&bot, vec![draft], once, &[]).await?)
    }

    /// Keeps a message that an integration brings (`x-integration-id`) and journals `message_created` for the
    /// bot.
    ///
    /// # Errors
    /// [`AcceptError`]; then nothing was stored.
    pub async fn incoming(&self, new: NewMessage) -> Result<Message, AcceptError> {
        let draft = draft(&new, Direction::Incoming, EventId::new())?;
        let (bot, once) = (new.bot, new.once);
        first(self.store_all(&bot, vec![draft], once, &[]).await?)
    }

    /// Keeps a message for later; [`crate::Scheduler`] accepts it when its time has come.
    ///
    /// # Errors
    /// As [`Outbox::accept`]; the length of the outbox is looked at when the message is due.
    pub async fn schedule(&self, new: NewMessage, due: Millis) -> Result<Message, AcceptError> {
        let Draft { mut message, event, .. } = draft(&new, Direction::Outgoing, EventId::new())?;
        let records = Records::of(self.store.clone(), new.bot.clone());
        if records.conversation(message.conversation).await?.is_none() {
            return Err(AcceptError::ReferenceNotFound("the conversation"));
        }
        if message.user != UserId::of_bot(&new.bot) && records.user(&message.user).await?.is_none() {
            return Err(AcceptError::ReferenceNotFound("the user"));
        }
        message.delivery = None;
        let what = Scheduled::Message { bot: new.bot.clone(), message: Box::new(message.clone()) };
        let mut commit = Commit::of(schedule_changes(&format!("message:{event}"), Some(due), &what));
        if let Some(once) = new.once {
            commit = commit.once(Once {
                key: once.key,
                hash: once.hash,
                answer: answer(std::slice::from_ref(&message)),
            });
        }
        match self.store.commit(commit).await? {
            Committed::Done(_) => Ok(message),
            Committed::Same(answer) => first(self.answered(&records, &answer).await?),
        }
    }

    /// Accepts a message whose time has come; `extra` takes it off the schedule in the same commit.
    pub(crate) async fn accept_due(
        &self,
        bot: &BotId,
        mut message: Message,
        extra: &[Change],
    ) -> Result<Message, AcceptError> {
        // The id stays the one that the caller was told; the event gets one of today.
        (message.created_at, message.updated_at) = (now(), now());
        first(
            self.store_all(bot, vec![Draft { message, event: EventId::new(), client_id: None }], None, extra)
                .await?,
        )
    }

    pub(crate) async fn lock(&self, conversation: ConversationId) -> tokio::sync::MutexGuard<'_, ()> {
        // Its bytes are a digest, so they spread evenly.
        let index = usize::from(conversation.0[15]) % self.locks.len();
        self.locks[index].lock().await
    }

    /// Keeps messages of one conversation in one commit; made again while rows change under it.
    pub(crate) async fn store_all(
        &self,
        bot: &BotId,
        drafts: Vec<Draft>,
        once: Option<OnceKey>,
        extra: &[Change],
    ) -> Result<Vec<Message>, AcceptError> {
        self.keep(bot, drafts, once, extra, None).await.map(|kept| kept.messages)
    }

    /// As [`Outbox::store_all`]; of a visitor's `client` id only one is kept.
    pub(crate) async fn keep(
        &self,
        bot: &BotId,
        mut drafts: Vec<Draft>,
        once: Option<OnceKey>,
        extra: &[Change],
        client: Option<&Key>,
    ) -> Result<Kept, AcceptError> {
        let Some(conversation) = drafts.first().map(|draft| draft.message.conversation) else {
            return Ok(Kept { messages: Vec::new(), seqs: Vec::new(), repeat: false });
        };
        let records = Records::of(self.store.clone(), bot.clone());
        let _turn = self.lock(conversation).await;
        let mut tries = 0;
        loop {
            let known = self.sent_before(client).await?;
            if let Some((sent, _)) = known.filter(|(sent, _)| sent.until > now()) {
                return self.kept_before(&records, &sent, drafts).await;
            }
            let Batch { mut changes, shown } = match self.changes(&records, conversation, &mut drafts).await {
                Ok(batch) => batch,
                // A repeat must get its first answer even when the outbox is full now or the user is gone.
                Err(refusal) => match self.probe(&records, once).await? {
                    Some(first) => return Ok(Kept::before(first)),
                    None => return Err(refusal),
                },
            };
            if let (Some(key), Some(draft)) = (client, drafts.first()) {
                let seq = shown.first().map_or(0, |item| item.seq);
                let sent = sent_now(conversation, draft.message.id.0, seq, draft.message.created_at);
                changes.push(sent.change(key.clone(), known.map(|(_, version)| version)));
            }
            let messages: Vec<Message> = drafts.iter().map(|draft| draft.message.clone()).collect();
            let mut commit = Commit::of(changes.into_iter().chain(extra.iter().cloned()));
            if let Some(once) = once {
                commit = commit.once(Once { key: once.key, hash: once.hash, answer: answer(&messages) });
            }
            match self.store.commit(commit).await {
                Ok(Committed::Done(_)) => {
                    let seqs = shown.iter().map(|item| item.seq).collect();
                    for item in shown {
                        self.outlet.shown(conversation, item);
                    }
                    return Ok(Kept { messages, seqs, repeat: false });
                }
                Ok(Committed::Same(stored)) => {
                    return self.answered(&records, &stored).await.map(Kept::before);
                }
                // A conflict of `extra` (the schedule, a claim) is the caller's; rows written here are read anew.
                Err(StoreError::Conflict { table })
                    if !matches!(table, Table::Schedule | Table::Index) && tries < MAX_CONFLICTS =>
                {
                    tries += 1;
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What an earlier call of the same key was answered, without storing anything.
    async fn probe(
        &self,
        records: &Records,
        once: Option<OnceKey>,
    ) -> Result<Option<Vec<Message>>, AcceptError> {
        let Some(once) = once else { return Ok(None) };
        // A commit that can't happen: a row that is written by nobody is expected to be there.
        let impossible = Change::Write {
            table: Table::Meta,
            key: Key::new().text("outbound").text("never"),
            value: None,
            expect: portico_store::Expect::Version(u64::MAX),
        };
        let commit =
            Commit::of([impossible]).once(Once { key: once.key, hash: once.hash, answer: Bytes::new() });
        match self.store.commit(commit).await {
            Ok(Committed::Same(stored)) => self.answered(records, &stored).await.map(Some),
            Ok(Committed::Done(_)) | Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn answered(&self, records: &Records, stored: &[u8]) -> Result<Vec<Message>, AcceptError> {
        let damaged = || StoreError::Damaged("an idempotency key's answer does not read".into());
        match serde_json::from_slice(stored).map_err(|_| damaged())? {
            Answer::Whole(messages) => Ok(messages),
            Answer::Named(ids) => {
                let mut messages = Vec::with_capacity(ids.len());
                for (conversation, id) in ids {
                    let found = records.message_in(conversation, id).await?.ok_or(AcceptError::NotFound)?;
                    messages.push(found.value);
                }
                Ok(messages)
            }
        }
    }

    async fn changes(
        &self,
        records: &Records,
        conversation: ConversationId,
        drafts: &mut [Draft],
    ) -> Result<Batch, AcceptError> {
        let bot = records.bot().clone();
        let place = records
            .conversation(conversation)
            .await?
            .ok_or(AcceptError::ReferenceNotFound("the conversation"))?;
        let carrier = self.carrier(&place.value);
        let mut changes = Vec::with_capacity(6 + drafts.len() * 3);
        let mut senders: Vec<UserId> = drafts.iter().map(|draft| draft.message.user.clone()).collect();
        senders.sort();
        senders.dedup();
        for sender in &senders {
            changes.extend(sender_changes(records, &place.value, sender).await?);
        }
        let going_out = drafts.iter().filter(|draft| draft.message.direction == Direction::Outgoing).count();
        if carrier.is_some() && going_out > 0 {
            self.check_room(conversation, going_out as u64).await?;
        }
        let mut latest = place.value.updated_at;
        for draft in drafts.iter_mut() {
            latest = latest.max(draft.message.created_at);
            changes.extend(draft_changes(records, &place, carrier.as_deref(), &bot, draft));
        }
        let mut counted = place.value.clone();
        counted.message_count += drafts.len() as u64;
        counted.updated_at = latest;
        changes.extend(records.conversation_changes(Some(&place), &counted));
        let shown = match &carrier {
            Some(carrier) if is_live(carrier) => {
                let (more, shown) = incoming_items(records, conversation, drafts).await?;
                changes.extend(more);
                let items = shown.iter().map(|item| (item.seq, &item.item));
                changes.extend(signals::entries(&bot, Some(carrier), conversation, items));
                shown
            }
            _ => Vec::new(),
        };
        Ok(Batch { changes, shown })
    }

    /// The installation that carries a conversation, if it is there.
    pub(crate) fn carrier(&self, conversation: &Conversation) -> Option<Arc<Installation>> {
        self.installations.get(conversation.installation.as_ref()?)
    }

    pub(crate) async fn check_room(
        &self,
        conversation: ConversationId,
        more: u64,
    ) -> Result<(), AcceptError> {
        let waiting = self
            .store
            .lane(Lane::outbound(conversation))
            .await?
            .map_or(0, |lane| lane.next.saturating_sub(lane.head));
        if waiting + more > self.most {
            self.metrics.limits.inc(Limit::Outbox);
            return Err(AcceptError::TooMany { retry_after: Duration::from_secs(5) });
        }
        Ok(())
    }
}

fn first(messages: Vec<Message>) -> Result<Message, AcceptError> {
    messages.into_iter().next().ok_or(AcceptError::NotFound)
}

fn answer(messages: &[Message]) -> Bytes {
    let whole = serde_json::to_vec(&serde_json::json!({ "whole": messages })).unwrap_or_default();
    if whole.len() <= MAX_ANSWER {
        return whole.into();
    }
    let named = Answer::Named(messages.iter().map(|message| (message.conversation, message.id)).collect());
    serde_json::to_vec(&named).unwrap_or_default().into()
}
