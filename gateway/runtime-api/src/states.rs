//! Named states: of conversations, users, the bot, integrations and workflows.
//!
//! A state with an expiry is forgotten when it was not used for that long; the scheduler removes it and tells
//! the bot (`state_expired`). Until then this file treats it as gone. An integration's names are its own: they
//! are kept under `alias:name`.

use axum::extract::State;
use portico_contract::{ConversationId, Millis, UserId, base32};
use portico_problem::{Kind, Problem};
use portico_store::records::{State as StateRow, StateType, Versioned, View, iso};
use portico_store::{Change, Commit, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::body::Json;
use crate::caller::Caller;
use crate::path::Segments;
use crate::problems::{self, not_found};
use crate::shared::{TRIES, now, too_busy};
use crate::wire::{self, Cached, Done};
use crate::{Api, Shared};

/// Largest payload in bytes of JSON; the row must fit into a value of the store.
const MAX_PAYLOAD: usize = (1 << 20) - 16 * 1024;
/// Longest name in bytes; it is part of a key.
const MAX_NAME: usize = 200;
/// Longest expiry: ten years.
const MAX_EXPIRY: u64 = 3650 * 24 * 3600 * 1000;
/// States removed together with their owner.
const MOST: usize = 10_000;

/// A state to set.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct StateBody {
    /// The value; `null` removes the state.
    payload: Option<Map<String, Value>>,
    /// Milliseconds without use after which it is forgotten.
    expiry: Option<u64>,
}

/// How long a state lives without use.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ExpiryBody {
    /// Milliseconds; `null` for ever.
    expiry: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct StateAnswer {
    #[schema(value_type = wire::State)]
    state: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FoundState {
    #[schema(value_type = wire::State)]
    state: Value,
    meta: Cached,
}

type Answer<T> = Result<axum::Json<T>, Problem>;
type Place = Segments<(String, String, String)>;

/// A state.
#[utoipa::path(get, path = "/v1/chat/states/{type}/{id}/{name}", operation_id = "getState", tag = "states",
    params(("type" = wire::StateKind, Path), ("id" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = FoundState)))]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Segments(place): Place,
) -> Answer<FoundState> {
    let slot = Slot::find(&api, &caller, &place).await?;
    let state = slot.live().await?.ok_or_else(|| not_found("state"))?;
    let state = slot.used(state).await;
    Ok(axum::Json(FoundState { state: slot.show(&state.value), meta: Cached { cached: false } }))
}

/// Sets a state.
#[utoipa::path(post, path = "/v1/chat/states/{type}/{id}/{name}", operation_id = "setState", tag = "states",
    params(("type" = wire::StateKind, Path), ("id" = String, Path), ("name" = String, Path)),
    request_body = StateBody, responses((status = 200, body = StateAnswer)))]
pub(crate) async fn set(
    State(api): State<Api>,
    caller: Caller,
    Segments(place): Place,
    body: Json<StateBody>,
) -> Answer<StateAnswer> {
    let slot = Slot::find(&api, &caller, &place).await?;
    let expiry = checked_expiry(body.value.expiry)?;
    let Some(payload) = body.value.payload else { return slot.unset().await };
    let payload = checked(payload)?;
    slot.write(|_| Some((payload.clone(), expiry))).await.map(|(state, _)| slot.answer(&state))
}

/// A state, set now if it is not set; at once from many sides it is set once.
#[utoipa::path(post, path = "/v1/chat/states/{type}/{id}/{name}/get-or-set", operation_id = "getOrSetState",
    tag = "states", params(("type" = wire::StateKind, Path), ("id" = String, Path), ("name" = String, Path)),
    request_body = StateBody, responses((status = 200, body = FoundState)))]
pub(crate) async fn get_or_set(
    State(api): State<Api>,
    caller: Caller,
    Segments(place): Place,
    body: Json<StateBody>,
) -> Answer<FoundState> {
    let slot = Slot::find(&api, &caller, &place).await?;
    let expiry = checked_expiry(body.value.expiry)?;
    let payload = checked(
        body.value.payload.ok_or_else(|| Problem::field("payload", "is missing, must be an object"))?,
    )?;
    let _turn = api.turn(&format!("state {} {place:?}", caller.bot)).await;
    let (mut state, written) = slot.write(|old| old.is_none().then(|| (payload.clone(), expiry))).await?;
    if !written {
        state = slot.used(state).await;
    }
    Ok(axum::Json(FoundState { state: slot.show(&state.value), meta: Cached { cached: false } }))
}

/// Merges fields into a state, which is made if it is not set.
#[utoipa::path(patch, path = "/v1/chat/states/{type}/{id}/{name}", operation_id = "patchState", tag = "states",
    params(("type" = wire::StateKind, Path), ("id" = String, Path), ("name" = String, Path)),
    request_body = StateBody, responses((status = 200, body = StateAnswer)))]
pub(crate) async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Segments(place): Place,
    body: Json<StateBody>,
) -> Answer<StateAnswer> {
    let slot = Slot::find(&api, &caller, &place).await?;
    let expiry = checked_expiry(body.value.expiry)?;
    let fields =
        body.value.payload.ok_or_else(|| Problem::field("payload", "is missing, must be an object"))?;
    let _turn = api.turn(&format!("state {} {place:?}", caller.bot)).await;
    let (state, _) = slot
        .write(|old| {
            let mut payload = match old {
                Some(StateRow { payload: Value::Object(old), .. }) => old.clone(),
                _ => Map::new(),
            };
            payload.extend(fields.clone());
            Some((Value::Object(payload), expiry.or(old.and_then(|old| old.expiry))))
        })
        .await?;
    Ok(slot.answer(&state))
}

/// Says how long a state lives without use.
#[utoipa::path(post, path = "/v1/chat/states/{type}/{id}/{name}/expiry", operation_id = "setStateExpiry",
    tag = "states", params(("type" = wire::StateKind, Path), ("id" = String, Path), ("name" = String, Path)),
    request_body = ExpiryBody, responses((status = 200, body = Done)))]
pub(crate) async fn set_expiry(
    State(api): State<Api>,
    caller: Caller,
    Segments(place): Place,
    body: Json<ExpiryBody>,
) -> Answer<Done> {
    let slot = Slot::find(&api, &caller, &place).await?;
    let expiry = checked_expiry(body.value.expiry)?;
    slot.live().await?.ok_or_else(|| not_found("state"))?;
    slot.write(|old| old.map(|old| (old.payload.clone(), expiry))).await?;
    Ok(axum::Json(Done {}))
}

fn checked(payload: Map<String, Value>) -> Result<Value, Problem> {
    let payload = Value::Object(payload);
    let bytes = payload.to_string().len();
    if bytes > MAX_PAYLOAD {
        return Err(Problem::new(
            Kind::PayloadTooLarge,
            format!("payload has {bytes} bytes, {MAX_PAYLOAD} are allowed"),
        ));
    }
    Ok(payload)
}

fn checked_expiry(expiry: Option<u64>) -> Result<Option<u64>, Problem> {
    match expiry {
        Some(0) => Err(Problem::field("expiry", "must be above 0 milliseconds, or null for ever")),
        Some(long) if long > MAX_EXPIRY => Err(Problem::field("expiry", "must be at most ten years")),
        expiry => Ok(expiry),
    }
}

/// Where a state is kept.
struct Slot<'a> {
    api: &'a Shared,
    caller: &'a Caller,
    kind: StateType,
    owner: String,
    name: String,
}

impl<'a> Slot<'a> {
    /// Looks whether the owner is there; one bot can't name another's.
    async fn find(
        api: &'a Shared,
        caller: &'a Caller,
        (kind, owner, name): &(String, String, String),
    ) -> Result<Self, Problem> {
        let kind = StateType::parse(kind).ok_or_else(|| {
            Problem::new(
                Kind::InvalidIdentifier,
                "the type must be conversation, user, bot, integration or workflow",
            )
        })?;
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(Problem::new(
                Kind::InvalidIdentifier,
                format!("the name must have 1 to {MAX_NAME} bytes"),
            ));
        }
        let owner = owner_of(api, caller, kind, owner).await?.ok_or_else(|| not_found(kind.as_str()))?;
        Ok(Self { api, caller, kind, owner, name: caller.view().stored_name(name) })
    }

    async fn read(&self) -> Result<Option<Versioned<StateRow>>, Problem> {
        self.caller.records.state(self.kind, &self.owner, &self.name).await.map_err(problems::store)
    }

    /// The state, unless its time is over.
    async fn live(&self) -> Result<Option<Versioned<StateRow>>, Problem> {
        let at = now();
        Ok(self.read().await?.filter(|state| is_live(&state.value, at)))
    }

    /// Counts a use: the time to live begins anew. A hundredth of it is too little to be written down.
    async fn used(&self, state: Versioned<StateRow>) -> Versioned<StateRow> {
        let (Some(expiry), Some(ends)) = (state.value.expiry, state.value.expires_at) else { return state };
        let anew = now().saturating_add(expiry);
        if anew.saturating_sub(ends) <= expiry / 100 {
            return state;
        }
        let mut used = state.clone();
        used.value.expires_at = Some(anew);
        let changes = self.caller.records.state_changes(Some(&state), &used.value);
        match self.api.store.commit(Commit::of(changes).ordered()).await {
            Ok(_) => used,
            // Somebody else used it, or the next use counts.
            Err(StoreError::Conflict { .. }) => state,
            Err(error) => {
                tracing::warn!(%error, "the use of a state could not be noted");
                state
            }
        }
    }

    /// Writes what `decide` makes of the state that is there: payload and expiry.
    /// `None` leaves it as it is. Says whether it was written.
    async fn write(
        &self,
        decide: impl Fn(Option<&StateRow>) -> Option<(Value, Option<u64>)>,
    ) -> Result<(Written, bool), Problem> {
        for _ in 0..TRIES {
            let at = now();
            let stored = self.read().await?;
            let live = stored.as_ref().filter(|state| is_live(&state.value, at));
            let Some((payload, expiry)) = decide(live.map(|state| &state.value)) else {
                return match stored {
                    Some(state) => Ok((state, false)),
                    None => Err(not_found("state")),
                };
            };
            let payload = checked(payload.as_object().cloned().unwrap_or_default())?;
            let state = StateRow {
                id: live.map_or_else(new_id, |state| state.value.id.clone()),
                kind: self.kind,
                owner: self.owner.clone(),
                name: self.name.clone(),
                payload,
                expiry,
                expires_at: expiry.map(|expiry| at.saturating_add(expiry)),
                created_at: live.map_or(at, |state| state.value.created_at),
                updated_at: at,
            };
            if self.api.commit(self.caller.records.state_changes(stored.as_ref(), &state)).await? {
                return Ok((Versioned { value: state, version: 0 }, true));
            }
        }
        Err(too_busy())
    }

    /// Removes the state; the answer shows it empty.
    async fn unset(&self) -> Answer<StateAnswer> {
        for _ in 0..TRIES {
            let at = now();
            let Some(old) = self.read().await? else {
                let gone = StateRow {
                    id: new_id(),
                    kind: self.kind,
                    owner: self.owner.clone(),
                    name: self.name.clone(),
                    payload: json!({}),
                    expiry: None,
                    expires_at: None,
                    created_at: at,
                    updated_at: at,
                };
                return Ok(self.answer_row(&gone));
            };
            if self.api.commit(self.caller.records.state_removal_changes(&old)).await? {
                let gone = StateRow {
                    payload: json!({}),
                    expiry: None,
                    expires_at: None,
                    updated_at: at,
                    ..old.value
                };
                return Ok(self.answer_row(&gone));
            }
        }
        Err(too_busy())
    }

    fn answer(&self, state: &Written) -> axum::Json<StateAnswer> {
        self.answer_row(&state.value)
    }

    fn answer_row(&self, state: &StateRow) -> axum::Json<StateAnswer> {
        axum::Json(StateAnswer { state: self.show(state) })
    }

    fn show(&self, state: &StateRow) -> Value {
        state_json(self.caller, state)
    }
}

type Written = Versioned<StateRow>;

fn is_live(state: &StateRow, at: Millis) -> bool {
    state.expires_at.is_none_or(|ends| ends > at)
}

fn new_id() -> String {
    format!("state_{}", base32(uuid::Uuid::now_v7().as_bytes()))
}

async fn owner_of(
    api: &Shared,
    caller: &Caller,
    kind: StateType,
    owner: &str,
) -> Result<Option<String>, Problem> {
    Ok(match kind {
        StateType::Bot => (owner == caller.bot.as_str()).then(|| owner.to_owned()),
        StateType::Conversation => match ConversationId::parse(owner) {
            Ok(id) => crate::conversations::visible(caller, id).await?.map(|row| row.value.id.to_string()),
            Err(_) => None,
        },
        StateType::User => match UserId::parse(owner) {
            Ok(id) => crate::users::known(caller, &id).await?.map(|row| row.value.id.to_string()),
            Err(_) => None,
        },
        // An integration names itself by any of the ids that it calls with.
        StateType::Integration => match &caller.via {
            Some(via) => [via.id.as_str(), &via.alias, &via.connector.manifest().name]
                .contains(&owner)
                .then(|| via.id.to_string()),
            None => api.named(&caller.bot, owner).map(|found| found.id.to_string()),
        },
        StateType::Workflow => crate::workflows::read(caller, owner).await?.map(|_| owner.to_owned()),
    })
}

/// A state as this caller sees it.
fn state_json(caller: &Caller, state: &StateRow) -> Value {
    let name = match caller.view() {
        View::Bot => state.name.as_str(),
        View::Integration(alias) => {
            state.name.strip_prefix(alias).and_then(|rest| rest.strip_prefix(':')).unwrap_or(&state.name)
        }
    };
    let mut object = json!({
        "id": state.id,
        "createdAt": iso(state.created_at),
        "updatedAt": iso(state.updated_at),
        "botId": caller.bot.as_str(),
        "name": name,
        "type": state.kind.as_str(),
        "payload": state.payload,
    });
    if let Some(fields) = object.as_object_mut() {
        let owner = match state.kind {
            StateType::Conversation => Some("conversationId"),
            StateType::User => Some("userId"),
            _ => None,
        };
        if let Some(owner) = owner {
            fields.insert(owner.into(), state.owner.clone().into());
        }
        if let Some(expiry) = state.expiry {
            fields.insert("expiry".into(), expiry.into());
        }
        if let Some(at) = state.expires_at {
            fields.insert("expiresAt".into(), iso(at).into());
        }
    }
    object
}

/// Changes that remove the states of an owner that goes away.
pub(crate) async fn removal(caller: &Caller, kind: StateType, owner: &str) -> Result<Vec<Change>, Problem> {
    let states = caller.records.states_of(kind, owner, MOST).await.map_err(problems::store)?;
    Ok(states.iter().flat_map(|state| caller.records.state_removal_changes(state)).collect())
}
