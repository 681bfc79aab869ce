//! Who calls, and as whom: the bot itself, or an integration of it.
//!
//! The bot sees the names of all integrations with their prefix; an integration sees its own, without it
//! (Botpress protocol, "Namespaces"). Whose call it is also decides the direction of its messages.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use portico_contract::BotId;
use portico_outbound::OnceKey;
use portico_problem::{Kind, Problem};
use portico_store::IdempotencyKey;
use portico_store::records::{Conversation, Records, View};
use portico_telemetry::metrics::Limit;
use portico_turns::Installation;
use sha2::{Digest, Sha256};

use crate::bots::Refused;
use crate::{Api, body};

/// An authorised caller.
pub(crate) struct Caller {
    /// The bot.
    pub(crate) bot: BotId,
    /// Its rows, and no other bot's.
    pub(crate) records: Records,
    /// The integration that calls; `None` for the bot itself.
    pub(crate) via: Option<Arc<Installation>>,
    /// `idempotency-key`.
    pub(crate) key: Option<String>,
}

impl Caller {
    /// How this caller sees names.
    pub(crate) fn view(&self) -> View<'_> {
        self.via.as_ref().map_or(View::Bot, |via| View::Integration(&via.alias))
    }

    /// Whether a conversation is one of this caller's.
    pub(crate) fn sees(&self, conversation: &Conversation) -> bool {
        self.via.as_ref().is_none_or(|via| conversation.installation.as_ref() == Some(&via.id))
    }

    /// What a repeat of this call is known by, where the caller gave an idempotency key.
    pub(crate) fn once(&self, operation: &str, digest: [u8; 16]) -> Option<OnceKey> {
        let given = self.key.as_ref()?;
        let mut hash = Sha256::new();
        let via = self.via.as_ref().map_or("", |via| via.id.as_str());
        for part in ["runtime-api", self.bot.as_str(), via, given] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let key = IdempotencyKey(body::short(&hash.finalize()));
        let request = Sha256::new().chain_update(operation.as_bytes()).chain_update(digest).finalize();
        Some(OnceKey { key, hash: body::short(&request) })
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let bearer = header(&parts.headers, AUTHORIZATION.as_str())?
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim());
        let bot = header(&parts.headers, "x-bot-id")?;
        let bot = api.bots.authorize(bearer, bot).map_err(|refused| match refused {
            Refused::Unknown => {
                Problem::new(Kind::Unauthorized, "a bot's token is needed: authorization: Bearer <token>")
            }
            Refused::OtherBot => Problem::new(Kind::Forbidden, "the token is not for the bot in x-bot-id"),
            Refused::WhichBot => {
                Problem::new(Kind::InvalidPayload, "x-bot-id: is missing, and the token serves several bots")
            }
        })?;
        api.pace(&bot).map_err(|seconds| {
            api.metrics.limits.inc(Limit::Bot);
            Problem::new(Kind::RateLimited, "the bot calls too often; try again later").retry_after(seconds)
        })?;
        let via = integration(&parts.headers, api, &bot)?;
        let key = header(&parts.headers, "idempotency-key")?.map(str::to_owned);
        if key.as_ref().is_some_and(|key| key.len() > 255) {
            return Err(Problem::field("idempotency-key", "must have at most 255 characters"));
        }
        Ok(Self { records: Records::of(api.store.clone(), bot.clone()), bot, via, key })
    }
}

/// A header's text; an empty one counts as absent.
fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Problem> {
    match headers.get(name).map(|value| value.to_str()) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Err(_)) => Err(Problem::field(name, "must be plain ASCII text")),
    }
}

/// The integration that the headers name. Clients send its id, its alias or both; here an installation's id
/// and its alias both name it, and so does its connector's name beside an alias.
fn integration(headers: &HeaderMap, api: &Api, bot: &BotId) -> Result<Option<Arc<Installation>>, Problem> {
    let id = header(headers, "x-integration-id")?;
    let alias = header(headers, "x-integration-alias")?;
    let found = match (id, alias) {
        (None, None) => return Ok(None),
        (Some(id), None) => api.named(bot, id),
        (None, Some(alias)) => api.installations.of_bot(bot, alias),
        (Some(id), Some(alias)) => api
            .installations
            .of_bot(bot, alias)
            .filter(|found| [found.id.as_str(), alias, &found.connector.manifest().name].contains(&id)),
    };
    let refused =
        || Problem::new(Kind::Forbidden, "the bot has no integration of this x-integration-id and -alias");
    found.map(Some).ok_or_else(refused)
}
