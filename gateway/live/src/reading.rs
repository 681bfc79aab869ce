//! Reading a stream: how far it reaches, what is new, what was before, and how far somebody has read.

use std::sync::Arc;

use portico_contract::{ConversationId, EventId, UserId};
use portico_outbound::StreamWrite;
use portico_store::records::{
    DeliveryStatus, Direction, GatewayEvent, Message, MessageDelivery, ReadMark, Records, StreamItem,
    StreamWhat,
};
use portico_store::{Append, Change, Durability, EventKind, Lane, NewEvent};
use portico_turns::{Installation, now};
use serde_json::json;

use crate::{Bounds, Listener, Live, LiveError, Shown, Signal, Speaker, What};

/// Items that are read in one go while messages are looked for.
const BATCH: usize = 100;
/// Most items that one call of the history looks at.
const MOST: usize = 5_000;
/// Most messages that one call marks as read; older ones were shown long ago.
const MOST_READ: usize = 500;
/// How long typing is shown, in milliseconds; the client tells it again every 3 s.
const TYPING: u32 = 10_000;

/// How far a stream reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the oldest item that is kept; `last + 1` when there is none. Who has seen less than `first - 1`
    /// can't go on and reads the history.
    pub first: u64,
    /// Number of the newest item; 0 when there was none yet.
    pub last: u64,
}

impl Live {
    /// How far the stream of a conversation reaches.
    ///
    /// # Errors
    /// The store's.
    pub async fn head(
        &self,
        at: &Arc<Installation>,
        conversation: ConversationId,
    ) -> Result<Head, LiveError> {
        let head =
            self.records(at).stream_head(conversation).await?.map(|head| head.value).unwrap_or_default();
        Ok(Head { first: head.first, last: head.last() })
    }

    /// Items after a number, ascending, without gaps as far as they are kept.
    ///
    /// # Errors
    /// The store's.
    pub async fn items(
        &self,
        at: &Arc<Installation>,
        conversation: ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Shown>, LiveError> {
        let records = self.records(at);
        let items = records.stream_items(conversation, after, limit).await?;
        let mut shown = Vec::with_capacity(items.len());
        for (seq, item) in items {
            shown.push(show(&records, conversation, seq, item).await?);
        }
        Ok(shown)
    }

    /// Messages before a number (`None`: the newest), descending; removed ones are left out.
    ///
    /// # Errors
    /// The store's.
    pub async fn history(
        &self,
        at: &Arc<Installation>,
        conversation: ConversationId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Shown>, LiveError> {
        let records = self.records(at);
        let (mut shown, mut before, mut looked) = (Vec::new(), before, 0);
        while shown.len() < limit && looked < MOST {
            let items = records.stream_items_before(conversation, before, BATCH).await?;
            let full = items.len() == BATCH;
            looked += items.len();
            for (seq, item) in items {
                before = Some(seq);
                if shown.len() < limit && matches!(item.what, StreamWhat::Message { .. }) {
                    let one = show(&records, conversation, seq, item).await?;
                    if matches!(one.what, What::Message { .. }) {
                        shown.push(one);
                    }
                }
            }
            if !full {
                break;
            }
        }
        Ok(shown)
    }

    /// A visitor has read everything up to a number: the bot's messages become read, and the core learns it
    /// (`message_read`, for the newest of them). Going back changes nothing.
    ///
    /// # Errors
    /// `NotFound("conversation")`, `Forbidden` when the user takes no part, and the store's.
    pub async fn read(
        &self,
        at: &Arc<Installation>,
        conversation: ConversationId,
        user: &UserId,
        through_seq: u64,
    ) -> Result<(), LiveError> {
        self.taking_part(at, conversation, user).await?;
        let records = &self.records(at);
        let make = |next: u64| async move {
            let mark = ReadMark::find(records, conversation, user).await?;
            let through = through_seq.min(next.saturating_sub(1));
            let from = mark.map_or(0, |(mark, _)| mark.through);
            if through <= from {
                return Ok(None);
            }
            let read = unread(records, conversation, from, through).await?;
            let mut changes = vec![ReadMark { through }.change(
                records,
                conversation,
                user,
                mark.map(|(_, version)| version),
            )];
            if let Some(newest) = read.first() {
                changes.push(told_read(at, conversation, user, &newest.value));
            }
            for old in read {
                let mut message = old.value.clone();
                if let Some(delivery) = &mut message.delivery {
                    (delivery.status, delivery.at) = (DeliveryStatus::Read, now());
                }
                changes.extend(records.message_changes(Some(&old), &message));
            }
            Ok::<_, LiveError>(Some(StreamWrite { changes, items: Vec::new() }))
        };
        // What it says has been seen by a person; after a crash they say it again at the next message.
        self.inner.outbox.write_stream(&at.bot, conversation, Durability::Ordered, make).await?;
        Ok(())
    }

    /// How far a user has read; 0 before the first time.
    ///
    /// # Errors
    /// The store's.
    pub async fn read_through(
        &self,
        at: &Arc<Installation>,
        conversation: ConversationId,
        user: &UserId,
    ) -> Result<u64, LiveError> {
        let mark = ReadMark::find(&self.records(at), conversation, user).await?;
        Ok(mark.map_or(0, |(mark, _)| mark.through))
    }

    /// Tells the others that somebody writes, or stopped.
    pub fn typing(&self, conversation: ConversationId, by: &str, on: bool) {
        let by = Speaker { user: by.to_owned(), is_bot: false };
        self.hub().show(conversation, Signal::Typing { by, on, timeout_ms: TYPING });
    }

    /// Listens to a conversation from now on; [`Listener::after`] begins where somebody stopped.
    pub fn listen(&self, at: &Arc<Installation>, conversation: ConversationId, bounds: Bounds) -> Listener {
        Listener::new(self.clone(), at.clone(), conversation, bounds)
    }
}

/// An item with the rows that it points at.
async fn show(
    records: &Records,
    conversation: ConversationId,
    seq: u64,
    item: StreamItem,
) -> Result<Shown, LiveError> {
    let StreamItem { at, what, client_id } = item;
    let message =
        async |id| Ok::<_, LiveError>(records.message_in(conversation, id).await?.map(|row| row.value));
    let what = match what {
        StreamWhat::Message { id } => match message(id).await? {
            Some(message) => What::Message { message: Arc::new(message), client_id },
            None => What::Deleted { id, user: None },
        },
        StreamWhat::Updated { id } => match message(id).await? {
            Some(message) => What::Updated { message: Arc::new(message) },
            None => What::Deleted { id, user: None },
        },
        StreamWhat::Deleted { id, user } => What::Deleted { id, user: Some(user) },
        StreamWhat::Status { id, status, reason } => What::Status { id, status, reason },
        StreamWhat::Participant { user, joined } => {
            let person = records.user(&user).await?.map(|row| Arc::new(row.value));
            What::Participant { user, person, joined }
        }
        StreamWhat::Conversation => {
            let row = records.conversation(conversation).await?;
            What::Conversation { conversation: row.map(|row| Arc::new(row.value)) }
        }
        StreamWhat::Event { id, name, user, data, is_bot } => {
            What::Event { id, name, user, data, is_bot, client_id }
        }
    };
    Ok(Shown::new(seq, at, what))
}

/// Messages of the bot within a stretch of the stream that are not marked as read, newest first.
async fn unread(
    records: &Records,
    conversation: ConversationId,
    from: u64,
    through: u64,
) -> Result<Vec<portico_store::records::Versioned<Message>>, LiveError> {
    let mut before = Some(through.saturating_add(1));
    let mut found = Vec::new();
    loop {
        let items = records.stream_items_before(conversation, before, BATCH).await?;
        let full = items.len() == BATCH;
        for (seq, item) in items {
            if seq <= from || found.len() >= MOST_READ {
                return Ok(found);
            }
            before = Some(seq);
            if let StreamWhat::Message { id } = item.what
                && let Some(row) = records.message_in(conversation, id).await?
                && is_unread(&row.value)
            {
                found.push(row);
            }
        }
        if !full {
            return Ok(found);
        }
    }
}

fn is_unread(message: &Message) -> bool {
    let sent = |delivery: &MessageDelivery| {
        matches!(delivery.status, DeliveryStatus::Sent | DeliveryStatus::Delivered)
    };
    message.direction == Direction::Outgoing && message.delivery.as_ref().is_some_and(sent)
}

/// The event by which the core learns that a message was read.
fn told_read(at: &Installation, conversation: ConversationId, user: &UserId, message: &Message) -> Change {
    let event = GatewayEvent {
        kind: "message_read".into(),
        payload: json!({ "status": "read", "at": portico_store::records::iso(now()) }),
        conversation_id: Some(conversation),
        user_id: Some(user.clone()),
        message_id: Some(message.id),
        workflow_id: None,
    };
    Change::Append(Append {
        key: None,
        keep_days: 3,
        lane: Lane::inbound(conversation),
        event: NewEvent {
            id: EventId::new(),
            bot: at.bot.clone(),
            installation: at.id.clone(),
            kind: EventKind::Gateway,
            received_at: now(),
            body: serde_json::to_vec(&event).unwrap_or_default().into(),
            raw: bytes::Bytes::new(),
            raw_of: None,
        },
    })
}
