//! Users of a chat.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use portico_live::{NewPerson, PersonChange};
use portico_problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::{Caller, KeyHolder, get_or_make, is_personal, make};
use super::{Answer, ids, wire};
use crate::front::{At, Surface};
use crate::problems::{self, unauthorized};
use crate::shared::seconds;
use crate::token::{self, Claims};
use crate::{Api, body};

/// Longest profile, in characters.
const PROFILE: usize = 1000;

/// A user to make.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NewUser {
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
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UserChange {
    #[serde(deserialize_with = "body::nullable")]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "body::nullable")]
    picture_url: Option<Option<String>>,
    #[serde(deserialize_with = "body::nullable")]
    profile: Option<Option<String>>,
}

/// Makes a user and a key for it.
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
pub(crate) async fn get(caller: Caller) -> Answer {
    Ok(Json(json!({ "user": wire::user(&caller.at, &caller.user) })))
}

/// Changes the user of the key.
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
pub(crate) async fn delete(State(api): State<Api>, caller: Caller) -> Answer {
    api.live.delete_user(&caller.at, &caller.user.id).await.map_err(problems::live)?;
    Ok(Json(json!({})))
}
