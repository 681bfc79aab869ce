//! The gateway, as a connector sees it during a test: everything in memory, clock fixed, entropy seeded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use portico_contract::{
    Algorithm, Blob, Blobs, DigestKind, Effect, Host, Keyring, KeyringError, Level, Manifest, Millis, Scope,
    SecretUse, StateValue, StateWrite,
};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// The clock's default: 2025-06-15T15:06:40Z.
const NOW: Millis = 1_750_000_000_000;

/// A captured log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Severity.
    pub level: Level,
    /// Text.
    pub message: String,
    /// Fields, in the order written.
    pub fields: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By scope (as JSON) and key.
    state: BTreeMap<(String, String), StateValue>,
    revision: u64,
    log: Vec<LogLine>,
    blobs: BTreeMap<String, (Blob, Bytes)>,
}

/// An in-memory [`Host`], [`Keyring`] and [`Blobs`].
///
/// ```ignore
/// let host = TestHost::new(connector.manifest()).secret("bot_token", "xoxb-1").now(1_750_000_000_000);
/// ```
#[derive(Debug)]
pub struct TestHost {
    manifest: Manifest,
    /// Newest value first.
    secrets: BTreeMap<String, Vec<String>>,
    now: Millis,
    seed: u64,
    inner: Mutex<Inner>,
}

impl TestHost {
    /// A host for a connector's manifest, without secrets.
    pub fn new(manifest: &Manifest) -> Self {
        Self {
            manifest: manifest.clone(),
            secrets: BTreeMap::new(),
            now: NOW,
            seed: 1,
            inner: Mutex::default(),
        }
    }

    /// A host in which every declared secret has the value `secret-value-of-<name>`.
    pub fn with_all_secrets(manifest: &Manifest) -> Self {
        let names: Vec<String> = manifest.secrets.iter().map(|secret| secret.name.clone()).collect();
        names.into_iter().fold(Self::new(manifest), |host, name| {
            let value = format!("secret-value-of-{name}");
            host.secret(&name, &value)
        })
    }

    /// Sets a secret, which the manifest must declare.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        assert!(self.manifest.secret(name).is_some(), "the manifest declares no secret '{name}'");
        self.secrets.insert(name.to_owned(), vec![value.to_owned()]);
        self
    }

    /// Adds a value that the secret had before, as while it is being rotated.
    #[must_use]
    pub fn old_secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.entry(name.to_owned()).or_default().push(value.to_owned());
        self
    }

    /// Takes a secret away.
    #[must_use]
    pub fn without_secret(mut self, name: &str) -> Self {
        self.secrets.remove(name);
        self
    }

    /// Sets a state entry.
    #[must_use]
    pub fn state(self, scope: Scope, key: &str, data: impl Into<Bytes>) -> Self {
        let write =
            StateWrite { scope, key: key.into(), data: Some(data.into()), expect: None, lifetime_s: None };
        self.write(&write);
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn at(mut self, now: Millis) -> Self {
        self.now = now;
        self
    }

    /// Sets the seed of the entropy.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Adds a blob.
    #[must_use]
    pub fn blob(self, id: &str, media_type: &str, data: impl Into<Bytes>) -> Self {
        self.put_blob(id, media_type, data.into());
        self
    }

    /// The manifest it was made for.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The newest value of a secret.
    pub fn secret_value(&self, name: &str) -> Option<&str> {
        self.secrets.get(name)?.first().map(String::as_str)
    }

    /// Names and values of all secrets, old values too.
    pub fn secret_values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.secrets
            .iter()
            .flat_map(|(name, values)| values.iter().map(|value| (name.as_str(), value.as_str())))
    }

    /// The log so far.
    pub fn log_lines(&self) -> Vec<LogLine> {
        self.inner().log.clone()
    }

    /// A state entry's bytes.
    pub fn stored(&self, scope: &Scope, key: &str) -> Option<Bytes> {
        self.state_get(scope, key).map(|value| value.data)
    }

    /// Stores the state writes of a turn, as the gateway would with the turn's commit.
    ///
    /// A write of a key that the manifest does not declare panics; one whose `expect` is not the stored
    /// revision is refused with `false`, and nothing is stored.
    pub fn apply(&self, effects: &[Effect]) -> bool {
        let writes = || {
            effects
                .iter()
                .filter_map(|effect| if let Effect::Write(write) = effect { Some(write) } else { None })
        };
        for write in writes() {
            if let Some(expected) = &write.expect {
                let known =
                    self.state_get(&write.scope, &write.key).map(|value| value.revision).unwrap_or_default();
                if known != *expected {
                    return false;
                }
            }
        }
        for write in writes() {
            self.write(write);
        }
        true
    }

    fn write(&self, write: &StateWrite) {
        assert!(declares_state(&self.manifest, &write.key), "the manifest declares no state '{}'", write.key);
        let data_len = write.data.as_ref().map_or(0, Bytes::len);
        assert!(
            data_len <= 256 * 1024,
            "state '{}' has {data_len} bytes, at most 256 KiB are kept",
            write.key
        );
        let mut inner = self.inner();
        inner.revision += 1;
        let revision = format!("r{}", inner.revision);
        let place = (scope_key(&write.scope), write.key.clone());
        match &write.data {
            Some(data) => drop(inner.state.insert(place, StateValue { data: data.clone(), revision })),
            None => drop(inner.state.remove(&place)),
        }
    }

    pub(crate) fn put_blob(&self, id: &str, media_type: &str, data: Bytes) {
        let blob = Blob {
            id: id.to_owned(),
            media_type: media_type.to_owned(),
            size: data.len() as u64,
            filename: None,
        };
        self.inner().blobs.insert(id.to_owned(), (blob, data));
    }

    pub(crate) fn log_count(&self) -> usize {
        self.inner().log.len()
    }

    /// Lines written since the log had so many.
    pub(crate) fn log_from(&self, count: usize) -> Vec<LogLine> {
        self.inner().log.get(count..).map(<[LogLine]>::to_vec).unwrap_or_default()
    }

    pub(crate) fn truncate_log(&self, lines: usize) {
        self.inner().log.truncate(lines);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn values(&self, name: &str, wanted: SecretUse) -> Result<&[String], KeyringError> {
        let declared = self.manifest.secret(name).ok_or_else(|| KeyringError::NotAllowed(name.to_owned()))?;
        if !declared.uses.contains(&wanted) {
            return Err(KeyringError::NotAllowed(name.to_owned()));
        }
        self.secrets.get(name).map(Vec::as_slice).ok_or_else(|| KeyringError::Absent(name.to_owned()))
    }
}

/// Whether a manifest declares a state key, by name or by prefix.
pub(crate) fn declares_state(manifest: &Manifest, key: &str) -> bool {
    manifest.states.keys().any(|declared| match declared.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => key == declared,
    })
}

fn scope_key(scope: &Scope) -> String {
    match scope {
        Scope::Installation => "i".into(),
        Scope::Thread(key) => format!("t:{key}"),
        Scope::Party(id) => format!("p:{id}"),
    }
}

fn keyed<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac
}

pub(crate) fn mac(key: &[u8], algorithm: Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    match algorithm {
        Algorithm::HmacSha1 => keyed::<Hmac<Sha1>>(key, parts).finalize().into_bytes().to_vec(),
        Algorithm::HmacSha256 => keyed::<Hmac<Sha256>>(key, parts).finalize().into_bytes().to_vec(),
        Algorithm::HmacSha512 => keyed::<Hmac<Sha512>>(key, parts).finalize().into_bytes().to_vec(),
    }
}

/// Compares without telling by its time where two texts differ, or how long they are.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a).as_slice().ct_eq(Sha256::digest(b).as_slice()).into()
}

impl Keyring for TestHost {
    fn has(&self, secret: &str) -> bool {
        self.secrets.contains_key(secret)
    }

    fn mac(&self, secret: &str, algorithm: Algorithm, parts: &[&[u8]]) -> Result<Vec<u8>, KeyringError> {
        let values = self.values(secret, SecretUse::Mac)?;
        let newest = values.first().ok_or_else(|| KeyringError::Absent(secret.to_owned()))?;
        Ok(mac(newest.as_bytes(), algorithm, parts))
    }

    fn check(
        &self,
        secret: &str,
        algorithm: Algorithm,
        parts: &[&[u8]],
        claimed: &[u8],
    ) -> Result<bool, KeyringError> {
        let values = self.values(secret, SecretUse::Mac)?;
        Ok(values
            .iter()
            .fold(false, |found, value| found | equal(&mac(value.as_bytes(), algorithm, parts), claimed)))
    }

    fn matches(&self, secret: &str, candidate: &[u8]) -> Result<bool, KeyringError> {
        let values = self.values(secret, SecretUse::Match)?;
        Ok(values.iter().fold(false, |found, value| found | equal(value.as_bytes(), candidate)))
    }

    fn digest(&self, kind: DigestKind, data: &[u8]) -> Vec<u8> {
        match kind {
            DigestKind::Sha1 => Sha1::digest(data).to_vec(),
            DigestKind::Sha256 => Sha256::digest(data).to_vec(),
            DigestKind::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

impl Blobs for TestHost {
    fn describe(&self, id: &str) -> Option<Blob> {
        self.inner().blobs.get(id).map(|(blob, _)| blob.clone())
    }

    fn read(&self, id: &str, offset: u64, count: u32) -> Option<Bytes> {
        let inner = self.inner();
        let (_, data) = inner.blobs.get(id)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        let to = from.saturating_add(count as usize).min(data.len());
        Some(data.slice(from..to))
    }
}

impl Host for TestHost {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.inner().log.push(LogLine { level, message: message.to_owned(), fields });
    }

    fn now(&self) -> Millis {
        self.now
    }

    fn entropy(&self, count: u32) -> Vec<u8> {
        // The same bytes at every call of a run, as the gateway gives them.
        let mut bytes = Vec::new();
        let mut block = 0_u64;
        while bytes.len() < count as usize {
            let mut hash = Sha256::new();
            hash.update(self.seed.to_be_bytes());
            hash.update(block.to_be_bytes());
            bytes.extend_from_slice(&hash.finalize());
            block += 1;
        }
        bytes.truncate(count as usize);
        bytes
    }

    fn state_get(&self, scope: &Scope, key: &str) -> Option<StateValue> {
        assert!(declares_state(&self.manifest, key), "the manifest declares no state '{key}'");
        self.inner().state.get(&(scope_key(scope), key.to_owned())).cloned()
    }

    fn state_keys(&self, scope: &Scope, prefix: &str, limit: u32) -> Vec<String> {
        let scope = scope_key(scope);
        let inner = self.inner();
        let keys = inner.state.keys().filter(|(owner, key)| *owner == scope && key.starts_with(prefix));
        keys.take(limit as usize).map(|(_, key)| key.clone()).collect()
    }

    fn keyring(&self) -> &dyn Keyring {
        self
    }

    fn blobs(&self) -> &dyn Blobs {
        self
    }
}
