//! Second step out: what the app's answer means.

use portico_contract::{
    Fault, FaultCode, Host, HttpAnswer, InboundResponse, OutboundRequest, TransportFailure,
};
use portico_kit::sequence::Step;
use serde_json::Value;

use crate::wire::Receipt;
use crate::{render, verify};

/// Name of the job in the memo.
pub(crate) const JOB: &str = "deliver";

/// Seconds after which a signature is old enough to be the reason of a refusal.
const STALE_S: u64 = 240;
const MAX_DETAIL: usize = 8 * 1024 - 64;

/// Reads the answer to one call.
///
/// # Errors
/// A fault by the status, or by why there was none.
pub(crate) fn read(host: &dyn Host, request: &OutboundRequest, answer: &HttpAnswer) -> Result<Step, Fault> {
    let response = answer.outcome.as_ref().map_err(|failure| unanswered(*failure))?;
    if response.is_success() {
        let given =
            serde_json::from_slice::<Receipt<'_>>(response.bytes()).ok().and_then(|receipt| receipt.id);
        let given = given.map(|id| id.0.into_owned()).filter(|id| (1..=255).contains(&id.len()));
        // An app that names no id of its own knows the message by ours.
        return Ok(given
            .or_else(|| header(request, render::KEY).map(str::to_owned))
            .map_or_else(Step::ok, Step::sent));
    }
    if matches!(response.status, 401 | 403) && is_stale(host, request) {
        let mut again = request.clone();
        render::sign(host, &mut again)?;
        return Ok(Step { then: vec![again], ..Step::default() });
    }
    Err(refused(response))
}

/// A call that was sent again long after it was made carries its first signature.
fn is_stale(host: &dyn Host, request: &OutboundRequest) -> bool {
    let signed = header(request, verify::SIGNATURE).and_then(verify::signed_at);
    signed.is_some_and(|signed| (host.now() / 1000).abs_diff(signed) > STALE_S)
}

fn header<'a>(request: &'a OutboundRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|field| field.name == name).map(|field| field.value.as_str())
}

fn refused(response: &InboundResponse) -> Fault {
    let status = response.status;
    let (code, hint) = match status {
        300..=399 => {
            (FaultCode::Rejected, ": redirects are not followed, set outbound_url to the final address")
        }
        401 => (FaultCode::Unauthenticated, ": does the app check x-portico-signature with the same secret?"),
        403 => (FaultCode::Forbidden, ""),
        404 | 410 => (FaultCode::NotFound, ": is outbound_url right?"),
        429 => (FaultCode::RateLimited, ""),
        408 | 425 | 500..=599 => (FaultCode::Unavailable, ""),
        _ => (FaultCode::Rejected, ""),
    };
    let mut fault = Fault::new(code, format!("the app answered {status}{hint}"));
    let wait = response.header("retry-after").and_then(|text| text.trim().parse::<u32>().ok());
    if let (Some(seconds), FaultCode::RateLimited | FaultCode::Unavailable) = (wait, code) {
        fault = fault.retry_after_ms(seconds.saturating_mul(1000));
    }
    match detail(response) {
        Some(detail) => fault.detail(detail),
        None => fault,
    }
}

/// The app's own JSON, where it is short enough to keep.
fn detail(response: &InboundResponse) -> Option<Value> {
    let bytes = response.bytes();
    if bytes.is_empty() || bytes.len() > MAX_DETAIL {
        return None;
    }
    serde_json::from_slice::<Value>(bytes).ok().filter(|value| value.to_string().len() <= MAX_DETAIL)
}

fn unanswered(failure: TransportFailure) -> Fault {
    match failure {
        TransportFailure::Denied => Fault::new(
            FaultCode::Rejected,
            "the gateway's rules refuse outbound_url: private addresses must be allowed for the installation",
        ),
        TransportFailure::TooLarge => Fault::new(FaultCode::Rejected, "the app's answer is above 4 MiB"),
        other => Fault::new(FaultCode::Unavailable, format!("outbound_url: {other}")),
    }
}
