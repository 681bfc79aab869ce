//! First step of the inbound path: proofs of who speaks, compared in constant time.
//!
//! A verifier builds the provider's string to sign out of parts and asks [`Hmac256::check`]; a
//! provider that only repeats a shared secret is asked through [`equal`].

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The block size of SHA-256, to which HMAC brings every key.
const BLOCK: usize = 64;

/// HMAC-SHA256 under one secret. The key is worked in once; each check starts from a copy.
#[derive(Clone)]
pub struct Hmac256 {
    keyed: Hmac<Sha256>,
}

impl Hmac256 {
    /// Takes a secret of any length. An empty secret proves nothing: refuse it in the config.
    pub fn new(secret: &[u8]) -> Self {
        // RFC 2104: a key longer than a block is hashed, a shorter one is filled with zeros.
        let mut block = [0u8; BLOCK];
        let digest: [u8; 32];
        let key = if secret.len() > BLOCK {
            digest = Sha256::digest(secret).into();
            digest.as_slice()
        } else {
            secret
        };
        for (slot, byte) in block.iter_mut().zip(key) {
            *slot = *byte;
        }
        Self { keyed: Hmac::new(&block.into()) }
    }

    /// The 32 bytes of the MAC over the parts, one after the other with nothing between.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether `claimed` is the MAC over the parts; constant time, and false for any other length.
    pub fn check(&self, parts: &[&[u8]], claimed: &[u8]) -> bool {
        self.mac(parts).as_slice().ct_eq(claimed).into()
    }
}

/// Shows nothing of the key.
impl std::fmt::Debug for Hmac256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hmac256(…)")
    }
}

/// Exactly 64 hex digits of either case as 32 bytes; `None` for anything else.
pub fn hex32(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0u8; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// Whether two secrets are the same. Their SHA-256 digests are compared, so that neither content
/// nor length shows in the time it takes.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    let (a, b): ([u8; 32], [u8; 32]) = (Sha256::digest(a).into(), Sha256::digest(b).into());
    a.ct_eq(&b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_agrees_with_published_vectors() {
        // GitHub, "Validating webhook deliveries".
        let hub = Hmac256::new(b"It's a Secret to Everybody");
        let claimed = hex32("757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17").unwrap();
        assert_eq!(hub.mac(&[b"Hello, World!"]), claimed);
        assert!(hub.check(&[b"Hello, ", b"World!"], &claimed), "parts are one text");
        assert!(!hub.check(&[b"Hello, World?"], &claimed));
        assert!(!hub.check(&[b"Hello, World!"], &claimed[..31]));
        assert!(!hub.check(&[b"Hello, World!"], b""));
        // RFC 4231, cases 6 (a key longer than a block) and 1 (a short one).
        let long = Hmac256::new(&[0xaa; 131]);
        let expected = hex32("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54").unwrap();
        assert_eq!(long.mac(&[b"Test Using Larger Than Block-Size Key - Hash Key First"]), expected);
        let short = Hmac256::new(&[0x0b; 20]);
        let expected = hex32("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7").unwrap();
        assert_eq!(short.mac(&[b"Hi There"]), expected);
    }

    #[test]
    fn hex_is_exactly_64_digits() {
        assert_eq!(hex32(&"0a".repeat(32)), Some([10; 32]));
        assert_eq!(hex32(&"0A".repeat(32)), Some([10; 32]));
        let bad = ["", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32), &" 0".repeat(32)];
        for text in bad {
            assert_eq!(hex32(text), None, "{text:?}");
        }
    }

    #[test]
    fn secrets_are_equal_only_when_the_same() {
        assert!(equal(b"s3cret", b"s3cret"));
        assert!(equal(b"", b""));
        assert!(!equal(b"s3cret", b"s3cre"));
        assert!(!equal(b"s3cret", b""));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", Hmac256::new(b"s3cret")), "Hmac256(…)");
    }
}
