//! What happens in a conversation, told to the operator's address: one `POST` per signal, as clients get it.
//!
//! Source: Botpress protocol reference, section 6.3.

use portico_contract::{
    ActionCall, Fault, FaultCode, Field, Host, HttpAnswer, OutboundRequest, Slot, SlotPlace,
    TransportFailure, Turn,
};
use portico_kit::sequence::{Sequence, Step};

use crate::config::ChatConfig;

/// The secret that the receiver knows us by.
pub(crate) const SECRET: &str = "webhook_secret";
/// The header that holds it.
const HEADER: &str = "x-secret-key";
/// Stands in the header until the gateway puts the secret there.
const MARKER: &str = "{secret}";
/// Name of the job in the memo.
const JOB: &str = "tell";

/// Tells one signal.
///
/// # Errors
/// `bad-config` without an address, `bad-input` without a signal.
pub(crate) fn tell(host: &dyn Host, config: &ChatConfig, call: &ActionCall) -> Result<Turn, Fault> {
    let Some(address) = config.webhook_url.as_deref() else {
        let reason = "set webhook_url: there is no address to tell";
        return Err(Fault::new(FaultCode::BadConfig, reason).at("/webhook_url"));
    };
    let signal = call.input.get("signal").filter(|signal| signal.is_object());
    let signal =
        signal.ok_or_else(|| Fault::new(FaultCode::BadInput, "signal: must be an object").at("/signal"))?;
    let url = format!("{}/", address.trim_end_matches('/'));
    // The receiver knows a repeat by the ids in the signal; being told twice is better than not at all.
    let mut request = OutboundRequest::json(JOB, &url, signal).repeatable();
    if host.keyring().has(SECRET) {
        request.headers.push(Field::new(HEADER, MARKER));
        let slot = Slot { place: SlotPlace::Header, marker: MARKER.into(), secret: SECRET.into() };
        request.slots.push(slot);
    }
    Sequence::new(JOB, vec![request]).start()
}

/// Reads the receiver's answer: any success will do.
///
/// # Errors
/// `unavailable` for what may pass, be it that the receiver has to learn the secret first; `rejected` else.
pub(crate) fn read(answer: &HttpAnswer) -> Result<Step, Fault> {
    let response = answer.outcome.as_ref().map_err(|failure| unanswered(*failure))?;
    if response.is_success() {
        return Ok(Step::ok());
    }
    let status = response.status;
    let (code, hint) = match status {
        300..=399 => {
            (FaultCode::Rejected, ": redirects are not followed, set webhook_url to the final address")
        }
        // An operator mends this, and nothing else of the installation has to stop for it.
        401 | 403 => (FaultCode::Unavailable, ": does it check x-secret-key with webhook_secret?"),
        404 | 410 => (FaultCode::Rejected, ": is webhook_url right?"),
        408 | 425 | 429 | 500..=599 => (FaultCode::Unavailable, ""),
        _ => (FaultCode::Rejected, ""),
    };
    let mut fault = Fault::new(code, format!("the webhook's receiver answered {status}{hint}"));
    let wait = response.header("retry-after").and_then(|text| text.trim().parse::<u32>().ok());
    if let (Some(seconds), FaultCode::Unavailable) = (wait, code) {
        fault = fault.retry_after_ms(seconds.saturating_mul(1000));
    }
    Err(fault)
}

fn unanswered(failure: TransportFailure) -> Fault {
    match failure {
        TransportFailure::Denied => Fault::new(
            FaultCode::Rejected,
            "the gateway's rules refuse webhook_url: private addresses must be listed in server.allowed_hosts",
        ),
        // It was told; what it had to say to that is of no interest.
        TransportFailure::TooLarge => Fault::new(FaultCode::Rejected, "the receiver's answer is too large"),
        other => Fault::new(FaultCode::Unavailable, format!("webhook_url: {other}")),
    }
}
