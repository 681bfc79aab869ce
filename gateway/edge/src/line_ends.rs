//! Line ends of a request's head: `\r\n` and nothing else.
//!
//! The parser also takes a bare line feed, as old software sent it. Proxies differ in how they read it, and
//! what two readers split differently is how requests are smuggled; so a bare one makes the head malformed.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// What a bare line feed becomes. The parser refuses a zero anywhere in a head, and answers 400.
const MALFORMED: u8 = 0;

/// Reads along until a head has ended. One per connection, on one thread; atomic because an upgraded connection
/// changes hands.
#[derive(Debug)]
pub(crate) struct LineEnds {
    /// How much of `\r\n\r\n` was seen last; 4 at the end of the head, when nothing is looked at any more.
    seen: AtomicU8,
}

impl LineEnds {
    /// At the beginning of a head.
    pub(crate) fn new() -> Self {
        Self { seen: AtomicU8::new(0) }
    }

    /// Whether what comes next belongs to a head.
    pub(crate) fn are_watched(&self) -> bool {
        self.seen.load(Relaxed) < 4
    }

    /// Another head follows. Only right where the request before had no body: the rest of one could come
    /// after its answer.
    pub(crate) fn next_head(&self) {
        // Its beginning may have been read already, up to a return.
        self.seen.store(1, Relaxed);
    }

    /// No head is expected to follow at once.
    pub(crate) fn pass(&self) {
        self.seen.store(4, Relaxed);
    }

    /// Looks at what has arrived, and marks what may not stand in a head.
    pub(crate) fn check(&self, bytes: &mut [u8]) {
        let mut seen = self.seen.load(Relaxed);
        for byte in bytes {
            if seen == 4 {
                break;
            }
            seen = match (*byte, seen) {
                (b'\n', 1 | 3) => seen + 1,
                (b'\n', _) => {
                    *byte = MALFORMED;
                    0
                }
                (b'\r', 0 | 2) => seen + 1,
                (b'\r', _) => 1,
                _ => 0,
            };
        }
        self.seen.store(seen, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(pieces: &[&str]) -> String {
        let lines = LineEnds::new();
        let mut all = Vec::new();
        for piece in pieces {
            let mut bytes = piece.as_bytes().to_vec();
            lines.check(&mut bytes);
            all.extend(bytes);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    #[test]
    fn a_right_head_and_any_body_stay_as_they_are() {
        let right = "POST / HTTP/1.1\r\nHost: a\r\n\r\n{\n\"a\": 1\n}\n\n";
        assert_eq!(checked(&[right]), right);
        // However it is cut.
        for at in 1..right.len() {
            assert_eq!(checked(&[&right[..at], &right[at..]]), right, "cut at {at}");
        }
        assert_eq!(checked(&["\r\nGET / HTTP/1.1\r\n\r\n"]), "\r\nGET / HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn a_bare_line_feed_in_a_head_is_marked() {
        assert_eq!(checked(&["GET / HTTP/1.1\nHost: a\n\n"]), "GET / HTTP/1.1\0Host: a\0\0");
        assert_eq!(
            checked(&["GET / HTTP/1.1\r\nA: 1\nB: 2\r\n\r\n\n"]),
            "GET / HTTP/1.1\r\nA: 1\0B: 2\r\n\r\n\n"
        );
        assert_eq!(checked(&["GET / HTTP/1.1\r\nA: 1\r\n", "\n"]), "GET / HTTP/1.1\r\nA: 1\r\n\0");
    }

    #[test]
    fn only_the_head_that_follows_is_looked_at_again() {
        let lines = LineEnds::new();
        lines.pass();
        assert!(!lines.are_watched());
        lines.next_head();
        assert!(lines.are_watched());
        let mut rest = *b"\nHost: a\r\nA: 1\nB: 2\r\n\r\n";
        lines.check(&mut rest);
        assert_eq!(&rest, b"\nHost: a\r\nA: 1\0B: 2\r\n\r\n");
    }
}
