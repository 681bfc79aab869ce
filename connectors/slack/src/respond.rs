//! Response addresses: a command, press or shortcut can be answered through an address of its own, five times
//! in 30 minutes, even where the bot is no member. The address is a secret: it stays in the state, and the bot
//! names it by the message or event that it came with.

use bytes::Bytes;
use portico_contract::{Effect, Host, Scope, StateWrite, Turn};

/// How long Slack takes answers there.
const LIFETIME_S: u32 = 30 * 60;

/// Keeps the address that came with a message or event.
pub(crate) fn remember(turn: Turn, id: &str, address: Option<&str>) -> Turn {
    let Some(address) = address.filter(|_| !id.is_empty()) else { return turn };
    turn.with_effect(Effect::Write(StateWrite {
        scope: Scope::Installation,
        key: key(id),
        data: Some(Bytes::copy_from_slice(address.as_bytes())),
        expect: None,
        lifetime_s: Some(LIFETIME_S),
    }))
}

/// The address that came with a message or event, while it works.
pub(crate) fn address(host: &dyn Host, id: &str) -> Option<String> {
    let stored = host.state_get(&Scope::Installation, &key(id))?;
    String::from_utf8(stored.data.to_vec()).ok()
}

fn key(id: &str) -> String {
    format!("response:{id}")
}
