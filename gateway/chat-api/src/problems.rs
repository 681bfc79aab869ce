//! What goes wrong further in, as answers.

use portico_live::LiveError;
use portico_problem::{Kind, Problem};
use portico_store::StoreError;

/// The thing that the address or a field names is not there, or not for this caller.
pub(crate) fn not_found(what: &str) -> Problem {
    Problem::new(Kind::ResourceNotFound, format!("{what} not found"))
}

/// The caller may not do this.
pub(crate) fn forbidden(why: &str) -> Problem {
    Problem::new(Kind::Forbidden, why)
}

/// Nobody is known by this key.
pub(crate) fn unauthorized(why: &str) -> Problem {
    Problem::new(Kind::Unauthorized, why)
}

/// What no operation answers to.
pub(crate) async fn unknown() -> Problem {
    Problem::new(Kind::MethodNotFound, "there is no such operation")
}

/// A refusal of the live side.
pub(crate) fn live(error: LiveError) -> Problem {
    match error {
        LiveError::NotFound(what) => not_found(what),
        LiveError::Forbidden(why) => forbidden(why),
        LiveError::Taken(what) => Problem::new(Kind::AlreadyExists, format!("{what} exists already")),
        LiveError::Invalid { field, reason } => Problem::field(field, reason),
        LiveError::TooLarge { what, bytes, limit } => {
            let reason = format!("{what} has {bytes} bytes, {limit} are allowed");
            Problem::new(Kind::PayloadTooLarge, reason).with("limit", limit)
        }
        LiveError::TooMany { retry_after } => {
            let seconds = u64::try_from(retry_after.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
            Problem::new(Kind::RateLimited, "too many at a time; try again later").retry_after(seconds.max(1))
        }
        LiveError::Unavailable => Problem::unavailable("the gateway can't do this now", 5),
        LiveError::Store(error) => store(&error),
    }
}

/// A refusal of the store.
pub(crate) fn store(error: &StoreError) -> Problem {
    match error {
        StoreError::DiskFull { .. } => Problem::unavailable("the disk is too full", 60),
        StoreError::TooLarge { .. } => Problem::new(Kind::PayloadTooLarge, error.to_string()),
        StoreError::KeyReused => {
            Problem::new(Kind::AlreadyExists, "the idempotency key was used with another request")
        }
        StoreError::NotFound(what) => not_found(what),
        StoreError::Damaged(_) => {
            tracing::error!(%error, "a row could not be read");
            Problem::new(Kind::Internal, "stored data could not be read")
        }
        StoreError::Conflict { .. } => {
            Problem::unavailable("others keep changing the same thing; try again", 1)
        }
        StoreError::Unavailable(_) | StoreError::Fenced { .. } => {
            tracing::warn!(%error, "the store did not answer");
            Problem::unavailable("the store is unavailable", 5)
        }
    }
}
