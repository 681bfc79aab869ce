//! Cuts secrets out of texts. The last line of defence: code should not write them in the first place.

use std::borrow::Cow;

/// What stands where a secret was.
pub(crate) const CUT: &str = "***";

/// Words that make a field's name secret, wherever they stand between dots and underscores.
const SECRET_NAMES: [&str; 14] = [
    "token",
    "tokens",
    "secret",
    "secrets",
    "authorization",
    "password",
    "passwd",
    "cookie",
    "body",
    "credential",
    "credentials",
    "apikey",
    "signature",
    "payload",
];

/// Beginnings of secrets that can be told by their look.
const SECRET_BEGINNINGS: [&str; 10] =
    ["xoxb-", "xoxp-", "xoxa-", "xoxe.", "xapp-", "whsec_", "ptc_", "sk_live_", "eyJhbGci", "EAA"];

/// Names in queries and forms whose values are secrets.
const SECRET_KEYS: [&str; 5] = ["access_token=", "token=", "secret=", "password=", "key="];

/// Words after which a secret stands in a header.
const SCHEMES: [&str; 2] = ["bearer ", "basic "];

/// Whether a log field of this name must not be shown.
pub(crate) fn is_secret_name(name: &str) -> bool {
    name.split(['.', '_', '-'])
        .any(|word| SECRET_NAMES.iter().any(|secret| word.eq_ignore_ascii_case(secret)))
}

/// A text with everything cut that looks like a secret: `bot<digits>:<token>` in Telegram addresses, bearer
/// tokens, tokens with a known beginning, values of `access_token=` and the like.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while at < text.len() {
        match secret_at(text, at) {
            Some((start, end)) => {
                out.push_str(text.get(copied..start).unwrap_or_default());
                out.push_str(CUT);
                copied = end;
                at = end;
            }
            None => at += text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8),
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// The secret that begins, with its marker, at this place: its own start and end.
fn secret_at(text: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let rest = text.get(at..)?;
    let word_begins = at == 0 || bytes.get(at - 1).is_none_or(|before| !before.is_ascii_alphanumeric());
    // Every marker begins with one of these, which spares the comparison almost everywhere.
    if !matches!(
        rest.as_bytes().first()?.to_ascii_lowercase(),
        b'b' | b'x' | b'w' | b'p' | b's' | b'e' | b'a' | b't' | b'k'
    ) || !word_begins
    {
        return None;
    }
    let run = |from: usize| {
        let length =
            bytes.get(from..).unwrap_or_default().iter().take_while(|byte| is_token_byte(**byte)).count();
        from + length
    };
    if rest.starts_with("bot") {
        let digits = rest.bytes().skip(3).take_while(u8::is_ascii_digit).count();
        // `%3A` is how a colon looks in a path that was encoded.
        let colon = rest.get(3 + digits..).and_then(|after| {
            [":", "%3A", "%3a"].iter().find(|colon| after.starts_with(**colon)).map(|colon| colon.len())
        });
        if let (1.., Some(colon)) = (digits, colon) {
            let start = at + 3 + digits + colon;
            let end = run(start);
            return (end > start).then_some((start, end));
        }
    }
    if let Some(beginning) = SECRET_BEGINNINGS.iter().find(|beginning| rest.starts_with(**beginning)) {
        let end = run(at);
        // Shorter runs are words that happen to begin so.
        return (end - at >= beginning.len() + 8).then_some((at, end));
    }
    let starts =
        |marker: &&&str| rest.get(..marker.len()).is_some_and(|head| head.eq_ignore_ascii_case(marker));
    if let Some(key) = SECRET_KEYS.iter().find(starts) {
        let end = run(at + key.len());
        return (end > at + key.len()).then_some((at + key.len(), end));
    }
    if let Some(scheme) = SCHEMES.iter().find(starts) {
        let end = run(at + scheme.len());
        // "basic set-up" is English, a credential is longer.
        return (end >= at + scheme.len() + 12).then_some((at + scheme.len(), end));
    }
    None
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=' | b'%' | b':') && byte != b'/'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_cut_and_the_rest_stays() {
        for (text, shown) in [
            (
                "https://api.telegram.org/bot123456:AAH-x_yz9/sendMessage",
                "https://api.telegram.org/bot123456:***/sendMessage",
            ),
            ("https://h/bot1%3AAAHx/getMe?a=1", "https://h/bot1%3A***/getMe?a=1"),
            ("/file/bot99:abc", "/file/bot99:***"),
            ("authorization: Bearer abcdefghijklmnop, next", "authorization: Bearer ***, next"),
            ("said xoxb-1234567890-abcdef loudly", "said *** loudly"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "***"),
            ("GET /me?access_token=EAAJ9&x=1", "GET /me?access_token=***&x=1"),
            ("GET /me?x=1&token=abc", "GET /me?x=1&token=***"),
            ("ключ bot7:geheim конец", "ключ bot7:*** конец"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }

    #[test]
    fn ordinary_words_are_left_alone() {
        for text in [
            "the robot1:x is no bot",
            "a bot: helpful",
            "bot42 has no colon",
            "bearer of news",
            "basic set-up",
            "EAA is short",
            "monkey=banana",
            "",
            "né à Ürümqi",
        ] {
            assert!(matches!(redact(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn names_of_secret_fields_are_known_by_their_words() {
        for name in ["token", "bot_token", "core.secret", "Authorization", "http.request.body", "set-cookie"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["installation.id", "tokenizer", "bodywork", "duration_ms", "message", "reason"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
