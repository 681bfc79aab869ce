//! Installation: who the bot is, and whether its token works.
//!
//! Slack has no call by which a bot token could set the webhook's address: operators do that by hand. What
//! `auth.test` says is kept, so that the bot knows its own messages where an event does not name it.

use bytes::Bytes;
use portico_contract::{
    Context, Effect, Fault, FaultCode, Host, HttpAnswer, Level, Millis, OutboundRequest, Scope, StateWrite,
    Turn,
};
use portico_kit::sequence::Sequence;
use serde::{Deserialize, Serialize};

use crate::config::SlackConfig;
use crate::send;

/// Name of the job in the memo.
pub(crate) const JOB: &str = "register";
/// State: [`Bot`].
const BOT: &str = "bot";
/// State: why the token is dead.
const REVOKED: &str = "revoked";

/// The bot, as Slack knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Bot {
    pub(crate) user_id: String,
    pub(crate) bot_id: String,
    pub(crate) team_id: String,
    /// When it was last asked.
    pub(crate) at: Millis,
}

/// What is known of the bot.
pub(crate) fn bot(host: &dyn Host) -> Option<Bot> {
    let stored = host.state_get(&Scope::Installation, BOT)?;
    serde_json::from_slice(&stored.data).ok()
}

/// Asks Slack whom the token belongs to.
///
/// # Errors
/// `bad-config` when the configuration is not of its type.
pub(crate) fn register(ctx: &Context) -> Result<Turn, Fault> {
    let config = ctx.config.typed::<SlackConfig>()?;
    let call = OutboundRequest::json("auth.test", config.method("auth.test"), &serde_json::json!({}));
    Sequence::new(JOB, vec![call.bearer("bot_token").repeatable()]).start()
}

/// Keeps what Slack said.
///
/// # Errors
/// What [`send::read`] makes of the answer.
pub(crate) fn registered(host: &dyn Host, answers: &[HttpAnswer]) -> Result<Turn, Fault> {
    #[derive(Deserialize)]
    struct Who {
        user_id: String,
        #[serde(default)]
        bot_id: String,
        #[serde(default)]
        team_id: String,
    }
    let answer = answers.first().ok_or_else(|| Fault::new(FaultCode::Bug, "resumed without an answer"))?;
    let who: Who = send::read(answer)?;
    if who.bot_id.is_empty() {
        host.log(
            Level::Warn,
            "bot_token is no bot token: Slack names no bot_id; use the token that begins with xoxb-",
            &[],
        );
    }
    let bot = Bot { user_id: who.user_id, bot_id: who.bot_id, team_id: who.team_id, at: host.now() };
    let data = serde_json::to_vec(&bot).map_err(|error| Fault::new(FaultCode::Bug, error.to_string()))?;
    let mut turn = Turn::emit([]).with_effect(write(BOT, Some(data.into())));
    if revoked(host).is_some() {
        turn = turn.with_effect(write(REVOKED, None));
    }
    Ok(turn)
}

/// Remembers that the token is dead, unless the news is older than the token.
pub(crate) fn mark_revoked(
    host: &dyn Host,
    turn: Turn,
    reason: &'static str,
    event_time: Option<u64>,
) -> Turn {
    let happened = event_time.map_or(host.now(), |seconds| seconds.saturating_mul(1000));
    // Slack gives whole seconds.
    if bot(host).is_some_and(|bot| bot.at > happened.saturating_add(1000)) {
        return turn;
    }
    turn.with_effect(write(REVOKED, Some(Bytes::from_static(reason.as_bytes()))))
}

/// Why the token is dead, if it is.
pub(crate) fn revoked(host: &dyn Host) -> Option<String> {
    let stored = host.state_get(&Scope::Installation, REVOKED)?;
    Some(String::from_utf8_lossy(&stored.data).into_owned())
}

/// Refuses to call Slack with a token that is known to be dead.
///
/// # Errors
/// `unauthenticated` when it is.
pub(crate) fn check_alive(host: &dyn Host) -> Result<(), Fault> {
    match revoked(host) {
        None => Ok(()),
        Some(reason) => Err(Fault::new(
            FaultCode::Unauthenticated,
            format!(
                "Slack took the bot token back ({reason}); install the app again and configure its new bot_token"
            ),
        )),
    }
}

fn write(key: &str, data: Option<Bytes>) -> Effect {
    Effect::Write(StateWrite {
        scope: Scope::Installation,
        key: key.to_owned(),
        data,
        expect: None,
        lifetime_s: None,
    })
}
