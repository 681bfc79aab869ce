//! Standard Webhooks signatures: `v1,<base64 HMAC-SHA256 of "{id}.{timestamp}.{body}">`.
//!
//! Source: github.com/standard-webhooks/standard-webhooks, specification.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use crate::sim::server::RawRequest;
use crate::sim::sign::{hmac_sha256, now};

/// How far a timestamp may be from now, in seconds, as the specification proposes.
const TOLERANCE: u64 = 300;

/// Why a core refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureFault {
    /// A header is missing, named here.
    Missing(&'static str),
    /// The timestamp is no number, or more than 300 s off.
    Stale,
    /// No signature of the list holds.
    Wrong,
    /// The body is not a JSON object.
    NotJson,
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(header) => write!(f, "the header {header} is missing"),
            Self::Stale => f.write_str("the timestamp is more than 300 s off"),
            Self::Wrong => f.write_str("the signature does not hold"),
            Self::NotJson => f.write_str("the body is not a JSON object"),
        }
    }
}

/// A fresh `whsec_…` secret of 32 bytes.
pub(super) fn new_secret() -> String {
    let bytes = hex::decode(crate::sim::provider::random_hex(32)).unwrap_or_default();
    format!("whsec_{}", STANDARD.encode(bytes))
}

/// The value of `webhook-signature` for a body.
///
/// # Errors
/// The secret is not `whsec_` and Base64.
pub fn standard_webhooks_signature(
    secret: &str,
    id: &str,
    timestamp: u64,
    body: &[u8],
) -> anyhow::Result<String> {
    let encoded =
        secret.strip_prefix("whsec_").ok_or_else(|| anyhow::anyhow!("the secret must begin with whsec_"))?;
    let key = STANDARD.decode(encoded)?;
    let base = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    Ok(format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &base))))
}

/// Checks the three headers of a request.
pub(super) fn verify(secret: &str, request: &RawRequest) -> Result<(), SignatureFault> {
    let header = |name: &'static str| {
        request.header(name).filter(|value| !value.is_empty()).ok_or(SignatureFault::Missing(name))
    };
    let id = header("webhook-id")?;
    let timestamp = header("webhook-timestamp")?;
    let signatures = header("webhook-signature")?;
    let sent_at: u64 = timestamp.parse().map_err(|_| SignatureFault::Stale)?;
    if sent_at.abs_diff(now()) > TOLERANCE {
        return Err(SignatureFault::Stale);
    }
    let right =
        standard_webhooks_signature(secret, id, sent_at, &request.body).map_err(|_| SignatureFault::Wrong)?;
    let holds = signatures.split(' ').any(|one| bool::from(one.as_bytes().ct_eq(right.as_bytes())));
    if holds { Ok(()) } else { Err(SignatureFault::Wrong) }
}
