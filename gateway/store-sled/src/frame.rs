//! Frames of the log: one commit each, with a checksum and the place where they belong.
//!
//! Header, 24 bytes: CRC-32C of all that follows (u32), payload length (u32), position (u64: segment, offset),
//! offset at which the write began that this frame was part of (u32), kind (u8), three zero bytes. Frames
//! begin at multiples of eight. The `batch` field tells a torn last write, whose sectors may reach the disk in
//! any order, from damage in the middle: what was written later than the broken frame's own write proves that
//! the broken frame had been synced.

pub(crate) const HEADER: usize = 24;

/// A commit's operations.
pub(crate) const COMMIT: u8 = 1;
/// Nothing more in this segment; the next one goes on.
pub(crate) const END: u8 = 2;
/// Laid over broken bytes by salvaging.
pub(crate) const GAP: u8 = 3;

/// Opens a frame at the end of a buffer; [`close`] completes it.
pub(crate) fn open(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.resize(start + HEADER, 0);
    start
}

/// Completes the frame that was opened at `start`; `base` is the segment offset of the buffer's first byte,
/// which is also where the write will begin.
pub(crate) fn close(out: &mut Vec<u8>, start: usize, segment: u32, base: u32, kind: u8) {
    let length = (out.len() - start - HEADER) as u32;
    let position = position(segment, base + start as u32);
    let header = &mut out[start..start + HEADER];
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..16].copy_from_slice(&position.to_le_bytes());
    header[16..20].copy_from_slice(&base.to_le_bytes());
    header[20] = kind;
    let sum = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&sum.to_le_bytes());
    while !out.len().is_multiple_of(8) {
        out.push(0);
    }
}

/// One number for segment and offset; grows along the log.
pub(crate) fn position(segment: u32, offset: u32) -> u64 {
    (u64::from(segment) << 32) | u64::from(offset)
}

pub(crate) fn split(position: u64) -> (u32, u32) {
    ((position >> 32) as u32, position as u32)
}

/// A frame that was found whole.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    /// Offset of the payload in the segment.
    pub(crate) payload: usize,
    pub(crate) length: usize,
    pub(crate) batch: u32,
    /// Offset of the frame after it.
    pub(crate) next: usize,
}

/// What stands at an offset.
pub(crate) enum Found {
    Whole(Frame),
    /// Zeros, or the end of the file.
    Nothing,
    Broken,
}

/// Looks at one offset of a segment's bytes.
pub(crate) fn read(bytes: &[u8], offset: usize, segment: u32) -> Found {
    let Some(header) = bytes.get(offset..offset + HEADER) else {
        return match bytes.get(offset..) {
            Some(rest) if rest.iter().any(|byte| *byte != 0) => Found::Broken,
            _ => Found::Nothing,
        };
    };
    if header.iter().all(|byte| *byte == 0) {
        return Found::Nothing;
    }
    whole(bytes, offset, segment).map_or(Found::Broken, Found::Whole)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn whole(bytes: &[u8], offset: usize, segment: u32) -> Option<Frame> {
    let sum = number(bytes, offset)?;
    let length = number(bytes, offset + 4)? as usize;
    // Low half first: little-endian.
    if number(bytes, offset + 8)? as usize != offset || number(bytes, offset + 12)? != segment {
        return None;
    }
    let batch = number(bytes, offset + 16)?;
    let kind = *bytes.get(offset + 20)?;
    let end = offset.checked_add(HEADER)?.checked_add(length)?;
    if crc32c::crc32c(bytes.get(offset + 4..end)?) != sum || !matches!(kind, COMMIT | END | GAP) {
        return None;
    }
    Some(Frame { kind, payload: offset + HEADER, length, batch, next: end.next_multiple_of(8) })
}

const ZEROS: &[u8] = &[0; 4096];

/// Whether there are only zeros.
pub(crate) fn is_empty(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROS.len()).all(|chunk| Some(chunk) == ZEROS.get(..chunk.len()))
}

/// The next whole frame at or after an offset, wherever it begins.
pub(crate) fn search(bytes: &[u8], from: usize, segment: u32) -> Option<(usize, Frame)> {
    let mut at = from.next_multiple_of(8);
    while at + HEADER <= bytes.len() {
        // No header begins in zeros, but for the last bytes: it holds its own offset. A log is mostly zeros.
        if bytes.get(at..at + ZEROS.len()) == Some(ZEROS) {
            at += ZEROS.len() - 16;
            continue;
        }
        if let Some(frame) = whole(bytes, at, segment) {
            return Some((at, frame));
        }
        at += 8;
    }
    None
}
