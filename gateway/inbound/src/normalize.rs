//! Second step: the connector's turn, from a proven request to events in our words.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use portico_contract::{Fault, FaultCode, InboundRequest, Millis, RunId, Turn};
use portico_store::records::RawRequest;
use portico_turns::{Installation, Turns};

/// Why a genuine request was not understood, for operators.
#[derive(Clone, Debug)]
pub(crate) struct Why {
    pub(crate) code: FaultCode,
    pub(crate) message: String,
    pub(crate) field: Option<String>,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)?;
        match &self.field {
            Some(field) => write!(f, " (at {field})"),
            None => Ok(()),
        }
    }
}

impl From<Fault> for Why {
    fn from(fault: Fault) -> Self {
        Self { code: fault.code, message: fault.message, field: fault.field }
    }
}

/// What the connector made of a request.
pub(crate) enum Understood {
    Turn(Turn),
    /// Genuine, but not understood.
    Unread(Why),
    /// Not genuine, or not for us.
    Refused(Fault),
}

/// Runs the connector's `webhook`.
pub(crate) async fn normalize(
    turns: &Turns,
    installation: &Arc<Installation>,
    run_id: RunId,
    request: &InboundRequest,
) -> Understood {
    match turns.webhook(installation, run_id, request).await {
        Ok(turn) => Understood::Turn(turn),
        Err(fault) => match fault.code {
            FaultCode::Unreadable => Understood::Unread(fault.into()),
            // A connector that breaks on a proven request would break on every repeat of it too.
            FaultCode::Bug if !request.passed_checks.is_empty() => Understood::Unread(fault.into()),
            _ => Understood::Refused(fault),
        },
    }
}

/// A stored request as the connector saw it first, with every declared check counted as passed: it was kept
/// because its sender had been proven.
pub(crate) fn proven_before(
    installation: &Installation,
    raw: RawRequest,
    received_at: Millis,
) -> Result<InboundRequest, String> {
    let mut headers = HeaderMap::with_capacity(raw.headers.len());
    for (name, value) in raw.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    Ok(InboundRequest {
        method: raw.method.parse().map_err(|_| "the stored method is none".to_owned())?,
        path: raw.path.into(),
        query: raw.query,
        headers,
        body: raw.body,
        received_at,
        source_ip: None,
        passed_checks: installation.checks.names().collect(),
    })
}
