//! Who is calling: the user behind `x-user-key`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use portico_contract::Keyring;
use portico_live::{LiveError, NewPerson};
use portico_problem::Problem;
use portico_store::records::{Conversation, TagMap, User};
use portico_turns::Installation;

use super::ids;
use crate::feed::Opener;
use crate::front::{At, Surface};
use crate::problems::{self, forbidden, not_found, unauthorized};
use crate::shared::{Holder, seconds};
use crate::token::{self, Signer};
use crate::{Api, Shared, page};

/// Name of the secret with which an operator's back end signs.
pub(crate) const SECRET: &str = "encryption_key";

/// Whether user keys are signed outside.
pub(crate) fn is_personal(at: &Installation) -> bool {
    at.secrets.has(SECRET)
}

/// Somebody with a good key; whether there is a user is not looked at.
pub(crate) struct KeyHolder {
    pub(crate) at: Arc<Installation>,
    /// What the caller's address counts under.
    pub(crate) address: u128,
    /// The id that the key names.
    pub(crate) id: String,
    /// When the key ends, in seconds since 1970.
    pub(crate) until: Option<u64>,
}

impl FromRequestParts<Api> for KeyHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let At { installation: at, address } = At::from_request_parts(parts, api).await?;
        let missing = || unauthorized("x-user-key: is missing; createUser gives one");
        // A browser's WebSocket can send no header.
        let in_query =
            parts.headers.contains_key(http::header::UPGRADE).then(|| page::query(&parts.uri, "x-user-key"));
        let key = match parts.headers.get("x-user-key") {
            Some(value) => value.to_str().map_err(|_| missing())?.to_owned(),
            None => in_query.flatten().ok_or_else(missing)?,
        };
        let own = api.user_key(Surface::Chat, &at);
        let signer = match is_personal(&at) {
            true => Signer::outside(&at, SECRET),
            false => Signer::Gateway(&own),
        };
        let good = token::read(&key, &signer, seconds())
            .map_err(|reason| unauthorized(&format!("x-user-key: {reason}")))?;
        api.users.check(&holder(&at, &good.id))?;
        Ok(Self { id: good.id, until: good.exp, at, address })
    }
}

fn holder(at: &Installation, id: &str) -> Holder {
    (at.id.to_string(), id.to_owned())
}

/// A user.
pub(crate) struct Caller {
    pub(crate) at: Arc<Installation>,
    pub(crate) address: u128,
    pub(crate) user: User,
    pub(crate) until: Option<u64>,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let KeyHolder { at, address, id, until } = KeyHolder::from_request_parts(parts, api).await?;
        let user = match ids::user(api, &at, &id).await? {
            Some(user) => user,
            // Whoever may sign may also make users; the first sight of an id is enough.
            None if is_personal(&at) => get_or_make(api, &at, &id, NewPerson::default()).await?,
            None => return Err(not_found("user")),
        };
        Ok(Self { at, address, user, until })
    }
}

/// The user of an id of a caller's choice, made if it is not there.
pub(crate) async fn get_or_make(
    api: &Shared,
    at: &Arc<Installation>,
    id: &str,
    new: NewPerson,
) -> Result<User, Problem> {
    if let Some(user) = ids::user(api, at, id).await? {
        return Ok(user);
    }
    match make(api, at, Some(id), new).await {
        // Somebody else was faster.
        Err(problem) if problem.kind() == portico_problem::Kind::AlreadyExists => {
            ids::user(api, at, id).await?.ok_or(problem)
        }
        other => other,
    }
}

/// Makes a user, under an id of the caller's choice or one of the gateway's.
///
/// # Errors
/// `AlreadyExists` when the id is taken, `InvalidPayload` when it may not be.
pub(crate) async fn make(
    api: &Shared,
    at: &Arc<Installation>,
    id: Option<&str>,
    mut new: NewPerson,
) -> Result<User, Problem> {
    if let Some(id) = id {
        ids::check("id", id)?;
        if ids::is_bot(&at.bot, id) {
            return Err(problems::live(LiveError::Taken("user")));
        }
    }
    new.party = Some(id.map_or_else(ids::made, ToOwned::to_owned));
    let user = api.live.create_user(at, new).await.map_err(problems::live)?;
    let Some(id) = id else { return Ok(user) };
    // For the bot's eyes only; nothing here depends on it.
    let tags = TagMap::from([(format!("{}:fid", at.alias), id.to_owned())]);
    let change = portico_live::PersonChange { tags, ..Default::default() };
    Ok(api.live.update_user(at, &user.id, change).await.unwrap_or(user))
}

impl Caller {
    /// The caller, as one who opens a stream.
    pub(crate) fn opener(&self) -> Opener {
        Opener {
            surface: Surface::Chat,
            at: self.at.clone(),
            holder: holder(&self.at, self.user.id.as_str()),
            address: self.address,
            until: self.until,
        }
    }

    /// A conversation that the caller takes part in.
    ///
    /// # Errors
    /// `ResourceNotFound`, `Forbidden`.
    pub(crate) async fn conversation(&self, api: &Shared, id: &str) -> Result<Conversation, Problem> {
        let conversation = ids::conversation(api, &self.at, id).await?;
        let takes_part = api.live.takes_part(&self.at, conversation.id, &self.user.id);
        if takes_part.await.map_err(problems::live)? {
            Ok(conversation)
        } else {
            Err(forbidden("you do not take part in this conversation"))
        }
    }

    /// A conversation that the caller owns.
    ///
    /// # Errors
    /// `ResourceNotFound`, `Forbidden`.
    pub(crate) async fn own_conversation(&self, api: &Shared, id: &str) -> Result<Conversation, Problem> {
        let conversation = self.conversation(api, id).await?;
        if self.owns(&conversation) {
            Ok(conversation)
        } else {
            Err(forbidden("only the owner of the conversation may do this"))
        }
    }

    /// Whether the caller made a conversation.
    pub(crate) fn owns(&self, conversation: &Conversation) -> bool {
        is_owner(&self.at, conversation, &self.user)
    }
}

/// Whether a user made a conversation.
pub(crate) fn is_owner(at: &Installation, conversation: &Conversation, user: &User) -> bool {
    match conversation.tags.get(&format!("{}:owner", at.alias)) {
        Some(owner) => owner == user.id.as_str(),
        None => conversation.recipient.as_ref() == Some(&user.id),
    }
}
