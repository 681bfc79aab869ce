//! Messages on their way into a commit: checked by themselves, with the changes that keep each.

use std::sync::Arc;

use portico_contract::{BotId, ConversationId, EventId, MessageId, UserId};
use portico_store::records::{
    Conversation, DeliveryStatus, Direction, GatewayEvent, Message, MessageDelivery, Outgoing, Records,
    StreamItem, StreamWhat, TagMap, User, Versioned,
};
use portico_store::{Change, Lane, StoreError};
use portico_turns::{Installation, ShownItem};
use serde_json::Value;

use crate::accept::{NewMessage, REPLY_TO};
use crate::check::check_payload;
use crate::entry::{gateway_entry, no_installation, outgoing_entry};
use crate::{AcceptError, now};

/// One message on its way into a commit.
pub(crate) struct Draft {
    pub(crate) message: Message,
    pub(crate) event: EventId,
    /// The id under which a visitor's program sent it.
    pub(crate) client_id: Option<String>,
}

/// Checks a new message by itself.
pub(crate) fn draft(new: &NewMessage, direction: Direction, event: EventId) -> Result<Draft, AcceptError> {
    check_payload(&new.kind, &new.payload)?;
    let mut tags = new.tags.clone();
    tags.retain(|_, value| !value.is_empty());
    if let Some(reply_to) = new.reply_to {
        tags.insert(REPLY_TO.to_owned(), reply_to.to_string());
    }
    let now = now();
    let message = Message {
        id: MessageId::of_event(event),
        conversation: new.conversation,
        user: new.user.clone(),
        direction,
        kind: new.kind.clone(),
        payload: new.payload.clone(),
        tags,
        delivery: None,
        origin: new.origin.clone(),
        created_at: now,
        updated_at: now,
    };
    Ok(Draft { message, event, client_id: None })
}

/// The places of messages that came in, in the stream of their conversation.
pub(crate) async fn incoming_items(
    records: &Records,
    conversation: ConversationId,
    drafts: &[Draft],
) -> Result<(Vec<Change>, Vec<ShownItem>), StoreError> {
    let incoming: Vec<&Draft> =
        drafts.iter().filter(|draft| draft.message.direction == Direction::Incoming).collect();
    if incoming.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let item = |draft: &Draft| StreamItem {
        at: draft.message.created_at,
        what: StreamWhat::Message { id: draft.message.id },
        client_id: draft.client_id.clone(),
    };
    let items: Vec<StreamItem> = incoming.iter().map(|draft| item(draft)).collect();
    let head = records.stream_head(conversation).await?;
    let (changes, begin) = records.stream_changes(conversation, head.as_ref(), &items);
    let shown = items
        .into_iter()
        .zip(incoming)
        .zip(begin..)
        .map(|((item, draft), seq)| ShownItem { seq, item, message: Some(Arc::new(draft.message.clone())) })
        .collect();
    Ok((changes, shown))
}

/// Changes that make sure that the sender is there and takes part.
pub(crate) async fn sender_changes(
    records: &Records,
    conversation: &Conversation,
    sender: &UserId,
) -> Result<Vec<Change>, AcceptError> {
    let mut changes = Vec::new();
    if records.user(sender).await?.is_none() {
        if *sender != UserId::of_bot(records.bot()) {
            return Err(AcceptError::ReferenceNotFound("the user"));
        }
        let now = now();
        let user = User {
            id: sender.clone(),
            name: None,
            picture_url: None,
            tags: TagMap::new(),
            properties: TagMap::new(),
            attributes: TagMap::new(),
            party: None,
            created_at: now,
            updated_at: now,
        };
        changes.extend(records.user_changes(None, &user));
    }
    if !records.is_participant(conversation.id, sender).await? {
        changes.extend(records.participant_changes(conversation.id, sender, true));
    }
    Ok(changes)
}

pub(crate) fn draft_changes(
    records: &Records,
    place: &Versioned<Conversation>,
    carrier: Option<&Installation>,
    bot: &BotId,
    draft: &mut Draft,
) -> Vec<Change> {
    let message = &mut draft.message;
    let entry = match (message.direction, carrier) {
        (Direction::Incoming, _) => {
            let event = GatewayEvent {
                kind: "message_created".into(),
                payload: Value::Null,
                conversation_id: Some(message.conversation),
                user_id: Some(message.user.clone()),
                message_id: Some(message.id),
                workflow_id: None,
            };
            let installation = place.value.installation.clone().unwrap_or_else(no_installation);
            Some(gateway_entry(bot, installation, Lane::inbound(message.conversation), draft.event, &event))
        }
        (Direction::Outgoing, Some(carrier)) => {
            message.delivery = Some(MessageDelivery {
                status: DeliveryStatus::Pending,
                at: message.created_at,
                reason: None,
                external_ids: Vec::new(),
                possible_duplicate: false,
            });
            let body = Outgoing::Message { message: message.id };
            Some(outgoing_entry(bot, carrier.id.clone(), message.conversation, draft.event, &body))
        }
        (Direction::Outgoing, None) => {
            message.delivery = None;
            None
        }
    };
    let mut changes = records.message_changes(None, message);
    changes.extend(entry);
    changes
}
