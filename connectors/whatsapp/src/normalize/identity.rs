//! People who are known by another number or id from now on. Their conversation goes on.

use portico_contract::{Event, Fault, IdentityChange, Level};

use super::message::Origin;
use super::{Kept, Reader, missing, part, party, thread};
use crate::wire::{Message, System, UserIdUpdate};

impl Reader<'_> {
    /// A `system` message: no chat, but perhaps a new number or id.
    pub(super) fn system(&self, bot: &str, message: &Message<'_>, kept: &Kept<'_>) -> Result<Event, Fault> {
        let system: System<'_> = part(message.system, "system")?;
        let (old, user_id) = (message.from.as_str(), message.from_user_id.as_str());
        let number = system.wa_id.some().or(system.new_wa_id.some()).unwrap_or_default();
        let at = self.at(message.timestamp.as_str());
        let event_id = message.id.as_str().to_owned();
        match system.kind.as_str() {
            "user_changed_number" if !old.is_empty() && !number.is_empty() && old != number => {
                Ok(Event::Identity(IdentityChange {
                    event_id,
                    thread: thread(bot, old, ""),
                    new_thread: Some(thread(bot, number, "")),
                    person: Some((old.to_owned(), number.to_owned())),
                    at,
                }))
            }
            "user_changed_user_id" => {
                let before = system.previous_user_id.some().or(Some(user_id).filter(|id| !id.is_empty()));
                match (before, system.user_id.some()) {
                    (Some(before), Some(now)) if before != now => {
                        Ok(self.renamed(bot, event_id, before, now, at))
                    }
                    _ => Ok(self.notice(bot, message, kept)),
                }
            }
            _ => Ok(self.notice(bot, message, kept)),
        }
    }

    /// One entry of the field `user_id_update`.
    pub(super) fn user_id_update(
        &self,
        bot: &str,
        update: &UserIdUpdate<'_>,
    ) -> Result<Option<Event>, Fault> {
        let change = update.user_id.as_ref().ok_or_else(|| missing("user_id"))?;
        let before = change.previous.some().ok_or_else(|| missing("user_id.previous"))?;
        let now = change.current.some().ok_or_else(|| missing("user_id.current"))?;
        if before == now {
            self.host.log(Level::Debug, "a user id update names the same id twice", &[]);
            return Ok(None);
        }
        let event_id = format!("{before}>{now}@{}", update.timestamp.as_str());
        Ok(Some(self.renamed(bot, event_id, before, now, self.at(update.timestamp.as_str()))))
    }

    /// Conversations that are known by number keep their identity; those known by the id move.
    fn renamed(&self, bot: &str, event_id: String, before: &str, now: &str, at: u64) -> Event {
        Event::Identity(IdentityChange {
            event_id,
            thread: thread(bot, "", before),
            new_thread: Some(thread(bot, "", now)),
            person: Some((before.to_owned(), now.to_owned())),
            at,
        })
    }

    /// Any other system message, such as a new security code.
    fn notice(&self, bot: &str, message: &Message<'_>, kept: &Kept<'_>) -> Event {
        let (wa_id, user_id) = (message.from.as_str(), message.from_user_id.as_str());
        let origin = (!wa_id.is_empty() || !user_id.is_empty())
            .then(|| Origin { thread: thread(bot, wa_id, user_id), author: party(wa_id, user_id, None) });
        self.custom("system", message, origin, kept)
    }
}
