//! What the library checks and makes signatures with: ring, and for HS256 a check that is lent for one call.
//!
//! The library's factories are plain functions, so a check that holds something (the keyring) can't travel in them.
//! It waits beside the call, on its thread; the call takes it and nobody else can.

use std::cell::Cell;
use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};

/// Whether a code is right for what was signed.
type Check = Box<dyn Fn(&[u8], &[u8]) -> bool>;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

thread_local! {
    /// The check of the call that is under way on this thread.
    static LENT: Cell<Option<Check>> = const { Cell::new(None) };
}

/// Makes this the library's provider in this process; before any use of the library's signatures.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if PROVIDER.install_default().is_err() {
            tracing::error!(
                "another provider of signatures is installed in this process: tokens may be refused"
            );
        }
    });
}

/// Runs something with a check for HS256; the check is gone when it ends.
pub(super) fn lending<T>(check: impl Fn(&[u8], &[u8]) -> bool + 'static, run: impl FnOnce() -> T) -> T {
    LENT.set(Some(Box::new(check)));
    let done = run();
    // Still there when the token was refused before its signature.
    drop(LENT.take());
    done
}

/// What checks one token.
enum Checks {
    Lent(Check),
    Ed25519(Vec<u8>),
    /// RSASSA-PKCS1-v1_5 with SHA-256; ring takes 2,048 to 8,192 bits.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Verifier<Vec<u8>> for Checks {
    fn verify(&self, text: &[u8], code: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let is_right = match self {
            Self::Lent(check) => check(text, code),
            Self::Ed25519(x) => UnparsedPublicKey::new(&ED25519, x).verify(text, code).is_ok(),
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, text, code).is_ok()
            }
        };
        is_right.then_some(()).ok_or_else(signature::Error::new)
    }
}

impl JwtVerifier for Checks {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Lent(_) => Algorithm::HS256,
            Self::Ed25519(_) => Algorithm::EdDSA,
            Self::Rsa { .. } => Algorithm::RS256,
        }
    }
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let checks = match (algorithm, key.family(), key.kind()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac, _) => {
            Checks::Lent(LENT.take().ok_or_else(|| Error::from(ErrorKind::InvalidKeyFormat))?)
        }
        (Algorithm::EdDSA, AlgorithmFamily::Ed, DecodingKeyKind::SecretOrDer(x)) => {
            Checks::Ed25519(x.clone())
        }
        (Algorithm::RS256, AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            Checks::Rsa { n: n.clone(), e: e.clone() }
        }
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    Ok(Box::new(checks))
}

/// Signs with HMAC and SHA-256.
struct Hs256(ring::hmac::Key);

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, text: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        Ok(ring::hmac::sign(&self.0, text).as_ref().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => {
            Ok(Box::new(Hs256(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes()))))
        }
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    }
}
