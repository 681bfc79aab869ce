//! What goes wrong further in, as answers.

use portico_live::LiveError;
use portico_problem::{Kind, Problem};
use portico_serve::store_problem;

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
        LiveError::Store(error) => store_problem(&error),
    }
}
