//! What happens in a conversation, as it happens.
//!
//! The client checks each signal strictly and loses what does not fit: every date ends in `Z`, an optional
//! field is left out and never `null`. There is no replay; the stream begins with what happens after its head.

use std::collections::HashMap;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::response::Response;
use portico_contract::UserId;
use portico_live::{DRAFT_TAG, Shown, Signal, What};
use portico_problem::Problem;
use portico_store::records::{Direction, Message, iso};
use serde_json::{Value, json};

use super::caller::Caller;
use super::shapes::Signal as SignalShape;
use super::signals;
use super::wire::Names;
use super::{ids, wire};
use crate::feed::{Feed, Said, Wire, object, signal};
use crate::path::{Id, Rest};
use crate::problems::unknown;
use crate::{Api, socket, sse};

/// Drafts of which one stream remembers how far they were shown.
const DRAFTS: usize = 64;

/// Opens a stream: server-sent events, or a WebSocket where the caller asks for one.
#[utoipa::path(get, path = "/conversations/{id}/listen", operation_id = "listenConversation", tag = "conversations",
    params(("id" = String, Path)),
    responses((status = 200, body = SignalShape, content_type = "text/event-stream",
        description = "events `message`, each with one signal; `data: ping` after three seconds of silence")))]
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
    let wire = Chat {
        conversation: ids::of_conversation(&caller.at, &conversation),
        names: Names::new(&caller.at, &caller.user),
        me: caller.user.id.clone(),
        bot: caller.at.bot.to_string(),
        drafts: HashMap::new(),
        api: api.clone(),
    };
    let feed = Feed::open(api, caller.opener(), conversation.id, wire).await?;
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
            What::Message { message, .. } => self.message(message, shown).await.into(),
            // Whoever was sent away hears that, and nothing more.
            What::Participant { user, joined: false, .. } if *user == self.me => {
                Said { signals: self.told(shown).await, last: true }
            }
            // A conversation that is gone has nothing more to say.
            What::Conversation { conversation: None } => Said { signals: Vec::new(), last: true },
            _ => self.told(shown).await.into(),
        }
    }

    async fn signal(&mut self, heard: &Signal) -> Said {
        match heard {
            // Only bots have such events, whomever their payload names.
            Signal::Custom { data, at, .. } => {
                let bot = self.bot.clone();
                vec![signals::event(Value::Null, *at, &self.conversation, &bot, object(data), true)].into()
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
    /// An item as everybody is told of it.
    async fn told(&mut self, shown: &Shown) -> Vec<Value> {
        signals::of_item(&self.api.live, &mut self.names, &self.conversation, shown)
            .await
            .into_iter()
            .collect()
    }

    /// A message, and before it the end of the stream in which it grew.
    async fn message(&mut self, message: &Message, shown: &Shown) -> Vec<Value> {
        let is_bot = message.direction == Direction::Outgoing;
        let mut signals = Vec::with_capacity(2);
        let stream = message.tags.get(DRAFT_TAG).map(String::as_str);
        let stream = stream.or_else(|| message.payload.pointer("/metadata/streamId").and_then(Value::as_str));
        if let Some(stream) = stream.filter(|stream| is_bot && !stream.is_empty()) {
            let user = self.names.of(&self.api.live, &message.user).await;
            let data =
                json!({ "streamId": stream, "message": wire::message(message, &self.conversation, &user) });
            signals.push(signal("message_stream_complete", data));
            self.remember(stream, None);
        }
        signals.extend(self.told(shown).await);
        signals
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
