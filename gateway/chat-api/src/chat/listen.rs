//! What happens in a conversation, as it happens.
//!
//! The client checks each signal strictly and loses what does not fit: every date ends in `Z`, an optional
//! field is left out and never `null`. There is no replay; the stream begins with what happens after its head.

use std::collections::HashMap;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::response::Response;
use portico_contract::UserId;
use portico_live::{Bounds, DRAFT_TAG, Shown, Signal, What};
use portico_problem::Problem;
use portico_store::records::{Direction, Message, iso};
use serde_json::{Value, json};

use super::caller::Caller;
use super::wire::Names;
use super::{events, ids, wire};
use crate::feed::{Feed, Said, Wire};
use crate::front::Surface;
use crate::path::{Id, Rest};
use crate::problems::unknown;
use crate::{Api, problems, socket, sse};

/// Drafts of which one stream remembers how far they were shown.
const DRAFTS: usize = 64;

/// Opens a stream: server-sent events, or a WebSocket where the caller asks for one.
pub(crate) async fn listen(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    request: Request,
) -> Result<Response, Problem> {
    open(&api, &caller, &id, request).await
}

/// As [`listen`], for an id that holds a slash: the public client does not escape it here, and only here. Every
/// other address that no operation has leads here, too.
pub(crate) async fn listen_unescaped(
    State(api): State<Api>,
    Rest(rest): Rest,
    caller: Result<Caller, Problem>,
    request: Request,
) -> Result<Response, Problem> {
    let id = rest.strip_prefix("conversations/").and_then(|rest| rest.strip_suffix("/listen"));
    let Some(id) = id else { return Err(unknown().await) };
    open(&api, &caller?, id, request).await
}

async fn open(api: &Api, caller: &Caller, id: &str, request: Request) -> Result<Response, Problem> {
    let conversation = caller.conversation(api, id).await?;
    let seats = (
        api.user_seats.take(caller.holder(), api.limits.user_streams)?,
        api.address_seats[Surface::Chat.index()].take(caller.address, api.address_streams(Surface::Chat))?,
    );
    // First listen, then look how far the stream is: what comes between is not lost.
    let listener = api.live.listen(&caller.at, conversation.id, Bounds::default());
    let head = api.live.head(&caller.at, conversation.id).await.map_err(problems::live)?;
    let wire = Chat {
        conversation: ids::of_conversation(&caller.at, &conversation),
        names: Names::new(&caller.at, &caller.user),
        me: caller.user.id.clone(),
        bot: caller.at.bot.to_string(),
        drafts: HashMap::new(),
        api: api.clone(),
    };
    let feed = Feed {
        listener: listener.after(head.last),
        wire: Box::new(wire),
        stop: api.stop.clone(),
        quiet: sse::QUIET,
        until: caller.until,
        waiting: Default::default(),
        seats: Some(seats),
        heard: None,
        ended: false,
    };
    if socket::is_asked_for(&request) { socket::answer(request, feed) } else { Ok(sse::answer(feed)) }
}

/// The signals of this API.
struct Chat {
    api: Api,
    conversation: String,
    names: Names,
    me: UserId,
    bot: String,
    /// What was shown of each draft; `None`: it is a message by now, or can't be shown.
    drafts: HashMap<String, Option<String>>,
}

#[async_trait]
impl Wire for Chat {
    async fn item(&mut self, shown: &Shown) -> Said {
        match &shown.what {
            What::Message { message, .. } => self.message(message).await.into(),
            What::Deleted { id, user } => {
                let user = match user {
                    Some(user) => self.names.of(&self.api, user).await,
                    None => return Said::default(),
                };
                let data = json!({ "id": id, "conversationId": self.conversation, "userId": user });
                vec![signal("message_deleted", data)].into()
            }
            What::Participant { user, joined, .. } => {
                let data = json!({
                    "conversationId": self.conversation, "participantId": self.names.of(&self.api, user).await,
                });
                let kind = if *joined { "participant_added" } else { "participant_removed" };
                Said { signals: vec![signal(kind, data)], last: !joined && *user == self.me }
            }
            What::Event { id, user, data, is_bot, name, .. } if name == events::CUSTOM || *is_bot => {
                let payload = if *is_bot { object(data) } else { events::inner(data) };
                let user = self.names.of(&self.api, user).await;
                vec![self.event(json!(id), id.millis(), &user, payload, *is_bot)].into()
            }
            // A conversation that is gone has nothing more to say.
            What::Conversation { conversation: None } => Said { signals: Vec::new(), last: true },
            // The Chat API has no words for the rest.
            What::Event { .. } | What::Updated { .. } | What::Status { .. } | What::Conversation { .. } => {
                Said::default()
            }
        }
    }

    async fn signal(&mut self, heard: &Signal) -> Said {
        match heard {
            // Only bots have such events, whomever their payload names.
            Signal::Custom { data, at, .. } => {
                let bot = self.bot.clone();
                vec![self.event(Value::Null, *at, &bot, object(data), true)].into()
            }
            Signal::Delta { draft, n, text, full, by, began_at } => {
                let Some(delta) = self.grown(draft, text, *full) else { return Said::default() };
                let data = json!({
                    "streamId": draft, "conversationId": self.conversation, "userId": by.user,
                    "createdAt": iso(*began_at), "sequence": n, "delta": delta,
                });
                vec![signal("message_stream_delta", data)].into()
            }
            Signal::DraftEnded { draft, message: None } => {
                // One that became a message under its own name was ended with it.
                if let Some(None) = self.drafts.remove(draft) {
                    return Said::default();
                }
                let data = json!({ "streamId": draft, "conversationId": self.conversation });
                vec![signal("message_stream_abort", data)].into()
            }
            Signal::DraftEnded { .. } | Signal::Typing { .. } | Signal::Command { .. } => Said::default(),
        }
    }
}

impl Chat {
    async fn message(&mut self, message: &Message) -> Vec<Value> {
        let is_bot = message.direction == Direction::Outgoing;
        let user = self.names.of(&self.api, &message.user).await;
        let mut shown = wire::message(message, &self.conversation, &user);
        let mut signals = Vec::with_capacity(2);
        let stream = message.tags.get(DRAFT_TAG).map(String::as_str);
        let stream = stream.or_else(|| message.payload.pointer("/metadata/streamId").and_then(Value::as_str));
        if let Some(stream) = stream.filter(|stream| is_bot && !stream.is_empty()) {
            let data = json!({ "streamId": stream, "message": shown });
            signals.push(signal("message_stream_complete", data));
            self.remember(stream, None);
        }
        shown.insert("isBot".into(), is_bot.into());
        signals.push(signal("message_created", Value::Object(shown)));
        signals
    }

    fn event(&self, id: Value, at: u64, user: &str, payload: Value, is_bot: bool) -> Value {
        let data = json!({
            "id": id, "createdAt": iso(at), "conversationId": self.conversation, "userId": user,
            "payload": payload, "isBot": is_bot,
        });
        signal("event_created", data)
    }

    /// What is new of a draft. This API can only add: when the text so far is another one, nothing more is shown
    /// of it until it is a message.
    fn grown(&mut self, draft: &str, text: &str, full: bool) -> Option<String> {
        let new = match (self.drafts.get(draft), full) {
            (Some(None), _) => return None,
            (Some(Some(so_far)), true) => match text.strip_prefix(so_far.as_str()) {
                Some(rest) => rest.to_owned(),
                None => {
                    self.remember(draft, None);
                    return None;
                }
            },
            _ => text.to_owned(),
        };
        if new.is_empty() {
            return None;
        }
        let so_far = self.drafts.get(draft).and_then(Clone::clone).unwrap_or_default();
        self.remember(draft, Some(so_far + &new));
        Some(new)
    }

    fn remember(&mut self, draft: &str, so_far: Option<String>) {
        if self.drafts.len() >= DRAFTS && !self.drafts.contains_key(draft) {
            self.drafts.clear();
        }
        self.drafts.insert(draft.to_owned(), so_far);
    }
}

fn signal(kind: &str, data: Value) -> Value {
    json!({ "type": kind, "data": data })
}

/// Data as an object, which the client insists on.
fn object(data: &Value) -> Value {
    match data {
        Value::Object(_) => data.clone(),
        other => json!({ "value": other }),
    }
}
