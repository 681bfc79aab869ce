//! Key sets of sites (RFC 7517): fetched through the gateway's client, kept for a while, used beyond that while
//! they can't be fetched.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use parking_lot::Mutex;
use portico_net::{Client, Request};
use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::IdentityError;

/// How long a key set is believed.
const FRESH: Duration = Duration::from_secs(600);
/// How long it is used while a newer one can't be fetched.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// Shortest time between two fetches, whatever key is asked for.
const PAUSE: Duration = Duration::from_secs(30);
/// Time for one fetch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest key set, in bytes, and most keys that are looked at.
const MAX_BYTES: usize = 256 * 1024;
const MAX_KEYS: usize = 100;
/// Most key sets that are kept.
const MAX_SETS: usize = 10_000;

/// What a key can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyAlgorithm {
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256, of 2,048 bits and more.
    Rs256,
}

/// A public key of a site.
pub(crate) enum SiteKey {
    Ed25519(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl SiteKey {
    fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::Ed25519(_) => KeyAlgorithm::EdDsa,
            Self::Rsa { .. } => KeyAlgorithm::Rs256,
        }
    }

    /// Whether a signature is right.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(x) => UnparsedPublicKey::new(&ED25519, x).verify(message, signature).is_ok(),
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
        }
    }
}

/// A key set.
#[derive(Default)]
pub(crate) struct KeySet(Vec<(Option<String>, Arc<SiteKey>)>);

#[derive(Deserialize)]
struct WireSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct WireKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl WireKey {
    fn read(self) -> Option<(Option<String>, Arc<SiteKey>)> {
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        if self.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let is_for = |name: &str| self.alg.as_deref().is_none_or(|alg| alg == name);
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) if is_for("EdDSA") || is_for("Ed25519") => {
                SiteKey::Ed25519(bytes(self.x)?)
            }
            ("RSA", _) if is_for("RS256") => SiteKey::Rsa { n: bytes(self.n)?, e: bytes(self.e)? },
            _ => return None,
        };
        Some((self.kid, Arc::new(key)))
    }
}

impl KeySet {
    /// Reads a key set; keys of kinds that are not taken are left out.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        let set: WireSet = serde_json::from_slice(json).ok()?;
        let keys = set.keys.into_iter().take(MAX_KEYS);
        Some(Self(keys.filter_map(|key| serde_json::from_value::<WireKey>(key).ok()?.read()).collect()))
    }

    /// The key of an id; without an id the only one of its kind.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: KeyAlgorithm) -> Option<Arc<SiteKey>> {
        let mut fitting = self.0.iter().filter(|(known, key)| {
            key.algorithm() == algorithm && id.is_none_or(|id| known.as_deref() == Some(id))
        });
        let first = fitting.next().map(|(_, key)| key.clone());
        if id.is_none() && fitting.next().is_some() { None } else { first }
    }
}

#[derive(Default)]
struct Fetched {
    set: Arc<KeySet>,
    /// When it was fetched; `None`: never.
    at: Option<Instant>,
    tried: Option<Instant>,
}

/// The key sets of all installations, by address.
#[derive(Clone, Default)]
pub(crate) struct KeySets {
    sets: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<Fetched>>>>>,
    /// How far this clock goes before the system's; tests turn it.
    ahead: Arc<Mutex<Duration>>,
}

impl KeySets {
    /// Turns the clock on.
    #[cfg(test)]
    pub(crate) fn turn_on(&self, by: Duration) {
        *self.ahead.lock() += by;
    }

    /// The key of an id out of the set at an address. A set that lacks it is fetched anew, but not all the time.
    pub(crate) async fn key(
        &self,
        client: &Client,
        url: &str,
        id: Option<&str>,
        algorithm: KeyAlgorithm,
    ) -> Result<Arc<SiteKey>, IdentityError> {
        let slot = {
            let mut sets = self.sets.lock();
            if sets.len() >= MAX_SETS && !sets.contains_key(url) {
                sets.clear();
            }
            sets.entry(url.to_owned()).or_default().clone()
        };
        // One fetches; the others wait for it.
        let mut fetched = slot.lock().await;
        let now = Instant::now() + *self.ahead.lock();
        let age = fetched.at.map(|at| now.duration_since(at));
        let found = fetched.set.find(id, algorithm);
        let is_fresh = age.is_some_and(|age| age < FRESH);
        let may_fetch = fetched.tried.is_none_or(|tried| now.duration_since(tried) >= PAUSE);
        if let Some(key) = &found
            && (is_fresh || !may_fetch)
            && age.is_some_and(|age| age < STALE)
        {
            return Ok(key.clone());
        }
        if !may_fetch {
            return Err(if age.is_some() {
                IdentityError::Signature
            } else {
                IdentityError::KeysUnavailable
            });
        }
        fetched.tried = Some(now);
        match fetch(client, url).await {
            Ok(set) => {
                fetched.set = Arc::new(set);
                fetched.at = Some(now);
                fetched.set.find(id, algorithm).ok_or(IdentityError::Signature)
            }
            Err(reason) => {
                tracing::warn!(url, "the key set could not be fetched: {reason}");
                match found.filter(|_| age.is_some_and(|age| age < STALE)) {
                    Some(key) => Ok(key),
                    None => Err(IdentityError::KeysUnavailable),
                }
            }
        }
    }
}

async fn fetch(client: &Client, url: &str) -> Result<KeySet, String> {
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    let mut request = Request::new(Method::GET, url);
    request.timeout = TIMEOUT;
    request.max_answer = MAX_BYTES;
    let response = client.send(request).await.map_err(|error| error.to_string())?;
    if response.status != 200 {
        return Err(format!("HTTP {}", response.status));
    }
    KeySet::parse(&response.body).ok_or_else(|| "it is no JSON of the form {\"keys\": […]}".to_owned())
}
