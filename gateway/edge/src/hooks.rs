//! Requests to `/webhooks/<installation>/…`: the short way from the wire to the inbound path.

use std::net::IpAddr;
use std::sync::Arc;

use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use portico_contract::{InboundRequest, Payload, Reply};
use portico_inbound::Inbound;
use portico_problem::{Kind, Problem};
use portico_telemetry::Metrics;
use portico_telemetry::metrics::{Limit, Refusal};
use portico_turns::{Installations, now};

use crate::answer::Answer;
use crate::body::{self, BodyError};
use crate::limits::RateLimits;
use crate::options::Limits;

/// Where webhooks go.
#[derive(Clone)]
pub struct Hooks {
    /// The installations that may be called.
    pub installations: Installations,
    /// The inbound path.
    pub inbound: Inbound,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").field("installations", &self.installations).finish_non_exhaustive()
    }
}

/// First segment of the paths that this module answers.
pub(crate) const PREFIX: &str = "/webhooks/";

/// What is needed to answer.
pub(crate) struct Desk {
    pub(crate) hooks: Hooks,
    pub(crate) rates: Arc<RateLimits>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Desk {
    /// Answers one webhook.
    pub(crate) async fn answer(&self, request: Request<Incoming>, address: IpAddr) -> Response<Answer> {
        if let Err(wait) = self.rates.barred(address) {
            self.metrics.limits.inc(Limit::Failures);
            return too_many(
                "too many requests that failed to prove their sender came from this address",
                wait,
            );
        }
        let (head, incoming) = request.into_parts();
        let after = &head.uri.path()[PREFIX.len()..];
        let (id, path) = match after.find('/') {
            Some(slash) => (&after[..slash], &after[slash..]),
            None => (after, "/"),
        };
        let installation = self.hooks.installations.find(id);
        if let Some(coding) = head.headers.get(CONTENT_ENCODING)
            && coding != "identity"
        {
            self.metrics.refusals.inc(Refusal::Coding);
            let problem = Problem::new(Kind::UnsupportedMediaType, "send the body without a content coding");
            return Answer::routed(problem.into_response());
        }
        let cap = installation
            .as_ref()
            .and_then(|one| {
                one.max_body.or(one.connector.manifest().webhook.max_body.map(|most| most as usize))
            })
            .unwrap_or(self.limits.webhook_body);
        // The body is read before anybody is told that there is no such installation: the time to the answer
        // says nothing then.
        let body = match body::read(incoming, cap, &self.limits).await {
            Ok(body) => body,
            Err(error) => return self.body_error(error, cap),
        };
        let Some(installation) = installation else {
            self.metrics.refusals.inc(Refusal::UnknownInstallation);
            self.rates.failed(address);
            let problem = Problem::new(Kind::ResourceNotFound, "there is nothing at this address");
            return Answer::routed(problem.into_response());
        };
        if let Err(wait) = self.rates.installation(installation.id.as_str()) {
            self.metrics.limits.inc(Limit::Installation);
            return too_many("too many webhooks for this installation", wait);
        }
        let request = InboundRequest {
            method: head.method,
            path: path.into(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            received_at: now(),
            source_ip: Some(address),
            passed_checks: Arc::default(),
        };
        let answer = self.hooks.inbound.accept(&installation, request).await;
        if answer.forged {
            self.rates.failed(address);
        }
        response(answer.reply)
    }

    fn body_error(&self, error: BodyError, cap: usize) -> Response<Answer> {
        let (reason, problem) = match error {
            BodyError::TooLarge => (
                Refusal::TooLarge,
                Problem::new(Kind::PayloadTooLarge, format!("the body is above {cap} bytes"))
                    .with("limit", cap),
            ),
            BodyError::TooSlow => {
                let problem = Problem::new(Kind::OperationTimeout, "the body came too slowly");
                (Refusal::TooSlow, problem.answered_with(StatusCode::REQUEST_TIMEOUT))
            }
            BodyError::Broken => (
                Refusal::Malformed,
                Problem::new(Kind::InvalidPayload, "the body ended before its stated length"),
            ),
        };
        self.metrics.refusals.inc(reason);
        close(Answer::routed(problem.into_response()))
    }
}

pub(crate) fn too_many(message: &str, wait: u64) -> Response<Answer> {
    Answer::routed(Problem::new(Kind::RateLimited, message).retry_after(wait).into_response())
}

/// Asks for the connection to be closed: its framing can't be relied on any more.
pub(crate) fn close(mut response: Response<Answer>) -> Response<Answer> {
    response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A connector's reply as a response. Headers that belong to the gateway are left out.
fn response(reply: Reply) -> Response<Answer> {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let refused = status.is_client_error() || status.is_server_error();
    let body = match reply.body {
        Payload::Text(text) => Bytes::from(text),
        Payload::Bytes(bytes) => bytes,
        Payload::Empty | Payload::Stored(_) | Payload::Form(_) => Bytes::new(),
    };
    let mut response = Response::new(Answer::Bytes(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for field in reply.headers {
        let name = HeaderName::try_from(field.name);
        let value = HeaderValue::try_from(field.value);
        if let (Ok(name), Ok(value)) = (name, value)
            && (name == CONTENT_TYPE
                || name == ALLOW
                || name == RETRY_AFTER
                || name == http::header::VARY
                || name.as_str().starts_with("x-")
                || name.as_str().starts_with("access-control-"))
        {
            headers.append(name, value);
        }
    }
    if refused && status != StatusCode::UNAUTHORIZED {
        headers.entry(http::header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}
