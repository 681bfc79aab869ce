//! Button values that the provider can't carry: kept in state under a short id, and looked up at the press.
//!
//! A value goes as it is when it fits. One that is too long, blank, or already used by another button of the
//! same message gets an id `portico:<digest>`; the state entry lives for 90 days.

use bytes::Bytes;
use portico_contract::{DigestKind, Host, Scope, StateWrite};

/// How long a kept value can be pressed, in seconds.
pub(crate) const LIFETIME_S: u32 = 90 * 24 * 60 * 60;

const PREFIX: &str = "portico:";

/// The state key behind a pressed id; `None` when the id is the value itself.
pub(crate) fn key_of(id: &str) -> Option<String> {
    id.strip_prefix(PREFIX).filter(|rest| !rest.is_empty()).map(|rest| format!("value:{rest}"))
}

/// The ids of one message's buttons.
pub(crate) struct Ids<'h> {
    host: &'h dyn Host,
    used: Vec<String>,
    /// Entries to store with the message.
    pub writes: Vec<StateWrite>,
}

impl<'h> Ids<'h> {
    /// No ids yet.
    pub(crate) fn new(host: &'h dyn Host) -> Self {
        Self { host, used: Vec::new(), writes: Vec::new() }
    }

    /// Begins another message: ids may be used again.
    pub(crate) fn next_message(&mut self) {
        self.used.clear();
    }

    /// The id of a button with this value, of at most `limit` characters (UTF-16 units).
    pub(crate) fn id(&mut self, value: &str, limit: usize) -> String {
        let trimmed = value.trim();
        let fits = !trimmed.is_empty() && trimmed.encode_utf16().count() <= limit;
        // A value that looks like one of our ids would be looked up at the press.
        let plain = fits && key_of(trimmed).is_none() && !self.used.iter().any(|used| used == trimmed);
        let id = if plain { trimmed.to_owned() } else { self.keep(value) };
        self.used.push(id.clone());
        id
    }

    fn keep(&mut self, value: &str) -> String {
        let mut copy = 0;
        let digest = loop {
            let digest = self.host.keyring().digest(DigestKind::Sha256, format!("{copy}:{value}").as_bytes());
            let digest: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            if !self.used.iter().any(|used| used.strip_prefix(PREFIX) == Some(&digest)) {
                break digest;
            }
            copy += 1;
        };
        let key = format!("value:{digest}");
        if !self.writes.iter().any(|write| write.key == key) {
            self.writes.push(StateWrite {
                scope: Scope::Installation,
                key,
                data: Some(Bytes::copy_from_slice(value.as_bytes())),
                expect: None,
                lifetime_s: Some(LIFETIME_S),
            });
        }
        format!("{PREFIX}{digest}")
    }
}
