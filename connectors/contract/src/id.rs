//! Ids, parsed once at the border so that two of them can't change places.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Why a text is not the id that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: {reason}")]
pub struct BadId {
    /// The kind of id that was expected, such as `conversation id`.
    pub what: &'static str,
    /// What is wrong with the text, without the text itself.
    pub reason: &'static str,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Sixteen bytes as 26 characters of lower-case Crockford base 32; text order is byte order.
pub fn base32(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(26);
    push_base32(&mut text, bytes);
    text
}

fn push_base32(text: &mut String, bytes: &[u8; 16]) {
    text.push_str(str::from_utf8(&digits(bytes)).unwrap_or_default());
}

/// Twice twelve digits from words of 60 bits, which are cheaper to shift than one number of 128; two before them.
fn digits(bytes: &[u8; 16]) -> [u8; 26] {
    let number = u128::from_be_bytes(*bytes);
    let mut text = [0; 26];
    let mut put = |at: usize, width: usize, mut word: u64| {
        for place in text.iter_mut().skip(at).take(width).rev() {
            *place = ALPHABET[(word & 31) as usize];
            word >>= 5;
        }
    };
    put(0, 2, (number >> 120) as u64);
    put(2, 12, (number >> 60) as u64);
    put(14, 12, number as u64);
    text
}

/// Value of each letter as a digit; 255 where it is none.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
};

fn parse_base32(text: &str) -> Option<[u8; 16]> {
    // 26 characters carry 130 bits: the first may only use its low three.
    if text.len() != 26 {
        return None;
    }
    let mut number: u128 = 0;
    for (index, byte) in text.bytes().enumerate() {
        let digit = VALUES[usize::from(byte)];
        if digit > 31 || (index == 0 && digit > 7) {
            return None;
        }
        number = (number << 5) | u128::from(digit);
    }
    Some(number.to_be_bytes())
}

macro_rules! binary_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// Reads the text form; its prefix is part of it.
            ///
            /// # Errors
            /// [`BadId`] when the prefix, the length or a character is not of this kind of id.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let rest = text
                    .strip_prefix($prefix)
                    .ok_or(BadId { what: $what, reason: concat!("it does not begin with ", $prefix) })?;
                parse_base32(rest)
                    .map(Self)
                    .ok_or(BadId { what: $what, reason: "26 characters of Crockford base 32 must follow the prefix" })
            }
        }

        impl $name {
            fn letters(&self) -> [u8; $prefix.len() + 26] {
                let mut text = [0; $prefix.len() + 26];
                let (prefix, rest) = text.split_at_mut($prefix.len());
                prefix.copy_from_slice($prefix.as_bytes());
                rest.copy_from_slice(&digits(&self.0));
                text
            }

            /// Adds the text form to a text.
            pub fn push_to(&self, text: &mut String) {
                text.push_str(str::from_utf8(&self.letters()).unwrap_or_default());
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(str::from_utf8(&self.letters()).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(str::from_utf8(&self.letters()).unwrap_or_default())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

binary_id!(
    /// One conversation of one bot. The sixteen bytes are also the number of its lanes in the store.
    ConversationId, "conv_", "conversation id"
);
binary_id!(
    /// One message, in or out.
    MessageId, "msg_", "message id"
);
binary_id!(
    /// One journaled event: a UUIDv7, so ids ascend with time. Every attempt and replay keeps it.
    EventId, "evt_", "event id"
);

/// First sixteen bytes of SHA-256 over length-prefixed parts, so that no two lists of parts collide by joining.
fn derive(domain: &str, parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(domain.as_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes
}

impl ConversationId {
    /// The conversation of a provider's thread. The same thread always gives the same id, so creating it
    /// from a webhook and from the API at the same moment can't make two.
    pub fn of_thread(bot: &BotId, installation: &InstallationId, channel: &str, key: &str) -> Self {
        Self(derive("conversation", &[bot.as_str(), installation.as_str(), channel, key]))
    }

    /// The conversation that stands for an installation itself: events without a thread wait in its lane.
    pub fn of_installation(bot: &BotId, installation: &InstallationId) -> Self {
        Self(derive("installation", &[bot.as_str(), installation.as_str()]))
    }
}

impl EventId {
    /// A new id, above all ids made before in this process.
    pub fn new() -> Self {
        Self(*uuid::Uuid::now_v7().as_bytes())
    }

    /// Milliseconds since 1970 at which the id was made.
    pub fn millis(&self) -> u64 {
        self.0[..6].iter().fold(0, |millis, byte| (millis << 8) | u64::from(*byte))
    }
}

impl Default for EventId {
    fn default() -> Self {
        Self::new()
    }
}

impl MessageId {
    /// A new id, above all ids made before in this process.
    pub fn new() -> Self {
        Self(*uuid::Uuid::now_v7().as_bytes())
    }

    /// The id of the message that an event brought; the same event always gives the same message.
    pub fn of_event(event: EventId) -> Self {
        Self(event.0)
    }
}

impl Default for MessageId {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads a name of 1 to 100 characters of `a-z A-Z 0-9 - _ .`.
            ///
            /// # Errors
            /// [`BadId`] that says which rule the text breaks.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                if text.is_empty() || text.len() > 100 {
                    return Err(BadId { what: $what, reason: "it must have 1 to 100 characters" });
                }
                if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
                    return Err(BadId { what: $what, reason: "only letters, digits, '-', '_' and '.' are allowed" });
                }
                Ok(Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // Hash and order are those of the text, so maps can be searched by text.
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name_id!(
    /// A bot: the name of its section in the configuration.
    BotId, "bot id"
);
name_id!(
    /// An installation: the name of its section, and the last segment of its webhook URL.
    InstallationId, "installation id"
);
name_id!(
    /// A user of one bot. Made ids begin with `user_`; the bot's own user has the bot's id.
    UserId, "user id"
);

impl UserId {
    /// A new id, above all ids made before in this process.
    pub fn new() -> Self {
        Self::from_bytes(uuid::Uuid::now_v7().as_bytes())
    }

    /// The user behind a provider's user id; the same one always gives the same id.
    pub fn of_party(bot: &BotId, installation: &InstallationId, party: &str) -> Self {
        Self::from_bytes(&derive("user", &[bot.as_str(), installation.as_str(), party]))
    }

    /// The user that speaks for the bot: public bots send with `userId: ctx.botId`.
    pub fn of_bot(bot: &BotId) -> Self {
        Self(bot.0.clone())
    }

    fn from_bytes(bytes: &[u8; 16]) -> Self {
        let mut text = String::with_capacity(31);
        text.push_str("user_");
        push_base32(&mut text, bytes);
        Self(text.into())
    }
}

impl Default for UserId {
    fn default() -> Self {
        Self::new()
    }
}

/// One job with all its turns: the event it works on, so that a run can be made again with equal results.
pub type RunId = EventId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_goes_there_and_back_and_keeps_order() {
        let low = ConversationId([0; 16]);
        let high = ConversationId([255; 16]);
        assert_eq!(low.to_string(), "conv_00000000000000000000000000");
        assert_eq!(high.to_string(), "conv_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert_eq!(ConversationId::parse(&high.to_string()), Ok(high));
        let (first, second) = (EventId::new(), EventId::new());
        assert!(first < second && first.to_string() < second.to_string());
        let mixed = MessageId(0xfedc_ba98_7654_3210_0123_4567_89ab_cdef_u128.to_be_bytes());
        assert_eq!(mixed.to_string(), "msg_7yvjx9gxjm688028t5cy4tqkff");
        assert_eq!(MessageId::parse(&mixed.to_string()), Ok(mixed));
    }

    #[test]
    fn foreign_text_is_refused() {
        for text in [
            "",
            "conv_",
            "msg_00000000000000000000000000",
            "conv_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "conv_u0000000000000000000000000",
        ] {
            assert!(ConversationId::parse(text).is_err(), "{text}");
        }
        assert!(BotId::parse("a b").is_err());
        assert!(BotId::parse(&"x".repeat(101)).is_err());
    }

    #[test]
    fn derived_ids_do_not_collide_by_joining() {
        let bot = BotId::parse("b").unwrap();
        let here = InstallationId::parse("i").unwrap();
        let one = ConversationId::of_thread(&bot, &here, "dm", "ab");
        let two = ConversationId::of_thread(&bot, &here, "dma", "b");
        assert_ne!(one, two);
        assert_eq!(one, ConversationId::of_thread(&bot, &here, "dm", "ab"));
    }
}
