//! Ordered tables of rows, for everything that is not the journal.

/// A table; rows are ordered by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Store-wide facts by name.
    Meta = 0,
    /// Conversations by bot and id.
    Conversation = 1,
    /// Users by bot and id.
    User = 2,
    /// Messages by bot and id.
    Message = 3,
    /// States of bots.
    State = 4,
    /// States of connectors, by installation.
    ConnectorState = 5,
    /// Secondary keys: order of listings, tags, external ids. Values are ids.
    Index = 6,
    /// Files and blobs, by id.
    File = 7,
    /// What an installation's run has reached: registration, health, attention.
    Installation = 8,
    /// Sealed values.
    Sealed = 9,
    /// Who did what.
    Audit = 10,
    /// Things to do at a time: scheduled messages and events, timers.
    Schedule = 11,
    /// Where a delivery of several calls stands.
    Progress = 12,
    /// Events made through the API, by bot and id.
    Event = 13,
    /// Workflows of bots.
    Workflow = 14,
    /// What live conversations show, numbered, by bot and conversation.
    Stream = 15,
    /// Sessions of visitors, and what they sent under ids of their own; each row begins with its end.
    Session = 16,
}

impl Table {
    /// All tables, in order.
    pub const ALL: [Self; 17] = [
        Self::Meta,
        Self::Conversation,
        Self::User,
        Self::Message,
        Self::State,
        Self::ConnectorState,
        Self::Index,
        Self::File,
        Self::Installation,
        Self::Sealed,
        Self::Audit,
        Self::Schedule,
        Self::Progress,
        Self::Event,
        Self::Workflow,
        Self::Stream,
        Self::Session,
    ];

    /// The table of a stored byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// A row's key. Texts are ended by a zero byte and numbers are big-endian, so byte order is the wanted order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub Vec<u8>);

impl Key {
    /// An empty key, to be added to.
    pub fn new() -> Self {
        // Most keys fit: bot, one or two ids, a number.
        Self(Vec::with_capacity(96))
    }

    /// Adds a text and its end mark. Zero bytes inside become U+FFFD, so no two texts share a prefix by trick.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        if text.as_bytes().contains(&0) {
            self.0.extend_from_slice(text.replace('\0', "\u{fffd}").as_bytes());
        } else {
            self.0.extend_from_slice(text.as_bytes());
        }
        self.0.push(0);
        self
    }

    /// Adds bytes of a fixed width.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a byte.
    #[must_use]
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// A stretch of keys to read.
#[derive(Clone, Debug)]
pub struct KeyRange {
    /// Rows whose key begins with this.
    pub prefix: Key,
    /// Only rows after this key (before it, when reading backwards).
    pub after: Option<Key>,
    /// From the last to the first.
    pub reverse: bool,
    /// At most so many rows.
    pub limit: usize,
}

impl KeyRange {
    /// The first rows with a prefix.
    pub fn prefix(prefix: Key, limit: usize) -> Self {
        Self { prefix, after: None, reverse: false, limit }
    }

    /// Goes on after a key.
    #[must_use]
    pub fn after(mut self, key: Option<Key>) -> Self {
        self.after = key;
        self
    }

    /// From the last to the first.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.reverse = true;
        self
    }
}
