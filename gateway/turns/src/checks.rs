//! The declared webhook checks of a manifest, made before any code of the connector runs.
//!
//! Source of the forms: the manifest (`webhook.checks`). Comparison is constant in time; a refusal tells the
//! log why and tells the stranger nothing.

use std::sync::Arc;

use http::HeaderName;
use portico_contract::{Algorithm, Check, CheckKind, Encoding, InboundRequest, Keyring, Manifest};

use crate::Secrets;

/// Why a request was refused, for the log and the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckRefusal {
    /// A header that must be there is absent, doubled or not text.
    NoSignature,
    /// A header is not of the declared form.
    BadForm,
    /// The signed time is too far from ours.
    Stale,
    /// The code or token is wrong.
    Wrong,
    /// The installation lacks the secret.
    NoSecret,
}

impl CheckRefusal {
    /// The reason as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSignature => "no_signature",
            Self::BadForm => "bad_form",
            Self::Stale => "stale",
            Self::Wrong => "wrong_signature",
            Self::NoSecret => "no_secret",
        }
    }
}

/// Most pieces of what is signed.
const MOST_PIECES: usize = 12;

/// A piece of what is signed.
enum Piece {
    Text(Vec<u8>),
    Header(HeaderName),
    Body,
}

enum Form {
    Mac {
        header: HeaderName,
        prefix: String,
        encoding: Encoding,
        over: Vec<Piece>,
        timestamp: Option<(HeaderName, u64)>,
    },
    Token {
        header: HeaderName,
    },
}

struct Prepared {
    name: &'static str,
    secret: String,
    methods: Vec<String>,
    required: bool,
    form: Form,
}

/// A manifest's checks, read once.
pub struct PreparedChecks {
    checks: Vec<Prepared>,
    names: Arc<[&'static str]>,
}

impl std::fmt::Debug for PreparedChecks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names.iter()).finish()
    }
}

impl PreparedChecks {
    /// Reads a manifest's checks.
    ///
    /// # Errors
    /// Names the check whose header or template is malformed.
    pub fn new(manifest: &Manifest) -> Result<Self, String> {
        let checks = manifest.webhook.checks.iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
        let names = checks.iter().map(|check| check.name).collect();
        Ok(Self { checks, names })
    }

    /// Names of all checks.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied()
    }

    /// Makes every check that applies, and gives the names of those that passed.
    ///
    /// # Errors
    /// The refusal of the first required check that fails.
    pub fn pass(
        &self,
        secrets: &Secrets,
        request: &InboundRequest,
    ) -> Result<Arc<[&'static str]>, CheckRefusal> {
        let mut failed = Vec::new();
        for (place, check) in self.checks.iter().enumerate() {
            let applies = check.methods.is_empty()
                || check.methods.iter().any(|method| method == request.method.as_str());
            match if applies { check.run(secrets, request) } else { Err(CheckRefusal::NoSignature) } {
                Ok(()) => {}
                Err(refusal) if applies && check.required => return Err(refusal),
                Err(_) => failed.push(place),
            }
        }
        // Nearly always the list that is there already.
        Ok(match failed.is_empty() {
            true => self.names.clone(),
            false => {
                let passed = self.names().enumerate().filter(|(place, _)| !failed.contains(place));
                passed.map(|(_, name)| name).collect()
            }
        })
    }
}

fn header_name(check: &Check, name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("check '{}': '{name}' is not a header name", check.name))
}

fn prepare(check: &Check) -> Result<Prepared, String> {
    let form = match &check.kind {
        CheckKind::HeaderToken { header } => Form::Token { header: header_name(check, header)? },
        CheckKind::HmacSha256 { header, prefix, encoding, over, timestamp } => Form::Mac {
            header: header_name(check, header)?,
            prefix: prefix.clone(),
            encoding: *encoding,
            over: template(check, over)?,
            timestamp: match timestamp {
                Some(stamp) => Some((header_name(check, &stamp.header)?, u64::from(stamp.tolerance_s))),
                None => None,
            },
        },
    };
    Ok(Prepared {
        // A few names per connector, made once at start: leaked so that requests carry them without copies.
        name: Box::leak(check.name.clone().into_boxed_str()),
        secret: check.secret.clone(),
        methods: check.methods.clone(),
        required: check.required,
        form,
    })
}

fn template(check: &Check, over: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = over;
    while let Some(open) = rest.find('{') {
        if open > 0 {
            pieces.push(Piece::Text(rest.as_bytes()[..open].to_vec()));
        }
        let close = rest[open..]
            .find('}')
            .ok_or_else(|| format!("check '{}': a '{{' in 'over' is not closed", check.name))?;
        let name = &rest[open + 1..open + close];
        pieces.push(match name.strip_prefix("header:") {
            Some(header) => Piece::Header(header_name(check, header)?),
            None if name == "body" => Piece::Body,
            None => {
                return Err(format!("check '{}': '{{{name}}}' is neither body nor header:name", check.name));
            }
        });
        rest = &rest[open + close + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.as_bytes().to_vec()));
    }
    if pieces.len() > MOST_PIECES {
        return Err(format!("check '{}': 'over' has more than {MOST_PIECES} pieces", check.name));
    }
    if !pieces.iter().any(|piece| matches!(piece, Piece::Body)) {
        return Err(format!("check '{}': 'over' does not cover the body", check.name));
    }
    Ok(pieces)
}

/// A header that is there exactly once.
fn single<'a>(request: &'a InboundRequest, name: &HeaderName) -> Result<&'a [u8], CheckRefusal> {
    let mut values = request.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        _ => Err(CheckRefusal::NoSignature),
    }
}

impl Prepared {
    fn run(&self, secrets: &Secrets, request: &InboundRequest) -> Result<(), CheckRefusal> {
        match &self.form {
            Form::Token { header } => {
                let claimed = single(request, header)?;
                match secrets.matches(&self.secret, claimed) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(CheckRefusal::Wrong),
                    Err(_) => Err(CheckRefusal::NoSecret),
                }
            }
            Form::Mac { header, prefix, encoding, over, timestamp } => {
                let claimed = single(request, header)?;
                if let Some((stamp, tolerance_s)) = timestamp {
                    let text =
                        std::str::from_utf8(single(request, stamp)?).map_err(|_| CheckRefusal::BadForm)?;
                    let sent = portico_kit::time::epoch_seconds(text).ok_or(CheckRefusal::BadForm)?;
                    if sent.abs_diff(request.received_at / 1000) > *tolerance_s {
                        return Err(CheckRefusal::Stale);
                    }
                }
                let claimed = claimed.strip_prefix(prefix.as_bytes()).ok_or(CheckRefusal::BadForm)?;
                let claimed = decode(*encoding, claimed).ok_or(CheckRefusal::BadForm)?;
                let mut parts: [&[u8]; MOST_PIECES] = [&[]; MOST_PIECES];
                for (part, piece) in parts.iter_mut().zip(over) {
                    *part = match piece {
                        Piece::Text(text) => text,
                        Piece::Header(name) => single(request, name)?,
                        Piece::Body => &request.body,
                    };
                }
                // What is left of the list is empty, and signs nothing.
                match secrets.check(&self.secret, Algorithm::HmacSha256, &parts, &claimed) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(CheckRefusal::Wrong),
                    Err(_) => Err(CheckRefusal::NoSecret),
                }
            }
        }
    }
}

fn decode(encoding: Encoding, text: &[u8]) -> Option<[u8; 32]> {
    match encoding {
        Encoding::Hex => portico_kit::signature::hex32(std::str::from_utf8(text).ok()?),
        Encoding::Base64 => {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.decode(text).ok()?.try_into().ok()
        }
    }
}

#[cfg(test)]
mod tests;
