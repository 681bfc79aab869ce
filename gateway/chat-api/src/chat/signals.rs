//! What happened, in this API's form: for those who listen, and for the address that an operator set.
//!
//! The client checks each signal strictly and loses what does not fit: every date ends in `Z`, an optional field is
//! left out and never `null`.

use std::sync::Arc;

use async_trait::async_trait;
use portico_contract::{ConversationId, Millis};
use portico_live::{Live, LiveError, Shown, Signals, What};
use portico_store::StoreError;
use portico_store::records::{Direction, iso};
use portico_turns::Installation;
use serde_json::{Value, json};

use super::wire::Names;
use super::{events, ids, wire};
use crate::feed::{object, signal};

/// The signal of an item of a conversation's stream, with the conversation's id on this API. `None`: this API has
/// no words for it.
pub(crate) async fn of_item(
    live: &Live,
    names: &mut Names,
    conversation: &str,
    shown: &Shown,
) -> Option<Value> {
    Some(match &shown.what {
        What::Message { message, .. } => {
            let user = names.of(live, &message.user).await;
            let mut data = wire::message(message, conversation, &user);
            data.insert("isBot".into(), (message.direction == Direction::Outgoing).into());
            signal("message_created", Value::Object(data))
        }
        What::Deleted { id, user } => {
            let user = names.of(live, user.as_ref()?).await;
            let data = json!({ "id": id, "conversationId": conversation, "userId": user });
            signal("message_deleted", data)
        }
        What::Participant { user, joined, .. } => {
            let user = names.of(live, user).await;
            let data = json!({ "conversationId": conversation, "participantId": user });
            signal(if *joined { "participant_added" } else { "participant_removed" }, data)
        }
        What::Event { id, user, data, is_bot, name, .. } if name == events::CUSTOM || *is_bot => {
            let payload = if *is_bot { object(data) } else { events::inner(data) };
            let user = names.of(live, user).await;
            event(json!(id), id.millis(), conversation, &user, payload, *is_bot)
        }
        What::Event { .. } | What::Updated { .. } | What::Status { .. } | What::Conversation { .. } => {
            return None;
        }
    })
}

/// An event that somebody told.
pub(crate) fn event(
    id: Value,
    at: u64,
    conversation: &str,
    user: &str,
    payload: Value,
    is_bot: bool,
) -> Value {
    let data = json!({
        "id": id, "createdAt": iso(at), "conversationId": conversation, "userId": user,
        "payload": payload, "isBot": is_bot,
    });
    signal("event_created", data)
}

/// The forms for the address that an operator set.
#[derive(Clone, Debug)]
pub struct ChatSignals(pub Live);

#[async_trait]
impl Signals for ChatSignals {
    async fn of_item(
        &self,
        at: &Arc<Installation>,
        conversation: ConversationId,
        seq: u64,
    ) -> Result<Option<Value>, StoreError> {
        let Some(place) = self.0.conversation(at, conversation).await.map_err(refused)? else {
            return Ok(None);
        };
        let items = self.0.items(at, conversation, seq.saturating_sub(1), 1).await.map_err(refused)?;
        let Some(shown) = items.first().filter(|shown| shown.seq == seq) else { return Ok(None) };
        let id = ids::of_conversation(at, &place);
        Ok(of_item(&self.0, &mut Names::unknown(at), &id, shown).await)
    }

    async fn of_event(
        &self,
        at: &Arc<Installation>,
        conversation: ConversationId,
        when: Millis,
        data: &Value,
    ) -> Result<Option<Value>, StoreError> {
        let place = self.0.conversation(at, conversation).await.map_err(refused)?;
        let told = |place| {
            let id = ids::of_conversation(at, &place);
            event(Value::Null, when, &id, at.bot.as_str(), object(data), true)
        };
        Ok(place.map(told))
    }
}

fn refused(error: LiveError) -> StoreError {
    match error {
        LiveError::Store(error) => error,
        other => StoreError::Unavailable(other.to_string()),
    }
}
