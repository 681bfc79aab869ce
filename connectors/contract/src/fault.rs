//! Faults: why a job failed, and with that what the gateway does next.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kinds of failure, each with its treatment (connector contract, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultCode {
    /// The configuration can't work. Not retried; the installation needs attention.
    BadConfig,
    /// A forged webhook (401), or the provider refused our credentials: the installation's outbox pauses.
    Unauthenticated,
    /// Valid credentials that may not do this. The message failed.
    Forbidden,
    /// Thread, user or object is gone. The message failed.
    NotFound,
    /// The caller's mistake. The message or action failed.
    BadInput,
    /// No such content kind, action or event at this provider. The gateway tries the declared fallback once.
    Unsupported,
    /// The person blocked the bot, or the provider's reply window is closed. The message failed.
    Unreachable,
    /// Slow down: the installation's queue waits `retry_after_ms`, and no attempt is counted.
    RateLimited,
    /// The provider or the network is in trouble. Retried with growing delay.
    Unavailable,
    /// State changed underneath: the turn is run again, three times.
    Conflict,
    /// A final refusal for another reason. The message failed.
    Rejected,
    /// The webhook is genuine but can't be understood: kept raw, answered 2xx, shown as unread.
    Unreadable,
    /// The connector found itself wrong. Retried once.
    Bug,
}

impl FaultCode {
    /// The code as it is written in JSON and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadConfig => "bad-config",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::BadInput => "bad-input",
            Self::Unsupported => "unsupported",
            Self::Unreachable => "unreachable",
            Self::RateLimited => "rate-limited",
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Unreadable => "unreadable",
            Self::Bug => "bug",
        }
    }

    /// The status that a webhook's caller gets.
    pub fn webhook_status(self) -> u16 {
        match self {
            Self::BadConfig | Self::Bug => 500,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::BadInput => 400,
            Self::Unsupported => 422,
            Self::Unreachable | Self::Rejected | Self::Unreadable => 200,
            Self::RateLimited => 429,
            Self::Unavailable => 503,
            Self::Conflict => 409,
        }
    }
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Fault {
    /// The kind of failure.
    pub code: FaultCode,
    /// For operators: plain, without secrets or message text.
    pub message: String,
    /// JSON pointer into the input or the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u32>,
    /// The provider's own error, at most 8 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// HTTP status for a webhook's caller where the provider asks for another than the code's own
    /// (WhatsApp's handshake: 403).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl Fault {
    /// A fault of a kind.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, retry_after_ms: None, detail: None, status: None }
    }

    /// Names the field at fault, as a JSON pointer.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says how long to wait.
    #[must_use]
    pub fn retry_after_ms(mut self, milliseconds: u32) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }

    /// Keeps the provider's own error.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = Some(detail);
        self
    }

    /// Chooses the status for a webhook's caller.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The status that a webhook's caller gets.
    pub fn webhook_status(&self) -> u16 {
        self.status.unwrap_or_else(|| self.code.webhook_status())
    }
}
