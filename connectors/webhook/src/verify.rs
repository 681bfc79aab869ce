//! First step in: who speaks. The shared secret in a header, or a signature made with it.
//!
//! The header `x-bp-secret` is a declared check, made by the gateway. The signature
//! `x-portico-signature: t=<epoch seconds>,v1=<hex>` is made over time, dot and body, and holds for five
//! minutes; its time stands inside the same header, which no declared check can say.

use portico_contract::{Algorithm, Fault, FaultCode, Host, InboundRequest, Verified};
use portico_kit::{signature, time};

use crate::config::WebhookConfig;

/// Header of the signature, in both directions.
pub(crate) const SIGNATURE: &str = "x-portico-signature";
/// Name of the secret in the manifest.
pub(crate) const SECRET: &str = "secret";
/// Name of the declared check.
const CHECK: &str = "secret";
/// Seconds by which the time of a signature may be off.
const TOLERANCE_S: u64 = 300;

/// Proves the sender.
///
/// # Errors
/// `unauthenticated` for a request that proves nothing, also when the installation has no secret to prove
/// anything by and is not declared insecure.
pub(crate) fn verify<'a>(
    host: &dyn Host,
    config: &WebhookConfig,
    request: &'a InboundRequest,
) -> Result<Verified<'a>, Fault> {
    if let Ok(verified) = request.verified_by(CHECK) {
        return Ok(verified);
    }
    if !host.keyring().has(SECRET) {
        if config.insecure {
            return request.verified_if(true);
        }
        return Err(Fault::new(FaultCode::Unauthenticated, crate::setup::NO_SECRET).at("/secret"));
    }
    request.verified_if(is_signed(host, request))
}

fn is_signed(host: &dyn Host, request: &InboundRequest) -> bool {
    let Some((stamp, code)) = request.header(SIGNATURE).and_then(parts) else { return false };
    let (Some(seconds), Some(claimed)) = (time::epoch_seconds(stamp), signature::hex32(code)) else {
        return false;
    };
    if (host.now() / 1000).abs_diff(seconds) > TOLERANCE_S {
        return false;
    }
    let signed: [&[u8]; 3] = [stamp.as_bytes(), b".", &request.body];
    host.keyring().check(SECRET, Algorithm::HmacSha256, &signed, &claimed).unwrap_or(false)
}

/// `t` and `v1`, each exactly once; other schemes may stand beside them.
fn parts(header: &str) -> Option<(&str, &str)> {
    let (mut stamp, mut code) = (None, None);
    for part in header.split(',') {
        let (name, value) = part.trim().split_once('=')?;
        let known = match name {
            "t" => stamp.replace(value),
            "v1" => code.replace(value),
            _ => None,
        };
        if known.is_some() {
            return None;
        }
    }
    Some((stamp?, code?))
}

/// The signature header's value for a body that goes out; `None` when the installation has no secret.
pub(crate) fn sign(host: &dyn Host, body: &[u8]) -> Result<Option<String>, Fault> {
    if !host.keyring().has(SECRET) {
        return Ok(None);
    }
    let stamp = (host.now() / 1000).to_string();
    let code = host
        .keyring()
        .mac(SECRET, Algorithm::HmacSha256, &[stamp.as_bytes(), b".", body])
        .map_err(|error| Fault::new(FaultCode::BadConfig, error.to_string()).at("/secret"))?;
    let mut value = format!("t={stamp},v1=");
    for byte in code {
        value.push_str(&format!("{byte:02x}"));
    }
    Ok(Some(value))
}

/// The time in a signature header of our own, in epoch seconds.
pub(crate) fn signed_at(header: &str) -> Option<u64> {
    time::epoch_seconds(parts(header)?.0)
}
