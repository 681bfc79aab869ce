//! As much of HTTP/1.1 as a load generator and a null core need: where a message ends, its status or target.

use anyhow::{Result, bail};
use memchr::memmem;

/// A whole message at the beginning of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// Status of a response; 0 for a request.
    pub(crate) status: u16,
    /// Where the body begins.
    pub(crate) body: usize,
    /// Where the message ends.
    pub(crate) end: usize,
    /// The sender closes the connection after it.
    pub(crate) closes: bool,
}

/// Most bytes of a head.
const MOST: usize = 64 * 1024;

/// Finds the end of the message at the beginning of `buffer`; `None` when more must come.
///
/// # Errors
/// When it is no HTTP/1.1 message.
pub(crate) fn whole(buffer: &[u8]) -> Result<Option<Whole>> {
    let Some(head) = memmem::find(buffer, b"\r\n\r\n") else {
        if buffer.len() > MOST {
            bail!("no end of a head within {MOST} bytes");
        }
        return Ok(None);
    };
    let body = head + 4;
    let text = buffer.get(..head).unwrap_or_default();
    let mut lines = text.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let status = match first.strip_prefix(b"HTTP/1.1 ") {
        Some(rest) => match rest.get(..3).map(std::str::from_utf8) {
            Some(Ok(code)) => code.parse()?,
            _ => bail!("no status"),
        },
        None if first.ends_with(b"HTTP/1.1\r") || first.ends_with(b"HTTP/1.1") => 0,
        None => bail!("neither a response nor a request"),
    };
    let (mut length, mut chunked, mut closes) = (0, false, false);
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                length = std::str::from_utf8(value)?.parse::<usize>()?;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                chunked = value.eq_ignore_ascii_case(b"chunked");
            }
            10 if name.eq_ignore_ascii_case(b"connection") => closes = value.eq_ignore_ascii_case(b"close"),
            _ => {}
        }
    }
    let bodiless = status == 204 || status == 304;
    let end = match (bodiless, chunked) {
        (true, _) => Some(body),
        (false, false) => Some(body + length),
        (false, true) => chunks(buffer, body)?,
    };
    Ok(end.filter(|end| *end <= buffer.len()).map(|end| Whole { status, body, end, closes }))
}

/// End of a chunked body that begins at `at`.
fn chunks(buffer: &[u8], mut at: usize) -> Result<Option<usize>> {
    loop {
        let rest = buffer.get(at..).unwrap_or_default();
        let Some(line) = memmem::find(rest, b"\r\n") else { return Ok(None) };
        let digits =
            rest.get(..line).unwrap_or_default().split(|byte| *byte == b';').next().unwrap_or_default();
        let size = usize::from_str_radix(std::str::from_utf8(digits)?.trim(), 16)?;
        at += line + 2 + size + 2;
        if size == 0 {
            // No trailers are expected here.
            return Ok((at <= buffer.len()).then_some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_with_its_last_byte() {
        let text = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabcHTTP";
        let end = text.len() - 4;
        for cut in 0..end {
            assert_eq!(whole(&text[..cut]).unwrap(), None, "{cut}");
        }
        let found = whole(text).unwrap().unwrap();
        assert_eq!(found, Whole { status: 401, body: end - 3, end, closes: true });
    }

    #[test]
    fn chunked_bodies_are_measured() {
        let text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert_eq!(whole(&text[..text.len() - 1]).unwrap(), None);
        assert_eq!(whole(text).unwrap().unwrap().end, text.len());
    }

    #[test]
    fn requests_have_no_status_and_rubbish_is_refused() {
        assert_eq!(whole(b"POST /x HTTP/1.1\r\n\r\n").unwrap().unwrap().status, 0);
        assert!(whole(b"what is this\r\n\r\n").is_err());
    }
}
