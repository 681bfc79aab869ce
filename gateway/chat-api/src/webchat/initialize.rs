//! The streams of a visitor: `initialize`, which makes what is missing and says it first, and `listen`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use portico_contract::ConversationId;
use portico_live::NewPerson;
use portico_problem::{Kind, Problem};
use portico_serve::store_problem;
use portico_store::records::{Conversation, MessageFilter, TagMap};
use portico_turns::Installation;
use serde_json::{Value, json};

use super::caller::{Caller, is_admin};
use super::signals::Webchat;
use super::wire;
use crate::feed::Feed;
use crate::front::At;
use crate::path::Id;
use crate::{Api, Shared, page, problems, sse};

/// The visitor of the key, or a new one; the conversation that was named, or a new one; then what happens.
pub(crate) async fn initialize(
    State(api): State<Api>,
    At { installation: at, address }: At,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let caller = visitor(&api, &at, address, &headers).await?;
    let named = match page::query(&uri, "conversationId") {
        Some(id) => match caller.conversation(&api, &id).await {
            Ok(conversation) => Some(conversation),
            Err(problem) if problem.kind() == Kind::ResourceNotFound => None,
            Err(problem) => return Err(problem),
        },
        None => None,
    };
    let conversation = match named {
        Some(conversation) => conversation,
        None => {
            let opened = api.live.open(&at, None, &caller.user.id, TagMap::new());
            opened.await.map_err(problems::live)?.conversation
        }
    };
    let mut feed = open(&api, &caller, conversation.id).await?;
    feed.waiting.push_back(greeting(&api, &caller, &conversation).await?);
    Ok(sse::answer(feed))
}

async fn visitor(
    api: &Shared,
    at: &Arc<Installation>,
    address: u128,
    headers: &HeaderMap,
) -> Result<Caller, Problem> {
    let admin = is_admin(at, headers)?;
    let key = headers.get("x-user-key").and_then(|value| value.to_str().ok()).filter(|key| !key.is_empty());
    let known = match key {
        Some(key) => match Caller::known(api, at, address, key).await {
            Ok(known) => known,
            // A key of another time or place: the visitor begins anew.
            Err(problem) if problem.kind() == Kind::Unauthorized => None,
            Err(problem) => return Err(problem),
        },
        None => None,
    };
    match known {
        Some(caller) => Ok(caller),
        None => Caller::new(api, at, address, admin, NewPerson::default()).await,
    }
}

/// What a conversation holds so far, and who is there.
async fn greeting(api: &Shared, caller: &Caller, conversation: &Conversation) -> Result<Value, Problem> {
    let records = api.records(&caller.at);
    let found = records.messages(conversation.id, &MessageFilter::default(), None, page::SIZE).await;
    let found = found.map_err(|error| store_problem(&error))?;
    let messages: Vec<Value> = found.items.iter().map(|row| wire::message(&caller.at, &row.value)).collect();
    let people = api.live.participants(&caller.at, conversation.id).await.map_err(problems::live)?;
    let people: Vec<Value> = people.iter().map(|user| wire::user(&caller.at, user)).collect();
    let mut user = wire::user(&caller.at, &caller.user);
    if let Some(fields) = user.as_object_mut() {
        fields.insert("userKey".into(), caller.key.clone().into());
    }
    Ok(json!({ "type": "init", "data": {
        "conversation": wire::conversation(conversation),
        "messages": messages,
        "participants": people,
        "user": user,
    } }))
}

/// What happens in a conversation.
pub(crate) async fn listen(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let conversation = caller.conversation(&api, &id).await?;
    Ok(sse::answer(open(&api, &caller, conversation.id).await?))
}

async fn open(api: &Api, caller: &Caller, conversation: ConversationId) -> Result<Feed, Problem> {
    let wire = Webchat { api: api.clone(), at: caller.at.clone(), conversation, me: caller.user.id.clone() };
    Feed::open(api, caller.opener(), conversation, wire).await
}
