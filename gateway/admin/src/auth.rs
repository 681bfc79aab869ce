//! Who may call: whoever has the admin token. Twenty calls a second, and five wrong tokens a minute.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::header::AUTHORIZATION;
use portico_problem::{Kind, Problem};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The admin token, as a digest, with the limits of its use.
pub struct AdminToken {
    digest: [u8; 32],
    calls: DefaultDirectRateLimiter,
    failures: DefaultDirectRateLimiter,
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(***)")
    }
}

impl AdminToken {
    /// A token with its limits: calls per second, wrong tokens per minute.
    pub fn new(token: &str, calls_per_second: u32, failures_per_minute: u32) -> Self {
        let some = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self {
            digest: Sha256::digest(token.as_bytes()).into(),
            calls: RateLimiter::direct(
                Quota::per_second(some(calls_per_second)).allow_burst(some(calls_per_second * 5)),
            ),
            failures: RateLimiter::direct(Quota::per_minute(some(failures_per_minute))),
        }
    }

    fn is(&self, candidate: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(candidate.as_bytes()).into();
        bool::from(digest.ct_eq(&self.digest))
    }
}

/// Lets a request pass that carries the token.
pub(crate) async fn require(State(token): State<Arc<AdminToken>>, request: Request, next: Next) -> Response {
    let claimed = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if !claimed.is_some_and(|claimed| token.is(claimed)) {
        if token.failures.check().is_err() {
            return Problem::new(Kind::RateLimited, "too many calls with a wrong token")
                .retry_after(60)
                .into_response();
        }
        return Problem::new(
            Kind::Unauthorized,
            "send the admin token as 'authorization: Bearer …'; it stands in admin.token in the data folder",
        )
        .into_response();
    }
    if token.calls.check().is_err() {
        return Problem::new(Kind::RateLimited, "too many admin calls").retry_after(1).into_response();
    }
    next.run(request).await
}
