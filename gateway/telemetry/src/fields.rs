//! Names of log fields: one name per thing, everywhere.

/// Names of log fields, as constants for code that builds fields by name and as the list for people.
///
/// With `tracing`'s macros write them out: `info!(installation.id = %id, "…")`.
#[derive(Clone, Copy, Debug)]
pub struct Fields;

impl Fields {
    /// Installation's id.
    pub const INSTALLATION_ID: &'static str = "installation.id";
    /// Conversation's id.
    pub const CONVERSATION_ID: &'static str = "conversation.id";
    /// Message's id.
    pub const MESSAGE_ID: &'static str = "message.id";
    /// Event's id.
    pub const EVENT_ID: &'static str = "event.id";
    /// Bot's id.
    pub const BOT_ID: &'static str = "bot.id";
    /// Connector's name.
    pub const CONNECTOR_NAME: &'static str = "connector.name";
    /// Dead letter's id.
    pub const DEAD_LETTER_ID: &'static str = "dead_letter.id";
    /// Number of the attempt, from 1.
    pub const ATTEMPT: &'static str = "attempt";
    /// How long it took, in milliseconds.
    pub const DURATION_MS: &'static str = "duration_ms";
    /// How long it waits now, in milliseconds.
    pub const DELAY_MS: &'static str = "delay_ms";
    /// HTTP status.
    pub const STATUS: &'static str = "status";
    /// Host that was called.
    pub const HOST: &'static str = "host";
    /// Runtime API operation, such as `createMessage`.
    pub const OPERATION: &'static str = "operation";
    /// Why, in one word, as in the metric of the same matter.
    pub const REASON: &'static str = "reason";
    /// Address of a peer, after trusted proxies.
    pub const PEER: &'static str = "peer";
    /// A number of things.
    pub const COUNT: &'static str = "count";
    /// A size in bytes.
    pub const SIZE_BYTES: &'static str = "size_bytes";
    /// A failure, as a sentence.
    pub const ERROR: &'static str = "error";

    /// All of them.
    pub const ALL: &'static [&'static str] = &[
        Self::INSTALLATION_ID,
        Self::CONVERSATION_ID,
        Self::MESSAGE_ID,
        Self::EVENT_ID,
        Self::BOT_ID,
        Self::CONNECTOR_NAME,
        Self::DEAD_LETTER_ID,
        Self::ATTEMPT,
        Self::DURATION_MS,
        Self::DELAY_MS,
        Self::STATUS,
        Self::HOST,
        Self::OPERATION,
        Self::REASON,
        Self::PEER,
        Self::COUNT,
        Self::SIZE_BYTES,
        Self::ERROR,
    ];
}
