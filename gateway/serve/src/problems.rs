//! The store's refusals, as answers.

use portico_problem::{Kind, Problem};
use portico_store::StoreError;

/// A refusal of the store.
pub fn store_problem(error: &StoreError) -> Problem {
    match error {
        StoreError::DiskFull { .. } => Problem::unavailable("the disk is too full", 60),
        StoreError::TooLarge { .. } => Problem::new(Kind::PayloadTooLarge, error.to_string()),
        StoreError::KeyReused => {
            Problem::new(Kind::AlreadyExists, "the idempotency key was used with another request")
        }
        StoreError::NotFound(what) => Problem::new(Kind::ResourceNotFound, format!("{what} not found")),
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
