//! An event becomes rows: the conversation, the people, the message, and what happened to them.
//!
//! Second step of the outbound half of the path: before it the mailbox, after it the core. All rows of an
//! event are written in one commit, answered as soon as its order is fixed, because they can be made again from
//! the journal. Doing it twice gives the same rows, so an attempt that broke off costs nothing. The same commit
//! settles the event before it in the mailbox, where that waits for one.

mod gateway;
mod identity;
mod messages;
mod people;
mod receipts;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portico_contract::{Content, Event, InstallationId, MEDIA_SCHEME, Media, Millis, Tags};
use portico_lanes::Carried;
use portico_store::records::{
    Conversation, GatewayEvent, Known, Message, Records, TagMap, User, Versioned, event_type,
};
use portico_store::{Change, Commit, Entry, EventKind, StoreError};
use serde_json::Value;

use crate::{MediaLinks, MediaMeta};

/// How often a commit is made again because a row changed under it.
const RETRIES: usize = 32;

/// What an event is about, as rows.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) kind: String,
    pub(crate) conversation: Option<Arc<Conversation>>,
    pub(crate) user: Option<Arc<User>>,
    pub(crate) message: Option<Message>,
    pub(crate) reaction: Option<String>,
    pub(crate) payload: Value,
}

/// What is to be done with an event after its rows are written.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// The core is to hear of it.
    Offer(Box<Subject>),
    /// It changed nothing.
    Nothing,
    /// A row that it is about is not there yet.
    NotYet,
}

/// Why no rows were made.
#[derive(Debug)]
pub(crate) enum RecordFault {
    /// The store did not do it.
    Store(StoreError),
    /// The event's body does not read.
    Unreadable(String),
}

impl From<StoreError> for RecordFault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What the rows are made from.
pub(crate) struct Scene<'a> {
    pub(crate) records: &'a Records,
    /// Rows that were met lately.
    pub(crate) known: &'a Known,
    /// Name under which the bot knows the installation.
    pub(crate) alias: &'a str,
    pub(crate) entry: &'a Entry,
    pub(crate) media: &'a dyn MediaLinks,
    /// Whether the bot's own user is known to be there.
    pub(crate) bot_user: &'a AtomicBool,
    /// What became of the event before, to be committed before this one is offered.
    pub(crate) carried: &'a Carried,
    /// Whether nobody can have written rows of this event before.
    pub(crate) fresh: bool,
}

/// Rows of one event under way: what was read, and what is to be written.
struct Draft<'a> {
    scene: &'a Scene<'a>,
    changes: Vec<Change>,
    /// Looks whether rows are there that only an earlier attempt can have made.
    careful: bool,
    /// There are none, so that none is expected to be absent.
    fresh: bool,
}

/// An event as it was journaled.
enum Told {
    Connector(Box<Event>),
    Gateway(GatewayEvent),
}

/// Writes an event's rows and says what the core is to hear.
pub(crate) async fn prepare(scene: &Scene<'_>) -> Result<Prepared, RecordFault> {
    let stored = &scene.entry.event;
    let told = match stored.kind {
        EventKind::Connector => Told::Connector(Box::new(Event::read(&stored.body).map_err(unreadable)?)),
        EventKind::Gateway => Told::Gateway(serde_json::from_slice(&stored.body).map_err(unreadable)?),
        EventKind::Unread => return Ok(Prepared::Nothing),
        EventKind::Outgoing => {
            return Err(RecordFault::Unreadable("an outgoing message stands in a mailbox".into()));
        }
    };
    let mut last = StoreError::NotFound("row");
    for round in 0..RETRIES {
        let again = round > 0 || scene.entry.replay || scene.entry.attempts > 0;
        let fresh = scene.fresh && !scene.entry.replay && scene.entry.attempts == 0;
        let mut draft = Draft { scene, changes: Vec::new(), careful: again && !fresh, fresh };
        let prepared = match &told {
            Told::Connector(event) => draft.connector(event).await?,
            Told::Gateway(event) => draft.gateway(event).await?,
        };
        draft.bot_user().await?;
        let carried = scene.carried.change();
        if draft.changes.is_empty() && carried.is_none() {
            return Ok(prepared);
        }
        let carries = carried.is_some();
        let changes = carried.into_iter().chain(draft.changes);
        match scene.records.store().commit(Commit::of(changes).ordered()).await {
            Ok(_) => {
                scene.carried.done();
                scene.bot_user.store(true, Ordering::Relaxed);
                return Ok(prepared);
            }
            // The event before is in the mailbox no more: there is nothing to settle.
            Err(error @ StoreError::NotFound(_)) if carries => {
                scene.carried.done();
                last = error;
            }
            // Somebody else wrote a row meanwhile, most often the outbox of the same conversation.
            Err(error @ StoreError::Conflict { .. }) => last = error,
            Err(error) => return Err(error.into()),
        }
        tokio::task::yield_now().await;
    }
    Err(last.into())
}

/// Says where and of what sort, never what was read.
fn unreadable(error: serde_json::Error) -> RecordFault {
    let (line, column) = (error.line(), error.column());
    RecordFault::Unreadable(format!(
        "the journaled event does not read: {:?} error at line {line}, column {column}",
        error.classify()
    ))
}

impl Draft<'_> {
    async fn connector(&mut self, event: &Event) -> Result<Prepared, StoreError> {
        match event {
            Event::Message(message) => self.message(message).await,
            Event::Edit(edit) => self.edit(edit).await,
            Event::Deletion(deletion) => self.deletion(deletion).await,
            Event::Reaction(reaction) => self.reaction(reaction).await,
            Event::Receipt(receipt) => self.receipt(receipt).await,
            Event::Identity(change) => self.identity(change).await,
            Event::Custom(custom) => self.custom(custom).await,
        }
        .map(|prepared| match prepared {
            Prepared::Offer(mut subject) => {
                subject.kind = event_type(event, self.scene.alias);
                Prepared::Offer(subject)
            }
            other => other,
        })
    }

    fn records(&self) -> &Records {
        self.scene.records
    }

    fn installation(&self) -> &InstallationId {
        &self.scene.entry.event.installation
    }

    /// When the event was kept: the time of all rows that it makes.
    fn at(&self) -> Millis {
        self.scene.entry.event.received_at
    }

    /// The message that the provider knows by an id.
    async fn external(&self, id: &str) -> Result<Option<Versioned<Message>>, StoreError> {
        if id.is_empty() {
            return Ok(None);
        }
        self.records().message_of_external(self.installation(), id).await
    }

    /// Sets a connector's tags under their full names; says whether any changed.
    fn set_tags(&self, tags: &mut TagMap, from: &Tags) -> bool {
        let mut changed = false;
        let mut name = self.tag_prefix();
        let prefix = name.len();
        for (own, value) in from.iter() {
            name.truncate(prefix);
            name.push_str(own);
            changed |= set_tag(tags, &name, value);
        }
        changed
    }

    /// How the installation's tags begin, with room for the rest of a name.
    fn tag_prefix(&self) -> String {
        let mut name = String::with_capacity(self.scene.alias.len() + 24);
        name.push_str(self.scene.alias);
        name.push(':');
        name
    }

    /// Content with addresses that a bot can open.
    fn opened(&self, mut content: Content) -> Content {
        self.open(&mut content);
        content
    }

    fn open(&self, content: &mut Content) {
        match content {
            Content::Image(media) | Content::Audio(media) | Content::Video(media) | Content::File(media) => {
                self.open_media(media);
            }
            Content::Card(card) => self.open_address(card.image_url.as_mut()),
            Content::Carousel { items } => {
                items.iter_mut().for_each(|card| self.open_address(card.image_url.as_mut()));
            }
            Content::Bloc { items } => items.iter_mut().for_each(|item| self.open(item)),
            Content::Custom { data, .. } => self.open_value(data),
            Content::Text { .. }
            | Content::Markdown { .. }
            | Content::Location(_)
            | Content::Choice(_)
            | Content::Dropdown(_) => {}
        }
    }

    fn open_media(&self, media: &mut Media) {
        if let Some(handle) = media.url.strip_prefix(MEDIA_SCHEME) {
            let meta = MediaMeta {
                mime_type: media.mime_type.as_deref(),
                filename: media.filename.as_deref(),
                size: media.size,
            };
            media.url = self.scene.media.link(self.installation(), handle, &meta);
        }
    }

    fn open_address(&self, address: Option<&mut String>) {
        if let Some(address) = address
            && let Some(handle) = address.strip_prefix(MEDIA_SCHEME)
        {
            *address = self.scene.media.link(self.installation(), handle, &MediaMeta::default());
        }
    }

    /// Addresses anywhere in a payload of the connector's own.
    fn open_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.open_address(Some(text)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.open_value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.open_value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Sets a tag; an empty value removes it. Says whether anything changed.
fn set_tag(tags: &mut TagMap, name: &str, value: &str) -> bool {
    if value.is_empty() {
        return tags.remove(name).is_some();
    }
    match tags.get_mut(name) {
        Some(old) if old == value => return false,
        Some(old) => value.clone_into(old),
        None => drop(tags.insert(name.to_owned(), value.to_owned())),
    }
    true
}

#[cfg(test)]
mod tests;
