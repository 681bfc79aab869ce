//! Zero-filled log ahead of use, and an eye on free space: the thread "portico-upkeep".
//!
//! Running out of room here loses nothing, since nothing of it was promised: the committer answers `DiskFull`
//! until the next segment could be made, and goes on by itself then.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use portico_store::DiskLevel;

use crate::frame;
use crate::mend::MARGIN;
use crate::segments::{START, gone, read_header};
use crate::shared::Shared;

/// Zeros in a new store's first segment before it opens; the rest follows in the background.
pub(crate) const FIRST_FILL: u32 = 1024 * 1024;
/// Zeros that follow at once in the first segment.
const STEP: u32 = 4 * 1024 * 1024;
/// Pause after a failure to find room.
const RETRY: Duration = Duration::from_millis(500);

struct Inner {
    segment: u32,
    filled: u32,
    next: Option<File>,
    problem: Option<String>,
    /// Room ran out.
    full: bool,
    closed: bool,
}

pub(crate) struct Filler {
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// Why there is no room in the log now.
pub(crate) enum NoRoom {
    Full,
    Failed(String),
}

impl Filler {
    pub(crate) fn new(segment: u32, filled: u32) -> Self {
        let inner = Inner { segment, filled, next: None, problem: None, full: false, closed: false };
        Self { inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// Waits until the store closes, at most so long; true when it does.
    pub(crate) fn wait_until_closed(&self, longest: Duration) -> bool {
        let mut inner = self.inner.lock();
        let until = Instant::now() + longest;
        while !inner.closed && Instant::now() < until {
            self.changed.wait_until(&mut inner, until);
        }
        inner.closed
    }

    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.changed.notify_all();
    }

    /// Whether making the next segment failed for want of room.
    pub(crate) fn is_full(&self) -> bool {
        self.inner.lock().full
    }

    fn wait(&self, ready: impl Fn(&Inner) -> bool) -> Result<(), NoRoom> {
        let mut inner = self.inner.lock();
        while !ready(&inner) {
            if inner.full {
                return Err(NoRoom::Full);
            }
            if let Some(problem) = inner.problem.clone() {
                return Err(NoRoom::Failed(problem));
            }
            if inner.closed {
                return Err(NoRoom::Failed("the store is closing".into()));
            }
            self.changed.wait_for(&mut inner, RETRY);
        }
        Ok(())
    }

    /// Returns when the current segment is filled up to an offset.
    pub(crate) fn room(&self, end: u32) -> Result<(), NoRoom> {
        self.wait(|inner| inner.filled >= end)
    }

    /// Goes over to the next segment.
    pub(crate) fn next(&self, bytes: u32) -> Result<File, NoRoom> {
        self.wait(|inner| inner.next.is_some())?;
        let mut inner = self.inner.lock();
        let file = inner.next.take().ok_or(NoRoom::Failed("the next log segment was taken".into()))?;
        inner.segment += 1;
        inner.filled = bytes;
        drop(inner);
        self.changed.notify_all();
        Ok(file)
    }
}

/// What the thread does until the store closes.
pub(crate) fn run(shared: &Shared) {
    let mut measured: Option<Instant> = None;
    loop {
        let every = shared.options.disk_limits.every;
        if measured.is_none_or(|at| at.elapsed() >= every) {
            measure(shared);
            measured = Some(Instant::now());
        }
        let work = fill(shared);
        let mut inner = shared.filler.inner.lock();
        if inner.closed {
            return;
        }
        match work {
            Ok(true) => continue,
            Ok(false) => {
                let idle = measured.map_or(every, |at| every.saturating_sub(at.elapsed()));
                if inner.next.is_some() {
                    shared.filler.changed.wait_for(&mut inner, idle.max(Duration::from_millis(1)));
                }
            }
            Err(()) => {
                shared.filler.changed.wait_for(&mut inner, RETRY.min(every));
                drop(inner);
                measure(shared);
                measured = Some(Instant::now());
            }
        }
    }
}

/// Does one step of filling; the answer is whether there was one to do.
fn fill(shared: &Shared) -> Result<bool, ()> {
    let bytes = shared.segments.bytes;
    let (segment, filled, ready) = {
        let inner = shared.filler.inner.lock();
        (inner.segment, inner.filled, inner.next.is_some())
    };
    let done = if filled < bytes {
        let to = filled.saturating_add(STEP).min(bytes);
        extend(shared, segment, filled, to).map(|()| (to, None))
    } else if !ready {
        make_next(shared, segment + 1).map(|file| (filled, Some(file)))
    } else {
        return Ok(false);
    };
    let mut inner = shared.filler.inner.lock();
    let result = match done {
        Ok((filled, next)) => {
            inner.filled = inner.filled.max(filled);
            inner.next = next.or(inner.next.take());
            inner.full = false;
            inner.problem = None;
            Ok(true)
        }
        Err(error) => {
            let known = inner.full || inner.problem.is_some();
            inner.full = error.kind() == io::ErrorKind::StorageFull;
            let full = inner.full;
            if !full {
                inner.problem = Some(format!("cannot make log segment {}: {error}", segment + 1));
            }
            drop(inner);
            if full {
                shared.set_measured(DiskLevel::SettleOnly);
            }
            if !known {
                tracing::warn!("cannot prepare the log, it is tried again: {error}");
            }
            shared.filler.changed.notify_all();
            return Err(());
        }
    };
    drop(inner);
    shared.filler.changed.notify_all();
    result
}

fn extend(shared: &Shared, segment: u32, from: u32, to: u32) -> io::Result<()> {
    let file = shared.segments.open_for_writing(segment)?;
    let fill = || shared.segments.disk.fill(&file, u64::from(from), u64::from(to));
    fill().or_else(|error| give_up_reserve(shared, error).and_then(|()| fill()))?;
    file.sync_data()
}

fn make_next(shared: &Shared, segment: u32) -> io::Result<File> {
    if let Some(file) = made_before(shared, segment) {
        return Ok(file);
    }
    let make = || {
        // Not into what the index needs: it would meet the end of the disk in the midst of a write, before this
        // gives its part of a segment back.
        let bytes = shared.segments.bytes;
        match shared.segments.disk.space(&shared.options.path) {
            Ok(space) if space.free < u64::from(bytes).saturating_add(MARGIN) => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => shared.segments.make(segment, bytes),
        }
    };
    make().or_else(|error| give_up_reserve(shared, error).and_then(|()| make()))
}

/// The segment that the last process had made ahead and never wrote to.
fn made_before(shared: &Shared, segment: u32) -> Option<File> {
    if !shared.segments.path(segment).exists() {
        return None;
    }
    let bytes = shared.segments.read_all(segment).ok()?;
    let whole = read_header(&bytes, segment) == Some((shared.segments.store, shared.segments.bytes))
        && bytes.len() == shared.segments.bytes as usize
        && bytes.get(START..).is_some_and(frame::is_empty);
    if whole { shared.segments.open_for_writing(segment).ok() } else { None }
}

/// Removes the reserve file when room ran out; the error stays when there is none to remove.
fn give_up_reserve(shared: &Shared, error: io::Error) -> io::Result<()> {
    let path = shared.path("reserve");
    if error.kind() != io::ErrorKind::StorageFull || !path.exists() {
        return Err(error);
    }
    tracing::warn!("the disk is full: the reserve is given up for settling");
    std::fs::remove_file(path).or_else(gone)
}

fn measure(shared: &Shared) {
    let limits = &shared.options.disk_limits;
    let space = match shared.segments.disk.space(&shared.options.path) {
        Ok(space) => space,
        Err(error) => {
            tracing::warn!("cannot measure the disk of the store: {error}");
            return;
        }
    };
    shared.free.store(space.free, std::sync::atomic::Ordering::Relaxed);
    let total = space.used.saturating_add(space.free).max(1);
    let percent = u8::try_from(space.used.saturating_mul(100) / total).unwrap_or(100);
    let level =
        if shared.filler.is_full() || percent >= limits.settle_percent || space.free < limits.settle_free {
            DiskLevel::SettleOnly
        } else if percent >= limits.refuse_percent || space.free < limits.refuse_free {
            DiskLevel::RefuseHooks
        } else if percent >= limits.warn_percent {
            DiskLevel::Warn
        } else {
            DiskLevel::Fine
        };
    shared.set_measured(level);
    if shared.level() <= DiskLevel::Warn && limits.reserve > 0 {
        let path = shared.path("reserve");
        // Not while it would itself bring the next level about.
        if !path.exists()
            && space.free > limits.refuse_free.saturating_add(2 * limits.reserve)
            && let Err(error) = make_reserve(&path, limits.reserve)
        {
            tracing::debug!("no reserve was made: {error}");
            // A part of it is worth nothing.
            if let Err(error) = std::fs::remove_file(&path).or_else(gone) {
                tracing::debug!("the reserve's part stays: {error}");
            }
        }
    }
}

fn make_reserve(path: &Path, bytes: u64) -> io::Result<()> {
    let file = File::create(path)?;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
    Ok(())
}
