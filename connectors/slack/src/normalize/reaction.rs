//! Reactions. Slack says which message they stand on, but not in which thread it is. The event is stored at
//! once, so it can't be lost, under the place where the message would be if it were in no thread; the gateway
//! knows the messages that passed through it and offers the event in the message's own conversation.

use portico_contract::{Event as Emitted, Fault, Party, Reaction, Turn};

use super::event::Scene;
use super::message::millis;
use super::missing;
use crate::place::{Place, room};
use crate::wire::Event;

/// The event; `None` when the reaction is on no message.
pub(super) fn normalize(scene: Scene<'_>, event: &Event<'_>) -> Result<Option<Turn>, Fault> {
    let user = event.user.some().ok_or_else(|| missing("event.user"))?;
    if scene.is_self(user) {
        return Ok(Some(Turn::emit([])));
    }
    let Some(item) = event.item.as_ref().filter(|item| &*item.kind == "message") else { return Ok(None) };
    let channel = item.channel.some().ok_or_else(|| missing("event.item.channel"))?;
    let ts = item.ts.some().ok_or_else(|| missing("event.item.ts"))?;
    let reaction = event.reaction.some().ok_or_else(|| missing("event.reaction"))?;
    let place = Place { channel, channel_type: "", thread_ts: "", ts };
    // The bot's own message is never forked to a thread.
    let thread = if scene.is_self(&event.item_user) {
        room(channel, place.is_dm())
    } else {
        place.of_person(scene.config).0
    };
    Ok(Some(Turn::emit([Emitted::Reaction(Reaction {
        event_id: scene.event_id(event) + if scene.envelope.event_id.is_empty() { reaction } else { "" },
        external_id: ts.to_owned(),
        thread,
        author: Party { id: user.to_owned(), ..Party::default() },
        reaction: reaction.to_owned(),
        added: &*event.kind == "reaction_added",
        at: millis(event.event_ts.some().unwrap_or(ts), "event.event_ts")?,
    })])))
}
