//! The Events API's inner event, sorted by its type.

use portico_contract::{Fault, Host, Level, Turn};
use serde_json::json;

use super::{custom, message, missing, reaction};
use crate::config::SlackConfig;
use crate::place::{self, Place};
use crate::setup;
use crate::wire::{Envelope, Event, number};

/// Who is speaking, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) config: &'a SlackConfig,
    pub(super) envelope: &'a Envelope<'a>,
}

impl Scene<'_> {
    /// Whether a user id is the bot's own. Slack names the bot with every event; what `auth.test` said is
    /// read only where the event was sent on behalf of a person.
    pub(super) fn is_self(&self, user: &str) -> bool {
        if user.is_empty() {
            return false;
        }
        let named =
            self.envelope.authorizations.as_ref().and_then(|all| all.first()).filter(|one| one.is_bot);
        match named {
            Some(bot) => *bot.user_id == *user,
            None => setup::bot(self.host).is_some_and(|bot| bot.user_id == user),
        }
    }

    /// The bot's own user id, where it is known.
    pub(super) fn self_id(&self) -> Option<String> {
        let named =
            self.envelope.authorizations.as_ref().and_then(|all| all.first()).filter(|one| one.is_bot);
        named.and_then(|bot| bot.user_id.owned()).or_else(|| setup::bot(self.host).map(|bot| bot.user_id))
    }

    /// What a repeat of the event is known by: Slack's id of it, or else what can't happen twice.
    pub(super) fn event_id(&self, event: &Event<'_>) -> String {
        match self.envelope.event_id.some() {
            Some(id) => id.to_owned(),
            None => {
                let item = event.item.as_ref().map_or("", |item| &item.ts);
                let stamp = event.event_ts.some().unwrap_or(&event.ts);
                let (kind, user, channel) = (&*event.kind, &*event.user, &*event.channel);
                format!("{kind}:{channel}:{user}:{item}:{stamp}")
            }
        }
    }
}

pub(super) fn normalize(
    host: &dyn Host,
    config: &SlackConfig,
    envelope: &Envelope<'_>,
    body: &[u8],
) -> Result<Turn, Fault> {
    let Some(event) = &envelope.event else { return Err(missing("event")) };
    let scene = Scene { host, config, envelope };
    let generic = || custom::any(body).ok_or_else(|| missing("event"));
    match &*event.kind {
        "message" | "app_mention" => match message::normalize(scene, event)? {
            Some(turn) => Ok(turn),
            None => generic(),
        },
        "reaction_added" | "reaction_removed" => match reaction::normalize(scene, event)? {
            Some(turn) => Ok(turn),
            None => generic(),
        },
        "member_joined_channel" => membership(scene, event, "memberJoinedChannel"),
        "member_left_channel" => membership(scene, event, "memberLeftChannel"),
        "team_join" => custom::team_join(scene, event, body).ok_or_else(|| missing("event.user.id")),
        "assistant_thread_started" => match &event.assistant_thread {
            Some(started) if !started.channel_id.is_empty() && !started.thread_ts.is_empty() => {
                let data = json!({ "userId": &*started.user_id, "channelId": &*started.channel_id, "threadTs": &*started.thread_ts });
                let thread = place::thread(&started.channel_id, &started.thread_ts);
                Ok(custom::emit(
                    "assistantThreadStarted",
                    scene.event_id(event),
                    Some(thread),
                    &started.user_id,
                    data,
                ))
            }
            _ => Err(missing("event.assistant_thread.thread_ts")),
        },
        "app_uninstalled" => {
            host.log(
                Level::Error,
                "the app was removed from the workspace; install it again and configure the new token",
                &[],
            );
            let data = json!({ "teamId": &*envelope.team_id });
            let turn = custom::emit("appUninstalled", scene.event_id(event), None, "", data);
            Ok(setup::mark_revoked(host, turn, "app_uninstalled", number(envelope.event_time)))
        }
        "tokens_revoked" => {
            let bots = event.tokens.as_ref().and_then(|tokens| tokens.bot.as_deref()).unwrap_or_default();
            let data = json!({ "teamId": &*envelope.team_id, "bots": bots.iter().map(|id| &**id).collect::<Vec<_>>() });
            let turn = custom::emit("tokensRevoked", scene.event_id(event), None, "", data);
            let known = setup::bot(host);
            let ours = bots.iter().any(|id| known.as_ref().is_none_or(|bot| bot.user_id == **id));
            if !ours {
                return Ok(turn);
            }
            host.log(Level::Error, "the bot token was revoked; configure a new one", &[]);
            Ok(setup::mark_revoked(host, turn, "tokens_revoked", number(envelope.event_time)))
        }
        "" => Err(missing("event.type")),
        _ => generic(),
    }
}

fn membership(scene: Scene<'_>, event: &Event<'_>, name: &'static str) -> Result<Turn, Fault> {
    let user = event.user.some().ok_or_else(|| missing("event.user"))?;
    let channel = event.channel.some().ok_or_else(|| missing("event.channel"))?;
    let mut data = json!({ "userId": user, "channelId": channel, "isSelf": scene.is_self(user) });
    if let (Some(inviter), Some(fields)) = (event.inviter.some(), data.as_object_mut()) {
        fields.insert("inviterId".into(), inviter.into());
    }
    let thread = Place { channel, channel_type: "", thread_ts: "", ts: "" }.plain();
    Ok(custom::emit(name, scene.event_id(event), Some(thread), user, data))
}
