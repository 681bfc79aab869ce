//! An installation's secrets: used here, shown to nobody.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use portico_contract::{Algorithm, DigestKind, Keyring, KeyringError, Manifest, SecretUse};
use portico_kit::signature::{self, Hmac256};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// One secret: its values newest first, and what the manifest allows it to be used for.
struct Held {
    values: Vec<SecretString>,
    /// Keyed once, cloned for each check.
    keyed: Vec<Hmac256>,
    uses: Vec<SecretUse>,
}

/// The secrets of one installation. While one is being rotated it has two values: checks take both.
pub struct Secrets(BTreeMap<String, Held>);

impl Secrets {
    /// Secrets by name, newest value first, under the manifest's rules. Names that the manifest does not
    /// declare can't be used for anything.
    pub fn new(manifest: &Manifest, values: BTreeMap<String, Vec<SecretString>>) -> Self {
        let held = values
            .into_iter()
            .map(|(name, values)| {
                let uses = manifest.secret(&name).map(|spec| spec.uses.clone()).unwrap_or_default();
                let keyed =
                    values.iter().map(|value| Hmac256::new(value.expose_secret().as_bytes())).collect();
                (name, Held { values, keyed, uses })
            })
            .collect();
        Self(held)
    }

    /// The newest value, for filling a slot of a request.
    pub(crate) fn slot_value(&self, name: &str) -> Result<&str, KeyringError> {
        let held = self.held(name, SecretUse::Slot)?;
        held.values
            .first()
            .map(ExposeSecret::expose_secret)
            .ok_or_else(|| KeyringError::Absent(name.to_owned()))
    }

    /// A digest of all values: it changes when a secret does, and tells nothing of it.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (name, held) in &self.0 {
            hash.update((name.len() as u64).to_be_bytes());
            hash.update(name);
            for value in &held.values {
                hash.update(Sha256::digest(value.expose_secret().as_bytes()));
            }
        }
        hex::encode(hash.finalize())
    }

    /// All values, for cutting them out of what is shown.
    pub(crate) fn all_values(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(|held| held.values.iter().map(ExposeSecret::expose_secret))
    }

    fn held(&self, name: &str, wanted: SecretUse) -> Result<&Held, KeyringError> {
        let held = self.0.get(name).ok_or_else(|| KeyringError::Absent(name.to_owned()))?;
        if held.uses.contains(&wanted) { Ok(held) } else { Err(KeyringError::NotAllowed(name.to_owned())) }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn code(algorithm: Algorithm, keyed: &Hmac256, secret: &str, parts: &[&[u8]]) -> Vec<u8> {
    fn run<M: Mac + KeyInit>(secret: &str, parts: &[&[u8]]) -> Vec<u8> {
        // HMAC takes keys of any length.
        let Ok(mut mac) = <M as KeyInit>::new_from_slice(secret.as_bytes()) else { return Vec::new() };
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
    match algorithm {
        Algorithm::HmacSha256 => keyed.mac(parts).to_vec(),
        Algorithm::HmacSha1 => run::<Hmac<Sha1>>(secret, parts),
        Algorithm::HmacSha512 => run::<Hmac<Sha512>>(secret, parts),
    }
}

impl Keyring for Secrets {
    fn has(&self, secret: &str) -> bool {
        self.0.get(secret).is_some_and(|held| !held.values.is_empty())
    }

    fn mac(&self, secret: &str, algorithm: Algorithm, parts: &[&[u8]]) -> Result<Vec<u8>, KeyringError> {
        let held = self.held(secret, SecretUse::Mac)?;
        match (held.values.first(), held.keyed.first()) {
            (Some(value), Some(keyed)) => Ok(code(algorithm, keyed, value.expose_secret(), parts)),
            _ => Err(KeyringError::Absent(secret.to_owned())),
        }
    }

    fn check(
        &self,
        secret: &str,
        algorithm: Algorithm,
        parts: &[&[u8]],
        claimed: &[u8],
    ) -> Result<bool, KeyringError> {
        let held = self.held(secret, SecretUse::Mac)?;
        let mut right = false;
        for (value, keyed) in held.values.iter().zip(&held.keyed) {
            right |= match algorithm {
                Algorithm::HmacSha256 => keyed.check(parts, claimed),
                other => {
                    let expected = code(other, keyed, value.expose_secret(), parts);
                    !expected.is_empty() && signature::equal(&expected, claimed)
                }
            };
        }
        Ok(right)
    }

    fn matches(&self, secret: &str, candidate: &[u8]) -> Result<bool, KeyringError> {
        let held = self.held(secret, SecretUse::Match)?;
        let mut right = false;
        for value in &held.values {
            let value = value.expose_secret().as_bytes();
            right |= !value.is_empty() && signature::equal(value, candidate);
        }
        Ok(right)
    }

    fn digest(&self, kind: DigestKind, data: &[u8]) -> Vec<u8> {
        match kind {
            DigestKind::Sha1 => Sha1::digest(data).to_vec(),
            DigestKind::Sha256 => Sha256::digest(data).to_vec(),
            DigestKind::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}
