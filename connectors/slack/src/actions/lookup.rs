//! Actions that only read: people, channels, messages.

use portico_contract::{ActionCall, Fault, FaultCode, Host, HttpAnswer, Level, OutboundRequest, Turn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rooms::Room;
use super::{ask, input, output, query};
use crate::config::SlackConfig;
use crate::normalize::is_ts;
use crate::profile::SlackUser;
use crate::send;

/// Pages of 200 that are looked through.
pub(super) const MOST_PAGES: u64 = 12;
/// Matches that are handed back.
const MOST_FOUND: usize = 50;

/// A page of channels.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ChannelList {
    pub(super) channels: Vec<Room>,
    pub(super) response_metadata: Cursor,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Cursor {
    pub(super) next_cursor: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UserList {
    members: Vec<SlackUser>,
    response_metadata: Cursor,
}

#[derive(Deserialize)]
struct OneUser {
    user: SlackUser,
}

/// `conversations.list`, one page.
pub(super) fn channels(config: &SlackConfig, cursor: &str) -> OutboundRequest {
    let types = ("types", "public_channel,private_channel");
    query(
        config,
        "conversations.list",
        &[types, ("exclude_archived", "true"), ("limit", "200"), ("cursor", cursor)],
    )
}

fn users(config: &SlackConfig, cursor: &str) -> OutboundRequest {
    query(config, "users.list", &[("limit", "200"), ("cursor", cursor)])
}

/// `users.info`.
pub(super) fn profile(config: &SlackConfig, call: &ActionCall) -> Result<Turn, Fault> {
    ask("getUserProfile", query(config, "users.info", &[("user", input::text(call, "userId")?)]), Value::Null)
}

pub(super) fn profiled(answer: &HttpAnswer) -> Result<Turn, Fault> {
    Ok(output(send::read::<OneUser>(answer)?.user.output()))
}

/// What is looked for, and what was found so far.
#[derive(Serialize, Deserialize)]
struct Search {
    query: String,
    pages: u64,
    found: Vec<Value>,
}

/// People or channels by a part of their name, people by their email address, too.
pub(super) fn find(config: &SlackConfig, call: &ActionCall) -> Result<Turn, Fault> {
    let wanted = input::text(call, "query")?;
    let search =
        Search { query: wanted.trim_start_matches(['#', '@']).to_lowercase(), pages: 1, found: Vec::new() };
    let request = match input::text(call, "channel")? {
        "dm" if is_email(wanted) => query(config, "users.lookupByEmail", &[("email", wanted)]),
        "dm" => users(config, ""),
        "channel" => channels(config, ""),
        _ => return Err(input::bad("channel", "channel must be 'dm' or 'channel'")),
    };
    ask("findTarget", request, json!(search))
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.'))
}

pub(super) fn found(
    host: &dyn Host,
    config: &SlackConfig,
    note: Value,
    answer: &HttpAnswer,
) -> Result<Turn, Fault> {
    let mut search: Search =
        serde_json::from_value(note).map_err(|error| Fault::new(FaultCode::Bug, format!("memo: {error}")))?;
    let person =
        |user: &SlackUser| json!({ "displayName": user.shown(), "channel": "dm", "tags": { "id": user.id } });
    let next = match answer.label.as_str() {
        "users.lookupByEmail" => {
            match send::read::<OneUser>(answer) {
                Ok(one) => search.found.push(person(&one.user)),
                Err(fault) if send::error_of(&fault) == "users_not_found" => {}
                Err(fault) => return Err(fault),
            }
            None
        }
        "users.list" => {
            let list: UserList = send::read(answer)?;
            let names = |user: &SlackUser| {
                [
                    user.name.clone(),
                    user.profile.real_name.clone(),
                    user.profile.display_name.clone(),
                    user.profile.email.clone(),
                ]
            };
            let fits = |user: &&SlackUser| {
                !user.deleted && names(user).iter().any(|name| name.to_lowercase().contains(&search.query))
            };
            search.found.extend(list.members.iter().filter(fits).map(person));
            Some(list.response_metadata.next_cursor)
                .filter(|next| !next.is_empty())
                .map(|next| users(config, &next))
        }
        _ => {
            let list: ChannelList = send::read(answer)?;
            let named = list.channels.iter().filter_map(|room| Some((room.name.as_deref()?, &room.id)));
            let fits = named.filter(|(name, _)| name.to_lowercase().contains(&search.query));
            let target = |(name, id): (&str, &String)| json!({ "displayName": name, "channel": "channel", "tags": { "id": id } });
            search.found.extend(fits.map(target));
            Some(list.response_metadata.next_cursor)
                .filter(|next| !next.is_empty())
                .map(|next| channels(config, &next))
        }
    };
    search.found.truncate(MOST_FOUND);
    match next {
        Some(request) if search.pages < MOST_PAGES && search.found.len() < MOST_FOUND => {
            search.pages += 1;
            ask("findTarget", request, json!(search))
        }
        left => {
            if left.is_some() && search.found.is_empty() {
                host.log(Level::Info, "findTarget stopped after 2,400 entries without a match", &[]);
            }
            Ok(output(json!({ "targets": search.found })))
        }
    }
}

/// One message, in a channel or in a thread.
pub(super) fn message(config: &SlackConfig, call: &ActionCall) -> Result<Turn, Fault> {
    let (channel, ts) = (input::text(call, "channel")?, input::text(call, "ts")?);
    if !is_ts(ts) {
        return Err(input::bad("ts", "ts must be seconds and microseconds, such as 1360782804.083113"));
    }
    let arguments = [("channel", channel), ("latest", ts), ("inclusive", "true"), ("limit", "1")];
    ask(
        "retrieveMessage",
        query(config, "conversations.history", &arguments),
        json!({ "channel": channel, "ts": ts }),
    )
}

pub(super) fn retrieved(config: &SlackConfig, note: Value, answer: &HttpAnswer) -> Result<Turn, Fault> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct History {
        messages: Vec<Value>,
    }
    let part = |name: &str| note.get(name).and_then(Value::as_str).unwrap_or_default();
    let (channel, ts) = (part("channel"), part("ts"));
    let history: History = send::read(answer)?;
    let field = |message: &Value, name: &str| {
        message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    match history.messages.iter().find(|message| field(message, "ts") == ts) {
        Some(message) => Ok(output(json!({
            "type": field(message, "type"),
            "user": field(message, "user"),
            "ts": ts,
            "text": field(message, "text"),
            "threadTs": field(message, "thread_ts"),
        }))),
        // A reply in a thread is in no channel's history.
        None if answer.label == "conversations.history" => {
            let arguments =
                [("channel", channel), ("ts", ts), ("latest", ts), ("inclusive", "true"), ("limit", "1")];
            ask("retrieveMessage", query(config, "conversations.replies", &arguments), note.clone())
        }
        None => {
            Err(Fault::new(FaultCode::NotFound, "there is no message of that ts in the channel").at("/ts"))
        }
    }
}
