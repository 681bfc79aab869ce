//! What goes wrong further in, as answers of the API.

use std::time::Duration;

use portico_outbound::{AcceptError, ActionError};
use portico_problem::{Kind, Problem};
use portico_store::StoreError;

/// The thing that the address names is not there, or not for this caller.
pub(crate) fn not_found(what: &str) -> Problem {
    Problem::new(Kind::ResourceNotFound, format!("{what} not found"))
}

/// A thing that a field of the body names is not there.
pub(crate) fn no_reference(field: &str, what: &str) -> Problem {
    Problem::new(Kind::ReferenceNotFound, format!("{field}: {what} does not exist")).with("field", field)
}

/// A parameter of the query is wrong.
pub(crate) fn bad_query(name: &str, reason: &str) -> Problem {
    Problem::new(Kind::InvalidQuery, format!("{name}: {reason}")).with("field", name)
}

/// A store's refusal.
#[expect(clippy::needless_pass_by_value, reason = "as map_err calls it")]
pub(crate) fn store(error: StoreError) -> Problem {
    portico_serve::store_problem(&error)
}

/// A message that was not accepted.
pub(crate) fn accept(error: AcceptError) -> Problem {
    let pause = error.retry_after();
    match error {
        AcceptError::Store(error) => store(error),
        AcceptError::InvalidPayload(error) => Problem::field(error.field, error.reason),
        AcceptError::NotFound => not_found("message"),
        AcceptError::ReferenceNotFound("the conversation") => {
            no_reference("conversationId", "the conversation")
        }
        AcceptError::ReferenceNotFound("the user") => no_reference("userId", "the user"),
        other => paused(Problem::new(kind(other.api_type()), other.to_string()), pause),
    }
}

/// An action that failed.
pub(crate) fn action(error: ActionError) -> Problem {
    let mut problem = if error.status == 503 {
        tracing::warn!(error = error.message, "an action could not be run");
        Problem::unavailable("the action could not be run now", 1)
    } else {
        Problem::new(kind(error.api_type), error.message)
    };
    if let Some(facts) = error.metadata.as_object() {
        for (name, fact) in facts {
            problem = problem.with(name, fact.clone());
        }
    }
    paused(problem, error.retry_after)
}

fn paused(problem: Problem, pause: Option<Duration>) -> Problem {
    match pause {
        // Rounded up: a caller that comes back too soon is sent away again.
        Some(pause) => {
            problem.retry_after(pause.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1))
        }
        None => problem,
    }
}

fn kind(name: &str) -> Kind {
    Kind::ALL.iter().copied().find(|kind| kind.as_str() == name).unwrap_or(Kind::Internal)
}
