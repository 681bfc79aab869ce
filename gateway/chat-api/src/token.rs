//! User keys: JWTs of one algorithm, HMAC with SHA-256, and no other.
//!
//! The header's `alg` is compared, never obeyed: `none`, RS256 and every other word is refused before anything
//! else is read. `exp` and `nbf` count where they are there.
//!
//! Source: RFC 7515 (compact form), RFC 7519 (claims); Botpress protocol reference, section 6.1.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use portico_contract::{Algorithm, Keyring};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Longest key that is looked at, in bytes.
const MAX: usize = 4096;
/// How far two clocks may differ, in seconds.
const LEEWAY: u64 = 60;

/// What a key says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Whose key it is.
    pub(crate) id: String,
    /// When it was made, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) iat: Option<u64>,
    /// When it ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<u64>,
}

/// What comes in; numbers may have a fraction, and only some of it matters.
#[derive(Deserialize)]
struct Given {
    id: String,
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood; there are none that are.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// Why a key is not good. Never the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadToken {
    #[error("it is no JWT")]
    Malformed,
    #[error("its algorithm must be HS256")]
    Algorithm,
    #[error("its signature is wrong")]
    Signature,
    #[error("it has no claim id, which must be a text")]
    Claims,
    #[error("its time is over")]
    Expired,
    #[error("its time has not come yet")]
    Early,
}

/// Who signs.
pub(crate) enum Signer<'a> {
    /// The gateway, with a key of its own.
    Gateway(&'a [u8; 32]),
    /// An operator's back end, with a secret of the installation.
    Outside(&'a dyn Keyring, &'static str),
}

impl Signer<'_> {
    fn checks(&self, parts: &[&[u8]], claimed: &[u8]) -> bool {
        match self {
            Self::Gateway(key) => {
                keyed(key.as_slice(), parts).is_some_and(|mac| mac.verify_slice(claimed).is_ok())
            }
            Self::Outside(keyring, secret) => {
                keyring.check(secret, Algorithm::HmacSha256, parts, claimed).unwrap_or(false)
            }
        }
    }
}

/// HMAC takes keys of any length, so there is one.
fn keyed(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    Some(mac)
}

/// HMAC-SHA-256 over parts, as bytes; for tokens and addresses of the gateway itself.
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let Some(mut mac) = keyed(key, &[]) else { return [0; 32] };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Makes a key that the gateway signs.
pub(crate) fn make(key: &[u8; 32], claims: &Claims) -> String {
    // Claims are texts and numbers, which always have a JSON form.
    let claims = serde_json::to_vec(claims).unwrap_or_default();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let code = keyed(key, &[signed.as_bytes()]).map(|mac| mac.finalize().into_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(code.unwrap_or_default()))
}

/// A key that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Good {
    /// Whose key it is.
    pub(crate) id: String,
    /// When it ends, in seconds since 1970.
    pub(crate) exp: Option<u64>,
}

/// Reads a key; `now` in seconds since 1970.
pub(crate) fn read(token: &str, signer: &Signer<'_>, now: u64) -> Result<Good, BadToken> {
    if token.len() > MAX {
        return Err(BadToken::Malformed);
    }
    let (signed, code) = token.rsplit_once('.').ok_or(BadToken::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(BadToken::Malformed)?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| BadToken::Malformed);
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| BadToken::Malformed)?;
    if header.alg != "HS256" || header.crit.is_some() {
        return Err(BadToken::Algorithm);
    }
    if !signer.checks(&[signed.as_bytes()], &decode(code)?) {
        return Err(BadToken::Signature);
    }
    let given: Given = serde_json::from_slice(&decode(claims)?).map_err(|_| BadToken::Claims)?;
    if given.id.is_empty() {
        return Err(BadToken::Claims);
    }
    let (now, leeway) = (now as f64, LEEWAY as f64);
    if given.exp.is_some_and(|exp| exp + leeway <= now) {
        return Err(BadToken::Expired);
    }
    if given.nbf.is_some_and(|nbf| nbf > now + leeway) {
        return Err(BadToken::Early);
    }
    Ok(Good { id: given.id, exp: given.exp.map(|exp| exp.max(0.0) as u64) })
}

#[cfg(test)]
mod tests;
