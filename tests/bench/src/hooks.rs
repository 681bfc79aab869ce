//! Webhooks as the providers send them: unique, signed, of the size and mix that the budget asks for.

mod bodies;
mod deck;

pub(crate) use bodies::SECRETS;
pub(crate) use deck::{CONVERSATIONS, Deck, Kind, Mix, Paths, Ticket};

/// Names one message everywhere: conversation and number of sending, in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MessageId(u64);

/// What stands before the id in a text: no word of any provider, and letters that no id is made of (Crockford's
/// base32 leaves them out).
const MARK: &[u8] = b"uilou";

impl MessageId {
    pub(crate) fn new(conversation: u16, number: u64) -> Self {
        Self(u64::from(conversation) << 48 | (number & 0xffff_ffff_ffff))
    }

    pub(crate) fn conversation(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Grows with every message sent.
    pub(crate) fn number(self) -> u64 {
        self.0 & 0xffff_ffff_ffff
    }

    /// The first id in some bytes.
    pub(crate) fn find(bytes: &[u8]) -> Option<Self> {
        let at = memchr::memmem::find(bytes, MARK)? + MARK.len();
        let digits = std::str::from_utf8(bytes.get(at..at + 16)?).ok()?;
        u64::from_str_radix(digits, 16).ok().map(Self)
    }

    pub(crate) fn mark(self, out: &mut Vec<u8>) {
        out.extend_from_slice(MARK);
        hex16(self.0, out);
    }
}

/// Sixteen hexadecimal digits.
fn hex16(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 16];
    // The buffer is of the right size.
    let _fits = hex::encode_to_slice(value.to_be_bytes(), &mut digits);
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_any_text() {
        let id = MessageId::new(999, 0x1234_5678);
        let mut text = b"{\"text\":\"hello ".to_vec();
        id.mark(&mut text);
        text.extend_from_slice(b" there\"}");
        assert_eq!(MessageId::find(&text), Some(id));
        assert_eq!((id.conversation(), id.number()), (999, 0x1234_5678));
        assert_eq!(MessageId::find(b"nothing uilou12"), None);
    }
}
