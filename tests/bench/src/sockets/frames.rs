//! As much of WebSocket (RFC 6455) as a load generator needs: whole small frames, no extensions.

use anyhow::{Result, bail};

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A frame at the beginning of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// What it is: [`TEXT`] and the like.
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
    /// Where the next one begins.
    pub(crate) end: usize,
}

/// Adds a client's frame. It is masked, as it must be, with zeros, which leave the payload as it is: servers undo
/// a mask at the same cost whatever it is.
pub(crate) fn put(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    out.push(0x80 | kind);
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// The server's frame at the beginning of a buffer; `None` when more must come.
///
/// # Errors
/// When it is a piece of a message, masked, compressed, or of no known kind.
pub(crate) fn read(buffer: &[u8]) -> Result<Option<Frame<'_>>> {
    let (Some(&first), Some(&second)) = (buffer.first(), buffer.get(1)) else { return Ok(None) };
    let kind = first & 0x0f;
    if first & 0xf0 != 0x80 || second & 0x80 != 0 || !matches!(kind, TEXT | CLOSE | PING | PONG) {
        bail!("a frame that begins with {first:#04x} {second:#04x} is not expected of a server");
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    let (head, length) = match second {
        126 => (4, buffer.get(2..4).map(number)),
        127 => (10, buffer.get(2..10).map(number)),
        short => (2, Some(usize::from(short))),
    };
    let Some(length) = length else { return Ok(None) };
    let Some(end) = length.checked_add(head).filter(|_| length <= 16 << 20) else {
        bail!("a frame of {length} bytes is not expected of a server");
    };
    Ok(buffer.get(head..end).map(|payload| Frame { kind, payload, end }))
}

/// Why a connection was closed; 1005 where nothing is said (RFC 6455, 7.4.1).
pub(crate) fn close_code(payload: &[u8]) -> u16 {
    match payload {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 1005,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server would send it: without the mask and its bit.
    fn unmasked(kind: u8, length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, kind, &vec![b'x'; length]);
        let head = out.len() - length - 4;
        out.drain(head..head + 4);
        out[1] &= 0x7f;
        out
    }

    #[test]
    fn a_frame_is_read_with_its_last_byte_at_every_length() {
        for length in [0, 125, 126, 0xffff, 0x1_0000] {
            let mut bytes = unmasked(TEXT, length);
            let end = bytes.len();
            assert_eq!(read(&bytes[..end - 1]).unwrap(), None, "{length}");
            bytes.push(0x81);
            let frame = read(&bytes).unwrap().unwrap();
            assert_eq!((frame.kind, frame.payload.len(), frame.end), (TEXT, length, end));
        }
    }

    #[test]
    fn pieces_compression_masks_and_unknown_kinds_are_refused() {
        for first in [0x01, 0xc1, 0x82, 0x80] {
            assert!(read(&[first, 0]).is_err(), "{first:#x}");
        }
        assert!(read(&[0x81, 0x80, 0, 0, 0, 0]).is_err());
        assert!(read(&[0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
    }

    #[test]
    fn a_close_says_why() {
        assert_eq!(close_code(&[0x03, 0xf5]), 1013);
        assert_eq!(close_code(&[]), 1005);
    }
}
