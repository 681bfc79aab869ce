//! What visitors of live conversations say and tell: kept once per id of theirs, numbered, journaled for the bot.

use std::time::Duration;

use portico_contract::{BotId, ConversationId, EventId, InstallationId, Millis, UserId};
use portico_store::records::{Direction, GatewayEvent, Message, Records, StreamItem, StreamWhat};
use portico_store::{Durability, Key, Lane};
use portico_telemetry::metrics::Limit;
use serde_json::Value;

use crate::accept::{NewMessage, Outbox};
use crate::draft::draft;
use crate::entry::gateway_entry;
use crate::stream::{StreamWrite, client_key, sent_now};
use crate::{AcceptError, now, stream};

/// An id under which a visitor's program sends something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientId {
    /// The installation.
    pub installation: InstallationId,
    /// The visitor.
    pub user: UserId,
    /// The id.
    pub id: String,
}

/// A visitor's message that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct SaidOnce {
    /// The message.
    pub message: Message,
    /// Its number in the stream; 0 where the conversation is not live.
    pub seq: u64,
    /// Whether an earlier call kept it.
    pub repeat: bool,
}

/// A visitor's event to journal.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEventOf {
    /// The bot.
    pub bot: BotId,
    /// The installation that brings it.
    pub installation: InstallationId,
    /// The conversation.
    pub conversation: ConversationId,
    /// Who causes it.
    pub user: UserId,
    /// Type as the bot sees it: `<alias>:<name>`.
    pub kind: String,
    /// Name in the stream, where it is to be shown there.
    pub shown: Option<String>,
    /// Payload as the bot sees it, and the stream.
    pub payload: Value,
}

/// A visitor's event that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldOnce {
    /// Its id.
    pub id: EventId,
    /// Its number in the stream, where it is shown.
    pub seq: Option<u64>,
    /// When.
    pub at: Millis,
    /// Whether an earlier call kept it.
    pub repeat: bool,
}

impl Outbox {
    /// As [`Outbox::incoming`], for a visitor of a live conversation: the message's place in the stream and the
    /// visitor's id for it are in the same commit. A repeat of the id gets the first answer.
    ///
    /// # Errors
    /// [`AcceptError`]; then nothing was stored.
    pub async fn say(&self, new: NewMessage, client: Option<ClientId>) -> Result<SaidOnce, AcceptError> {
        let mut draft = draft(&new, Direction::Incoming, EventId::new())?;
        draft.client_id = client.as_ref().map(|client| client.id.clone());
        let key = client.as_ref().map(client_key);
        self.check_mailbox(new.conversation, key.as_ref()).await?;
        let kept = self.keep(&new.bot, vec![draft], new.once, &[], key.as_ref()).await?;
        let message = kept.messages.into_iter().next().ok_or(AcceptError::NotFound)?;
        Ok(SaidOnce { message, seq: kept.seqs.first().copied().unwrap_or(0), repeat: kept.repeat })
    }

    /// Journals a visitor's event for the bot, with its place in the stream where it is shown. A repeat of the id
    /// gets the first answer.
    ///
    /// # Errors
    /// As the store's.
    pub async fn tell(&self, new: NewEventOf, client: Option<ClientId>) -> Result<ToldOnce, AcceptError> {
        let records = Records::of(self.store.clone(), new.bot.clone());
        let key = client.as_ref().map(client_key);
        let (id, at) = (EventId::new(), now());
        let event = GatewayEvent {
            kind: new.kind.clone(),
            payload: new.payload.clone(),
            conversation_id: Some(new.conversation),
            user_id: Some(new.user.clone()),
            message_id: None,
            workflow_id: None,
        };
        let item = new.shown.as_ref().map(|name| StreamItem {
            at,
            what: StreamWhat::Event {
                id,
                name: name.clone(),
                user: new.user.clone(),
                data: new.payload.clone(),
                is_bot: false,
            },
            client_id: client.as_ref().map(|client| client.id.clone()),
        });
        self.check_mailbox(new.conversation, key.as_ref()).await?;
        let _turn = self.lock(new.conversation).await;
        let before = parking_lot::Mutex::new(None);
        let make = |next| {
            let (key, item, before, event, new) = (&key, &item, &before, &event, &new);
            async move {
                let known = self.sent_before(key.as_ref()).await?;
                if let Some((sent, _)) = known.filter(|(sent, _)| sent.until > now()) {
                    *before.lock() = Some(sent);
                    return Ok(None);
                }
                let lane = Lane::inbound(new.conversation);
                let mut changes = vec![gateway_entry(&new.bot, new.installation.clone(), lane, id, event)];
                if let Some(key) = &key {
                    let seq = if item.is_some() { next } else { 0 };
                    let sent = sent_now(new.conversation, id.0, seq, at);
                    changes.push(sent.change(key.clone(), known.map(|(_, version)| version)));
                }
                let items = item.clone().map(|item| (item, None)).into_iter().collect();
                Ok::<_, AcceptError>(Some(StreamWrite { changes, items }))
            }
        };
        let outlet = self.outlet.as_ref();
        let teller = self.teller(&records, new.conversation).await?;
        let (place, durability) = (new.conversation, Durability::Synced);
        let written = stream::write(&records, outlet, place, teller.as_deref(), durability, make).await?;
        if let Some(sent) = before.into_inner() {
            let seq = (sent.seq > 0).then_some(sent.seq);
            return Ok(ToldOnce { id: EventId(sent.id), seq, at: sent.at, repeat: true });
        }
        let seq = written.and_then(|seqs| seqs.first().copied());
        Ok(ToldOnce { id, seq, at, repeat: false })
    }

    /// Refuses what a visitor sends while too much of this conversation waits for its bot. A repeat passes: it
    /// stores nothing.
    async fn check_mailbox(
        &self,
        conversation: ConversationId,
        client: Option<&Key>,
    ) -> Result<(), AcceptError> {
        let waiting = self
            .store
            .lane(Lane::inbound(conversation))
            .await?
            .map_or(0, |lane| lane.next.saturating_sub(lane.head));
        if waiting < self.most_in_mailbox || self.sent_before(client).await?.is_some() {
            return Ok(());
        }
        self.metrics.limits.inc(Limit::Mailbox);
        Err(AcceptError::TooMany { retry_after: Duration::from_secs(5) })
    }
}
