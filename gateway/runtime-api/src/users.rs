//! Users: people, and the bot itself.

use std::sync::Arc;

use axum::extract::State;
use portico_contract::UserId;
use portico_problem::{Kind, Problem};
use portico_store::records::{StateType, TagMap, User, Versioned, user_json};
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
use crate::problems::{self, no_reference, not_found};
use crate::query::Query;
use crate::shared::{TRIES, now, too_busy};
use crate::wire::{self, Created, Done, Meta, nullable};
use crate::{Api, Shared};

/// A user to make or find.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NewUser {
    /// The integration's own user id among them makes the user the one that its webhooks bring.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub(crate) tags: TagInput,
    pub(crate) name: Option<String>,
    pub(crate) picture_url: Option<String>,
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub(crate) properties: TagInput,
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub(crate) attributes: TagInput,
    /// Alias of the integration that the tags belong to, where a bot calls.
    pub(crate) integration_name: Option<String>,
    /// For get-or-create: the tags that must equal; without it all must.
    pub(crate) discriminate_by_tags: Option<Vec<String>>,
}

/// What to change about a user; `null` removes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UserChange {
    #[schema(value_type = Option<std::collections::BTreeMap<String, Option<String>>>)]
    tags: TagInput,
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    picture_url: Option<Option<String>>,
    #[schema(value_type = Option<std::collections::BTreeMap<String, Option<String>>>)]
    properties: TagInput,
    #[schema(value_type = Option<std::collections::BTreeMap<String, Option<String>>>)]
    attributes: TagInput,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UserAnswer {
    #[schema(value_type = wire::User)]
    user: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FoundUser {
    #[schema(value_type = wire::User)]
    user: Value,
    meta: Created,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UserList {
    #[schema(value_type = Vec<wire::User>)]
    users: Vec<Value>,
    meta: Meta,
}

type Answer<T> = Result<axum::Json<T>, Problem>;

fn answer(caller: &Caller, user: &User) -> axum::Json<UserAnswer> {
    axum::Json(UserAnswer { user: user_json(user, caller.view()) })
}

/// Makes a user.
#[utoipa::path(post, path = "/v1/chat/users", operation_id = "createUser", tag = "users",
    request_body = NewUser, responses((status = 200, body = UserAnswer)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body: Json<NewUser>,
) -> Answer<UserAnswer> {
    let draft = Draft::read(&api, &caller, &body.value, "")?;
    let user = draft.user();
    if !api.commit(caller.records.user_changes(None, &user)).await? {
        let problem = Problem::new(Kind::AlreadyExists, "this user exists already; use get-or-create");
        return Err(problem.with("id", user.id.as_str()));
    }
    Ok(answer(&caller, &user))
}

/// Finds a user by its tags, or makes it; at once from many sides it is made once.
#[utoipa::path(post, path = "/v1/chat/users/get-or-create", operation_id = "getOrCreateUser", tag = "users",
    request_body = NewUser, responses((status = 200, body = FoundUser)))]
pub(crate) async fn get_or_create(
    State(api): State<Api>,
    caller: Caller,
    body: Json<NewUser>,
) -> Answer<FoundUser> {
    let (user, created) = found(&api, &caller, &body.value, "").await?;
    Ok(axum::Json(FoundUser { user: user_json(&user, caller.view()), meta: Created { created } }))
}

/// A user.
#[utoipa::path(get, path = "/v1/chat/users/{id}", operation_id = "getUser", tag = "users",
    params(("id" = String, Path)), responses((status = 200, body = UserAnswer)))]
pub(crate) async fn get(caller: Caller, Segments(id): Segments<String>) -> Answer<UserAnswer> {
    let user = known(&caller, &path::user(&id)?).await?.ok_or_else(|| not_found("user"))?;
    Ok(answer(&caller, &user.value))
}

/// Changes a user.
#[utoipa::path(put, path = "/v1/chat/users/{id}", operation_id = "updateUser", tag = "users",
    params(("id" = String, Path)), request_body = UserChange, responses((status = 200, body = UserAnswer)))]
pub(crate) async fn update(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
    body: Json<UserChange>,
) -> Answer<UserAnswer> {
    let id = path::user(&id)?;
    let change = body.value;
    let tags = names::stored(caller.view(), &change.tags, "tags")?;
    let properties = names::plain(&change.properties, "properties")?;
    let attributes = names::plain(&change.attributes, "attributes")?;
    for _ in 0..TRIES {
        let old = known(&caller, &id).await?.ok_or_else(|| not_found("user"))?;
        let mut user = old.value.clone();
        names::merge(&mut user.tags, tags.clone());
        names::merge(&mut user.properties, properties.clone());
        names::merge(&mut user.attributes, attributes.clone());
        if let Some(name) = &change.name {
            user.name = name.clone().filter(|name| !name.is_empty());
        }
        if let Some(url) = &change.picture_url {
            user.picture_url = url.clone().filter(|url| !url.is_empty());
        }
        if user == old.value {
            return Ok(answer(&caller, &user));
        }
        user.updated_at = now();
        if api.commit(caller.records.user_changes(Some(&old), &user)).await? {
            return Ok(answer(&caller, &user));
        }
    }
    Err(too_busy())
}

/// Removes a user, its place in conversations, and its states.
#[utoipa::path(delete, path = "/v1/chat/users/{id}", operation_id = "deleteUser", tag = "users",
    params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Answer<Done> {
    let id = path::user(&id)?;
    for _ in 0..TRIES {
        let old =
            caller.records.user(&id).await.map_err(problems::store)?.ok_or_else(|| not_found("user"))?;
        let mut changes = caller.records.user_removal_changes(&old).await.map_err(problems::store)?;
        changes.extend(crate::states::removal(&caller, StateType::User, id.as_str()).await?);
        if api.commit(changes).await? {
            return Ok(axum::Json(Done {}));
        }
    }
    Err(too_busy())
}

/// Users, newest first unless asked otherwise.
#[utoipa::path(get, path = "/v1/chat/users", operation_id = "listUsers", tag = "users",
    params(
        ("nextToken" = Option<String>, Query), ("pageSize" = Option<u32>, Query),
        ("conversationId" = Option<String>, Query, description = "taking part in it"),
        ("tags" = Option<std::collections::BTreeMap<String, String>>, Query, description = "as tags.name=value"),
        ("afterDate" = Option<String>, Query), ("beforeDate" = Option<String>, Query),
        ("rangeField" = Option<String>, Query, description = "createdAt or updatedAt"),
        ("sortField" = Option<String>, Query, description = "createdAt or updatedAt"),
        ("sortDirection" = Option<String>, Query, description = "asc or desc"),
    ),
    responses((status = 200, body = UserList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, query: Query) -> Answer<UserList> {
    let (order, span) = (Order::read(&query)?, Span::read(&query)?);
    let tags = names::filter(caller.view(), query.tags());
    let records = &caller.records;
    let takes = |user: &User| span.has(user.created_at, user.updated_at) && names::passes(&user.tags, &tags);
    let conversation = query.one("conversationId").map(path::conversation).transpose()?;
    let show =
        |users: &[Versioned<User>]| users.iter().map(|user| user_json(&user.value, caller.view())).collect();

    if order.is_kept() && conversation.is_none() && tags.is.is_empty() {
        let paging = Paging::read(&api, &caller.bot, "users".into(), &query)?;
        let (mut found, mut cursor) = (Vec::new(), paging.key());
        // A filter that fits little must not make one call read a whole table.
        for _ in 0..16 {
            let page = records.users(cursor, paging.size - found.len()).await.map_err(problems::store)?;
            found.extend(page.items.into_iter().filter(|user| takes(&user.value)));
            cursor = page.next;
            if cursor.is_none() || found.len() == paging.size {
                break;
            }
        }
        let meta = paging.meta(cursor.as_ref().map(|key| key.0.as_slice()));
        return Ok(axum::Json(UserList { users: show(&found), meta }));
    }
    let mut rows = Vec::new();
    if let Some(id) = conversation {
        crate::conversations::visible(&caller, id).await?.ok_or_else(|| not_found("conversation"))?;
        for user in records.participants(id, None, MOST).await.map_err(problems::store)?.items {
            rows.extend(records.user(&user).await.map_err(problems::store)?);
        }
    } else if tags.is.is_empty() {
        rows = records.users(None, MOST).await.map_err(problems::store)?.items;
    } else {
        rows = records.users_tagged(&tags.is, MOST).await.map_err(problems::store)?;
    }
    let scope = format!("users {order:?} {conversation:?}");
    let paging = Paging::read(&api, &caller.bot, scope, &query)?;
    listing::whole(&rows)?;
    rows.retain(|user| takes(&user.value));
    let (page, next) = listing::page(rows, order, &paging, |user| {
        let at = if order.updated { user.value.updated_at } else { user.value.created_at };
        (at, user.value.id.to_string())
    })?;
    Ok(axum::Json(UserList { users: show(&page), meta: paging.meta(next.as_deref()) }))
}

/// A user as this caller may see it; the bot's own is made at its first use.
pub(crate) async fn known(caller: &Caller, id: &UserId) -> Result<Option<Versioned<User>>, Problem> {
    if let Some(user) = caller.records.user(id).await.map_err(problems::store)? {
        return Ok(Some(user));
    }
    if *id == UserId::of_bot(&caller.bot) {
        let changes = caller.records.user_changes(None, &blank(id.clone()));
        let commit = portico_store::Commit::of(changes);
        match caller.records.store().commit(commit).await {
            Ok(_) | Err(portico_store::StoreError::Conflict { .. }) => {}
            Err(error) => return Err(problems::store(error)),
        }
    } else if let Some(moved) = caller.records.moved_user(id).await.map_err(problems::store)? {
        return caller.records.user(&moved).await.map_err(problems::store);
    }
    caller.records.user(id).await.map_err(problems::store)
}

/// A user that a field of a body names.
pub(crate) async fn referenced(caller: &Caller, id: &str, field: &str) -> Result<Versioned<User>, Problem> {
    let missing = || no_reference(field, "the user");
    let id = UserId::parse(id).map_err(|_| missing())?;
    known(caller, &id).await?.ok_or_else(missing)
}

fn blank(id: UserId) -> User {
    let at = now();
    User {
        id,
        name: None,
        picture_url: None,
        tags: TagMap::new(),
        properties: TagMap::new(),
        attributes: TagMap::new(),
        party: None,
        created_at: at,
        updated_at: at,
    }
}

/// A new user, checked.
struct Draft {
    tags: TagMap,
    name: Option<String>,
    picture_url: Option<String>,
    properties: TagMap,
    attributes: TagMap,
    identity: Option<Identity>,
}

/// The person at a provider that a tag names.
struct Identity {
    id: UserId,
    tag: String,
    party: String,
}

impl Draft {
    fn read(api: &Shared, caller: &Caller, new: &NewUser, place: &str) -> Result<Self, Problem> {
        let integration = integration(api, caller, new.integration_name.as_deref(), place)?;
        let given = names::stored(caller.view(), &new.tags, &format!("{place}tags"))?;
        let tags: TagMap = names::set(given)
            .into_iter()
            .map(|(name, value)| (own_name(&name, integration.as_deref()), value))
            .collect();
        Ok(Self {
            identity: identity(api, caller, &tags),
            tags,
            name: new.name.clone().filter(|name| !name.is_empty()),
            picture_url: new.picture_url.clone().filter(|url| !url.is_empty()),
            properties: names::set(names::plain(&new.properties, &format!("{place}properties"))?),
            attributes: names::set(names::plain(&new.attributes, &format!("{place}attributes"))?),
        })
    }

    fn user(&self) -> User {
        let id = self.identity.as_ref().map_or_else(UserId::new, |identity| identity.id.clone());
        User {
            name: self.name.clone(),
            picture_url: self.picture_url.clone(),
            tags: self.tags.clone(),
            properties: self.properties.clone(),
            attributes: self.attributes.clone(),
            party: self.identity.as_ref().map(|identity| identity.party.clone()),
            ..blank(id)
        }
    }
}

/// The integration that a new object belongs to: the caller's own, or the one that a bot names.
pub(crate) fn integration(
    api: &Shared,
    caller: &Caller,
    name: Option<&str>,
    place: &str,
) -> Result<Option<Arc<Installation>>, Problem> {
    match (&caller.via, name.filter(|name| !name.is_empty())) {
        (Some(via), _) => Ok(Some(via.clone())),
        (None, None) => Ok(None),
        (None, Some(name)) => {
            let field = format!("{place}integrationName");
            api.named(&caller.bot, name).map(Some).ok_or_else(|| no_reference(&field, "the integration"))
        }
    }
}

/// A bot that names the integration may write that integration's user tags without the prefix.
fn own_name(name: &str, integration: Option<&Installation>) -> String {
    match integration {
        Some(integration) if declares(integration, name) => format!("{}:{name}", integration.alias),
        _ => name.to_owned(),
    }
}

fn declares(integration: &Installation, name: &str) -> bool {
    name == "id" || integration.connector.manifest().user_tags.iter().any(|tag| tag == name)
}

/// The person that the tags name: the tag `id` of an integration, or the first user tag of a connector that
/// declares no `id`.
fn identity(api: &Shared, caller: &Caller, tags: &TagMap) -> Option<Identity> {
    tags.iter().find_map(|(tag, value)| {
        let (alias, name) = tag.split_once(':')?;
        let integration = api.installations.of_bot(&caller.bot, alias)?;
        let declared = &integration.connector.manifest().user_tags;
        let has_id = declared.iter().any(|tag| tag == "id");
        let is_identity = name == "id" || (!has_id && declared.first().is_some_and(|first| first == name));
        is_identity.then(|| Identity {
            id: UserId::of_party(&caller.bot, &integration.id, value),
            tag: tag.clone(),
            party: value.clone(),
        })
    })
}

/// Finds a user by its tags, or makes it.
pub(crate) async fn found(
    api: &Shared,
    caller: &Caller,
    new: &NewUser,
    place: &str,
) -> Result<(User, bool), Problem> {
    let draft = Draft::read(api, caller, new, place)?;
    let integration = integration(api, caller, new.integration_name.as_deref(), place)?;
    let stored_name = |name: &str| own_name(&caller.view().stored_name(name), integration.as_deref());
    let telling = names::telling(&draft.tags, stored_name, new.discriminate_by_tags.as_deref(), place)?;
    let claim = names::claim_of(&telling);
    let by_identity = draft.identity.as_ref().filter(|identity| telling.contains_key(&identity.tag));
    let _turn = api.turn(&format!("user {} {telling:?}", caller.bot)).await;
    let records = &caller.records;
    for _ in 0..TRIES {
        let mut changes = Vec::new();
        let user = draft.user();
        if let Some(identity) = by_identity {
            if let Some(user) = known(caller, &identity.id).await? {
                return Ok((user.value, false));
            }
        } else {
            let claimed = records.claim("user", &claim).await.map_err(problems::store)?;
            if let Some((id, _)) = &claimed
                && let Ok(id) = UserId::parse(id)
                && let Some(user) = records.user(&id).await.map_err(problems::store)?
                && telling.iter().all(|(name, value)| user.value.tags.get(name) == Some(value))
            {
                return Ok((user.value, false));
            }
            if let Some(user) =
                records.users_tagged(&telling, 1).await.map_err(problems::store)?.into_iter().next()
            {
                return Ok((user.value, false));
            }
            if let Some(identity) = &draft.identity
                && let Some(user) = known(caller, &identity.id).await?
            {
                return Ok((user.value, false));
            }
            changes.push(records.claim_change(
                "user",
                &claim,
                user.id.as_str(),
                claimed.map(|(_, version)| version),
            ));
        }
        changes.extend(records.user_changes(None, &user));
        if api.commit(changes).await? {
            return Ok((user, true));
        }
    }
    Err(too_busy())
}
