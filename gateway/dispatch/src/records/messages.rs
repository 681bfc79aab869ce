//! Messages said, edited, taken back, reacted to; and events of a connector's own.

use portico_contract::{CustomEvent, Deletion, Edit, InboundMessage, MessageId, Reaction};
use portico_store::StoreError;
use portico_store::records::{Direction, Message, TagMap, iso};
use serde_json::{Value, json};

use super::{Draft, Prepared, Subject, set_tag};

/// Tag of a message that was taken back; its payload is gone.
const DELETED: &str = "portico:deleted";

impl Subject {
    /// A subject without rows; its kind is filled in where the event is known.
    pub(super) fn of(payload: Value) -> Self {
        Self { kind: String::new(), conversation: None, user: None, message: None, reaction: None, payload }
    }
}

impl Draft<'_> {
    pub(super) async fn message(&mut self, said: &InboundMessage) -> Result<Prepared, StoreError> {
        let id = MessageId::of_event(self.scene.entry.event.id);
        let old = self.known_conversation(&said.thread).await?;
        // An earlier attempt may have made all rows; then nothing is counted twice. The first attempt does not
        // look: if it is wrong, its commit is refused.
        let known = match &old {
            Some(conversation) if self.careful => {
                self.records().message_in(conversation.value.id, id).await?
            }
            _ => None,
        };
        let user = self.user(&said.author).await?;
        let added = u64::from(known.is_none());
        let conversation = self.renewed_conversation(old, &said.thread, Some(&user.id), added).await?;
        let message = match known {
            Some(known) => known.value,
            None => {
                let (kind, payload) = self.opened(said.content.clone()).into_parts();
                let mut tags = TagMap::new();
                self.set_tags(&mut tags, &said.tags);
                if let Some(answered) = said.reply_to.as_deref() {
                    match self.external(answered).await? {
                        Some(row) => set_tag(&mut tags, "portico:replyTo", &row.value.id.to_string()),
                        None => set_tag(&mut tags, "portico:replyToExternal", answered),
                    };
                }
                let row = Message {
                    id,
                    conversation: conversation.id,
                    user: user.id.clone(),
                    direction: Direction::Incoming,
                    kind,
                    payload,
                    tags,
                    delivery: None,
                    origin: None,
                    created_at: self.at(),
                    updated_at: self.at(),
                };
                if self.fresh {
                    self.changes.extend(self.scene.records.first_message_changes(&row));
                } else {
                    self.changes.extend(self.scene.records.message_changes(None, &row));
                }
                if !said.external_id.is_empty() {
                    let known_as =
                        self.scene.records.external_change(self.installation(), &said.external_id, id);
                    self.changes.push(known_as);
                }
                row
            }
        };
        let (conversation, user, message) = (Some(conversation), Some(user), Some(message));
        Ok(offer(Subject { conversation, user, message, ..Subject::of(Value::Null) }))
    }

    pub(super) async fn edit(&mut self, edit: &Edit) -> Result<Prepared, StoreError> {
        let user = self.user(&edit.author).await?;
        let conversation = self.conversation(&edit.thread, Some(&user.id), 0).await?;
        let (kind, payload) = self.opened(edit.content.clone()).into_parts();
        let message = match self.external(&edit.external_id).await? {
            Some(old) => {
                let mut row = old.value.clone();
                // What was taken back stays so, even if the provider's events overtake one another.
                if !row.tags.contains_key(DELETED) && (row.kind != kind || row.payload != payload) {
                    row.kind.clone_from(&kind);
                    row.payload.clone_from(&payload);
                    row.updated_at = row.updated_at.max(self.at());
                    self.changes.extend(self.scene.records.message_changes(Some(&old), &row));
                }
                Some(row)
            }
            None => None,
        };
        let payload = json!({
            "externalId": edit.external_id, "at": iso(edit.at), "content": { "type": kind, "payload": payload },
        });
        let (conversation, user) = (Some(conversation), Some(user));
        Ok(offer(Subject { conversation, user, message, ..Subject::of(payload) }))
    }

    pub(super) async fn deletion(&mut self, deletion: &Deletion) -> Result<Prepared, StoreError> {
        let user = match &deletion.author {
            Some(author) => Some(self.user(author).await?),
            None => None,
        };
        let conversation = self.known_conversation(&deletion.thread).await?.map(|row| row.value);
        let message = match self.external(&deletion.external_id).await? {
            Some(old) => {
                let mut row = old.value.clone();
                if set_tag(&mut row.tags, DELETED, "true") {
                    // The person took it back: what it said is not kept.
                    row.payload = json!({});
                    row.updated_at = row.updated_at.max(self.at());
                    self.changes.extend(self.scene.records.message_changes(Some(&old), &row));
                }
                Some(row)
            }
            None => None,
        };
        let payload = json!({ "externalId": deletion.external_id, "at": iso(deletion.at) });
        Ok(offer(Subject { conversation, user, message, ..Subject::of(payload) }))
    }

    pub(super) async fn reaction(&mut self, reaction: &Reaction) -> Result<Prepared, StoreError> {
        let user = self.user(&reaction.author).await?;
        let message = self.external(&reaction.external_id).await?.map(|row| row.value);
        // A provider may not say in which thread the message stands (Slack); where we know the message, we do.
        let place = match &message {
            Some(message) => {
                let row = self.records().known_conversation(self.scene.known, message.conversation).await?;
                row.map(|row| row.value)
            }
            None => None,
        };
        let conversation = match place {
            Some(known) => known,
            None => self.conversation(&reaction.thread, Some(&user.id), 0).await?,
        };
        let payload = json!({
            "reaction": reaction.reaction, "externalId": reaction.external_id, "at": iso(reaction.at),
        });
        let (conversation, user, said) = (Some(conversation), Some(user), Some(reaction.reaction.clone()));
        Ok(offer(Subject { conversation, user, message, reaction: said, ..Subject::of(payload) }))
    }

    pub(super) async fn custom(&mut self, event: &CustomEvent) -> Result<Prepared, StoreError> {
        let user = match &event.author {
            Some(author) => Some(self.user(author).await?),
            None => None,
        };
        let conversation = match &event.thread {
            Some(thread) => Some(self.conversation(thread, user.as_ref().map(|user| &user.id), 0).await?),
            None => None,
        };
        let message = match event.message.as_deref() {
            Some(id) => self.external(id).await?.map(|row| row.value),
            None => None,
        };
        let mut payload = event.data.clone();
        self.open_value(&mut payload);
        Ok(offer(Subject { conversation, user, message, ..Subject::of(payload) }))
    }
}

pub(super) fn offer(subject: Subject) -> Prepared {
    Prepared::Offer(Box::new(subject))
}
