//! Conversations and the people in them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portico_contract::{ConversationId, Party, Thread, UserId};
use portico_store::StoreError;
use portico_store::records::{Conversation, TagMap, User, Versioned};

use super::{Draft, Scene, set_tag};

impl Draft<'_> {
    /// The conversation of a thread as it is stored, also after its thread got a new identity.
    pub(super) async fn known_conversation(
        &self,
        thread: &Thread,
    ) -> Result<Option<Versioned<Arc<Conversation>>>, StoreError> {
        let id = self.conversation_id(thread);
        if let Some(row) = self.records().known_conversation(self.scene.known, id).await? {
            return Ok(Some(row));
        }
        match self.records().moved_conversation(id).await? {
            Some(old) => self.records().known_conversation(self.scene.known, old).await,
            None => Ok(None),
        }
    }

    pub(super) fn conversation_id(&self, thread: &Thread) -> ConversationId {
        ConversationId::of_thread(self.records().bot(), self.installation(), &thread.channel, &thread.key)
    }

    /// The conversation of a thread, made if need be; `messages` are counted onto it.
    pub(super) async fn conversation(
        &mut self,
        thread: &Thread,
        author: Option<&UserId>,
        messages: u64,
    ) -> Result<Arc<Conversation>, StoreError> {
        let old = self.known_conversation(thread).await?;
        self.renewed_conversation(old, thread, author, messages).await
    }

    /// As [`Draft::conversation`], for one that was read already.
    pub(super) async fn renewed_conversation(
        &mut self,
        old: Option<Versioned<Arc<Conversation>>>,
        thread: &Thread,
        author: Option<&UserId>,
        messages: u64,
    ) -> Result<Arc<Conversation>, StoreError> {
        let (mut row, mut changed) = match &old {
            Some(old) => (Conversation::clone(&old.value), messages > 0),
            None => (self.new_conversation(thread, author), true),
        };
        changed |= self.set_tags(&mut row.tags, &thread.tags);
        if row.recipient.is_some() && author.is_some() && row.recipient.as_ref() != author {
            // A second person: it is not a talk with one.
            row.recipient = None;
            changed = true;
        }
        row.message_count += messages;
        if changed {
            row.updated_at = row.updated_at.max(self.at());
        }
        let row = Arc::new(row);
        if changed {
            let Scene { records, known, .. } = *self.scene;
            self.changes.extend(records.known_conversation_changes(known, old.as_ref(), &row));
        }
        if let Some(user) = author
            && (old.is_none() || !self.records().is_participant(row.id, user).await?)
        {
            self.changes.extend(self.scene.records.participant_changes(row.id, user, true));
        }
        Ok(row)
    }

    fn new_conversation(&self, thread: &Thread, author: Option<&UserId>) -> Conversation {
        Conversation {
            id: self.conversation_id(thread),
            installation: Some(self.installation().clone()),
            integration: self.scene.alias.to_owned(),
            channel: thread.channel.to_string(),
            key: thread.key.clone(),
            tags: TagMap::new(),
            properties: TagMap::new(),
            recipient: author.cloned(),
            message_count: 0,
            current_task: None,
            created_at: self.at(),
            updated_at: self.at(),
        }
    }

    /// The user behind a provider's id as it is stored, also after the person got a new id.
    pub(super) async fn known_user(&self, party: &str) -> Result<Option<Versioned<Arc<User>>>, StoreError> {
        let id = UserId::of_party(self.records().bot(), self.installation(), party);
        if let Some(row) = self.records().known_user(self.scene.known, &id).await? {
            return Ok(Some(row));
        }
        match self.records().moved_user(&id).await? {
            Some(old) => self.records().known_user(self.scene.known, &old).await,
            None => Ok(None),
        }
    }

    /// The user behind a person, made or brought up to date.
    pub(super) async fn user(&mut self, party: &Party) -> Result<Arc<User>, StoreError> {
        let old = self.known_user(&party.id).await?;
        let mut row = match &old {
            // Copied when something has changed, which is seldom.
            Some(old) => old.value.clone(),
            None => Arc::new(User {
                id: UserId::of_party(self.records().bot(), self.installation(), &party.id),
                name: None,
                picture_url: None,
                tags: TagMap::new(),
                properties: TagMap::new(),
                attributes: TagMap::new(),
                party: Some(party.id.clone()),
                created_at: self.at(),
                updated_at: self.at(),
            }),
        };
        if old.is_none() || self.differs(&row, party) {
            let user = Arc::make_mut(&mut row);
            if party.tags.get("id").is_none() {
                let own_id = format!("{}:id", self.scene.alias);
                if !user.tags.contains_key(&own_id) {
                    set_tag(&mut user.tags, &own_id, &party.id);
                }
            }
            self.set_tags(&mut user.tags, &party.tags);
            renew(&mut user.name, party.name.as_deref());
            renew(&mut user.picture_url, party.picture_url.as_deref());
            user.updated_at = user.updated_at.max(self.at());
            let Scene { records, known, .. } = *self.scene;
            self.changes.extend(records.known_user_changes(known, old.as_ref(), &row));
        }
        Ok(row)
    }

    /// Whether a person says something that their row does not.
    fn differs(&self, row: &User, party: &Party) -> bool {
        let mut name = self.tag_prefix();
        let prefix = name.len();
        let mut stored = |own: &str| {
            name.truncate(prefix);
            name.push_str(own);
            row.tags.get(&name).map(String::as_str)
        };
        let is_new = |old: &Option<String>, new: Option<&str>| {
            new.is_some_and(|new| !new.is_empty() && old.as_deref() != Some(new))
        };
        (party.tags.get("id").is_none() && stored("id").is_none())
            || party.tags.iter().any(|(own, value)| stored(own).unwrap_or_default() != value)
            || is_new(&row.name, party.name.as_deref())
            || is_new(&row.picture_url, party.picture_url.as_deref())
    }

    /// The bot's own user, made at the bot's first event: bots answer with their own id as user.
    pub(super) async fn bot_user(&mut self) -> Result<(), StoreError> {
        if self.scene.bot_user.load(Ordering::Relaxed) {
            return Ok(());
        }
        let id = UserId::of_bot(self.records().bot());
        if self.records().user(&id).await?.is_some() {
            self.scene.bot_user.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let row = User {
            id,
            name: None,
            picture_url: None,
            tags: TagMap::new(),
            properties: TagMap::new(),
            attributes: TagMap::new(),
            party: None,
            created_at: self.at(),
            updated_at: self.at(),
        };
        self.changes.extend(self.scene.records.user_changes(None, &row));
        Ok(())
    }
}

/// Takes over what is known now; what the provider leaves out stays.
fn renew(old: &mut Option<String>, new: Option<&str>) {
    if let Some(new) = new
        && !new.is_empty()
    {
        *old = Some(new.to_owned());
    }
}
