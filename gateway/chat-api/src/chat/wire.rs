//! Objects as this API shows them: few fields, dates that end in `Z`, and nothing that is `null`.

use std::collections::HashMap;
use std::sync::Arc;

use portico_contract::UserId;
use portico_live::Live;
use portico_store::records::{Conversation, Message, User, iso};
use portico_turns::Installation;
use serde_json::{Map, Value, json};

use super::ids;
use crate::payload::{self, Shape};

/// A user.
pub(crate) fn user(at: &Installation, user: &User) -> Value {
    let mut shown = json!({
        "id": ids::of_user(user),
        "createdAt": iso(user.created_at),
        "updatedAt": iso(user.updated_at),
    });
    let profile = user.tags.get(&format!("{}:profile", at.alias));
    if let Some(fields) = shown.as_object_mut() {
        let more =
            [("name", user.name.as_ref()), ("pictureUrl", user.picture_url.as_ref()), ("profile", profile)];
        for (name, value) in more {
            if let Some(value) = value {
                fields.insert(name.into(), value.clone().into());
            }
        }
    }
    shown
}

/// A conversation.
pub(crate) fn conversation(at: &Installation, conversation: &Conversation) -> Value {
    json!({
        "id": ids::of_conversation(at, conversation),
        "createdAt": iso(conversation.created_at),
        "updatedAt": iso(conversation.updated_at),
    })
}

/// A message, with the ids of its conversation and its user on this API.
pub(crate) fn message(message: &Message, conversation: &str, user: &str) -> Map<String, Value> {
    let shown = payload::show(Shape::Chat, &message.kind, &message.payload);
    let mut fields = Map::new();
    fields.insert("id".into(), message.id.to_string().into());
    fields.insert("createdAt".into(), iso(message.created_at).into());
    fields.insert("userId".into(), user.into());
    fields.insert("conversationId".into(), conversation.into());
    fields.insert("payload".into(), shown.payload);
    if let Some(metadata) = shown.metadata {
        fields.insert("metadata".into(), metadata.into());
    }
    fields
}

/// The ids of users on this API, looked up once each.
pub(crate) struct Names {
    at: Arc<Installation>,
    known: HashMap<UserId, String>,
}

impl Names {
    /// Names of an installation's users.
    pub(crate) fn unknown(at: &Arc<Installation>) -> Self {
        Self { at: at.clone(), known: HashMap::new() }
    }

    /// As [`Names::unknown`]; one is known already.
    pub(crate) fn new(at: &Arc<Installation>, user: &User) -> Self {
        let known = HashMap::from([(user.id.clone(), ids::of_user(user).to_owned())]);
        Self { at: at.clone(), known }
    }

    /// The id of a user on this API. One who is not there any more keeps the gateway's.
    pub(crate) async fn of(&mut self, live: &Live, user: &UserId) -> String {
        if let Some(known) = self.known.get(user) {
            return known.clone();
        }
        let id = match live.user(&self.at, user).await {
            Ok(Some(found)) => ids::of_user(&found).to_owned(),
            Ok(None) => user.to_string(),
            // Said again the next time, when the store may answer.
            Err(_) => return user.to_string(),
        };
        // A conversation has few people; whoever finds one with many pays with a look-up.
        if self.known.len() < 256 {
            self.known.insert(user.clone(), id.clone());
        }
        id
    }
}
