//! Reactions. Telegram tells the whole list before and after; an event is the difference.

use portico_contract::{Event, Reaction};

use super::{Scene, chat_party, millis, party, thread};
use crate::wire::{MessageReaction, ReactionType};

/// One event per reaction put on or taken off, taken-off ones first.
pub(super) fn reaction(scene: &Scene<'_>, change: &MessageReaction<'_>) -> Vec<Event> {
    let author = match (&change.user, &change.actor_chat) {
        (Some(user), _) if user.is_bot => return Vec::new(),
        (Some(user), _) => party(user),
        (None, Some(chat)) => chat_party(chat),
        (None, None) => return Vec::new(),
    };
    // The update does not say in which topic the message stands.
    let thread = thread(&change.chat, None, None, change.user.as_ref());
    let event = |kind: &ReactionType<'_>, added: bool| {
        let reaction = name(kind);
        Event::Reaction(Reaction {
            event_id: format!(
                "{}:{}:{}:{}{reaction}",
                change.chat.id,
                change.message_id,
                scene.update_id,
                if added { '+' } else { '-' }
            ),
            external_id: change.message_id.to_string(),
            thread: thread.clone(),
            author: author.clone(),
            reaction,
            added,
            at: millis(change.date),
        })
    };
    let removed = change.old_reaction.iter().filter(|kind| !change.new_reaction.contains(kind));
    let added = change.new_reaction.iter().filter(|kind| !change.old_reaction.contains(kind));
    removed.map(|kind| event(kind, false)).chain(added.map(|kind| event(kind, true))).collect()
}

/// The emoji; a custom one as `custom_emoji:<id>`, others by their type (`paid`).
fn name(kind: &ReactionType<'_>) -> String {
    match (&kind.emoji, &kind.custom_emoji_id) {
        (Some(emoji), _) => emoji.0.to_string(),
        (None, Some(id)) => format!("custom_emoji:{}", id.0),
        (None, None) => kind.kind.to_string(),
    }
}
