//! How far a visitor's own message got, in its row: what a history tells after the stream's word is long gone.

use portico_store::records::{DeliveryStatus, Direction, Message, MessageDelivery, StreamStatus};

use crate::now;

/// A visitor's message as it stands once it got somewhere; `None` where that is no news, or the message is the
/// bot's. A message goes forward only, but for one that had failed: an operator may have offered it again.
pub fn reached(message: &Message, status: StreamStatus, reason: Option<String>) -> Option<Message> {
    if message.direction != Direction::Incoming {
        return None;
    }
    let status = match status {
        StreamStatus::Delivered => DeliveryStatus::Delivered,
        StreamStatus::Read => DeliveryStatus::Read,
        StreamStatus::Failed => DeliveryStatus::Failed,
    };
    let before = message.delivery.as_ref().map(|delivery| delivery.status);
    let is_news =
        before.is_none_or(|before| before != status && (before == DeliveryStatus::Failed || before < status));
    is_news.then(|| Message {
        delivery: Some(MessageDelivery {
            status,
            at: now(),
            reason,
            external_ids: Vec::new(),
            possible_duplicate: false,
        }),
        ..message.clone()
    })
}

#[cfg(test)]
mod tests {
    use portico_contract::{ConversationId, EventId, MessageId, UserId};
    use portico_store::records::TagMap;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_visitors_message_goes_forward_and_leaves_failure_behind() {
        let mut message = Message {
            id: MessageId::of_event(EventId::new()),
            conversation: ConversationId([7; 16]),
            user: UserId::new(),
            kind: "text".into(),
            payload: json!({ "text": "hi" }),
            tags: TagMap::new(),
            direction: Direction::Incoming,
            origin: None,
            delivery: None,
            created_at: 1,
            updated_at: 1,
        };
        for (status, told) in [
            (StreamStatus::Delivered, true),
            (StreamStatus::Delivered, false),
            (StreamStatus::Read, true),
            (StreamStatus::Delivered, false),
            (StreamStatus::Failed, true),
            (StreamStatus::Failed, false),
            (StreamStatus::Delivered, true),
        ] {
            let next = reached(&message, status, Some("why".into()));
            assert_eq!(next.is_some(), told, "{status:?}");
            if let Some(next) = next {
                assert_eq!(next.updated_at, message.updated_at);
                message = next;
                assert_eq!(message.delivery.as_ref().unwrap().status.as_str(), status.as_str());
            }
        }
        message.direction = Direction::Outgoing;
        assert_eq!(reached(&message, StreamStatus::Read, None), None);
    }
}
