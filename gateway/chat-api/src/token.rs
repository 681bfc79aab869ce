//! User keys: JWTs of one algorithm, HMAC with SHA-256, and no other.
//!
//! [`jwt`] reads and makes them: the header's `alg` is compared, never obeyed, so `none`, RS256 and every other
//! word is refused. `exp` and `nbf` count where they are there.
//!
//! Source: RFC 7519; Botpress protocol reference, section 6.1.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use portico_contract::{Algorithm, Keyring};
use portico_live::jwt::{self, Fault};
use portico_turns::Installation;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Longest key that is looked at, in bytes.
const MAX: usize = 4096;

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

/// Why a key is not good. Never the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadToken {
    #[error("it is no JWT")]
    Malformed,
    #[error("its algorithm must be HS256, without extensions")]
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

impl From<Fault> for BadToken {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(_) => Self::Malformed,
            Fault::Algorithm | Fault::Extension => Self::Algorithm,
            Fault::Signature => Self::Signature,
            Fault::Claims | Fault::Missing(_) | Fault::Audience | Fault::Issuer => Self::Claims,
            Fault::Expired => Self::Expired,
            Fault::Early => Self::Early,
        }
    }
}

/// Whether a code is right for a text.
type Check = Arc<dyn Fn(&[u8], &[u8]) -> bool + Send + Sync>;

/// Who signs.
pub(crate) enum Signer<'a> {
    /// The gateway, with a key of its own.
    Gateway(&'a [u8; 32]),
    /// Somebody else, whose codes can be checked.
    Outside(Check),
}

impl Signer<'_> {
    /// An operator's back end, with a secret of the installation, which stays in its keyring.
    pub(crate) fn outside(at: &Arc<Installation>, secret: &'static str) -> Self {
        let at = at.clone();
        Self::Outside(Arc::new(move |text, code| {
            at.secrets.check(secret, Algorithm::HmacSha256, &[text], code).unwrap_or(false)
        }))
    }

    fn check(&self) -> Check {
        match self {
            Self::Gateway(key) => {
                let key = **key;
                Arc::new(move |text, code| {
                    keyed(&key, &[text]).is_some_and(|mac| mac.verify_slice(code).is_ok())
                })
            }
            Self::Outside(check) => check.clone(),
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
    jwt::sign(claims, key).unwrap_or_default()
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
    let check = signer.check();
    let rules = jwt::rules(jsonwebtoken::Algorithm::HS256);
    let given: Given = jwt::by_check(token, move |text, code| check(text, code), &rules)?;
    if given.id.is_empty() {
        return Err(BadToken::Claims);
    }
    jwt::in_time(given.exp, given.nbf, now as f64)?;
    Ok(Good { id: given.id, exp: given.exp.map(|exp| exp.max(0.0) as u64) })
}

#[cfg(test)]
mod tests;
