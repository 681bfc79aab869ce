//! Key sets of sites (RFC 7517): fetched through the gateway's client, kept for a while, used beyond that while
//! they can't be fetched.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex;
use portico_net::{Client, Request};
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

/// A key set: what checks signatures, by id.
#[derive(Default)]
pub(crate) struct KeySet(Vec<(Option<String>, Arc<DecodingKey>)>);

#[derive(Deserialize)]
struct WireSet {
    keys: Vec<serde_json::Value>,
}

/// A key that checks EdDSA (Ed25519) or RS256; `None` for one that is for something else.
fn read(key: serde_json::Value) -> Option<(Option<String>, Arc<DecodingKey>)> {
    let key: Jwk = serde_json::from_value(key).ok()?;
    if key.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let is_taken = match (&key.algorithm, key.common.key_algorithm) {
        // RFC 9864 calls it Ed25519, which the library does not know; the curve says enough.
        (AlgorithmParameters::OctetKeyPair(pair), alg) => {
            let alg_fits = matches!(alg, None | Some(KeyAlgorithm::EdDSA | KeyAlgorithm::UNKNOWN_ALGORITHM));
            pair.curve == EllipticCurve::Ed25519 && alg_fits
        }
        (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => true,
        _ => false,
    };
    if !is_taken {
        return None;
    }
    Some((key.common.key_id.clone(), Arc::new(DecodingKey::from_jwk(&key).ok()?)))
}

impl KeySet {
    /// Reads a key set; keys of kinds that are not taken are left out.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        let set: WireSet = serde_json::from_slice(json).ok()?;
        let keys = set.keys.into_iter().take(MAX_KEYS);
        Some(Self(keys.filter_map(read).collect()))
    }

    /// The key of an id; without an id the only one of its kind.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        let mut fitting = self.0.iter().filter(|(known, key)| {
            key.family() == algorithm.family() && id.is_none_or(|id| known.as_deref() == Some(id))
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
        algorithm: Algorithm,
    ) -> Result<Arc<DecodingKey>, IdentityError> {
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
