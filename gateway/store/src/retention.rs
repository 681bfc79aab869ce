//! How long what is kept (storage design, section 6).

use std::time::Duration;

/// Retention of everything that is no longer worked on. Unsettled entries are never removed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Settled events with their bodies; at least 1 h, so that replay works.
    pub events: Duration,
    /// Messages and conversations, from their last change.
    pub messages: Duration,
    /// Attempts.
    pub attempts: Duration,
    /// Dead letters.
    pub dead_letters: Duration,
    /// Dead letters per bot, at most.
    pub dead_letters_per_bot: u64,
    /// Audit entries.
    pub audit: Duration,
    /// Files, from their last use.
    pub files: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: 7 * DAY,
            messages: 365 * DAY,
            attempts: 7 * DAY,
            dead_letters: 30 * DAY,
            dead_letters_per_bot: 100_000,
            audit: 400 * DAY,
            files: 30 * DAY,
        }
    }
}
