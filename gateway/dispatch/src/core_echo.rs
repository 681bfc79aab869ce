//! Core of kind `echo`: says back what it was told. For the demo, and for a first try of a channel.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::Reply;
use crate::core::{Answer, Core, Offer};

/// Answers every message with its own content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EchoCore;

#[async_trait]
impl Core for EchoCore {
    fn kind(&self) -> &'static str {
        "echo"
    }

    async fn offer(&self, offer: &Offer) -> Answer {
        let (true, Some(message)) = (offer.kind == "message_created", &offer.message) else {
            return Answer::NotForIt;
        };
        // The value of a pressed button is not for people.
        let payload = match (message.kind.as_str(), message.payload.get("text").and_then(Value::as_str)) {
            ("text", Some(text)) => json!({ "text": text }),
            _ => message.payload.clone(),
        };
        let reply = Reply { index: 0, kind: message.kind.clone(), payload, draft: None };
        Answer::Accepted { replies: vec![reply], complaint: None }
    }
}
