//! Why a message was not accepted, with the words of the runtime API for it.

use std::time::Duration;

use portico_contract::ContentError;
use portico_store::StoreError;

/// Why a message, a change to one, or its removal was refused. Nothing was stored, unless it is
/// [`AcceptError::Store`] with `Unavailable`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AcceptError {
    /// An id inside the request names nothing of this bot.
    #[error("{0} does not exist")]
    ReferenceNotFound(&'static str),
    /// The message that was to be changed or removed is not there.
    #[error("message not found")]
    NotFound,
    /// The payload is not of its type, or a field has the wrong form.
    #[error("{0}")]
    InvalidPayload(ContentError),
    /// Something is larger than a message may be.
    #[error("{what} has {bytes} bytes, {limit} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The conversation's outbox is full: the provider takes less than the bot says.
    #[error("500 messages of this conversation wait for their provider; try again later")]
    TooMany {
        /// When it makes sense to try again.
        retry_after: Duration,
    },
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// The store refused.
    #[error(transparent)]
    Store(StoreError),
}

impl AcceptError {
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidPayload(ContentError { field: field.into(), reason: reason.into() })
    }

    /// The `type` of the runtime API's error body.
    pub fn api_type(&self) -> &'static str {
        match self {
            Self::ReferenceNotFound(_) => "ReferenceNotFound",
            Self::NotFound => "ResourceNotFound",
            Self::InvalidPayload(_) => "InvalidPayload",
            Self::TooLarge { .. } => "PayloadTooLarge",
            Self::TooMany { .. } => "RateLimited",
            Self::KeyReused => "AlreadyExists",
            Self::Store(_) => "Internal",
        }
    }

    /// The HTTP status of the runtime API. 503 where the outcome is unknown or the caller may not repeat at
    /// once: clients repeat 429 and 502 by themselves, even a POST.
    pub fn status(&self) -> u16 {
        match self {
            Self::ReferenceNotFound(_) | Self::InvalidPayload(_) => 400,
            Self::NotFound => 404,
            Self::TooLarge { .. } => 413,
            Self::TooMany { .. } => 429,
            Self::KeyReused => 409,
            Self::Store(
                StoreError::Unavailable(_) | StoreError::DiskFull { .. } | StoreError::Conflict { .. },
            ) => 503,
            Self::Store(_) => 500,
        }
    }

    /// How long the caller should wait, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { retry_after } => Some(*retry_after),
            Self::Store(StoreError::DiskFull { .. }) => Some(Duration::from_secs(60)),
            Self::Store(StoreError::Unavailable(_) | StoreError::Conflict { .. }) => {
                Some(Duration::from_secs(1))
            }
            _ => None,
        }
    }
}

impl From<StoreError> for AcceptError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::KeyReused => Self::KeyReused,
            StoreError::TooLarge { what, bytes, limit } => Self::TooLarge { what, bytes, limit },
            other => Self::Store(other),
        }
    }
}

impl From<ContentError> for AcceptError {
    fn from(error: ContentError) -> Self {
        Self::InvalidPayload(error)
    }
}
