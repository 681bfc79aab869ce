//! First step of the inbound path: who speaks.
//!
//! Slack signs `v0:{timestamp}:{raw body}` with the app's signing secret, and the timestamp must be within
//! 300 seconds. The gateway makes that check as the manifest declares it, over the body as received. It is
//! not declared `required` for one reason: Slack probes command addresses with `ssl_check=1`, unsigned, and
//! wants a 200. That probe is answered with nothing and stores nothing; all else unsigned ends here.

use portico_contract::{Fault, InboundRequest, Verified};
use url::form_urlencoded;

/// Name of the manifest's check.
const CHECK: &str = "signature";

/// What a request proved to be.
pub(crate) enum Arrival<'a> {
    /// Slack said it.
    Signed(Verified<'a>),
    /// A probe of the certificate, of no consequence.
    Probe,
}

/// Sorts a request.
///
/// # Errors
/// `unauthenticated` when it is neither signed nor a probe.
pub(crate) fn verify(request: &InboundRequest) -> Result<Arrival<'_>, Fault> {
    match request.verified_by(CHECK) {
        Ok(verified) => Ok(Arrival::Signed(verified)),
        Err(_) if is_probe(request) => Ok(Arrival::Probe),
        Err(fault) => Err(fault),
    }
}

/// A probe has `ssl_check=1` and at most the app's old token beside it.
fn is_probe(request: &InboundRequest) -> bool {
    let probes = |form: &[u8]| {
        let mut pairs = form_urlencoded::parse(form);
        let mut found = false;
        let known = pairs.all(|(name, value)| {
            found |= name == "ssl_check" && value == "1";
            matches!(&*name, "ssl_check" | "token")
        });
        found && known
    };
    let body = request.body.len() <= 256 && probes(&request.body);
    let query = request.query.len() <= 256 && probes(request.query.as_bytes());
    body || (query && request.body.is_empty())
}

#[cfg(test)]
mod tests {
    use portico_suite::post;

    use super::*;

    #[test]
    fn only_a_bare_probe_passes_unsigned() {
        let passes = |body: &'static str, query: &str| {
            let mut request = post(body);
            request.query = query.to_owned();
            verify(&request).is_ok()
        };
        assert!(passes("ssl_check=1&token=abc", ""));
        assert!(passes("token=abc&ssl_check=1", ""));
        assert!(passes("", "ssl_check=1"));
        assert!(!passes("ssl_check=0", ""));
        assert!(!passes("token=abc", ""));
        assert!(!passes("ssl_check=1&command=%2Fx&text=hi", ""));
        assert!(!passes("ssl_check=1&token=a&token=b&payload=x", ""));
        assert!(!passes("payload=%7B%7D", "ssl_check=1"));
        assert!(!passes("", ""));
    }
}
