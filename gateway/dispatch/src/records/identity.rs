//! A thread or person that is known by another id from now on: the conversation and the user stay.

use std::sync::Arc;

use portico_contract::{IdentityChange, Party, UserId};
use portico_store::StoreError;
use portico_store::records::iso;
use serde_json::{Value, json};

use super::messages::offer;
use super::{Draft, Prepared, Scene, Subject, set_tag};

impl Draft<'_> {
    pub(super) async fn identity(&mut self, change: &IdentityChange) -> Result<Prepared, StoreError> {
        let old = self.known_conversation(&change.thread).await?;
        let Scene { records, known, .. } = *self.scene;
        let mut conversation = old.as_ref().map(|row| row.value.clone());
        if let (Some(thread), Some(old), Some(shared)) = (&change.new_thread, &old, &mut conversation) {
            let row = Arc::make_mut(shared);
            let same = row.channel == *thread.channel && row.key == thread.key;
            row.channel = thread.channel.to_string();
            row.key.clone_from(&thread.key);
            if self.set_tags(&mut row.tags, &thread.tags) || !same {
                row.updated_at = row.updated_at.max(self.at());
                self.changes.extend(records.known_conversation_changes(known, Some(old), shared));
            }
            let new = self.conversation_id(thread);
            // Where people wrote under the new identity before, that conversation stays one of its own.
            if new != shared.id && records.known_conversation(known, new).await?.is_none() {
                self.changes.push(records.conversation_move_change(new, shared.id));
            }
        }
        let mut user = None;
        if let Some((before, now)) = &change.person {
            user = Some(match self.known_user(before).await? {
                Some(old) => {
                    let mut shared = old.value.clone();
                    let row = Arc::make_mut(&mut shared);
                    row.party = Some(now.clone());
                    let id = format!("{}:id", self.scene.alias);
                    if row.tags.get(&id).is_some_and(|value| value == before) {
                        set_tag(&mut row.tags, &id, now);
                    }
                    if *row != *old.value {
                        row.updated_at = row.updated_at.max(self.at());
                        self.changes.extend(records.known_user_changes(known, Some(&old), &shared));
                    }
                    let new = UserId::of_party(records.bot(), self.installation(), now);
                    if new != shared.id && records.known_user(known, &new).await?.is_none() {
                        self.changes.push(records.user_move_change(&new, &shared.id));
                    }
                    shared
                }
                None => self.user(&Party { id: now.clone(), ..Party::default() }).await?,
            });
        }
        let mut payload = json!({ "at": iso(change.at), "thread": thread_json(&change.thread) });
        if let Some(fields) = payload.as_object_mut() {
            if let Some(thread) = &change.new_thread {
                fields.insert("newThread".into(), thread_json(thread));
            }
            if let Some((before, now)) = &change.person {
                fields.insert("person".into(), json!({ "before": before, "now": now }));
            }
        }
        Ok(offer(Subject { conversation, user, ..Subject::of(payload) }))
    }
}

fn thread_json(thread: &portico_contract::Thread) -> Value {
    json!({ "channel": thread.channel, "tags": thread.tags })
}
