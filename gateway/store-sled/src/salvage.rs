//! Salvage: a log that is broken in its middle is made readable again, and what is lost is named.
//!
//! The broken bytes are kept in `salvage/`, and a frame that says "nothing here" is laid over them, so that what
//! is whole on both sides keeps its place. The index is made again at the next start, which gives the entries
//! left of lanes with a hole new numbers without gaps.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use portico_store::StoreError;

use crate::backup::Progress;
use crate::checkpoint::{Checkpoint, Found};
use crate::disk::{replace_file, sync_folder};
use crate::frame::{self, HEADER};
use crate::packed_log::{is_packed, read_segment};
use crate::recover::io;
use crate::segments::{self, START, file_name};

/// A stretch of the log that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The segment.
    pub segment: u32,
    /// Where the stretch begins.
    pub offset: u32,
    /// Its length in bytes.
    pub bytes: u32,
    /// Where its bytes are kept; `None` when the whole segment is missing.
    pub kept_in: Option<std::path::PathBuf>,
}

/// What salvaging found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SalvageReport {
    /// Frames that are whole.
    pub whole: u64,
    /// What is lost.
    pub lost: Vec<Loss>,
}

/// Makes the store in a folder readable again. Commits in the lost stretches are gone: events, settlings and
/// rows. What was settled only there is offered again.
///
/// # Errors
/// `Unavailable` when the store is in use or can't be written.
pub fn salvage(path: &Path, progress: Progress<'_>) -> Result<SalvageReport, StoreError> {
    let _lock = crate::lock::take(path)?;
    let log = path.join("log");
    let numbers = io("list the log", segments::list(&log))?;
    let kept = path.join("salvage");
    io("make salvage/", std::fs::create_dir_all(&kept))?;
    let mut report = SalvageReport::default();
    let identity = numbers.iter().find_map(|segment| {
        let bytes = read_segment(&log.join(file_name(*segment))).ok()?;
        segments::read_header(&bytes, *segment)
    });
    let Some((store, size)) = identity else {
        return Err(StoreError::Damaged("no log segment has a whole header".into()));
    };
    let used = numbers.iter().rev().find(|segment| {
        read_segment(&log.join(file_name(**segment)))
            .is_ok_and(|bytes| frame::search(&bytes, START, **segment).is_some())
    });
    let (Some(first), Some(last)) = (numbers.first().copied(), used.copied()) else { return Ok(report) };
    let needed = match Checkpoint::read(&path.join("checkpoint"))? {
        Found::Whole(checkpoint) => frame::split(checkpoint.position).0,
        Found::None | Found::Damaged => 0,
    };
    for segment in first..=last {
        progress(u64::from(segment - first), u64::from(last - first) + 1);
        let file = log.join(file_name(segment));
        if !numbers.contains(&segment) {
            if segment < needed {
                continue; // retention has removed it
            }
            make_empty(&file, &store, segment, size)?;
            report.lost.push(Loss { segment, offset: 0, bytes: size, kept_in: None });
            continue;
        }
        mend(&file, &kept, &store, segment, size, segment == last, &mut report)?;
    }
    progress(u64::from(last - first) + 1, u64::from(last - first) + 1);
    io("sync log/", sync_folder(&log))?;
    io("sync salvage/", sync_folder(&kept))?;
    if !report.lost.is_empty() {
        io("mark the salvage", replace_file(&path.join("salvaged"), b"the index must be made again\n"))?;
    }
    Ok(report)
}

/// A segment that only says that the next one goes on.
fn make_empty(path: &Path, store: &[u8; 16], segment: u32, size: u32) -> Result<(), StoreError> {
    let mut bytes = segments::header(store, segment, size).to_vec();
    let mut frame = Vec::new();
    let start = frame::open(&mut frame);
    frame::close(&mut frame, start, segment, START as u32, frame::END);
    bytes.extend_from_slice(&frame);
    let file = io("make a segment", File::create(path))?;
    io("write a segment", file.write_all_at(&bytes, 0))?;
    io("sync a segment", file.sync_all())
}

/// A frame of an exact length that holds nothing.
fn nothing(segment: u32, offset: usize, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length);
    let start = frame::open(&mut out);
    out.resize(length.max(HEADER), 0);
    frame::close(&mut out, start, segment, offset as u32, frame::GAP);
    out
}

fn mend(
    path: &Path,
    kept: &Path,
    store: &[u8; 16],
    segment: u32,
    size: u32,
    is_last: bool,
    report: &mut SalvageReport,
) -> Result<(), StoreError> {
    let bytes = match read_segment(path) {
        // Nothing of a compressed segment can be found without its table.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            let name = kept.join(format!("{segment:08}.bin"));
            io("keep the broken bytes", std::fs::rename(path, &name))?;
            report.lost.push(Loss { segment, offset: 0, bytes: size, kept_in: Some(name) });
            return make_empty(path, store, segment, size);
        }
        bytes => io("read the log", bytes)?,
    };
    if is_packed(&io("read the log", std::fs::read(path))?) {
        // Frames are laid over what is broken, so it has to lie there as it is.
        io("open a log segment", replace_file(path, &bytes))?;
    }
    let file = io("open the log", OpenOptions::new().write(true).open(path))?;
    if segments::read_header(&bytes, segment).is_none() {
        io("write the log", file.write_all_at(&segments::header(store, segment, size), 0))?;
    }
    let mut at = START;
    loop {
        match frame::read(&bytes, at, segment) {
            frame::Found::Whole(frame) => {
                report.whole += 1;
                at = frame.next;
                if frame.kind == frame::END {
                    break;
                }
            }
            frame::Found::Nothing | frame::Found::Broken => {
                let next = frame::search(&bytes, at, segment).map(|(next, _)| next);
                let end = match next {
                    Some(next) => next,
                    // The end of the log: opening cuts it there.
                    None if is_last => break,
                    None => bytes.len(),
                };
                let name = kept.join(format!("{segment:08}-{at:08}.bin"));
                let lost = bytes.get(at..end).unwrap_or_default();
                io("keep the broken bytes", std::fs::write(&name, lost))?;
                io("sync the broken bytes", File::open(&name).and_then(|file| file.sync_all()))?;
                let mut cover = Vec::new();
                if next.is_some() {
                    cover = nothing(segment, at, end - at);
                } else {
                    let start = frame::open(&mut cover);
                    frame::close(&mut cover, start, segment, at as u32, frame::END);
                }
                io("write the log", file.write_all_at(&cover, at as u64))?;
                let (offset, bytes) = (at as u32, (end - at) as u32);
                report.lost.push(Loss { segment, offset, bytes, kept_in: Some(name) });
                if next.is_none() {
                    break;
                }
                at = end;
            }
        }
    }
    io("sync the log", file.sync_all())
}
