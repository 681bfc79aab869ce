//! Why something was not done, for the crates that speak a wire.

use std::time::Duration;

use portico_outbound::AcceptError;
use portico_store::StoreError;

/// Why a call failed. Nothing was stored, unless it is [`LiveError::Unavailable`] or [`LiveError::Store`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LiveError {
    /// What was named is not there, or not in this installation: `conversation`, `user`, `message`.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// It is there, and not for this user; the text says what is missing.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The id that was wished for is in use: `user`, `conversation`.
    #[error("the {0} exists already")]
    Taken(&'static str),
    /// A field is wrong.
    #[error("{field}: {reason}")]
    Invalid {
        /// Path of the field, such as `payload.text`.
        field: String,
        /// What is wrong, without the value.
        reason: String,
    },
    /// Something is larger than it may be.
    #[error("{what} has {bytes} bytes, {limit} are allowed")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Too much at a time; try again later.
    #[error("too much at a time; try again later")]
    TooMany {
        /// When it makes sense to try again.
        retry_after: Duration,
    },
    /// The store can't answer now. Whether it happened is not known: repeat with the same client id.
    #[error("the gateway can't store now; try again")]
    Unavailable,
    /// The store failed in another way.
    #[error(transparent)]
    Store(StoreError),
}

impl LiveError {
    pub(crate) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }

    /// When it makes sense to try again, where it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { retry_after } => Some(*retry_after),
            Self::Unavailable => Some(Duration::from_secs(1)),
            Self::Store(StoreError::DiskFull { .. }) => Some(Duration::from_secs(60)),
            _ => None,
        }
    }
}

impl From<StoreError> for LiveError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooLarge { what, bytes, limit } => Self::TooLarge { what, bytes, limit },
            StoreError::Unavailable(_) | StoreError::Conflict { .. } | StoreError::Fenced { .. } => {
                Self::Unavailable
            }
            other => Self::Store(other),
        }
    }
}

impl From<AcceptError> for LiveError {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::ReferenceNotFound("the conversation") => Self::NotFound("conversation"),
            AcceptError::ReferenceNotFound("the user") => Self::NotFound("user"),
            AcceptError::ReferenceNotFound(_) | AcceptError::NotFound => Self::NotFound("message"),
            AcceptError::InvalidPayload(wrong) => Self::Invalid { field: wrong.field, reason: wrong.reason },
            AcceptError::TooLarge { what, bytes, limit } => Self::TooLarge { what, bytes, limit },
            AcceptError::TooMany { retry_after } => Self::TooMany { retry_after },
            AcceptError::KeyReused => {
                Self::invalid("id", "was used before for something else; take a new one")
            }
            AcceptError::Store(error) => error.into(),
        }
    }
}
