//! What visitors sent under ids of their own, so that a repeat gets the first answer and is not stored again.
//!
//! Rows of [`Table::Session`], like sessions: each begins with its end as eight bytes, so that whoever sweeps
//! the table need not know the rest.

use portico_contract::{ConversationId, InstallationId, Millis, UserId};
use sha2::{Digest, Sha256};

use crate::{Change, Expect, Key, Row, Store, StoreError, Table};

/// How long an id is remembered.
pub const SENT_KEPT: Millis = 8 * 24 * 60 * 60 * 1000;
/// Leads the keys of these rows in their table.
const KIND: u8 = 2;

/// What was stored for a visitor's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Until when it is remembered.
    pub until: Millis,
    /// Where it was sent.
    pub conversation: ConversationId,
    /// The message or event; both are the same sixteen bytes where an event brought a message.
    pub id: [u8; 16],
    /// Its number in the stream; 0 where it has none.
    pub seq: u64,
    /// When.
    pub at: Millis,
}

impl Sent {
    /// Key of what a user of an installation sent under an id.
    pub fn key(installation: &InstallationId, user: &UserId, client_id: &str) -> Key {
        let mut hash = Sha256::new();
        for part in [installation.as_str(), user.as_str(), client_id] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Key::new().byte(KIND).bytes(&hash.finalize()[..16])
    }

    /// What is remembered under a key, and the version of its row; also of one whose time is over.
    ///
    /// # Errors
    /// As the store's.
    pub async fn find(store: &dyn Store, key: &Key) -> Result<Option<(Self, u64)>, StoreError> {
        let row = store.get(Table::Session, key).await?;
        row.map(|row| Self::read(&row).map(|sent| (sent, row.version))).transpose()
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged("a visitor's id does not read".into());
        let bytes: &[u8; 56] = row.value.as_ref().try_into().map_err(|_| damaged())?;
        let number = |at: usize| {
            bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u64::from_be_bytes)
        };
        let id = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        Ok(Self {
            until: number(0),
            conversation: ConversationId(id(8)),
            id: id(24),
            seq: number(40),
            at: number(48),
        })
    }

    /// The change that remembers it over what was found (its version).
    pub fn change(&self, key: Key, old: Option<u64>) -> Change {
        let mut value = Vec::with_capacity(56);
        value.extend_from_slice(&self.until.to_be_bytes());
        value.extend_from_slice(&self.conversation.0);
        value.extend_from_slice(&self.id);
        value.extend_from_slice(&self.seq.to_be_bytes());
        value.extend_from_slice(&self.at.to_be_bytes());
        Change::Write {
            table: Table::Session,
            key,
            value: Some(value.into()),
            expect: old.map_or(Expect::Absent, Expect::Version),
        }
    }
}
