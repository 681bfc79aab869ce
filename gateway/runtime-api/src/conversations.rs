//! Conversations: of an integration's channel, or made by the bot for itself.

use std::sync::Arc;

use axum::extract::State;
use portico_contract::{ConversationId, Thread};
use portico_problem::{Kind, Problem};
use portico_store::records::{Conversation, StateType, TagMap, Versioned, conversation_json};
use portico_turns::Installation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::body::Json;
use crate::caller::Caller;
use crate::listing::{self, MOST, Order, Span};
use crate::names::{self, TagInput};
use crate::page::Paging;
use crate::path::{self, Segments};
use crate::problems::{self, bad_query, no_reference, not_found};
use crate::query::Query;
use crate::shared::{TRIES, now, too_busy};
use crate::wire::{self, Created, Done, Meta, nullable};
use crate::{Api, Shared};

/// Messages removed in one commit with their conversation.
const BATCH: usize = 200;

/// A conversation to make or find.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewConversation {
    /// A channel of the integration.
    pub(crate) channel: String,
    /// The tags that tell the channel's conversations apart make it the one that webhooks bring.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub(crate) tags: TagInput,
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub(crate) properties: TagInput,
    /// Alias of the integration, where a bot calls.
    pub(crate) integration_name: Option<String>,
    /// For get-or-create: the tags that must equal; without it all must.
    pub(crate) discriminate_by_tags: Option<Vec<String>>,
}

/// What to change about a conversation; `null` removes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ConversationChange {
    #[schema(value_type = Option<std::collections::BTreeMap<String, Option<String>>>)]
    tags: TagInput,
    #[schema(value_type = Option<std::collections::BTreeMap<String, Option<String>>>)]
    properties: TagInput,
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    current_task_id: Option<Option<String>>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationAnswer {
    #[schema(value_type = wire::Conversation)]
    conversation: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FoundConversation {
    #[schema(value_type = wire::Conversation)]
    conversation: Value,
    meta: Created,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationList {
    #[schema(value_type = Vec<wire::Conversation>)]
    conversations: Vec<Value>,
    meta: Meta,
}

type Answer<T> = Result<axum::Json<T>, Problem>;

fn answer(caller: &Caller, conversation: &Conversation) -> axum::Json<ConversationAnswer> {
    axum::Json(ConversationAnswer { conversation: conversation_json(conversation, caller.view()) })
}

/// Makes a conversation.
#[utoipa::path(post, path = "/v1/chat/conversations", operation_id = "createConversation", tag = "conversations",
    request_body = NewConversation, responses((status = 200, body = ConversationAnswer)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body: Json<NewConversation>,
) -> Answer<ConversationAnswer> {
    let draft = Draft::read(&api, &caller, &body.value, "")?;
    let conversation = draft.conversation();
    if !api.commit(caller.records.conversation_changes(None, &conversation)).await? {
        let problem =
            Problem::new(Kind::AlreadyExists, "this conversation exists already; use get-or-create");
        return Err(problem.with("id", conversation.id.to_string()));
    }
    Ok(answer(&caller, &conversation))
}

/// Finds a conversation by its tags, or makes it; at once from many sides it is made once.
#[utoipa::path(post, path = "/v1/chat/conversations/get-or-create", operation_id = "getOrCreateConversation",
    tag = "conversations", request_body = NewConversation, responses((status = 200, body = FoundConversation)))]
pub(crate) async fn get_or_create(
    State(api): State<Api>,
    caller: Caller,
    body: Json<NewConversation>,
) -> Answer<FoundConversation> {
    let (conversation, created) = found(&api, &caller, &body.value, "").await?;
    let conversation = conversation_json(&conversation, caller.view());
    Ok(axum::Json(FoundConversation { conversation, meta: Created { created } }))
}

/// A conversation.
#[utoipa::path(get, path = "/v1/chat/conversations/{id}", operation_id = "getConversation", tag = "conversations",
    params(("id" = String, Path)), responses((status = 200, body = ConversationAnswer)))]
pub(crate) async fn get(caller: Caller, Segments(id): Segments<String>) -> Answer<ConversationAnswer> {
    let conversation = addressed(&caller, &id).await?;
    Ok(answer(&caller, &conversation.value))
}

/// Changes a conversation.
#[utoipa::path(put, path = "/v1/chat/conversations/{id}", operation_id = "updateConversation", tag = "conversations",
    params(("id" = String, Path)), request_body = ConversationChange,
    responses((status = 200, body = ConversationAnswer)))]
pub(crate) async fn update(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
    body: Json<ConversationChange>,
) -> Answer<ConversationAnswer> {
    let change = body.value;
    let tags = names::stored(caller.view(), &change.tags, "tags")?;
    let properties = names::plain(&change.properties, "properties")?;
    for _ in 0..TRIES {
        let old = addressed(&caller, &id).await?;
        let mut conversation = old.value.clone();
        names::merge(&mut conversation.tags, tags.clone());
        names::merge(&mut conversation.properties, properties.clone());
        if let Some(task) = &change.current_task_id {
            conversation.current_task = task.clone().filter(|task| !task.is_empty());
        }
        if conversation == old.value {
            return Ok(answer(&caller, &conversation));
        }
        conversation.updated_at = now();
        if api.commit(caller.records.conversation_changes(Some(&old), &conversation)).await? {
            return Ok(answer(&caller, &conversation));
        }
    }
    Err(too_busy())
}

/// Removes a conversation with its messages and states.
#[utoipa::path(delete, path = "/v1/chat/conversations/{id}", operation_id = "deleteConversation",
    tag = "conversations", params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Answer<Done> {
    let records = &caller.records;
    let mut tries = 0;
    while tries < TRIES {
        let old = addressed(&caller, &id).await?;
        let batch =
            records.messages_oldest_first(old.value.id, None, BATCH).await.map_err(problems::store)?.items;
        let is_last = batch.len() < BATCH;
        let mut changes: Vec<_> =
            batch.iter().flat_map(|message| records.message_removal_changes(message)).collect();
        if is_last {
            changes.extend(records.conversation_removal_changes(&old).await.map_err(problems::store)?);
            changes.extend(
                crate::states::removal(&caller, StateType::Conversation, &old.value.id.to_string()).await?,
            );
        }
        match api.commit(changes).await? {
            true if is_last => {
                records.remove_stream(old.value.id).await.map_err(problems::store)?;
                api.outbox.outlet().ended(old.value.id);
                return Ok(axum::Json(Done {}));
            }
            true => {}
            false => tries += 1,
        }
    }
    Err(too_busy())
}

/// Conversations, newest first unless asked otherwise.
#[utoipa::path(get, path = "/v1/chat/conversations", operation_id = "listConversations", tag = "conversations",
    params(
        ("nextToken" = Option<String>, Query), ("pageSize" = Option<u32>, Query),
        ("sortField" = Option<String>, Query, description = "createdAt or updatedAt"),
        ("sortDirection" = Option<String>, Query, description = "asc or desc"),
        ("tags" = Option<std::collections::BTreeMap<String, String>>, Query, description = "as tags.name=value"),
        ("participantIds" = Option<Vec<String>>, Query, description = "users that all take part"),
        ("integrationName" = Option<String>, Query), ("channel" = Option<String>, Query),
        ("afterDate" = Option<String>, Query), ("beforeDate" = Option<String>, Query),
        ("minMessageCount" = Option<u64>, Query), ("maxMessageCount" = Option<u64>, Query),
    ),
    responses((status = 200, body = ConversationList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, query: Query) -> Answer<ConversationList> {
    let wanted = Wanted::read(&api, &caller, &query)?;
    let order = Order::read(&query)?;
    let records = &caller.records;
    let participants = query.many("participantIds");
    let show = |found: &[Versioned<Conversation>]| {
        found.iter().map(|conversation| conversation_json(&conversation.value, caller.view())).collect()
    };

    if order.is_kept() && participants.is_empty() && wanted.tags.is.is_empty() {
        let paging = Paging::read(&api, &caller.bot, "conversations".into(), &query)?;
        let (mut found, mut cursor) = (Vec::new(), paging.key());
        // A filter that fits little must not make one call read a whole table.
        for _ in 0..16 {
            let page =
                records.conversations(cursor, paging.size - found.len()).await.map_err(problems::store)?;
            found.extend(page.items.into_iter().filter(|row| wanted.takes(&row.value)));
            cursor = page.next;
            if cursor.is_none() || found.len() == paging.size {
                break;
            }
        }
        let meta = paging.meta(cursor.as_ref().map(|key| key.0.as_slice()));
        return Ok(axum::Json(ConversationList { conversations: show(&found), meta }));
    }
    let mut rows = Vec::new();
    if let Some((first, others)) = participants.split_first() {
        let user = |id: &str| {
            portico_contract::UserId::parse(id)
                .map_err(|_| bad_query("participantIds", "must be ids of users"))
        };
        let others = others.iter().map(|id| user(id)).collect::<Result<Vec<_>, _>>()?;
        'ids: for id in records.conversations_of(&user(first)?, MOST).await.map_err(problems::store)? {
            for other in &others {
                if !records.is_participant(id, other).await.map_err(problems::store)? {
                    continue 'ids;
                }
            }
            rows.extend(records.conversation(id).await.map_err(problems::store)?);
        }
    } else if wanted.tags.is.is_empty() {
        rows = records.conversations(None, MOST).await.map_err(problems::store)?.items;
    } else {
        rows = records.conversations_tagged(&wanted.tags.is, MOST).await.map_err(problems::store)?;
    }
    let paging = Paging::read(&api, &caller.bot, format!("conversations {order:?}"), &query)?;
    listing::whole(&rows)?;
    rows.retain(|row| wanted.takes(&row.value));
    let (page, next) = listing::page(rows, order, &paging, |row| {
        let at = if order.updated { row.value.updated_at } else { row.value.created_at };
        (at, row.value.id.to_string())
    })?;
    Ok(axum::Json(ConversationList { conversations: show(&page), meta: paging.meta(next.as_deref()) }))
}

/// Which conversations a listing wants.
struct Wanted {
    tags: crate::query::TagFilter,
    span: Span,
    via: Option<Arc<Installation>>,
    integration: Option<String>,
    channel: Option<String>,
    least: Option<u64>,
    most: Option<u64>,
}

impl Wanted {
    fn read(api: &Shared, caller: &Caller, query: &Query) -> Result<Self, Problem> {
        let integration = query.one("integrationName");
        Ok(Self {
            tags: names::filter(caller.view(), query.tags()),
            span: Span::read(query)?,
            via: caller.via.clone(),
            // Its id names it as well as its alias.
            integration: integration.map(|name| {
                api.named(&caller.bot, name).map_or_else(|| name.to_owned(), |found| found.alias.to_string())
            }),
            channel: query.one("channel").map(str::to_owned),
            least: query.number("minMessageCount")?,
            most: query.number("maxMessageCount")?,
        })
    }

    fn takes(&self, row: &Conversation) -> bool {
        self.via.as_ref().is_none_or(|via| row.installation.as_ref() == Some(&via.id))
            && self.integration.as_ref().is_none_or(|name| *name == row.integration)
            && self.channel.as_ref().is_none_or(|channel| *channel == row.channel)
            && self.least.is_none_or(|least| row.message_count >= least)
            && self.most.is_none_or(|most| row.message_count <= most)
            && self.span.has(row.created_at, row.updated_at)
            && names::passes(&row.tags, &self.tags)
    }
}

/// A conversation, if this caller may see it.
pub(crate) async fn visible(
    caller: &Caller,
    id: ConversationId,
) -> Result<Option<Versioned<Conversation>>, Problem> {
    let mut found = caller.records.conversation(id).await.map_err(problems::store)?;
    if found.is_none()
        && let Some(moved) = caller.records.moved_conversation(id).await.map_err(problems::store)?
    {
        found = caller.records.conversation(moved).await.map_err(problems::store)?;
    }
    Ok(found.filter(|row| caller.sees(&row.value)))
}

/// The conversation that a segment of the path names.
pub(crate) async fn addressed(caller: &Caller, id: &str) -> Result<Versioned<Conversation>, Problem> {
    visible(caller, path::conversation(id)?).await?.ok_or_else(|| not_found("conversation"))
}

/// The conversation that a field of a body names.
pub(crate) async fn referenced(
    caller: &Caller,
    id: &str,
    field: &str,
) -> Result<Versioned<Conversation>, Problem> {
    let missing = || no_reference(field, "the conversation");
    let id = ConversationId::parse(id).map_err(|_| missing())?;
    visible(caller, id).await?.ok_or_else(missing)
}

/// A new conversation, checked.
struct Draft {
    integration: Option<Arc<Installation>>,
    channel: String,
    tags: TagMap,
    properties: TagMap,
    identity: Option<Identity>,
    fresh: ConversationId,
}

/// The provider's thread that the tags name.
struct Identity {
    id: ConversationId,
    key: String,
    tags: Vec<String>,
}

impl Draft {
    fn read(api: &Shared, caller: &Caller, new: &NewConversation, place: &str) -> Result<Self, Problem> {
        let integration = crate::users::integration(api, caller, new.integration_name.as_deref(), place)?;
        if new.channel.is_empty() || new.channel.len() > 100 {
            return Err(Problem::field(format!("{place}channel"), "must be a text of 1 to 100 bytes"));
        }
        if let Some(integration) = &integration
            && !integration.connector.manifest().channels.contains_key(&new.channel)
        {
            let known: Vec<&str> =
                integration.connector.manifest().channels.keys().map(String::as_str).collect();
            return Err(Problem::field(
                format!("{place}channel"),
                format!("must be a channel of the integration: {}", known.join(", ")),
            ));
        }
        let given = names::stored(caller.view(), &new.tags, &format!("{place}tags"))?;
        let rename = |name: &str| own_name(name, integration.as_deref(), &new.channel);
        let tags: TagMap =
            names::set(given).into_iter().map(|(name, value)| (rename(&name), value)).collect();
        Ok(Self {
            identity: integration
                .as_deref()
                .and_then(|integration| identity(integration, &new.channel, &tags)),
            // A digest, as of all conversations: lanes are spread by its bytes.
            fresh: ConversationId::of_thread(
                &caller.bot,
                &portico_outbound::no_installation(),
                &new.channel,
                &uuid::Uuid::now_v7().to_string(),
            ),
            properties: names::set(names::plain(&new.properties, &format!("{place}properties"))?),
            channel: new.channel.clone(),
            integration,
            tags,
        })
    }

    fn conversation(&self) -> Conversation {
        let at = now();
        Conversation {
            id: self.identity.as_ref().map_or(self.fresh, |identity| identity.id),
            installation: self.integration.as_ref().map(|integration| integration.id.clone()),
            integration: self
                .integration
                .as_ref()
                .map(|integration| integration.alias.to_string())
                .unwrap_or_default(),
            channel: self.channel.clone(),
            key: self.identity.as_ref().map(|identity| identity.key.clone()).unwrap_or_default(),
            tags: self.tags.clone(),
            properties: self.properties.clone(),
            recipient: None,
            message_count: 0,
            current_task: None,
            created_at: at,
            updated_at: at,
        }
    }
}

/// A bot that names the integration may write that channel's tags without the prefix.
fn own_name(name: &str, integration: Option<&Installation>, channel: &str) -> String {
    let declared = |integration: &&Installation| {
        let channels = &integration.connector.manifest().channels;
        channels.get(channel).is_some_and(|spec| spec.tags.iter().any(|tag| tag == name))
    };
    match integration.filter(declared) {
        Some(integration) => format!("{}:{name}", integration.alias),
        None => name.to_owned(),
    }
}

/// The thread that the channel's identity tags name, if any of them is given.
fn identity(integration: &Installation, channel: &str, tags: &TagMap) -> Option<Identity> {
    let spec = integration.connector.manifest().channels.get(channel)?;
    let stored: Vec<String> =
        spec.identity.iter().map(|name| format!("{}:{name}", integration.alias)).collect();
    let given: Vec<String> = stored.iter().filter(|name| tags.contains_key(*name)).cloned().collect();
    if given.is_empty() {
        return None;
    }
    let key = Thread::key_of(stored.iter().map(|name| tags.get(name).map_or("", String::as_str)));
    let id = ConversationId::of_thread(&integration.bot, &integration.id, channel, &key);
    Some(Identity { id, key, tags: given })
}

/// Finds a conversation by its tags, or makes it.
pub(crate) async fn found(
    api: &Shared,
    caller: &Caller,
    new: &NewConversation,
    place: &str,
) -> Result<(Conversation, bool), Problem> {
    let draft = Draft::read(api, caller, new, place)?;
    let integration = draft.integration.as_deref();
    let stored_name = |name: &str| own_name(&caller.view().stored_name(name), integration, &new.channel);
    let telling = names::telling(&draft.tags, stored_name, new.discriminate_by_tags.as_deref(), place)?;
    let claim = names::claim_of(&telling);
    let installation = draft.integration.as_ref().map(|integration| &integration.id);
    let kind = format!("conversation:{}:{}", installation.map_or("", |id| id.as_str()), draft.channel);
    // What is told apart by the whole identity is the provider's thread, whatever else is said of it.
    let by_identity =
        draft.identity.as_ref().filter(|identity| identity.tags.iter().all(|tag| telling.contains_key(tag)));
    let _turn = api.turn(&format!("{} {kind} {telling:?}", caller.bot)).await;
    let records = &caller.records;
    let fits = |row: &Conversation| {
        row.channel == draft.channel
            && row.installation.as_ref() == installation
            && telling.iter().all(|(name, value)| row.tags.get(name) == Some(value))
    };
    for _ in 0..TRIES {
        let mut changes = Vec::new();
        let conversation = draft.conversation();
        if let Some(identity) = by_identity {
            if let Some(row) = visible(caller, identity.id).await? {
                return Ok((row.value, false));
            }
        } else {
            let claimed = records.claim(&kind, &claim).await.map_err(problems::store)?;
            if let Some((id, _)) = &claimed
                && let Ok(id) = ConversationId::parse(id)
                && let Some(row) = visible(caller, id).await?
                && fits(&row.value)
            {
                return Ok((row.value, false));
            }
            let tagged = records.conversations_tagged(&telling, 100).await.map_err(problems::store)?;
            if let Some(row) = tagged.into_iter().find(|row| fits(&row.value)) {
                return Ok((row.value, false));
            }
            if let Some(identity) = &draft.identity
                && let Some(row) = visible(caller, identity.id).await?
            {
                return Ok((row.value, false));
            }
            let version = claimed.map(|(_, version)| version);
            changes.push(records.claim_change(&kind, &claim, &conversation.id.to_string(), version));
        }
        changes.extend(records.conversation_changes(None, &conversation));
        if api.commit(changes).await? {
            return Ok((conversation, true));
        }
    }
    Err(too_busy())
}
