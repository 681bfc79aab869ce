//! Why no answer arrived, in the words by which callers decide what to do next.

use portico_contract::TransportFailure;

/// What went wrong. Whether the request can have reached the other side is the caller's first question:
/// see [`NetErrorKind::before_sending`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetErrorKind {
    /// The guard refused the address, or the request could not be built; nothing was sent.
    Denied,
    /// The name has no address; nothing was sent.
    Unresolved,
    /// No connection in time; nothing was sent.
    Connect,
    /// TLS failed; nothing was sent.
    Tls,
    /// A connection was there, the answer was not complete in time; the request may have been received.
    TimedOut,
    /// The answer is above its cap.
    TooLarge,
    /// The connection ended after the request was, or may have been, sent.
    UnknownResult,
}

impl NetErrorKind {
    /// Whether the request can't have reached the other side, so that a repeat makes no second effect.
    pub fn before_sending(self) -> bool {
        matches!(self, Self::Denied | Self::Unresolved | Self::Connect | Self::Tls)
    }

    /// Short name, as in metrics: `denied`, `timed_out`…
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Unresolved => "unresolved",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::TimedOut => "timed_out",
            Self::TooLarge => "too_large",
            Self::UnknownResult => "unknown_result",
        }
    }
}

impl From<NetErrorKind> for TransportFailure {
    fn from(kind: NetErrorKind) -> Self {
        match kind {
            NetErrorKind::Denied => Self::Denied,
            NetErrorKind::Unresolved => Self::Unresolved,
            NetErrorKind::Connect => Self::Connect,
            NetErrorKind::Tls => Self::Tls,
            NetErrorKind::TimedOut => Self::TimedOut,
            NetErrorKind::TooLarge => Self::TooLarge,
            NetErrorKind::UnknownResult => Self::UnknownResult,
        }
    }
}

/// A failed exchange. The message names host and port at most: paths, queries and headers may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NetError {
    /// What went wrong.
    pub kind: NetErrorKind,
    /// A sentence for logs and operators.
    pub message: String,
}

impl NetError {
    pub(crate) fn new(kind: NetErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(NetErrorKind::Denied, message)
    }
}

impl From<NetError> for TransportFailure {
    fn from(error: NetError) -> Self {
        error.kind.into()
    }
}
