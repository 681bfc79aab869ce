//! Who is calling: the visitor behind `x-user-key`, or whoever knows the operator's admin secret.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use portico_contract::{ConversationId, Keyring, UserId};
use portico_live::NewPerson;
use portico_problem::Problem;
use portico_store::records::{Conversation, User};
use portico_turns::Installation;

use crate::feed::Opener;
use crate::front::{At, Surface};
use crate::problems::{self, forbidden, not_found, unauthorized};
use crate::shared::seconds;
use crate::token::{self, Claims, Good, Signer};
use crate::{Api, Shared};

/// Name of the secret that an operator's back end shows.
const ADMIN: &str = "admin_secret";

/// Whether the caller showed the admin secret.
///
/// # Errors
/// `Unauthorized` when what was shown is not it.
pub(crate) fn is_admin(at: &Installation, headers: &HeaderMap) -> Result<bool, Problem> {
    let Some(shown) = headers.get("x-admin-secret") else { return Ok(false) };
    match at.secrets.matches(ADMIN, shown.as_bytes()) {
        Ok(true) => Ok(true),
        _ => Err(unauthorized("x-admin-secret: is not this installation's")),
    }
}

/// A visitor.
pub(crate) struct Caller {
    pub(crate) at: Arc<Installation>,
    pub(crate) address: u128,
    pub(crate) user: User,
    /// The key that was shown, or made.
    pub(crate) key: String,
    /// When the key ends, in seconds since 1970.
    pub(crate) until: Option<u64>,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let At { installation: at, address } = At::from_request_parts(parts, api).await?;
        let key = parts.headers.get("x-user-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if key.is_empty() {
            return Err(unauthorized("x-user-key: is missing; createUser gives one"));
        }
        let found = Self::known(api, &at, address, key).await?;
        found.ok_or_else(|| unauthorized("x-user-key: its user is not there any more"))
    }
}

impl Caller {
    /// The visitor of a key; `None` when the user is gone.
    ///
    /// # Errors
    /// `Unauthorized` for a key that is not good.
    pub(crate) async fn known(
        api: &Shared,
        at: &Arc<Installation>,
        address: u128,
        key: &str,
    ) -> Result<Option<Self>, Problem> {
        let own = api.user_key(Surface::Webchat, at);
        let good = token::read(key, &Signer::Gateway(&own), seconds());
        let Good { id, exp } = good.map_err(|reason| unauthorized(&format!("x-user-key: {reason}")))?;
        api.users.check(&(at.id.to_string(), id.clone()))?;
        let Ok(id) = UserId::parse(&id) else { return Ok(None) };
        let user = api.live.user(at, &id).await.map_err(problems::live)?;
        let key = key.to_owned();
        Ok(user.map(|user| Self { at: at.clone(), address, user, key, until: exp }))
    }

    /// A new visitor, with a key.
    ///
    /// # Errors
    /// `Unauthorized` where nobody may be anonymous, `RateLimited` when one address makes too many.
    pub(crate) async fn new(
        api: &Shared,
        at: &Arc<Installation>,
        address: u128,
        admin: bool,
        new: NewPerson,
    ) -> Result<Self, Problem> {
        let mode = at.config.json().pointer("/identity/mode").and_then(serde_json::Value::as_str);
        if !admin && mode == Some("required") {
            return Err(unauthorized(
                "nobody is anonymous here: the site's back end makes users (x-admin-secret)",
            ));
        }
        if !admin {
            api.new_users[Surface::Webchat.index()].check(&address)?;
        }
        let user = api.live.create_user(at, new).await.map_err(problems::live)?;
        let key = make_key(api, at, &user.id, None);
        Ok(Self { at: at.clone(), address, user, key, until: None })
    }

    /// The caller, as one who opens a stream.
    pub(crate) fn opener(&self) -> Opener {
        Opener {
            surface: Surface::Webchat,
            at: self.at.clone(),
            holder: (self.at.id.to_string(), self.user.id.to_string()),
            address: self.address,
            until: self.until,
        }
    }

    /// A conversation that the caller takes part in.
    ///
    /// # Errors
    /// `ResourceNotFound`, also for one of others: a visitor learns nothing of them.
    pub(crate) async fn conversation(&self, api: &Shared, id: &str) -> Result<Conversation, Problem> {
        let missing = || not_found("conversation");
        let id = ConversationId::parse(id).map_err(|_| missing())?;
        let found = api.live.conversation(&self.at, id).await.map_err(problems::live)?.ok_or_else(missing)?;
        let takes_part = api.live.takes_part(&self.at, id, &self.user.id).await.map_err(problems::live)?;
        if takes_part { Ok(found) } else { Err(missing()) }
    }

    /// A conversation that was made for the caller.
    ///
    /// # Errors
    /// `ResourceNotFound`, `Forbidden`.
    pub(crate) async fn own_conversation(&self, api: &Shared, id: &str) -> Result<Conversation, Problem> {
        let conversation = self.conversation(api, id).await?;
        if conversation.recipient.as_ref().is_none_or(|owner| *owner == self.user.id) {
            Ok(conversation)
        } else {
            Err(forbidden("only the visitor who began the conversation may do this"))
        }
    }
}

/// A key for a user; `until` in seconds since 1970.
pub(crate) fn make_key(api: &Shared, at: &Installation, user: &UserId, until: Option<u64>) -> String {
    let claims = Claims { id: user.to_string(), iat: Some(seconds()), exp: until };
    token::make(&api.user_key(Surface::Webchat, at), &claims)
}
