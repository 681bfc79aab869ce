//! Users of a chat.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use portico_live::{NewPerson, PersonChange};
use portico_problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::caller::{Caller, KeyHolder, get_or_make, is_personal, make};
use super::shapes::{Done, MadeUser, UserAnswer};
use super::{Answer, ids, wire};
use crate::front::{At, Surface};
use crate::problems::{self, unauthorized};
use crate::shared::seconds;
use crate::token::{self, Claims};
use crate::{Api, body};

/// Longest profile, in characters.
const PROFILE: usize = 1000;

/// A user to make.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NewUser {
    /// An id of the caller's choice: at most 70 characters of `A-Z a-z 0-9 _ - / \`.
    id: Option<String>,
    name: Option<String>,
    picture_url: Option<String>,
    profile: Option<String>,
}

impl NewUser {
    fn person(self) -> Result<NewPerson, Problem> {
        body::short("profile", self.profile.as_deref(), PROFILE)?;
        Ok(NewPerson {
            name: self.name,
            picture_url: self.picture_url,
            profile: self.profile,
            ..NewPerson::default()
        })
    }
}

/// What to change about a user; `null` removes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UserChange {
    #[serde(deserialize_with = "body::nullable")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "body::nullable")]
    #[schema(value_type = Option<String>)]
    picture_url: Option<Option<String>>,
    #[serde(deserialize_with = "body::nullable")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    profile: Option<Option<String>>,
}

/// Makes a user and a key for it.
#[utoipa::path(post, path = "/users", operation_id = "createUser", tag = "users",
    request_body = NewUser, security(()), responses((status = 201, body = MadeUser)))]
pub(crate) async fn create(
    State(api): State<Api>,
    At { installation: at, address }: At,
    body::Json(new): body::Json<NewUser>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    if is_personal(&at) {
        let reason =
            "this chat has an encryption key of its own: sign a user key with it, and call get-or-create";
        return Err(unauthorized(reason));
    }
    api.new_users[Surface::Chat.index()].check(&address)?;
    let id = new.id.clone();
    let user = make(&api, &at, id.as_deref(), new.person()?).await?;
    let claims = Claims { id: ids::of_user(&user).to_owned(), iat: Some(seconds()), exp: None };
    let key = token::make(&api.user_key(Surface::Chat, &at), &claims);
    Ok((StatusCode::CREATED, Json(json!({ "user": wire::user(&at, &user), "key": key }))))
}

/// The user of the key, made if it is not there.
#[utoipa::path(post, path = "/users/get-or-create", operation_id = "getOrCreateUser", tag = "users",
    request_body = NewUser, responses((status = 200, body = UserAnswer)))]
pub(crate) async fn get_or_create(
    State(api): State<Api>,
    KeyHolder { at, id, .. }: KeyHolder,
    body::Json(new): body::Json<NewUser>,
) -> Answer {
    let user = match ids::user(&api, &at, &id).await? {
        Some(user) => user,
        None => get_or_make(&api, &at, &id, new.person()?).await?,
    };
    Ok(Json(json!({ "user": wire::user(&at, &user) })))
}

/// The user of the key.
#[utoipa::path(get, path = "/users/me", operation_id = "getUser", tag = "users",
    responses((status = 200, body = UserAnswer)))]
pub(crate) async fn get(caller: Caller) -> Answer {
    Ok(Json(json!({ "user": wire::user(&caller.at, &caller.user) })))
}

/// Changes the user of the key.
#[utoipa::path(put, path = "/users/me", operation_id = "updateUser", tag = "users",
    request_body = UserChange, responses((status = 200, body = UserAnswer)))]
pub(crate) async fn update(
    State(api): State<Api>,
    caller: Caller,
    body::Json(change): body::Json<UserChange>,
) -> Answer {
    let profile = change.profile.as_ref().and_then(Option::as_deref);
    body::short("profile", profile, PROFILE)?;
    let change = PersonChange {
        name: change.name.map(Option::unwrap_or_default),
        picture_url: change.picture_url.map(Option::unwrap_or_default),
        profile: change.profile.map(Option::unwrap_or_default),
        ..PersonChange::default()
    };
    let changed = api.live.update_user(&caller.at, &caller.user.id, change);
    let user = changed.await.map_err(problems::live)?;
    Ok(Json(json!({ "user": wire::user(&caller.at, &user) })))
}

/// Removes the user of the key.
#[utoipa::path(delete, path = "/users/me", operation_id = "deleteUser", tag = "users",
    responses((status = 200, body = Done)))]
pub(crate) async fn delete(State(api): State<Api>, caller: Caller) -> Answer {
    api.live.delete_user(&caller.at, &caller.user.id).await.map_err(problems::live)?;
    Ok(Json(json!({})))
}
