//! Who a visitor is, by a token that the site signed (JWT, RFC 7519; compact form of RFC 7515).
//!
//! The algorithm is the configured one and never the token's choice: a secret takes HS256 and nothing else, a key
//! set takes EdDSA and RS256 and nothing else. The secret stays in the installation's keyring.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portico_contract::{Algorithm, Keyring, Millis};
use portico_net::Client;
use portico_turns::Installation;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jwks::{KeyAlgorithm, KeySets};

/// Longest token, in bytes.
const MAX_TOKEN: usize = 8 * 1024;
/// Longest life of a token, in seconds.
const MAX_LIFE: f64 = 3_600.0;
/// How far two clocks may differ, in seconds.
const SKEW: f64 = 60.0;
/// Longest subject, and longest of the other texts, in bytes.
const MAX_SUBJECT: usize = 200;
const MAX_TEXT: usize = 500;

/// How the tokens of an installation are checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityOptions {
    /// Name of the installation's secret for HS256, declared in the manifest with use `mac`.
    pub secret: Option<String>,
    /// Address of the site's key set, for EdDSA and RS256. With it HS256 is not taken.
    pub jwks_url: Option<String>,
    /// What `iss` must be, if anything.
    pub issuer: Option<String>,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// `sub`: who it is, 1 to 200 bytes.
    pub subject: String,
    /// `exp`, in milliseconds.
    pub expires_at: Millis,
    /// `jti`.
    pub id: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// `email`.
    pub email: Option<String>,
    /// `picture`.
    pub picture_url: Option<String>,
    /// `data`.
    pub data: Map<String, Value>,
}

/// Why a token proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is no token, or of a form that is not taken; the text says what is wrong.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// Its algorithm is not the configured one.
    #[error("the token's algorithm is not the one that the channel takes")]
    Algorithm,
    /// Its signature is wrong, or its key unknown.
    #[error("the token's signature is not right")]
    Signature,
    /// A claim is missing or wrong; the text names it.
    #[error("the token's claim {0}")]
    Claim(&'static str),
    /// It is over.
    #[error("the token is over")]
    Expired,
    /// The key set can't be had now.
    #[error("the site's keys can't be fetched now")]
    KeysUnavailable,
    /// Nothing is configured by which a token could be checked.
    #[error("the channel takes no tokens")]
    NotConfigured,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
    b64: Option<Value>,
}

#[derive(Deserialize)]
struct WireClaims {
    sub: Option<String>,
    aud: Option<Value>,
    iss: Option<String>,
    iat: Option<f64>,
    exp: Option<f64>,
    nbf: Option<f64>,
    jti: Option<String>,
    name: Option<String>,
    email: Option<String>,
    picture: Option<String>,
    data: Option<Map<String, Value>>,
}

/// A token taken apart, nothing of it believed yet.
struct Parts<'a> {
    header: Header,
    claims: Vec<u8>,
    signed: &'a str,
    signature: Vec<u8>,
}

/// Checks tokens. Key sets are fetched through the gateway's client and kept for a while. One per process.
#[derive(Clone)]
pub struct Identity {
    client: Client,
    sets: KeySets,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// A checker that fetches key sets with a client.
    pub fn new(client: Client) -> Self {
        Self { client, sets: KeySets::default() }
    }

    /// Turns the clock of the key sets on.
    #[cfg(test)]
    pub(crate) fn turn_on(&self, by: std::time::Duration) {
        self.sets.turn_on(by);
    }

    /// Checks a token for an installation (its id must be among `aud`) at a time.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn verify(
        &self,
        at: &Arc<Installation>,
        options: &IdentityOptions,
        token: &str,
        now: Millis,
    ) -> Result<Claims, IdentityError> {
        let parts = take_apart(token)?;
        match (&options.jwks_url, &options.secret) {
            (Some(url), _) => {
                let algorithm = match parts.header.alg.as_str() {
                    "EdDSA" => KeyAlgorithm::EdDsa,
                    "RS256" => KeyAlgorithm::Rs256,
                    _ => return Err(IdentityError::Algorithm),
                };
                let kid = parts.header.kid.as_deref();
                let key = self.sets.key(&self.client, url, kid, algorithm).await?;
                if !key.signed(parts.signed.as_bytes(), &parts.signature) {
                    return Err(IdentityError::Signature);
                }
            }
            (None, Some(secret)) => {
                if parts.header.alg != "HS256" {
                    return Err(IdentityError::Algorithm);
                }
                let signed = [parts.signed.as_bytes()];
                let right = at.secrets.check(secret, Algorithm::HmacSha256, &signed, &parts.signature);
                if !right.map_err(|_| IdentityError::NotConfigured)? {
                    return Err(IdentityError::Signature);
                }
            }
            (None, None) => return Err(IdentityError::NotConfigured),
        }
        let claims: WireClaims = serde_json::from_slice(&parts.claims)
            .map_err(|_| IdentityError::Malformed("its claims are not JSON of the right types"))?;
        judge(claims, at.id.as_str(), options.issuer.as_deref(), now)
    }
}

fn take_apart(token: &str) -> Result<Parts<'_>, IdentityError> {
    use IdentityError::Malformed;
    if token.len() > MAX_TOKEN {
        return Err(Malformed("it has more than 8 KiB"));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Malformed("it has no three parts"))?;
    let (header, claims) = signed.split_once('.').ok_or(Malformed("it has no three parts"))?;
    let bytes = |text: &str| {
        URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed("a part is not base64url without padding"))
    };
    let header: Header =
        serde_json::from_slice(&bytes(header)?).map_err(|_| Malformed("its header is not JSON with alg"))?;
    if header.crit.is_some() || header.b64.is_some() {
        return Err(Malformed("its header asks for an extension"));
    }
    Ok(Parts { header, claims: bytes(claims)?, signed, signature: bytes(signature)? })
}

fn judge(
    claims: WireClaims,
    channel: &str,
    issuer: Option<&str>,
    now: Millis,
) -> Result<Claims, IdentityError> {
    use IdentityError::Claim;
    // Milliseconds of any real date are exact in a double.
    #[expect(clippy::cast_precision_loss, reason = "times are below 2^53")]
    let now = now as f64 / 1_000.0;
    let subject = claims.sub.filter(|sub| !sub.is_empty()).ok_or(Claim("sub is missing"))?;
    if subject.len() > MAX_SUBJECT || subject.chars().any(char::is_control) {
        return Err(Claim("sub must have at most 200 bytes without control characters"));
    }
    let is_for_us = match &claims.aud {
        Some(Value::String(one)) => one == channel,
        Some(Value::Array(some)) => some.iter().any(|one| one.as_str() == Some(channel)),
        _ => return Err(Claim("aud is missing")),
    };
    if !is_for_us {
        return Err(Claim("aud does not name this channel"));
    }
    if issuer.is_some_and(|issuer| claims.iss.as_deref() != Some(issuer)) {
        return Err(Claim("iss is not the configured one"));
    }
    let iat = claims.iat.filter(|iat| iat.is_finite()).ok_or(Claim("iat is missing"))?;
    let exp = claims.exp.filter(|exp| exp.is_finite()).ok_or(Claim("exp is missing"))?;
    if iat > now + SKEW {
        return Err(Claim("iat is in the future"));
    }
    if claims.nbf.is_some_and(|nbf| nbf > now + SKEW) {
        return Err(Claim("nbf is in the future"));
    }
    if exp <= now - SKEW {
        return Err(IdentityError::Expired);
    }
    if exp - iat > MAX_LIFE {
        return Err(Claim("exp is more than an hour after iat"));
    }
    for text in [&claims.jti, &claims.name, &claims.email, &claims.picture].into_iter().flatten() {
        if text.len() > MAX_TEXT {
            return Err(Claim("jti, name, email and picture may have at most 500 bytes"));
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most an hour from now")]
    let expires_at = (exp.max(0.0) * 1_000.0) as Millis;
    Ok(Claims {
        subject,
        expires_at,
        id: claims.jti,
        name: claims.name,
        email: claims.email,
        picture_url: claims.picture,
        data: claims.data.unwrap_or_default(),
    })
}
