//! Segments of the log that nothing waits in any more, compressed: a third of their size, or less.
//!
//! A segment keeps its name and, to its readers, its bytes: places in it stay what they were. File: magic (8), length
//! of the segment (u32), number of chunks (u32), end of each chunk in what follows the table (u32 each), CRC-32C of
//! all this (u32); then the chunks, each an LZ4 block of 64 KiB of the segment. Frames and records inside have
//! checksums of their own. A chunk that does not read becomes bytes that no frame begins with, so that what lies
//! in the others is still found.
//!
//! The thread "portico-tidy" makes them, behind everybody else: of segments before the checkpoint whose events are
//! all settled, which only a console, a replay or a new index reads again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::disk::sync_folder;
use crate::frame;
use crate::mend::MARGIN;
use crate::shared::{Shared, stand_back};
use crate::wire::{Put, Take};

const MAGIC: &[u8; 8] = b"PORTLOGZ";
const CHUNK: usize = 64 * 1024;
/// More chunks than the largest segment has.
const MOST: usize = 1 << 15;
/// What stands where a chunk does not read.
const BROKEN: u8 = 0xa5;
/// How often the thread looks for something to do.
const LOOK: Duration = Duration::from_secs(1);
/// The thread's pause after so many chunks, so that it never has a processor for long.
const REST: (usize, Duration) = (16, Duration::from_millis(1));

/// Whether a file begins as a compressed segment does.
pub(crate) fn is_packed(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the compressed log segment {what}"))
}

/// Compresses a segment from one file into another, chunk by chunk, and checks each; `rest` is called between them.
/// The answer is the length of what was written.
fn pack(from: &File, to: &File, mut rest: impl FnMut(usize)) -> io::Result<u64> {
    let length = usize::try_from(from.metadata()?.len()).unwrap_or(usize::MAX);
    let count = length.div_ceil(CHUNK);
    if count > MOST {
        return Err(broken("would have too many chunks"));
    }
    let mut table = Vec::with_capacity(16 + 4 * count + 4);
    table.raw(MAGIC);
    table.u32(length as u32);
    table.u32(count as u32);
    let first = (16 + 4 * count + 4) as u64;
    let mut room = vec![0; lz4_flex::block::get_maximum_output_size(CHUNK)];
    let mut chunk = vec![0; CHUNK];
    let mut end = 0;
    for number in 0..count {
        rest(number);
        chunk.resize(CHUNK.min(length - number * CHUNK), 0);
        from.read_exact_at(&mut chunk, (number * CHUNK) as u64)?;
        // It fails for want of room only, and there is enough.
        let length = lz4_flex::block::compress_into(&chunk, &mut room).unwrap_or(0);
        let packed = room.get(..length).unwrap_or_default();
        if open(packed, chunk.len()).as_ref() != Some(&chunk) {
            return Err(broken("would not read"));
        }
        to.write_all_at(packed, first + u64::from(end))?;
        end += length as u32;
        table.u32(end);
    }
    table.u32(crc32c::crc32c(&table));
    to.write_all_at(&table, 0)?;
    to.sync_all()?;
    Ok(first + u64::from(end))
}

/// Where the chunks of a compressed segment lie.
pub(crate) struct Table {
    length: usize,
    /// Offset of the first chunk in the file.
    first: usize,
    ends: Vec<u32>,
}

impl Table {
    /// Reads the table in front of a file.
    pub(crate) fn read(file: &File) -> io::Result<Self> {
        let mut head = [0; 16];
        file.read_exact_at(&mut head, 0)?;
        let count = u32::from_le_bytes([head[12], head[13], head[14], head[15]]) as usize;
        if !is_packed(&head) || count > MOST {
            return Err(broken("has no table"));
        }
        let mut bytes = vec![0; 16 + 4 * count + 4];
        file.read_exact_at(&mut bytes, 0)?;
        Self::of(&bytes)
    }

    fn of(bytes: &[u8]) -> io::Result<Self> {
        let read = || {
            let mut take = Take(bytes);
            take.raw(8)?;
            let (length, count) = (take.u32()? as usize, take.u32()? as usize);
            let ends = take.raw(4 * count)?.as_chunks::<4>().0.iter().map(|end| u32::from_le_bytes(*end));
            let (ends, first) = (ends.collect::<Vec<u32>>(), 16 + 4 * count + 4);
            let sum = take.u32()?;
            let whole = bytes.get(..first - 4).is_some_and(|bytes| crc32c::crc32c(bytes) == sum)
                && length.div_ceil(CHUNK) == count;
            if whole { Ok(Self { length, first, ends }) } else { Err(crate::wire::Bad) }
        };
        read().map_err(|_| broken("has a damaged table"))
    }

    /// A chunk's place in the file, and how long it is when it was opened.
    fn chunk(&self, number: usize) -> Option<(std::ops::Range<usize>, usize)> {
        let end = *self.ends.get(number)? as usize;
        let start = match number.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        let length = self.length.checked_sub(number * CHUNK)?.min(CHUNK);
        (start <= end).then_some((self.first + start..self.first + end, length))
    }

    /// Bytes of the segment, from an offset on.
    ///
    /// # Errors
    /// `InvalidData` when a chunk does not read, `UnexpectedEof` when the segment ends before.
    pub(crate) fn read_at(&self, file: &File, offset: usize, length: usize) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(length).filter(|end| *end <= self.length);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let first = offset / CHUNK;
        let mut out = Vec::with_capacity(end - first * CHUNK + CHUNK);
        for number in first..end.div_ceil(CHUNK) {
            let (place, length) = self.chunk(number).ok_or_else(|| broken("has a damaged table"))?;
            let mut packed = vec![0; place.len()];
            file.read_exact_at(&mut packed, place.start as u64)?;
            out.append(&mut open(&packed, length).ok_or_else(|| broken("does not read"))?);
        }
        out.truncate(end - first * CHUNK);
        Ok(out.split_off(offset - first * CHUNK))
    }
}

fn open(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    lz4_flex::block::decompress(packed, length).ok().filter(|chunk| chunk.len() == length)
}

/// A compressed segment's bytes as they were.
///
/// # Errors
/// `InvalidData` when the table does not read.
pub(crate) fn unpack(file: &[u8]) -> io::Result<Vec<u8>> {
    let count = file.get(12..16).and_then(|count| count.try_into().ok()).map(u32::from_le_bytes);
    let end = count.map_or(0, |count| 16 + 4 * (count as usize).min(MOST) + 4);
    let table = Table::of(file.get(..end).unwrap_or_default())?;
    let mut out = Vec::with_capacity(table.length);
    for number in 0..table.ends.len() {
        let (place, length) = table.chunk(number).ok_or_else(|| broken("has a damaged table"))?;
        match file.get(place).and_then(|packed| open(packed, length)) {
            Some(mut chunk) => out.append(&mut chunk),
            None => out.resize(out.len() + length, BROKEN),
        }
    }
    Ok(out)
}

/// Reads a segment's bytes, whichever way its file holds them.
pub(crate) fn read_segment(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    if is_packed(&bytes) { unpack(&bytes) } else { Ok(bytes) }
}

/// What the thread "portico-tidy" does until the store closes.
pub(crate) fn run(shared: &Shared) {
    stand_back(19);
    let mut told = false;
    while !shared.filler.wait_until_closed(LOOK) {
        while let Some(segment) = next(shared) {
            match tidy(shared, segment) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!("log segment {segment} stays as large as it is: {error}");
                    }
                    break;
                }
            }
            if shared.filler.wait_until_closed(Duration::ZERO) {
                return;
            }
        }
    }
}

/// The oldest segment that can be compressed now.
fn next(shared: &Shared) -> Option<u32> {
    let (written, _) = frame::split(shared.checkpointed.load(Ordering::Relaxed));
    let state = shared.state.read();
    let settled = state.segments.iter().filter(|(segment, facts)| **segment < written && facts.pins == 0);
    let mut settled = settled.map(|(segment, _)| *segment);
    settled.find(|segment| !shared.segments.is_packed(*segment))
}

/// Compresses a segment; false when it has to wait.
fn tidy(shared: &Shared, segment: u32) -> io::Result<bool> {
    // No segment is removed or copied meanwhile.
    let Ok(_held) = shared.upkeep.try_lock() else { return Ok(false) };
    let path = shared.segments.path(segment);
    let from = match File::open(&path) {
        Ok(file) => file,
        Err(error) => return crate::segments::gone(error).map(|()| true),
    };
    let mut head = [0; MAGIC.len()];
    from.read_exact_at(&mut head, 0)?;
    if !is_packed(&head) {
        let length = from.metadata()?.len();
        if shared.segments.disk.space(&shared.options.path)?.free < length.saturating_add(MARGIN) {
            return Ok(false);
        }
        let temp = path.with_extension("tmp");
        let packed = File::create(&temp).and_then(|to| {
            pack(&from, &to, |chunk| {
                if chunk % REST.0 == REST.0 - 1 {
                    std::thread::sleep(REST.1);
                }
            })
        });
        // One that would not be shorter stays as it is.
        if packed.as_ref().is_ok_and(|packed| *packed < length) {
            std::fs::rename(&temp, &path)?;
            sync_folder(&shared.segments.folder)?;
        } else {
            std::fs::remove_file(&temp).or_else(crate::segments::gone)?;
        }
        packed?;
    }
    shared.segments.packed(segment);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_reads_as_before_and_a_broken_chunk_costs_no_other() {
        let bytes: Vec<u8> = (0..5 * CHUNK + 1000).map(|at| (at / 100) as u8 ^ (at % 7) as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let (raw, path) = (folder.path().join("raw"), folder.path().join("segment"));
        std::fs::write(&raw, &bytes).unwrap();
        let length = pack(&File::open(&raw).unwrap(), &File::create(&path).unwrap(), |_| {}).unwrap();
        let packed = std::fs::read(&path).unwrap();
        assert_eq!(packed.len() as u64, length);
        assert!(packed.len() < bytes.len() / 3, "{} of {}", packed.len(), bytes.len());
        assert!(unpack(&packed).unwrap() == bytes);
        let file = File::open(&path).unwrap();
        let table = Table::read(&file).unwrap();
        for (offset, length) in [(0, 10), (CHUNK - 5, 10), (CHUNK, 2 * CHUNK), (5 * CHUNK + 990, 10), (7, 0)]
        {
            let read = table.read_at(&file, offset, length).unwrap();
            assert!(read == bytes[offset..offset + length], "{length} at {offset}");
        }
        assert!(table.read_at(&file, 5 * CHUNK + 991, 10).is_err());
        let (place, _) = table.chunk(2).unwrap();
        let mut broken = packed.clone();
        broken.truncate(place.start + 5);
        let left = unpack(&broken).unwrap();
        assert!(left.len() == bytes.len() && left[..2 * CHUNK] == bytes[..2 * CHUNK]);
        for at in 8..20 {
            let mut broken = packed.clone();
            broken[at] ^= 1;
            assert!(unpack(&broken).is_err(), "byte {at} of the table");
        }
    }
}
