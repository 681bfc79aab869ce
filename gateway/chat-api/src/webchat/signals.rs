//! Signals of this API.

use std::sync::Arc;

use async_trait::async_trait;
use portico_contract::{ConversationId, MessageId, UserId};
use portico_live::{Shown, Signal, StreamStatus, What};
use portico_turns::Installation;
use serde_json::{Value, json};

use super::wire;
use crate::Api;
use crate::feed::{Said, Wire, object, signal};

/// A visitor's stream.
pub(crate) struct Webchat {
    pub(crate) api: Api,
    pub(crate) at: Arc<Installation>,
    pub(crate) conversation: ConversationId,
    pub(crate) me: UserId,
}

#[async_trait]
impl Wire for Webchat {
    async fn item(&mut self, shown: &Shown) -> Said {
        let signals = match &shown.what {
            What::Message { message, .. } => {
                vec![signal("message_created", wire::message(&self.at, message))]
            }
            What::Updated { message } => vec![signal("message_updated", wire::message(&self.at, message))],
            What::Status { id, status, reason } => {
                self.status(*id, *status, reason.as_deref()).await.into_iter().collect()
            }
            What::Participant { user, person, joined: true } => {
                let Some(person) = person else { return Said::default() };
                let data = json!({
                    "conversationId": self.conversation, "participant": wire::user(&self.at, person),
                });
                debug_assert_eq!(person.id, *user);
                vec![signal("participant_added", data)]
            }
            What::Participant { user, joined: false, .. } => {
                let data = json!({ "conversationId": self.conversation, "participantId": user });
                let signals = vec![signal("participant_removed", data)];
                return Said { signals, last: *user == self.me };
            }
            What::Event { data, is_bot: true, .. } => vec![custom(data)],
            // A conversation that is gone has nothing more to say.
            What::Conversation { conversation: None } => return Said { signals: Vec::new(), last: true },
            // The client has no words for the rest.
            What::Event { .. } | What::Deleted { .. } | What::Conversation { .. } => Vec::new(),
        };
        signals.into()
    }

    async fn signal(&mut self, heard: &Signal) -> Said {
        let visibility = |word: &str| vec![signal("webchat_visibility", json!({ "visibility": word }))];
        match heard {
            // What the visitor types is no news to the visitor.
            Signal::Typing { by, .. } if by.user == self.me.as_str() => Vec::new(),
            Signal::Typing { on: true, timeout_ms, .. } => {
                vec![signal("typing_started", json!({ "timeout": timeout_ms }))]
            }
            Signal::Typing { on: false, .. } => vec![signal("typing_stopped", json!({}))],
            Signal::Command { name, data, .. } => match name.as_str() {
                "open" | "show" => visibility("show"),
                "close" | "hide" => visibility("hide"),
                "toggle" => visibility("toggle"),
                "config" => vec![signal("webchat_config", json!({ "config": object(data) }))],
                _ => Vec::new(),
            },
            Signal::Custom { data, .. } => vec![custom(data)],
            // A message that grows is shown when it is whole.
            Signal::Delta { .. } | Signal::DraftEnded { .. } => Vec::new(),
        }
        .into()
    }
}

impl Webchat {
    async fn status(&self, id: MessageId, status: StreamStatus, reason: Option<&str>) -> Option<Value> {
        let word = match status {
            StreamStatus::Delivered => "processed",
            StreamStatus::Failed => "failed",
            StreamStatus::Read => return None,
        };
        let message = self.api.live.message(&self.at, id).await.ok()??;
        let mut data = json!({ "message": wire::message(&self.at, &message), "newStatus": word });
        if let (Some(reason), Some(fields)) = (reason, data.as_object_mut()) {
            fields.insert("failureReason".into(), reason.into());
        }
        Some(signal("message_status_changed", data))
    }
}

fn custom(data: &Value) -> Value {
    signal("custom", json!({ "event": object(data) }))
}
