//! Who a visitor is, by a token that the site signed.
//!
//! [`jwt`] reads it; here stand the choice of the key and the channel's own rules for the claims.
//! The algorithm is the configured one and never the token's choice: a secret takes HS256 and nothing else, a key
//! set takes EdDSA and RS256 and nothing else. The secret stays in the installation's keyring.

use std::sync::Arc;

use jsonwebtoken::{Algorithm as Signing, Validation};
use portico_contract::{Algorithm, Keyring, Millis};
use portico_net::Client;
use portico_turns::Installation;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jwks::KeySets;
use crate::jwt::{self, Fault};

/// Longest token, in bytes.
const MAX_TOKEN: usize = 8 * 1024;
/// Longest life of a token, in seconds.
const MAX_LIFE: f64 = 3_600.0;
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

impl From<Fault> for IdentityError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(what) => Self::Malformed(what),
            Fault::Claims => Self::Malformed("its claims are not JSON of the right types"),
            Fault::Extension => Self::Malformed("its header asks for an extension"),
            Fault::Algorithm => Self::Algorithm,
            Fault::Signature => Self::Signature,
            Fault::Missing(claim) => Self::Claim(match claim.as_str() {
                "sub" => "sub is missing",
                "aud" => "aud is missing",
                "exp" => "exp is missing",
                _ => "iss is not the configured one",
            }),
            Fault::Audience => Self::Claim("aud does not name this channel"),
            Fault::Issuer => Self::Claim("iss is not the configured one"),
            Fault::Expired => Self::Expired,
            Fault::Early => Self::Claim("nbf is in the future"),
        }
    }
}

/// What is read of the claims; `aud` and `iss` are judged before.
#[derive(Deserialize)]
struct WireClaims {
    sub: Option<String>,
    iat: Option<f64>,
    exp: Option<f64>,
    nbf: Option<f64>,
    jti: Option<String>,
    name: Option<String>,
    email: Option<String>,
    picture: Option<String>,
    data: Option<Map<String, Value>>,
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
        if token.len() > MAX_TOKEN {
            return Err(IdentityError::Malformed("it has more than 8 KiB"));
        }
        let claims = match (&options.jwks_url, &options.secret) {
            (Some(url), _) => {
                let header = jwt::header(token)?;
                if !matches!(header.alg, Signing::EdDSA | Signing::RS256) {
                    return Err(IdentityError::Algorithm);
                }
                let key = self.sets.key(&self.client, url, header.kid.as_deref(), header.alg).await?;
                jwt::by_key(token, &key, &rules(header.alg, at, options))?
            }
            (None, Some(secret)) => {
                // A secret that is absent, or for something else, is the operator's fault and not the visitor's.
                at.secrets
                    .mac(secret, Algorithm::HmacSha256, &[])
                    .map_err(|_| IdentityError::NotConfigured)?;
                let (keyring, secret) = (at.clone(), secret.clone());
                let check = move |text: &[u8], code: &[u8]| {
                    let right = keyring.secrets.check(&secret, Algorithm::HmacSha256, &[text], code);
                    right.unwrap_or(false)
                };
                jwt::by_check(token, check, &rules(Signing::HS256, at, options))?
            }
            (None, None) => return Err(IdentityError::NotConfigured),
        };
        judge(claims, now)
    }
}

/// What every token of a channel owes.
fn rules(algorithm: Signing, at: &Installation, options: &IdentityOptions) -> Validation {
    let mut rules = jwt::rules(algorithm);
    rules.set_required_spec_claims(&["sub", "aud", "exp"]);
    rules.validate_aud = true;
    rules.set_audience(&[at.id.as_str()]);
    if let Some(issuer) = &options.issuer {
        rules.required_spec_claims.insert("iss".to_owned());
        rules.set_issuer(&[issuer]);
    }
    rules
}

fn judge(claims: WireClaims, now: Millis) -> Result<Claims, IdentityError> {
    use IdentityError::Claim;
    // Milliseconds of any real date are exact in a double.
    #[expect(clippy::cast_precision_loss, reason = "times are below 2^53")]
    let now = now as f64 / 1_000.0;
    let subject = claims.sub.filter(|sub| !sub.is_empty()).ok_or(Claim("sub is missing"))?;
    if subject.len() > MAX_SUBJECT || subject.chars().any(char::is_control) {
        return Err(Claim("sub must have at most 200 bytes without control characters"));
    }
    let iat = claims.iat.ok_or(Claim("iat is missing"))?;
    let exp = claims.exp.ok_or(Claim("exp is missing"))?;
    if jwt::is_ahead(iat, now) {
        return Err(Claim("iat is in the future"));
    }
    jwt::in_time(Some(exp), claims.nbf, now)?;
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
