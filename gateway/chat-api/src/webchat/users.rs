//! Visitors.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portico_contract::UserId;
use portico_live::{NewPerson, PersonChange};
use portico_problem::Problem;
use portico_store::records::{TagMap, User};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::caller::{Caller, is_admin, make_key};
use super::{Answer, wire};
use crate::front::At;
use crate::problems::{self, not_found, unauthorized};
use crate::{Api, Shared, body};

/// Times above this are milliseconds; as seconds it would be the year 5138.
const MILLISECONDS: f64 = 1e11;

/// A visitor to make.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NewUser {
    name: Option<String>,
    picture_url: Option<String>,
    user_data: Option<Value>,
    attributes: Option<Value>,
}

/// What to change about a visitor.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UserChange {
    #[serde(deserialize_with = "body::nullable")]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "body::nullable")]
    picture_url: Option<Option<String>>,
    #[serde(deserialize_with = "body::nullable")]
    user_data: Option<Option<Value>>,
    attributes: Option<Value>,
}

/// A key to make.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewKey {
    id: String,
    #[serde(default)]
    expires_at: Option<f64>,
}

/// Named values as texts: texts as they are, everything else as JSON, `null` as an empty text (which removes).
/// The client may also send the whole object as one JSON text.
fn texts(field: &str, given: &Value) -> Result<TagMap, Problem> {
    let wrong = || Problem::field(field, "must be an object, or the JSON text of one");
    let parsed: Map<String, Value>;
    let fields = match given {
        Value::Object(fields) => fields,
        Value::String(text) if text.is_empty() => return Ok(TagMap::new()),
        Value::String(text) => {
            parsed = serde_json::from_str(text).map_err(|_| wrong())?;
            &parsed
        }
        _ => return Err(wrong()),
    };
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Ok(fields.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

/// Attributes as tags under their stored names.
fn attributes(alias: &str, given: Option<&Value>) -> Result<TagMap, Problem> {
    let Some(given) = given else { return Ok(TagMap::new()) };
    let given = texts("attributes", given)?;
    let too_long = |name: &String| name.len() > 100 || name.is_empty();
    if given.len() > 50 || given.keys().any(too_long) {
        return Err(Problem::field("attributes", "at most 50 are allowed, with names of 1 to 100 bytes"));
    }
    if given.values().any(|value| value.len() > 500) {
        return Err(Problem::field("attributes", "a value may have at most 500 bytes"));
    }
    let stored = |name: String| format!("{alias}:{}{name}", wire::ATTRIBUTE);
    Ok(given.into_iter().map(|(name, value)| (stored(name), value)).collect())
}

/// Makes a visitor and a key for it.
pub(crate) async fn create(
    State(api): State<Api>,
    At { installation: at, address }: At,
    headers: HeaderMap,
    body::Json(new): body::Json<NewUser>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let admin = is_admin(&at, &headers)?;
    let tags = attributes(&at.alias, new.attributes.as_ref())?;
    let person = NewPerson {
        name: new.name,
        picture_url: new.picture_url,
        data: new.user_data.as_ref().map(|data| texts("userData", data)).transpose()?.unwrap_or_default(),
        ..NewPerson::default()
    };
    let caller = Caller::new(&api, &at, address, admin, person).await?;
    let user = match tags.is_empty() {
        true => caller.user,
        false => change(&api, &at, &caller.user.id, PersonChange { tags, ..Default::default() }).await?,
    };
    Ok((StatusCode::CREATED, Json(json!({ "user": wire::user(&at, &user), "key": caller.key }))))
}

async fn change(
    api: &Shared,
    at: &std::sync::Arc<portico_turns::Installation>,
    user: &UserId,
    change: PersonChange,
) -> Result<User, Problem> {
    api.live.update_user(at, user, change).await.map_err(problems::live)
}

/// A key for a visitor, for the site's back end.
pub(crate) async fn key(
    State(api): State<Api>,
    At { installation: at, .. }: At,
    headers: HeaderMap,
    body::Json(new): body::Json<NewKey>,
) -> Answer {
    if !is_admin(&at, &headers)? {
        return Err(unauthorized("x-admin-secret: is missing"));
    }
    let until = match new.expires_at {
        None => None,
        Some(at) if at.is_finite() && at > 0.0 => {
            Some(if at > MILLISECONDS { at / 1000.0 } else { at } as u64)
        }
        Some(_) => return Err(Problem::field("expiresAt", "must be a time in milliseconds since 1970")),
    };
    let id = UserId::parse(&new.id).map_err(|_| not_found("user"))?;
    let user = api.live.user(&at, &id).await.map_err(problems::live)?.ok_or_else(|| not_found("user"))?;
    Ok(Json(json!({ "key": make_key(&api, &at, &user.id, until) })))
}

/// The visitor of the key.
pub(crate) async fn get(caller: Caller) -> Answer {
    Ok(Json(json!({ "user": wire::user(&caller.at, &caller.user) })))
}

/// Changes the visitor of the key.
pub(crate) async fn update(
    State(api): State<Api>,
    caller: Caller,
    body::Json(new): body::Json<UserChange>,
) -> Answer {
    let data = match &new.user_data {
        None => TagMap::new(),
        Some(Some(data)) => texts("userData", data)?,
        // `null` removes all of it.
        Some(None) => caller.user.properties.keys().map(|name| (name.clone(), String::new())).collect(),
    };
    let person = PersonChange {
        name: new.name.map(Option::unwrap_or_default),
        picture_url: new.picture_url.map(Option::unwrap_or_default),
        data,
        tags: attributes(&caller.at.alias, new.attributes.as_ref())?,
        ..PersonChange::default()
    };
    let user = change(&api, &caller.at, &caller.user.id, person).await?;
    Ok(Json(json!({ "user": wire::user(&caller.at, &user) })))
}

/// Removes the visitor of the key.
pub(crate) async fn delete(State(api): State<Api>, caller: Caller) -> Answer {
    api.live.delete_user(&caller.at, &caller.user.id).await.map_err(problems::live)?;
    Ok(Json(json!({})))
}
