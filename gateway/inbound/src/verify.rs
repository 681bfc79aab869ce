//! First step: is the request for us, and from whom it says? Nothing of its body is parsed before.

use std::sync::Arc;

use portico_contract::InboundRequest;
use portico_telemetry::metrics::Refusal;
use portico_turns::{CheckRefusal, Installation};

/// A request that was turned away.
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) reason: Refusal,
    /// For the log.
    pub(crate) why: &'static str,
    /// For the `allow` header of a 405.
    pub(crate) allow: Option<String>,
}

/// Makes the manifest's declared checks and gives the names of those that passed.
pub(crate) fn verify(
    installation: &Installation,
    request: &InboundRequest,
) -> Result<Arc<[&'static str]>, Refused> {
    let spec = &installation.connector.manifest().webhook;
    if !spec.methods.is_empty() && !spec.methods.iter().any(|method| method == request.method.as_str()) {
        let allow = Some(spec.methods.join(", "));
        return Err(Refused { status: 405, reason: Refusal::Method, why: "method", allow });
    }
    installation.checks.pass(&installation.secrets, request).map_err(|refusal| Refused {
        status: 401,
        reason: if refusal == CheckRefusal::Stale { Refusal::Stale } else { Refusal::Unauthenticated },
        why: refusal.as_str(),
        allow: None,
    })
}
