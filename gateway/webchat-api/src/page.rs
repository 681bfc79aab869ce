//! A page of the gateway's own that shows a channel in the whole window: for links, and for frames.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use portico_problem::Problem;

use crate::asked::Named;
use crate::channel::Channel;
use crate::errors::Refused;
use crate::frame::Close;
use crate::shared::{Api, Shared};
use crate::transcript::escaped;

/// Shows a channel.
pub(crate) async fn get(State(api): State<Api>, Named(id): Named<String>) -> Result<Response, Problem> {
    let channel = api.channel(&id).ok_or_else(|| Refused::new(Close::Channel).problem())?;
    let (name, id) = (escaped(channel.bot_name()), escaped(channel.at.id.as_str()));
    let base = escaped(&api.public_url);
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1, interactive-widget=resizes-content\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<link rel=\"icon\" href=\"data:,\">\n<title>{name}</title>\n\
         <script async src=\"{base}/webchat/v1/embed.js\" data-channel=\"{id}\"></script>\n</head>\n<body></body>\n</html>\n"
    );
    let mut response = Html(page).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy(&api, &channel)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin"));
    Ok(response)
}

/// Nothing runs but the client, it talks to the gateway only, and only listed sites may frame it.
fn policy(api: &Shared, channel: &Channel) -> String {
    let own = api.own_origin();
    let socket = match own.split_once("://") {
        Some(("https", host)) => format!("wss://{host}"),
        Some((_, host)) => format!("ws://{host}"),
        None => String::new(),
    };
    let mut ancestors = channel.origins.sources();
    if channel.origins.is_empty() && api.allow_localhost {
        ancestors.extend(["http://localhost:*".to_owned(), "http://127.0.0.1:*".to_owned()]);
    }
    ancestors.push("'self'".to_owned());
    format!(
        "default-src 'none'; script-src 'self' {own}; connect-src 'self' {own} {socket}; img-src 'self' https: data: blob:; \
         media-src 'self' https: data: blob:; frame-ancestors {}; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        ancestors.join(" ")
    )
}
