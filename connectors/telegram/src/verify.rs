//! Whether a request is Telegram's. It signs nothing: it repeats, in a header, the secret that `setWebhook`
//! gave it. The manifest declares that check, so the gateway has made it, in constant time, before this.

use portico_contract::{Fault, InboundRequest, Verified};

/// Name of the declared check.
const CHECK: &str = "secret-token";

/// The request as Telegram's own.
///
/// # Errors
/// `unauthenticated` when the check was not passed.
pub(crate) fn verify(request: &InboundRequest) -> Result<Verified<'_>, Fault> {
    request.verified_by(CHECK)
}
