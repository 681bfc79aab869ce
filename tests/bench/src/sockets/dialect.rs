//! How each server is spoken to: its handshake, its greeting, and how it echoes and hands on.

use memchr::memmem::find;
use serde_json::{Value, json};

/// The page that visitors come from, and the channel that they come to.
pub(crate) const ORIGIN: &str = "https://shop.example";
pub(crate) const CHANNEL: &str = "site";

/// A server's way to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `portico.v1`.
    Portico,
    /// The floor and the `ws` page: text in, text out.
    Plain,
    /// Engine.IO 4 with Socket.IO 5 over it.
    SocketIo,
}

impl Dialect {
    /// The handshake, with a fixed key.
    pub(crate) fn handshake(self, key: &str) -> String {
        let (path, more) = match self {
            Self::Portico => ("/webchat/v1/ws", "sec-websocket-protocol: portico.v1\r\n"),
            Self::Plain => ("/", ""),
            Self::SocketIo => ("/socket.io/?EIO=4&transport=websocket", ""),
        };
        format!(
            "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: {ORIGIN}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n{more}\r\n"
        )
    }

    /// What a client says first: as a visitor of a token, or as somebody new.
    pub(crate) fn greeting(self, token: Option<&str>, cursors: &Value) -> Option<String> {
        match self {
            Self::Portico => {
                Some(json!({ "t": "hello", "v": 1, "ch": CHANNEL, "tok": token, "cur": cursors }).to_string())
            }
            Self::Plain => None,
            Self::SocketIo => Some("40".into()),
        }
    }

    /// Whether a text says that the client is in.
    pub(crate) fn lets_in(self, text: &[u8]) -> bool {
        match self {
            Self::Portico => text.starts_with(br#"{"t":"welcome""#),
            Self::Plain => false,
            Self::SocketIo => text.starts_with(b"40"),
        }
    }

    /// What the server keeps its clients awake with, and the answer.
    pub(crate) fn heartbeat(self, text: &[u8]) -> Option<&'static [u8]> {
        (self == Self::SocketIo && text == b"2").then_some(b"3")
    }

    /// A text that is answered at once, and how the answer begins.
    pub(crate) fn echo(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Portico | Self::Plain => (br#"{"t":"ping"}"#, br#"{"t":"pong"}"#),
            Self::SocketIo => (br#"42["hear"]"#, br#"42["heard"]"#),
        }
    }

    /// What a client says for all others to hear, so that `bytes` come to each. Portico's visitors can't.
    pub(crate) fn shout(self, text: &str, bytes: usize) -> Option<String> {
        let pad = |around: usize| "x".repeat(bytes.saturating_sub(around + text.len()));
        match self {
            Self::Portico => None,
            Self::Plain => Some(format!("!{text}{}", pad(0))),
            Self::SocketIo => Some(format!(r#"42["say","{text}{}"]"#, pad(r#"42["said",""]"#.len()))),
        }
    }
}

/// The number in `#<number>#`, by which a text is known wherever it comes to.
pub(crate) fn marked(text: &[u8]) -> Option<u64> {
    let rest = text.get(find(text, b"#")? + 1..)?;
    digits(rest).filter(|(_, end)| rest.get(*end) == Some(&b'#')).map(|(number, _)| number)
}

/// The number of an item of a conversation: `"seq":46`.
pub(crate) fn seq(text: &[u8]) -> Option<u64> {
    const NAME: &[u8] = br#""seq":"#;
    digits(text.get(find(text, NAME)? + NAME.len()..)?).map(|(number, _)| number)
}

fn digits(text: &[u8]) -> Option<(u64, usize)> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let number = std::str::from_utf8(text.get(..end)?).ok()?.parse().ok()?;
    Some((number, end))
}

/// A text with a mark.
pub(crate) fn mark(number: u64) -> String {
    format!("#{number}#")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_numbers_are_found_where_they_stand() {
        let frame = format!(r##"{{"t":"ev","conv":"c","seq":46,"data":{{"text":"{} xx"}}}}"##, mark(907));
        assert_eq!((marked(frame.as_bytes()), seq(frame.as_bytes())), (Some(907), Some(46)));
        assert_eq!((marked(b"a #12 b"), marked(b"##"), seq(b"{}")), (None, None, None));
    }

    #[test]
    fn what_is_shouted_arrives_in_the_wanted_size() {
        let plain = Dialect::Plain.shout("#1#", 512).unwrap();
        assert_eq!(plain.strip_prefix('!').unwrap().len(), 512);
        let said = Dialect::SocketIo.shout("#1#", 512).unwrap().replace("say", "said");
        assert_eq!(said.len(), 512);
        assert_eq!(marked(said.as_bytes()), Some(1));
    }
}
