//! Signed tokens (JWT, RFC 7519, in the compact form of RFC 7515): the one place that reads and makes them.
//!
//! Stands before whoever asks who somebody is: the visitors' identity here, the user keys of the Chat API. The
//! library takes a token apart, compares its algorithm with the only one that is taken, and judges audience, issuer
//! and what must be there. Signatures are checked by ring for public keys, and for HS256 by a check that the caller
//! lends, because only the keyring holds the secret. Times are judged here, at a moment that is passed in: the
//! library has no clock but the system's.

use std::cell::Cell;
use std::rc::Rc;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;

mod provider;

/// How far two clocks may differ, in seconds.
const SKEW: f64 = 60.0;

/// Why a token proves nothing. Never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no token; the text says what is wrong.
    #[error("it is malformed: {0}")]
    Malformed(&'static str),
    /// Its header names another algorithm, or none that is known.
    #[error("its algorithm is not the one that is taken")]
    Algorithm,
    /// Its header asks for an extension (`crit`, `b64`); there are none that are understood.
    #[error("its header asks for an extension")]
    Extension,
    /// Its signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// Its claims are no JSON, or of other types.
    #[error("its claims are not JSON of the right types")]
    Claims,
    /// A claim that must be there is not, or is of another type.
    #[error("its claim {0} is missing")]
    Missing(String),
    /// `aud` names somebody else.
    #[error("its claim aud names somebody else")]
    Audience,
    /// `iss` is somebody else.
    #[error("its claim iss is somebody else")]
    Issuer,
    /// `exp` is past.
    #[error("its time is over")]
    Expired,
    /// `nbf` is to come.
    #[error("its time has not come yet")]
    Early,
}

/// What is asked of tokens of one algorithm, to be completed by `aud`, `iss` and what must be there. As it is, no
/// claim is asked for, and times are left to [`in_time`].
pub fn rules(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules
}

/// The header of a token, nothing of it believed yet.
///
/// # Errors
/// [`Fault::Malformed`], [`Fault::Algorithm`] when its algorithm is none that is known, [`Fault::Extension`].
pub fn header(token: &str) -> Result<Header, Fault> {
    let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
        // Well-formed JSON that names no algorithm which the library knows: `none`, say.
        ErrorKind::Json(json) if json.is_data() => Fault::Algorithm,
        ErrorKind::Json(_) => Fault::Malformed("its header is not JSON with alg"),
        _ => shape(&error),
    })?;
    plain(header)
}

/// The claims of a token that a public key signed: EdDSA or RS256, as `rules` say.
///
/// # Errors
/// [`Fault`], but for its times.
pub fn by_key<T: DeserializeOwned>(token: &str, key: &DecodingKey, rules: &Validation) -> Result<T, Fault> {
    provider::install();
    let read = jsonwebtoken::decode(token, key, rules).map_err(|error| fault(token, &error))?;
    plain(read.header)?;
    Ok(read.claims)
}

/// The claims of a token whose HMAC (HS256) somebody else can check; `check` gets what was signed, and the code.
///
/// # Errors
/// [`Fault`], but for its times.
pub fn by_check<T: DeserializeOwned>(
    token: &str,
    check: impl Fn(&[u8], &[u8]) -> bool + 'static,
    rules: &Validation,
) -> Result<T, Fault> {
    provider::install();
    let approved = Rc::new(Cell::new(false));
    let told = approved.clone();
    let read = provider::lending(
        move |text, code| {
            told.set(check(text, code));
            told.get()
        },
        // The provider asks the check and never looks at this key.
        || jsonwebtoken::decode(token, &DecodingKey::from_secret(&[]), rules),
    )
    .map_err(|error| fault(token, &error))?;
    // Should another provider be installed in this process, it has checked with the empty key: that is no proof.
    if !approved.get() {
        return Err(Fault::Signature);
    }
    plain(read.header)?;
    Ok(read.claims)
}

/// Makes a token that a secret signs (HS256).
///
/// # Errors
/// [`Fault::Claims`] when they have no JSON form.
pub fn sign(claims: &impl Serialize, secret: &[u8]) -> Result<String, Fault> {
    provider::install();
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
        .map_err(|_| Fault::Claims)
}

/// Judges `exp` and `nbf` at a moment, all in seconds since 1970, with 60 s between two clocks. What is not there
/// is not judged.
///
/// # Errors
/// [`Fault::Expired`], [`Fault::Early`].
pub fn in_time(exp: Option<f64>, nbf: Option<f64>, now: f64) -> Result<(), Fault> {
    if exp.is_some_and(|exp| exp <= now - SKEW) {
        return Err(Fault::Expired);
    }
    if nbf.is_some_and(|nbf| is_ahead(nbf, now)) {
        return Err(Fault::Early);
    }
    Ok(())
}

/// Whether a moment has not come yet, whatever the difference between two clocks.
pub(crate) fn is_ahead(moment: f64, now: f64) -> bool {
    moment > now + SKEW
}

/// Who extends the form wants the extension understood (RFC 7515, 4.1.11; RFC 7797).
fn plain(header: Header) -> Result<Header, Fault> {
    let asks = header.crit.is_some() || header.extras.inner().contains_key("b64");
    if asks { Err(Fault::Extension) } else { Ok(header) }
}

fn shape(error: &Error) -> Fault {
    match error.kind() {
        ErrorKind::InvalidToken => Fault::Malformed("it has no three parts"),
        _ => Fault::Malformed("a part is not base64url without padding"),
    }
}

fn fault(token: &str, error: &Error) -> Fault {
    match error.kind() {
        ErrorKind::InvalidToken | ErrorKind::Base64(_) => shape(error),
        // Of the header or of the claims: the header can be asked again.
        ErrorKind::Json(_) => match header(token) {
            Ok(_) => Fault::Claims,
            Err(fault) => fault,
        },
        ErrorKind::InvalidAlgorithm => Fault::Algorithm,
        ErrorKind::MissingRequiredClaim(name) => Fault::Missing(name.clone()),
        ErrorKind::InvalidAudience => Fault::Audience,
        ErrorKind::InvalidIssuer => Fault::Issuer,
        _ => Fault::Signature,
    }
}

#[cfg(test)]
mod tests;
