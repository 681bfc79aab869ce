//! HTTP/2 frames by hand (RFC 9113 and RFC 7541): no client library writes the wrong ones that are needed here.

/// Kinds of frames.
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// Flags.
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;

/// What every connection begins with.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Error codes, as they are named.
pub(super) const NAMES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// One frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// One setting.
pub(super) fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// Fields as literals that nobody indexes, so that what stands here is what goes over the wire.
pub(super) fn block(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for part in [name, value] {
            integer(0, 7, part.len(), &mut bytes);
            bytes.extend(part);
        }
    }
    bytes
}

/// An integer after the high bits of its first byte (RFC 7541, 5.1).
pub(super) fn integer(high: u8, prefix: u8, value: usize, out: &mut Vec<u8>) {
    let most = (1_usize << prefix) - 1;
    if value < most {
        out.push(high | u8::try_from(value).unwrap());
        return;
    }
    out.push(high | u8::try_from(most).unwrap());
    let mut rest = value - most;
    while rest >= 128 {
        out.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    out.push(u8::try_from(rest).unwrap());
}

/// The status at the beginning of a block from a side that was told to keep no table.
pub(super) fn status(mut block: &[u8]) -> Option<u16> {
    // Sizes of the table come first.
    while let [first, rest @ ..] = block
        && first & 0xe0 == 0x20
    {
        block = rest;
    }
    match *block {
        [indexed @ 0x88..=0x8e, ..] => {
            [200, 204, 206, 304, 400, 404, 500].get(usize::from(indexed - 0x88)).copied()
        }
        // A literal under the name of the eighth entry: `:status`.
        [0x08 | 0x18 | 0x48, length, ref rest @ ..] => {
            let value = rest.get(..usize::from(length & 0x7f))?;
            let digits = if length & 0x80 == 0 { value.to_vec() } else { huffman_digits(value, 3)? };
            std::str::from_utf8(&digits).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// Digits in Huffman's code of RFC 7541: five bits for 0 to 2, six for the others.
fn huffman_digits(bytes: &[u8], count: usize) -> Option<Vec<u8>> {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let take = |at: usize, length: usize| {
        Some(bits.get(at..at + length)?.iter().fold(0, |value, bit| value << 1 | bit))
    };
    let (mut at, mut digits) = (0, Vec::new());
    while digits.len() < count {
        match take(at, 5)? {
            short @ 0..=2 => {
                digits.push(b'0' + short);
                at += 5;
            }
            _ => {
                digits.push(b'3' + take(at, 6)?.checked_sub(0b01_1001).filter(|beyond| *beyond < 7)?);
                at += 6;
            }
        }
    }
    Some(digits)
}

#[test]
fn statuses_are_read_in_every_form_in_which_they_are_written() {
    assert_eq!(status(&[0x20, 0x88]), Some(200));
    assert_eq!(status(b"\x08\x03413"), Some(413));
    // 4 = 011010, 0 = 00000, 8 = 011110, and ones up to the byte.
    assert_eq!(status(&[0x48, 0x83, 0b0110_1000, 0b0000_1111, 0b0111_1111]), Some(408));
    assert_eq!(status(&[0xbe]), None);
}
