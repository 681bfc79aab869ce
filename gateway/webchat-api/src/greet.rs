//! The first frame: who a visitor is, and what they get to know before anything else.
//!
//! A token brings back the session; a signed identity (`jwt`) says who the person is; with neither, a new anonymous
//! visitor begins. An anonymous visitor whose identity becomes known takes the current conversation along.

use std::net::IpAddr;
use std::sync::Arc;

use portico_contract::{ConversationId, UserId};
use portico_live::{Claims, IdentityError, LiveError, Minted, NewPerson, PersonChange, Session};
use portico_store::records::{TagMap, User};
use portico_turns::now;

use crate::channel::{Channel, IdentityMode};
use crate::errors::Refused;
use crate::follow::{self, Start};
use crate::frame::{Close, Hello, MAX_FRAME, PageInfo, ServerFrame, Visitor, WireLimits};
use crate::seats::Order;
use crate::shared::Api;
use crate::visit::Visit;

/// Properties of a visitor: how many, and how long.
const MOST_DATA: usize = 50;
const DATA_LENGTH: usize = 500;

/// A visitor who was let in, and what is told first.
pub(crate) struct Greeted {
    pub(crate) visit: Visit,
    pub(crate) welcome: ServerFrame,
    /// Conversations that are shown from now on, each from where the visitor stopped.
    pub(crate) follow: Vec<Start>,
}

/// What a token and an identity together amount to.
pub(crate) struct Entered {
    pub(crate) session: Session,
    /// The token in use.
    pub(crate) token: String,
    /// The token, if the visitor does not know it yet.
    pub(crate) told: Option<String>,
    pub(crate) user: User,
    /// The session that ended with it: its other connections have to come back as somebody else.
    pub(crate) left: Option<String>,
}

/// The token as a visitor keeps it: bound to its channel, which calls without a hello learn from it.
pub(crate) fn outer_token(token: &str, channel: &Channel) -> String {
    format!("{token}.{}", channel.at.id)
}

/// The token proper, and the channel that it is bound to.
pub(crate) fn inner_token(outer: &str) -> Option<(&str, &str)> {
    outer
        .split_once('.')
        .filter(|(token, channel)| !token.is_empty() && !channel.is_empty() && outer.len() <= 400)
}

/// Whether a page may open a connection to a channel.
///
/// # Errors
/// `Origin`.
pub(crate) fn check_origin(api: &Api, channel: &Channel, origin: Option<&str>) -> Result<(), Refused> {
    let may = match origin {
        Some(origin) => api.may_use(channel, origin),
        None => api.may_use_nameless(channel),
    };
    if may { Ok(()) } else { Err(Refused::new(Close::Origin)) }
}

/// Lets a visitor in.
///
/// # Errors
/// [`Refused`] says with which code the connection ends.
pub(crate) async fn greet(
    api: &Api,
    hello: Hello,
    origin: Option<&str>,
    address: Option<IpAddr>,
) -> Result<Greeted, Refused> {
    let channel = api.channel(&hello.ch).ok_or(Refused::new(Close::Channel))?;
    check_origin(api, &channel, origin)?;
    channel.rates.hello(address).map_err(|wait| Refused::later(Close::Rate, wait))?;
    let known = match &hello.tok {
        Some(outer) => match inner_token(outer) {
            Some((token, id)) if id == channel.at.id.as_str() => api
                .live
                .sessions()
                .check(&channel.at, token)
                .await?
                .map(|session| (session, token.to_owned())),
            _ => None,
        },
        None => None,
    };
    // A token that is not good is told, so that the visitor drops it and does not become somebody new unnoticed.
    if known.is_none() && hello.tok.is_some() && hello.jwt.is_none() {
        return Err(Refused::new(Close::Token));
    }
    if let Some((session, _)) = &known {
        channel.rates.hello_again(&session.id).map_err(|wait| Refused::later(Close::Rate, wait))?;
    }
    let claims = claims(api, &channel, hello.jwt.as_deref()).await?;
    let mut entered = enter(api, &channel, known, claims, address).await?;
    if let Some(left) = &entered.left {
        // Other tabs find the new token in the visitor's storage when they come back.
        api.seats.tell(left, Order::Close(Close::Leaving));
    }
    entered = rotated(api, &channel, entered).await?;
    describe(api, &channel, &mut entered.user, hello.loc.as_deref(), hello.page.as_ref()).await;

    let mut follow = Vec::new();
    for (conversation, seen) in &hello.cur {
        let Ok(id) = ConversationId::parse(conversation) else { continue };
        if api.live.takes_part(&channel.at, id, &entered.user.id).await? {
            follow.push(follow::start(api, &channel, id, Some(*seen)).await?);
        }
    }
    let deltas = hello.caps.as_ref().is_none_or(|caps| caps.iter().any(|cap| cap == "delta"));
    let mut visit =
        Visit::new(api.clone(), channel, entered.session, entered.token, entered.user.id.clone(), deltas);
    if let Some(active) = visit.active().await?
        && !follow.iter().any(|start| start.conversation == active)
    {
        follow.push(follow::start(api, &visit.channel, active, None).await?);
    }
    let welcome = welcome(api, &visit, &entered.user, entered.told, &follow);
    Ok(Greeted { visit, welcome, follow })
}

/// What a visitor is told first, also after a change of identity.
pub(crate) fn welcome(
    api: &Api,
    visit: &Visit,
    user: &User,
    told: Option<String>,
    follow: &[Start],
) -> ServerFrame {
    let limits = &visit.channel.limits;
    ServerFrame::Welcome {
        v: 1,
        sid: visit.session.id.clone(),
        tok: told.map(|token| outer_token(&token, &visit.channel)),
        user: visitor(&visit.channel, user, visit.session.subject.is_some()),
        conv: visit.session.conversation.map(|id| id.to_string()),
        cur: follow.iter().map(|start| (start.conversation.to_string(), start.last)).collect(),
        hb: api.times.heartbeat.as_secs().max(1),
        limits: WireLimits {
            frame: MAX_FRAME,
            text: limits.text,
            file: if visit.channel.upload { limits.file } else { 0 },
        },
    }
}

/// A person as they see themselves.
pub(crate) fn visitor(channel: &Channel, user: &User, verified: bool) -> Visitor {
    Visitor {
        id: user.id.to_string(),
        name: user.name.clone(),
        email: user.tags.get(&channel.tag("email")).cloned(),
        picture_url: user.picture_url.clone(),
        verified,
        data: user.properties.clone(),
    }
}

/// What a signed identity says, where one was given and is of interest.
///
/// # Errors
/// `Token` when it proves nothing; `Slow` when the site's keys can't be had now.
pub(crate) async fn claims(
    api: &Api,
    channel: &Channel,
    jwt: Option<&str>,
) -> Result<Option<Claims>, Refused> {
    let Some(jwt) = jwt.filter(|_| channel.identity != IdentityMode::Off) else { return Ok(None) };
    match api.identity.verify(&channel.at, &channel.identity_options, jwt, now()).await {
        Ok(claims) => Ok(Some(claims)),
        Err(IdentityError::KeysUnavailable) => Err(Refused::new(Close::Slow)),
        Err(error) => {
            tracing::debug!(installation.id = %channel.at.id, %error, "an identity was refused");
            Err(Refused::new(Close::Token))
        }
    }
}

/// Which session and person a token and an identity amount to.
///
/// # Errors
/// `Token` where an identity is required and missing, `Rate` for too many newcomers, and the store's.
pub(crate) async fn enter(
    api: &Api,
    channel: &Arc<Channel>,
    known: Option<(Session, String)>,
    claims: Option<Claims>,
    address: Option<IpAddr>,
) -> Result<Entered, Refused> {
    let sessions = api.live.sessions();
    let Some(claims) = claims else {
        if channel.identity == IdentityMode::Required
            && known.as_ref().is_none_or(|(one, _)| one.subject.is_none())
        {
            return Err(Refused::new(Close::Token));
        }
        if let Some((session, token)) = known
            && let Some(user) = api.live.user(&channel.at, &session.user).await?
        {
            return Ok(Entered { session, token, told: None, user, left: None });
        }
        channel.rates.newcomer(address).map_err(|wait| Refused::later(Close::Rate, wait))?;
        let user = api.live.create_user(&channel.at, NewPerson::default()).await?;
        let Minted { session, token } = sessions.mint(&channel.at, &user.id, None).await?;
        return Ok(Entered { session, told: Some(token.clone()), token, user, left: None });
    };
    let user = verified_user(api, channel, &claims).await?;
    match known {
        Some((session, token)) if session.user == user.id => {
            Ok(Entered { session, token, told: None, user, left: None })
        }
        Some((old, old_token)) => {
            let mut brought = None;
            if old.subject.is_none() {
                brought = bring_along(api, channel, &old, &user.id).await?;
            }
            sessions.revoke(&channel.at, &old_token).await?;
            let Minted { mut session, token } =
                sessions.mint(&channel.at, &user.id, Some(&claims.subject)).await?;
            if let Some(conversation) = brought {
                sessions.set_conversation(&channel.at, &token, Some(conversation)).await?;
                session.conversation = Some(conversation);
            }
            Ok(Entered { session, told: Some(token.clone()), token, user, left: Some(old.id) })
        }
        None => {
            let Minted { session, token } =
                sessions.mint(&channel.at, &user.id, Some(&claims.subject)).await?;
            Ok(Entered { session, told: Some(token.clone()), token, user, left: None })
        }
    }
}

/// The person of a signed identity, made if they are new, with what the identity says of them.
async fn verified_user(api: &Api, channel: &Channel, claims: &Claims) -> Result<User, Refused> {
    // Parties that nobody vouched for are made by the gateway and look otherwise.
    let party = format!("jwt:{}", claims.subject);
    let data: TagMap = claims
        .data
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.chars().take(DATA_LENGTH).collect())))
        .take(MOST_DATA)
        .collect();
    let known = match api.live.user_of_party(&channel.at, &party).await? {
        Some(user) => user,
        None => {
            let new = NewPerson {
                party: Some(party.clone()),
                name: claims.name.clone(),
                picture_url: claims.picture_url.clone(),
                profile: None,
                data: data.clone(),
                verified: true,
            };
            match api.live.create_user(&channel.at, new).await {
                Ok(user) => user,
                // Another tab was faster.
                Err(LiveError::Taken(_)) => {
                    let user = api.live.user_of_party(&channel.at, &party).await?;
                    user.ok_or(Refused::new(Close::Failure))?
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    let email = channel.tag("email");
    let differs = |said: &Option<String>, is: Option<&String>| said.is_some() && said.as_ref() != is;
    let is_old = differs(&claims.name, known.name.as_ref())
        || differs(&claims.picture_url, known.picture_url.as_ref())
        || differs(&claims.email, known.tags.get(&email))
        || data.iter().any(|(name, value)| known.properties.get(name) != Some(value));
    if !is_old {
        return Ok(known);
    }
    let change = PersonChange {
        name: claims.name.clone(),
        picture_url: claims.picture_url.clone(),
        profile: None,
        data,
        tags: claims.email.iter().map(|address| (email.clone(), address.clone())).collect(),
    };
    Ok(api.live.update_user(&channel.at, &known.id, change).await?)
}

/// Gives the current conversation of an anonymous visitor to the person that they turned out to be.
async fn bring_along(
    api: &Api,
    channel: &Arc<Channel>,
    old: &Session,
    to: &UserId,
) -> Result<Option<ConversationId>, Refused> {
    let Some(conversation) = old.conversation else { return Ok(None) };
    match api.live.move_user(&channel.at, &old.user, to, conversation).await {
        Ok(()) => Ok(Some(conversation)),
        // It was moved before, or is nobody's to move: the person begins without it.
        Err(LiveError::Forbidden(_) | LiveError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Exchanges a token that has been in use for long, or that was exchanged without the visitor getting the new one.
async fn rotated(api: &Api, channel: &Channel, entered: Entered) -> Result<Entered, Refused> {
    let age = now().saturating_sub(entered.session.issued_at);
    let is_old = u128::from(age) >= api.times.rotate.as_millis();
    if entered.told.is_some() || !(is_old || entered.session.replaced) {
        return Ok(entered);
    }
    let sessions = api.live.sessions();
    let next = match sessions.rotate(&channel.at, &entered.token).await? {
        Some(next) => next,
        // The new token was told in an answer that never came: this visitor gets one of their own.
        None => {
            let subject = entered.session.subject.as_deref();
            let next = sessions.mint(&channel.at, &entered.user.id, subject).await?;
            if let Some(conversation) = entered.session.conversation {
                sessions.set_conversation(&channel.at, &next.token, Some(conversation)).await?;
            }
            Minted {
                session: Session { conversation: entered.session.conversation, ..next.session },
                token: next.token,
            }
        }
    };
    let told = Some(next.token.clone());
    Ok(Entered { session: next.session, told, token: next.token, user: entered.user, left: entered.left })
}

/// Notes the visitor's language, and the page where the channel wants to know it.
async fn describe(
    api: &Api,
    channel: &Channel,
    user: &mut User,
    locale: Option<&str>,
    page: Option<&PageInfo>,
) {
    let mut change = PersonChange::default();
    let is_tag = |tag: &&str| {
        (2..=35).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if let Some(locale) = locale.filter(is_tag) {
        let name = channel.tag("locale");
        if user.tags.get(&name).map(String::as_str) != Some(locale) {
            change.tags.insert(name, locale.to_owned());
        }
    }
    if let Some(page) = page.filter(|_| channel.page) {
        let facts = [
            ("page_url", bare(&page.url)),
            ("page_title", short(&page.title)),
            ("page_ref", bare(&page.referrer)),
        ];
        for (name, value) in facts {
            if user.properties.get(name).map_or("", String::as_str) != value {
                change.data.insert(name.to_owned(), value);
            }
        }
    }
    if change == PersonChange::default() {
        return;
    }
    match api.live.update_user(&channel.at, &user.id, change).await {
        Ok(changed) => *user = changed,
        // Nobody is turned away for it.
        Err(error) => tracing::debug!(%error, "a visitor's page could not be noted"),
    }
}

/// An address without query and fragment, which may hold secrets.
fn bare(url: &str) -> String {
    short(url.split(['?', '#']).next().unwrap_or_default())
}

fn short(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(DATA_LENGTH).collect()
}
