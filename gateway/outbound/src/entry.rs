//! Journal entries that are made here: things for an outbox, and the gateway's own events for a mailbox.

use bytes::Bytes;
use portico_contract::{BotId, ConversationId, EventId, InstallationId};
use portico_store::records::{GatewayEvent, Outgoing};
use portico_store::{Append, Change, EventKind, Lane, NewEvent};

use crate::now;

/// The installation named by events that no installation has to do with.
pub fn no_installation() -> InstallationId {
    match InstallationId::parse("portico") {
        Ok(id) => id,
        Err(_) => unreachable!("the name keeps the rules of ids"),
    }
}

/// The mailbox of events that belong to a bot but to none of its conversations.
pub fn bot_lane(bot: &BotId) -> Lane {
    Lane::inbound(ConversationId::of_installation(bot, &no_installation()))
}

/// The change that journals an event of the gateway.
pub(crate) fn gateway_entry(
    bot: &BotId,
    installation: InstallationId,
    lane: Lane,
    id: EventId,
    event: &GatewayEvent,
) -> Change {
    entry(bot, installation, lane, id, EventKind::Gateway, serde_json::to_vec(event).unwrap_or_default())
}

/// The change that puts something into a conversation's outbox.
pub(crate) fn outgoing_entry(
    bot: &BotId,
    installation: InstallationId,
    conversation: ConversationId,
    id: EventId,
    body: &Outgoing,
) -> Change {
    let lane = Lane::outbound(conversation);
    entry(bot, installation, lane, id, EventKind::Outgoing, serde_json::to_vec(body).unwrap_or_default())
}

fn entry(
    bot: &BotId,
    installation: InstallationId,
    lane: Lane,
    id: EventId,
    kind: EventKind,
    body: Vec<u8>,
) -> Change {
    Change::Append(Append {
        key: None,
        keep_days: 3,
        lane,
        event: NewEvent {
            id,
            bot: bot.clone(),
            installation,
            kind,
            received_at: now(),
            body: body.into(),
            raw: Bytes::new(),
            raw_of: None,
        },
    })
}
