//! What a connector may ask of the gateway while it works: nothing here waits on a network.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Millis;

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the author.
    Debug,
    /// Worth knowing.
    Info,
    /// Somebody should look.
    Warn,
    /// Something is broken.
    Error,
}

/// Whose state an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Scope {
    /// The installation's.
    Installation,
    /// One thread's, by its key.
    Thread(String),
    /// One person's, by the provider's id.
    Party(String),
}

/// A stored state entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateValue {
    /// The value.
    pub data: Bytes,
    /// Changes with every write; for [`crate::StateWrite::expect`].
    pub revision: String,
}

/// Keyed algorithms of the keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-1; only where a provider offers nothing better.
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
}

/// Digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestKind {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// Why the keyring refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The installation has no such secret.
    #[error("no secret named '{0}' is configured")]
    Absent(String),
    /// The manifest does not declare this use of the secret.
    #[error("the manifest does not allow this use of the secret '{0}'")]
    NotAllowed(String),
}

/// Works with secrets that the connector never sees. While a secret is being rotated it has an older value
/// too: checks accept both, `mac` uses the newest.
pub trait Keyring {
    /// Whether the installation has this secret.
    fn has(&self, secret: &str) -> bool;

    /// Authentication code over parts, as if they were joined.
    ///
    /// # Errors
    /// [`KeyringError`] when the secret is absent or may not be used for this.
    fn mac(&self, secret: &str, algorithm: Algorithm, parts: &[&[u8]]) -> Result<Vec<u8>, KeyringError>;

    /// Whether a claimed code is right; constant in time.
    ///
    /// # Errors
    /// As [`Keyring::mac`].
    fn check(
        &self,
        secret: &str,
        algorithm: Algorithm,
        parts: &[&[u8]],
        claimed: &[u8],
    ) -> Result<bool, KeyringError>;

    /// Whether a text equals the secret; constant in time. For fixed tokens.
    ///
    /// # Errors
    /// As [`Keyring::mac`].
    fn matches(&self, secret: &str, candidate: &[u8]) -> Result<bool, KeyringError>;

    /// Digest of data.
    fn digest(&self, kind: DigestKind, data: &[u8]) -> Vec<u8>;
}

/// Large data that stays with the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Id, valid within the installation.
    pub id: String,
    /// Media type.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// File name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

/// Blobs of this run, and those that the connector stored itself.
pub trait Blobs {
    /// What is known of a blob, if it may be seen.
    fn describe(&self, id: &str) -> Option<Blob>;

    /// At most `count` bytes from `offset`; shorter at the end, `None` when it may not be seen.
    fn read(&self, id: &str, offset: u64, count: u32) -> Option<Bytes>;
}

/// The gateway, as a connector sees it during one turn.
pub trait Host {
    /// Writes a line to the installation's log: no secrets, no message text.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);

    /// The time; fixed for a whole run, so that a turn can be made again with equal results.
    fn now(&self) -> Millis;

    /// Bytes that are the same whenever this run is made again; not for key material.
    fn entropy(&self, count: u32) -> Vec<u8>;

    /// A state entry.
    fn state_get(&self, scope: &Scope, key: &str) -> Option<StateValue>;

    /// Keys with a prefix, in order, at most `limit`.
    fn state_keys(&self, scope: &Scope, prefix: &str, limit: u32) -> Vec<String>;

    /// The secrets' keeper.
    fn keyring(&self) -> &dyn Keyring;

    /// Large data.
    fn blobs(&self) -> &dyn Blobs;
}
