//! Installation: tells Telegram where to send updates, and learns who the bot is.

use bytes::Bytes;
use portico_contract::{Context, Effect, Fault, FaultCode, Host, Scope, Slot, SlotPlace, StateWrite, Turn};
use portico_kit::sequence::Sequence;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use teloxide_core::payloads::{DeleteWebhook, GetMe, SetMyCommands};
use teloxide_core::types::BotCommand;

use crate::call::Api;
use crate::config::Config;

/// Name of the run that registers.
pub(crate) const REGISTER: &str = "register";
/// Name of the run that unregisters.
pub(crate) const UNREGISTER: &str = "unregister";
/// State key of [`Me`].
const ME: &str = "me";
/// Stands for the webhook secret.
const SECRET: &str = "{webhook_secret}";

/// Who the bot is, as `getMe` said at registration.
#[derive(Debug, Deserialize, Serialize)]
struct Me {
    id: i64,
    username: String,
}

/// The body of `setWebhook`. teloxide's own can't name kinds of update that are newer than it is.
#[derive(Serialize)]
struct SetWebhook<'a> {
    url: &'a str,
    secret_token: &'a str,
    max_connections: u8,
    allowed_updates: Vec<&'a str>,
    drop_pending_updates: bool,
}

/// Registers the webhook. Every call may be repeated.
pub(crate) fn register(host: &dyn Host, ctx: &Context) -> Result<Turn, Fault> {
    let config = Config::of(ctx)?;
    let api = Api::new(&config);
    let set = SetWebhook {
        url: &ctx.webhook_url,
        secret_token: SECRET,
        max_connections: config.max_connections,
        allowed_updates: config.updates(),
        // Only the very first time: later, what waits at Telegram is what came while the gateway was away.
        drop_pending_updates: config.drop_pending_updates
            && host.state_get(&Scope::Installation, ME).is_none(),
    };
    let secret = Slot { place: SlotPlace::Body, marker: SECRET.into(), secret: "webhook_secret".into() };
    let mut calls = vec![
        // The webhook first: once the bot's name is stored, registration counts as done before.
        api.call("setWebhook", &set).slot(secret).repeatable(),
        api.call("getMe", &GetMe::new()).repeatable(),
    ];
    if !config.commands.is_empty() {
        let commands: Vec<BotCommand> = config
            .commands
            .iter()
            .map(|entry| BotCommand::new(&*entry.command, &*entry.description))
            .collect();
        calls.push(api.call("setMyCommands", &SetMyCommands::new(commands)).repeatable());
    }
    Sequence::new(REGISTER, calls).start()
}

/// Takes the webhook away.
pub(crate) fn unregister(ctx: &Context) -> Result<Turn, Fault> {
    let call = Api::of(ctx)?.call("deleteWebhook", &DeleteWebhook::new()).repeatable();
    Sequence::new(UNREGISTER, vec![call]).start()
}

/// Remembers the answer of `getMe`.
pub(crate) fn remember(result: &Value) -> Result<Effect, Fault> {
    let me = Me::deserialize(result).map_err(|error| {
        Fault::new(FaultCode::Unavailable, format!("getMe answered something else: {error}"))
    })?;
    let data = serde_json::to_vec(&me).map_err(|error| Fault::new(FaultCode::Bug, error.to_string()))?;
    Ok(Effect::Write(StateWrite {
        scope: Scope::Installation,
        key: ME.into(),
        data: Some(Bytes::from(data)),
        expect: None,
        lifetime_s: None,
    }))
}

/// The bot's own username, without `@`; `None` before registration.
pub(crate) fn username(host: &dyn Host) -> Option<String> {
    let state = host.state_get(&Scope::Installation, ME)?;
    serde_json::from_slice::<Me>(&state.data).ok().map(|me| me.username)
}
