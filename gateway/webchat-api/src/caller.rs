//! Who calls over HTTP: the token of a session, and the page that the call comes from.

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use portico_problem::{Kind, Problem};

use crate::channel::Channel;
use crate::errors::{self, Refused};
use crate::frame::Close;
use crate::greet::inner_token;
use crate::shared::{Api, Shared};
use crate::visit::Visit;

/// A caller with a good token, from a page that may use the channel.
pub(crate) struct Caller {
    pub(crate) visit: Visit,
}

/// The origin of a request, as its browser wrote it.
pub(crate) fn origin_of(headers: &HeaderMap) -> Option<&str> {
    // An origin that is no text is nobody's.
    headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("null"))
}

/// The origin that a call without a session is judged by. A browser leaves it out of plain reads of a page's own
/// site, and says so in a header that pages can't write.
pub(crate) fn page_of<'a>(api: &'a Shared, headers: &'a HeaderMap) -> Option<&'a str> {
    const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    origin_of(headers).or_else(|| {
        let same = headers.get(SITE).is_some_and(|site| site == "same-origin");
        same.then(|| api.own_origin())
    })
}

/// Whether a call that brings a token may come from where it comes from. Browsers name the origin of every such
/// call to another site, so one without comes from no other site's page.
fn may_call(api: &Shared, channel: &Channel, headers: &HeaderMap) -> bool {
    origin_of(headers).is_none_or(|origin| api.may_use(channel, origin))
}

/// The token of a request.
pub(crate) fn token_of(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let refused = || Refused::new(Close::Token).problem();
        let missing = || {
            Problem::new(Kind::Unauthorized, "send the session's token as authorization: Bearer …")
                .with("close", Close::Token.code())
        };
        let (token, channel) = token_of(&parts.headers).and_then(inner_token).ok_or_else(missing)?;
        let channel = api.channel(channel).ok_or_else(|| Refused::new(Close::Channel).problem())?;
        if !may_call(api, &channel, &parts.headers) {
            return Err(Refused::new(Close::Origin).problem());
        }
        let visit = Visit::of_token(api, channel, token).await.map_err(errors::problem)?;
        let visit = visit.ok_or_else(refused)?;
        visit.channel.rates.call(&visit.session.id).map_err(errors::too_often)?;
        Ok(Self { visit })
    }
}
