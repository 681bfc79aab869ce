//! Reactions. Slack says which message they stand on, but not in which thread it is: the message's permalink
//! does, so one call is made before the event is stored. When Slack does not answer, the place is where the
//! message would be if it were in no thread, and the event is never lost.

use portico_contract::{
    Event as Emitted, Fault, FaultCode, HttpAnswer, Millis, OutboundRequest, Party, Reaction, Turn,
};
use portico_kit::sequence::Sequence;
use serde::{Deserialize, Serialize};
use url::Url;

use super::event::Scene;
use super::message::millis;
use super::missing;
use crate::config::SlackConfig;
use crate::place::{Place, room, thread};
use crate::send;
use crate::wire::Event;

/// Name of the job in the memo.
pub(crate) const JOB: &str = "reaction";

/// What is known before the place is.
#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    event_id: String,
    channel: String,
    ts: String,
    user: String,
    reaction: String,
    added: bool,
    at: Millis,
    /// Whether the message is the bot's, which is never forked to a thread.
    on_own: bool,
}

/// Asks where the message stands; `None` when the reaction is on no message.
pub(super) fn normalize(scene: Scene<'_>, event: &Event<'_>) -> Result<Option<Turn>, Fault> {
    let user = event.user.some().ok_or_else(|| missing("event.user"))?;
    if scene.is_self(user) {
        return Ok(Some(Turn::emit([])));
    }
    let Some(item) = event.item.as_ref().filter(|item| &*item.kind == "message") else { return Ok(None) };
    let channel = item.channel.some().ok_or_else(|| missing("event.item.channel"))?;
    let ts = item.ts.some().ok_or_else(|| missing("event.item.ts"))?;
    let reaction = event.reaction.some().ok_or_else(|| missing("event.reaction"))?;
    let pending = Pending {
        event_id: scene.event_id(event) + if scene.envelope.event_id.is_empty() { reaction } else { "" },
        channel: channel.to_owned(),
        ts: ts.to_owned(),
        user: user.to_owned(),
        reaction: reaction.to_owned(),
        added: &*event.kind == "reaction_added",
        at: millis(event.event_ts.some().unwrap_or(ts), "event.event_ts")?,
        on_own: scene.is_self(&event.item_user),
    };
    let mut url = Url::parse(&scene.config.method("chat.getPermalink"))
        .map_err(|error| Fault::new(FaultCode::BadConfig, format!("api_url: {error}")).at("/api_url"))?;
    url.query_pairs_mut().append_pair("channel", channel).append_pair("message_ts", ts);
    let call = OutboundRequest {
        timeout_ms: Some(5_000),
        ..OutboundRequest::get("chat.getPermalink", url).bearer("bot_token")
    };
    let note =
        serde_json::to_value(&pending).map_err(|error| Fault::new(FaultCode::Bug, error.to_string()))?;
    Sequence::new(JOB, vec![call]).with_note(note).start().map(Some)
}

/// Takes the permalink and stores the event.
///
/// # Errors
/// `bug` when the memo is not of this job.
pub(crate) fn resume(
    config: &SlackConfig,
    sequence: Sequence,
    answers: &[HttpAnswer],
) -> Result<Turn, Fault> {
    #[derive(Deserialize)]
    struct Link {
        permalink: String,
    }
    let pending: Pending = serde_json::from_value(sequence.note)
        .map_err(|error| Fault::new(FaultCode::Bug, format!("memo: {error}")))?;
    let link = answers.first().and_then(|answer| send::read::<Link>(answer).ok());
    let root = link.and_then(|link| thread_of(&link.permalink)).filter(|root| *root != pending.ts);
    let place = Place { channel: &pending.channel, channel_type: "", thread_ts: "", ts: &pending.ts };
    let place = match root {
        Some(root) => thread(&pending.channel, &root),
        None if pending.on_own => room(&pending.channel, place.is_dm()),
        None => place.of_person(config).0,
    };
    Ok(Turn::emit([Emitted::Reaction(Reaction {
        event_id: pending.event_id,
        external_id: pending.ts,
        thread: place,
        author: Party { id: pending.user, ..Party::default() },
        reaction: pending.reaction,
        added: pending.added,
        at: pending.at,
    })]))
}

/// The permalink of a message in a thread names the thread: `…/p1358546515000008?thread_ts=1358546515.000001&cid=C1`.
fn thread_of(permalink: &str) -> Option<String> {
    let url = Url::parse(permalink).ok()?;
    url.query_pairs()
        .find(|(name, value)| name == "thread_ts" && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}
