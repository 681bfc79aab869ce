//! Second step of the inbound path: one verified POST as events.
//!
//! A POST holds up to a thousand updates: `entry[]` × `changes[]` × messages, statuses, echoes, id changes and
//! errors. Each is read by itself, so one that can't be understood does not take the others with it: it
//! becomes an `unreadable` event beside them, or, when nothing else is there, the request is kept raw.
//! Before: `verify`. After: the gateway's dedupe and journal.

mod content;
mod identity;
mod message;
mod other;
mod status;

use std::cell::OnceCell;
use std::fmt;

use portico_contract::{
    CustomEvent, DigestKind, Event, Fault, FaultCode, Host, Level, Millis, Party, Receipt, Tags, Thread,
    Verified,
};
use portico_kit::json::JsonError;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::config::WhatsAppConfig;
use crate::wire::{Contact, Entry, RawUpdates, Update, Value};
use crate::{CHANNEL, IDENTITY, phone};

/// What a POST turned out to say.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What the bot is told.
    pub events: Vec<Event>,
    /// Failures of media that the provider could not fetch: the address may be sent as text instead.
    pub refused_media: Vec<Receipt>,
}

/// Reads a verified event POST.
///
/// Dedupe ids: `messages[].id` for everything that is a message; `statuses[].id` with its stage; for account
/// and template events a digest of account, field, time and value. The provider repeats for up to 7 days.
///
/// # Errors
/// `unreadable`, with the JSON path, when the document or the only update in it is not of its promised form.
pub(crate) fn normalize(
    host: &dyn Host,
    config: &WhatsAppConfig,
    verified: Verified<'_>,
) -> Result<Found, Fault> {
    let request = verified.request();
    let update: Update<'_> =
        portico_kit::json::from_slice(&request.body).map_err(|error| unreadable("", &error))?;
    if !matches!(update.object.as_str(), "" | "whatsapp_business_account") {
        return Err(Fault::new(
            FaultCode::Unreadable,
            "object: is another product's event, expected whatsapp_business_account",
        ));
    }
    let mut reader = Reader {
        host,
        config,
        received_at: request.received_at,
        found: Found::default(),
        broken: Vec::new(),
    };
    for (entry_index, entry) in update.entry.iter().enumerate() {
        for (index, change) in entry.changes.iter().enumerate() {
            let place = Place { entry: entry_index, change: index };
            match change.field.as_str() {
                "messages" | "user_id_update" | "smb_message_echoes" | "message_echoes" | "" => {
                    reader.updates(entry, change.field.as_str(), change.value, place, 0);
                }
                field => reader.other(entry, field, change.value),
            }
        }
    }
    reader.end()
}

/// Where a change stands in the request; written out only when something is wrong.
#[derive(Clone, Copy)]
struct Place {
    entry: usize,
    change: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry[{}].changes[{}].value", self.entry, self.change)
    }
}

fn unreadable(place: &str, error: &JsonError) -> Fault {
    let dot = if place.is_empty() || error.path.is_empty() { "" } else { "." };
    Fault::new(FaultCode::Unreadable, format!("{place}{dot}{}: {}", error.path, error.reason))
}

/// Reads a part that was left raw.
fn part<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, name: &str) -> Result<T, Fault> {
    let raw = raw.ok_or_else(|| missing(name))?;
    portico_kit::json::from_slice(raw.get().as_bytes()).map_err(|error| unreadable(name, &error))
}

fn missing(path: &str) -> Fault {
    Fault::new(FaultCode::Unreadable, format!("{path}: is missing"))
}

/// An update that could not be read.
struct Broken {
    fault: Fault,
    raw: String,
}

/// Goes through one POST.
struct Reader<'h> {
    host: &'h dyn Host,
    config: &'h WhatsAppConfig,
    received_at: Millis,
    found: Found,
    broken: Vec<Broken>,
}

impl Reader<'_> {
    /// A change that carries messages, statuses and their like; `first` is the index of their first in what
    /// the provider sent.
    fn updates(&mut self, entry: &Entry<'_>, field: &str, raw: &RawValue, place: Place, first: usize) {
        let value: Value<'_> = match serde_json::from_str(raw.get()) {
            Ok(value) => value,
            Err(_) => return self.one_by_one(entry, field, raw, place),
        };
        let bot =
            value.metadata.as_ref().map(|metadata| metadata.phone_number_id.as_str()).unwrap_or_default();
        if bot.is_empty() && value.messages.is_some() {
            let fault = missing(&format!("{place}.metadata.phone_number_id"));
            self.broken.push(Broken { fault, raw: raw.get().to_owned() });
            return;
        }
        // Errors and id changes may come without a number: they are about the account then.
        let bot = if bot.is_empty() { self.config.phone_number_id.as_str() } else { bot };
        if !self.config.owns(bot) {
            self.host.log(
                Level::Warn,
                "an update is for a phone number that this installation is not configured for; see phone_number_id",
                &[("phone_number_id", bot), ("field", field)],
            );
            self.raw_event("other_number", entry, field, raw);
            return;
        }
        let change = Whole { raw, place, first, updates: OnceCell::new() };
        let contacts = value.contacts.as_deref().unwrap_or_default();
        let messages = value.messages.as_deref().unwrap_or_default();
        self.found.events.reserve(messages.len());
        for (index, message) in messages.iter().enumerate() {
            let kept = Kept { change: &change, list: "messages", index };
            let read = self.message(bot, contacts, message, &kept);
            self.settle(read, &kept);
        }
        for (index, status) in value.statuses.iter().flatten().enumerate() {
            let kept = Kept { change: &change, list: "statuses", index };
            let read = self.status(bot, status, &kept);
            self.settle(read, &kept);
        }
        for (index, echo) in value.message_echoes.iter().flatten().enumerate() {
            let kept = Kept { change: &change, list: "message_echoes", index };
            let read = self.echo(bot, echo, &kept);
            self.settle(read, &kept);
        }
        for (index, update) in value.user_id_update.iter().flatten().enumerate() {
            let kept = Kept { change: &change, list: "user_id_update", index };
            let read = self.user_id_update(bot, update);
            self.settle(read, &kept);
        }
        for error in value.errors.iter().flatten() {
            self.raw_event("error", entry, field, error);
        }
    }

    /// The slow way, for a change in which one update is not of its promised form: every update as a change
    /// of its own, so that only the broken one is lost to the bot.
    fn one_by_one(&mut self, entry: &Entry<'_>, field: &str, raw: &RawValue, place: Place) {
        let updates: RawUpdates<'_> = match portico_kit::json::from_slice(raw.get().as_bytes()) {
            Ok(updates) => updates,
            Err(error) => {
                self.broken.push(Broken {
                    fault: unreadable(&place.to_string(), &error),
                    raw: raw.get().to_owned(),
                });
                return;
            }
        };
        let metadata =
            updates.metadata.as_ref().map(|metadata| metadata.phone_number_id.as_str()).unwrap_or_default();
        let contacts = updates.contacts.map(RawValue::get).unwrap_or("null");
        let lists = [
            ("messages", &updates.messages),
            ("statuses", &updates.statuses),
            ("message_echoes", &updates.message_echoes),
            ("user_id_update", &updates.user_id_update),
            ("errors", &updates.errors),
        ];
        let mut any = false;
        for (name, list) in lists {
            for (index, one) in list.iter().flatten().enumerate() {
                any = true;
                let alone = format!(
                    r#"{{"metadata":{{"phone_number_id":{}}},"contacts":{contacts},"{name}":[{}]}}"#,
                    json!(metadata),
                    one.get()
                );
                match portico_kit::json::from_slice::<Value<'_>>(alone.as_bytes()) {
                    Ok(_) => match RawValue::from_string(alone) {
                        Ok(alone) => self.updates(entry, field, &alone, place, index),
                        Err(error) => self.broken.push(Broken {
                            fault: Fault::new(FaultCode::Unreadable, error.to_string()),
                            raw: one.get().to_owned(),
                        }),
                    },
                    Err(error) => {
                        let path = error.path.replacen("[0]", &format!("[{index}]"), 1);
                        let error = JsonError { path, reason: error.reason };
                        self.broken.push(Broken {
                            fault: unreadable(&place.to_string(), &error),
                            raw: one.get().to_owned(),
                        });
                    }
                }
            }
        }
        if !any {
            let fault =
                Fault::new(FaultCode::Unreadable, format!("{place}: holds no update of a known form"));
            self.broken.push(Broken { fault, raw: raw.get().to_owned() });
        }
    }

    fn settle(&mut self, read: Result<Option<Event>, Fault>, kept: &Kept<'_>) {
        match read {
            Ok(event) => self.found.events.extend(event),
            Err(mut fault) => {
                fault.message = format!("{}.{}", kept.path(), fault.message);
                self.broken.push(Broken { fault, raw: kept.whole().get().to_owned() });
            }
        }
    }

    fn end(mut self) -> Result<Found, Fault> {
        if self.found.events.is_empty() && self.found.refused_media.is_empty() {
            if let Some(first) = self.broken.into_iter().next() {
                return Err(first.fault);
            }
            return Ok(self.found);
        }
        for broken in std::mem::take(&mut self.broken) {
            self.host.log(
                Level::Warn,
                "an update in a batch can't be read",
                &[("reason", &broken.fault.message)],
            );
            let update = serde_json::from_str(&broken.raw).unwrap_or_else(|_| json!(broken.raw));
            self.found.events.push(Event::Custom(CustomEvent {
                name: "unreadable".into(),
                external_id: Some(self.digest(&[broken.raw.as_bytes()])),
                thread: None,
                author: None,
                message: None,
                data: json!({ "reason": broken.fault.message, "update": update }),
            }));
        }
        Ok(self.found)
    }

    /// A short stable id of some bytes.
    fn digest(&self, parts: &[&[u8]]) -> String {
        let joined = parts.join(&0);
        let digest = self.host.keyring().digest(DigestKind::Sha256, &joined);
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The provider's time, or the time of arrival where it gives none.
    fn at(&self, seconds: &str) -> Millis {
        portico_kit::time::epoch_millis(seconds)
            .and_then(|at| Millis::try_from(at).ok())
            .unwrap_or(self.received_at)
    }
}

/// A change as it was sent, to find an update's own text again. Taken apart once, and only when needed.
struct Whole<'a> {
    raw: &'a RawValue,
    place: Place,
    first: usize,
    updates: OnceCell<Option<RawUpdates<'a>>>,
}

/// One update of a change.
struct Kept<'a> {
    change: &'a Whole<'a>,
    list: &'static str,
    index: usize,
}

impl Kept<'_> {
    /// The update's own JSON, or the whole value's where it can't be taken apart.
    fn whole(&self) -> &RawValue {
        let updates = self.change.updates.get_or_init(|| serde_json::from_str(self.change.raw.get()).ok());
        let list = updates.as_ref().and_then(|updates| match self.list {
            "messages" => updates.messages.as_ref(),
            "statuses" => updates.statuses.as_ref(),
            "message_echoes" => updates.message_echoes.as_ref(),
            _ => updates.user_id_update.as_ref(),
        });
        list.and_then(|list| list.get(self.index).copied()).unwrap_or(self.change.raw)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.whole().get()).unwrap_or_default()
    }

    /// Where it stands in the request.
    fn path(&self) -> String {
        format!("{}.{}[{}]", self.change.place, self.list, self.change.first + self.index)
    }
}

/// The conversation of a person: by number where it is known, else by business-scoped user id.
pub(crate) fn thread(bot: &str, wa_id: &str, user_id: &str) -> Thread {
    let tags = Tags::new().with("botPhoneNumberId", bot);
    let tags = if wa_id.is_empty() {
        tags.with("userId", user_id)
    } else {
        tags.with("userPhone", phone::of_wa_id(wa_id))
    };
    Thread::new(CHANNEL, &IDENTITY, tags)
}

/// The contact that belongs to a person's ids.
fn contact<'c, 'a>(contacts: &'c [Contact<'a>], wa_id: &str, user_id: &str) -> Option<&'c Contact<'a>> {
    let same = |own: &str, given: &str| !given.is_empty() && own == given;
    contacts
        .iter()
        .find(|contact| same(contact.wa_id.as_str(), wa_id))
        .or_else(|| contacts.iter().find(|contact| same(contact.user_id.as_str(), user_id)))
}

/// A person: known by number where there is one, else by business-scoped user id.
fn party(wa_id: &str, user_id: &str, contact: Option<&Contact<'_>>) -> Party {
    let id = if wa_id.is_empty() { user_id } else { wa_id };
    let profile = contact.and_then(|contact| contact.profile.as_ref());
    let name = profile.and_then(|profile| profile.name.owned());
    let tags = Tags::new()
        .with("userId", id)
        .with("whatsappUserId", user_id)
        .with("number", wa_id)
        .with("name", name.as_deref().unwrap_or_default())
        .with("username", profile.map(|profile| profile.username.as_str()).unwrap_or_default());
    Party { id: id.to_owned(), name, tags, ..Party::default() }
}
