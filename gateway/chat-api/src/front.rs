//! First step of every call: whose it is (installation), whether its page may call (origin), how often (pace).
//!
//! After it the operations. Answers to a page get the exact origin back, because the public clients send
//! credentials from browsers; there are no cookies here, so an origin gives a page nothing but the right to ask.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use portico_problem::{Kind, Problem};
use portico_serve::origin;
use portico_turns::Installation;
use serde_json::Value;

use crate::problems::{forbidden, not_found};
use crate::{Api, Shared};

/// Which of the two APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `/chat/…`
    Chat,
    /// `/webchat-api/…`
    Webchat,
}

impl Surface {
    /// The connector whose installations it serves.
    pub(crate) fn connector(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Webchat => "webchat",
        }
    }

    /// Its place among paces and seats.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Chat => 0,
            Self::Webchat => 1,
        }
    }
}

/// The installation that a call is for, and what its caller's address counts under.
#[derive(Clone)]
pub(crate) struct At {
    pub(crate) installation: Arc<Installation>,
    pub(crate) address: u128,
}

impl<S: Send + Sync> FromRequestParts<S> for At {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::new(Kind::Internal, "the call came around the front"))
    }
}

/// State of the front.
pub(crate) type Front = (Api, Surface);

/// Lets a call through to its operation, or answers it.
pub(crate) async fn front(State((api, surface)): State<Front>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match enter(&api, surface, request) {
        Ok(_) if preflight => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            permissions(response.headers_mut());
            response
        }
        Ok(request) => next.run(request).await,
        // A stranger's page learns nothing, not even why: its browser keeps the answer from it.
        Err(Refused::Page(problem)) => return problem.into_response(),
        Err(Refused::Call(problem)) => problem.into_response(),
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
    response
}

enum Refused {
    Page(Problem),
    Call(Problem),
}

fn enter(api: &Shared, surface: Surface, mut request: Request) -> Result<Request, Refused> {
    let name = request.uri().path().split('/').nth(2).unwrap_or_default();
    let found = api.live.installation(name, surface.connector());
    // Checked before anything is said about it; no installation has no origins.
    let call = |problem| Refused::Call(problem);
    let Some(installation) = found else {
        return Err(Refused::Page(not_found(surface.connector())));
    };
    if let Some(origin) = request.headers().get(ORIGIN)
        && !origin.to_str().is_ok_and(|origin| may_call(api, surface, &installation, origin))
    {
        let key = match surface {
            Surface::Chat => "allowed_origins",
            Surface::Webchat => "origins",
        };
        let why = format!("pages of this origin may not call; its operator can add it to {key}");
        return Err(Refused::Page(forbidden(&why)));
    }
    let address = api.bucket(request.extensions());
    api.addresses[surface.index()].check(&address).map_err(call)?;
    request.extensions_mut().insert(At { installation, address });
    Ok(request)
}

fn may_call(api: &Shared, surface: Surface, at: &Installation, origin: &str) -> bool {
    let listed = |key: &str| -> Vec<&str> {
        let list = at.config.json().get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    if api.own_origin.as_deref() == Some(origin) {
        return true;
    }
    match surface {
        Surface::Chat => origin::is_listed(origin, listed("allowed_origins")),
        Surface::Webchat => {
            let list = listed("origins");
            if list.is_empty() {
                api.allow_localhost && origin::is_localhost(origin)
            } else {
                origin::is_listed(origin, list)
            }
        }
    }
}

/// What a page may send, for its browser's question.
fn permissions(headers: &mut HeaderMap) {
    let methods = HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS");
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    let names = HeaderValue::from_static(
        "content-type, x-user-key, authorization, x-admin-secret, timeout, cache-control, x-amz-tagging, \
         last-event-id",
    );
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
}
