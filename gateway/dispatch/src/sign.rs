//! Signatures of requests to a core, as Standard Webhooks 1.0 prescribes.
//!
//! Signed is `id.timestamp.body` with HMAC-SHA-256; the header carries one `v1,<base64>` per secret, newest
//! first, with a space between, so that a core may change its secret while both are valid.
//!
//! Source: the Standard Webhooks specification, "Signature scheme".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
/// Least bytes of a secret; the specification asks for 24 to 64.
const LEAST: usize = 16;

/// Why a secret can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It is not base64.
    #[error("must be 'whsec_' followed by base64")]
    NotBase64,
    /// It is too short.
    #[error("must hold at least 16 bytes, better 32, in base64")]
    TooShort,
}

/// Signs with one or more secrets.
#[derive(Clone)]
pub struct Signer(Vec<Hmac<Sha256>>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} secrets)", self.0.len())
    }
}

impl Signer {
    /// A signer with secrets of the form `whsec_<base64>`, newest first.
    ///
    /// # Errors
    /// [`BadSecret`], which never shows the secret.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, BadSecret> {
        secrets.into_iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it has no secret: requests go unsigned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut header = String::with_capacity(self.0.len() * 48);
        for keyed in &self.0 {
            let mut mac = keyed.clone();
            for piece in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
                mac.update(piece);
            }
            if !header.is_empty() {
                header.push(' ');
            }
            header.push_str("v1,");
            STANDARD.encode_string(mac.finalize().into_bytes(), &mut header);
        }
        header
    }
}

fn key(secret: &str) -> Result<Hmac<Sha256>, BadSecret> {
    let secret = secret.trim();
    let bytes =
        STANDARD.decode(secret.strip_prefix(PREFIX).unwrap_or(secret)).map_err(|_| BadSecret::NotBase64)?;
    if bytes.len() < LEAST {
        return Err(BadSecret::TooShort);
    }
    Hmac::new_from_slice(&bytes).map_err(|_| BadSecret::TooShort)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    #[test]
    fn the_specifications_own_example_comes_out() {
        let signer = Signer::new([ONE]).unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_of_a_rotation_verifies_alone() {
        let now = jiff::Timestamp::now().as_second();
        let header = Signer::new([OTHER, ONE]).unwrap().sign("evt_1", &now.to_string(), b"{}");
        assert_eq!(header.split(' ').count(), 2);
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", "evt_1".parse().unwrap());
        headers.insert("webhook-timestamp", now.to_string().parse().unwrap());
        headers.insert("webhook-signature", header.parse().unwrap());
        for secret in [ONE, OTHER] {
            standardwebhooks::Webhook::new(secret).unwrap().verify(b"{}", &headers).unwrap();
        }
        assert!(standardwebhooks::Webhook::new(ONE).unwrap().verify(b"{ }", &headers).is_err());
    }

    #[test]
    fn bad_secrets_are_refused_without_being_shown() {
        assert_eq!(Signer::new(["whsec_!!"]).unwrap_err(), BadSecret::NotBase64);
        assert_eq!(Signer::new(["whsec_AAAA"]).unwrap_err(), BadSecret::TooShort);
        assert_eq!(format!("{:?}", Signer::new([ONE]).unwrap()), "Signer(1 secrets)");
    }
}
