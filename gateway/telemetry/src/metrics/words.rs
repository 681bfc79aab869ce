//! The closed sets of label values, so that a misspelt one does not compile.

use prometheus_client::metrics::counter::Counter;

/// One of a closed set of label values.
pub trait Word: Copy + 'static {
    /// All of them, in order of [`Word::index`].
    const ALL: &'static [Self];
    /// As it stands in the label.
    fn as_str(self) -> &'static str;
    /// Place in [`Word::ALL`].
    fn index(self) -> usize;
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$item_doc])* $item,)+ }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$item,)+];
            fn as_str(self) -> &'static str {
                match self { $(Self::$item => $text,)+ }
            }
            fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What became of a webhook request.
    WebhookOutcome {
        /// Kept; it made new events.
        Accepted = "accepted",
        /// A repeat: everything in it was known.
        Duplicate = "duplicate",
        /// Genuine, but held nothing for a bot (a handshake, an echo).
        Ignored = "ignored",
        /// Genuine, but not understood; kept raw.
        Unread = "unread",
        /// Turned away; the reason is in `portico_refusals_total`.
        Refused = "refused",
        /// Portico could not keep it; the provider repeats it.
        Failed = "failed",
    }
}

words! {
    /// Why a stranger was turned away.
    Refusal {
        /// No such installation, or it is switched off.
        UnknownInstallation = "unknown_installation",
        /// No proof of the sender, or a wrong one.
        Unauthenticated = "unauthenticated",
        /// A genuine proof that is too old or from the future.
        Stale = "stale",
        /// A method that the address does not take.
        Method = "method",
        /// No such address.
        NotFound = "not_found",
        /// Broken HTTP, or a head beyond its limits.
        Malformed = "malformed",
        /// A body above its cap.
        TooLarge = "too_large",
        /// A content coding that is not accepted.
        Coding = "coding",
        /// Slower than the time limits.
        TooSlow = "too_slow",
        /// Above a rate limit.
        RateLimited = "rate_limited",
        /// Too many connections or requests at once.
        Overloaded = "overloaded",
        /// A lane or a bot's backlog is full.
        Full = "full",
        /// The disk is too full, or the store is read-only.
        Store = "store",
        /// Shutting down.
        Draining = "draining",
        /// A request body that does not fit the operation.
        Invalid = "invalid",
        /// No right to do this.
        Forbidden = "forbidden",
    }
}

words! {
    /// What became of an event on its way into the journal.
    EventOutcome {
        /// Kept as a new event.
        New = "new",
        /// Known already.
        Duplicate = "duplicate",
        /// Kept raw, because it was not understood.
        Unread = "unread",
    }
}

words! {
    /// What became of one attempt to hand an event to a core.
    DispatchOutcome {
        /// 2xx.
        Accepted = "accepted",
        /// To be tried again.
        Retry = "retry",
        /// The core asked for a pause.
        Throttled = "throttled",
        /// Refused for good.
        Refused = "refused",
        /// No answer in time.
        TimedOut = "timed_out",
        /// No connection.
        Unreachable = "unreachable",
        /// The connection ended before the answer.
        Unknown = "unknown",
    }
}

words! {
    /// Where a breaker stands.
    BreakerState {
        /// All goes through.
        Closed = "closed",
        /// One probe at a time.
        HalfOpen = "half_open",
        /// Nothing goes through.
        Open = "open",
    }
}

words! {
    /// What became of one attempt to send a message to a provider.
    SendOutcome {
        /// The provider has it.
        Sent = "sent",
        /// To be tried again.
        Retry = "retry",
        /// The provider asked for a pause.
        Throttled = "throttled",
        /// Refused for good.
        Failed = "failed",
        /// The token is dead; the installation's outbox pauses.
        Unauthenticated = "unauthenticated",
        /// It left, and no answer came.
        Unknown = "unknown",
        /// Too old.
        Expired = "expired",
    }
}

words! {
    /// How full the disk is.
    DiskLevel {
        /// All is well.
        Ok = "ok",
        /// Settled bodies are kept half as long.
        Warn = "warn",
        /// Webhooks are refused.
        Refuse = "refuse",
        /// Everything but settling is refused.
        Critical = "critical",
    }
}

words! {
    /// Who a connection was made to.
    Listener {
        /// Webhooks and the runtime API.
        Public = "public",
        /// The admin API.
        Admin = "admin",
    }
}

words! {
    /// How somebody listens to live conversations.
    Road {
        /// The webchat's WebSocket.
        WebSocket = "websocket",
        /// The webchat's event stream.
        Events = "events",
        /// The webchat's long poll, while it waits.
        Poll = "poll",
        /// An event stream of the Chat API, or of the webchat API of the same clients.
        Listen = "listen",
        /// The same over WebSocket.
        ListenSocket = "listen_websocket",
    }
}

words! {
    /// Why the first frame of a webchat's visitor was not answered with a welcome.
    HelloRefusal {
        /// It is no hello, or too long.
        Malformed = "malformed",
        /// Another version of the protocol.
        Version = "version",
        /// The token or the signed identity proves nothing, or there is none where one is needed.
        Token = "token",
        /// A page that may not use the channel.
        Origin = "origin",
        /// There is no such channel.
        UnknownChannel = "unknown_channel",
        /// It did not come in time.
        TooLate = "too_late",
        /// Too many hellos, new visitors or connections.
        RateLimited = "rate_limited",
        /// The store, or the site's keys, could not be asked.
        Unavailable = "unavailable",
    }
}

words! {
    /// A limit that was met.
    Limit {
        /// Open connections in all.
        Connections = "connections",
        /// Open connections of one address.
        ConnectionsPerAddress = "connections_per_address",
        /// Webhooks of one installation per second.
        Installation = "installation",
        /// Unsigned or forged requests of one address.
        Failures = "failures",
        /// Runtime API calls of one bot.
        Bot = "bot",
        /// Admin API calls of one token.
        Admin = "admin",
        /// Failed logins.
        Login = "login",
        /// Messages waiting in one conversation's outbox.
        Outbox = "outbox",
        /// Events of one live conversation waiting for its bot.
        Mailbox = "mailbox",
        /// What one visitor, one user of the Chat API, or one address of theirs may send.
        Visitor = "visitor",
        /// What one user, one session or one address may hold open.
        Streams = "streams",
        /// Unsettled events of one bot.
        Backlog = "backlog",
        /// Requests at once.
        Requests = "requests",
        /// Memory.
        Memory = "memory",
    }
}

/// One counter for each word: found by its place, without a lookup.
#[derive(Clone, Debug)]
pub struct PerWord<W> {
    counters: Vec<Counter>,
    words: std::marker::PhantomData<W>,
}

impl<W: Word> PerWord<W> {
    pub(crate) fn resolve(mut counter: impl FnMut(&'static str) -> Counter) -> Self {
        Self {
            counters: W::ALL.iter().map(|word| counter(word.as_str())).collect(),
            words: std::marker::PhantomData,
        }
    }

    /// Counts one.
    pub fn inc(&self, word: W) {
        self.add(word, 1);
    }

    /// Counts several.
    pub fn add(&self, word: W, count: u64) {
        if let Some(counter) = self.counters.get(word.index()) {
            counter.inc_by(count);
        }
    }

    /// How many were counted.
    pub fn get(&self, word: W) -> u64 {
        self.counters.get(word.index()).map_or(0, Counter::get)
    }
}
