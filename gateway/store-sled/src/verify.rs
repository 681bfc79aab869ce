//! Looking at everything: each frame of the log, each row of the index, and whether they agree.

use std::ops::Bound;
use std::path::Path;

use portico_store::{StoreError, VerifyReport};

use crate::backup::Progress;
use crate::blocks;
use crate::checkpoint::{Checkpoint, Found};
use crate::checkpointer::{Indexer, engine_folder};
use crate::engine::Engine;
use crate::frame;
use crate::index::{self, Index, Sum, row_name};
use crate::op::Tree;
use crate::packed;
use crate::packed_log::read_segment;
use crate::record::Names;
use crate::recover::io;
use crate::segments::{self, START, file_name};
use crate::shared::Shared;
use crate::snapshot;
use crate::store::SledStore;

/// Faults that are listed by name.
const LISTED: usize = 1000;

fn fault(report: &mut VerifyReport, text: String) {
    if report.faults.len() < LISTED {
        report.faults.push(text);
    }
}

/// Walks the frames of one segment. `end` is where the log ends, if it ends in this segment.
fn check_segment(report: &mut VerifyReport, bytes: &[u8], segment: u32, end: Option<usize>) {
    if segments::read_header(bytes, segment).is_none() {
        fault(report, format!("log segment {} has a broken header", file_name(segment)));
    }
    let mut at = START;
    while end.is_none_or(|end| at < end) {
        match frame::read(bytes, at, segment) {
            frame::Found::Whole(frame) => {
                report.checked += 1;
                at = frame.next;
                if frame.kind == frame::END {
                    return;
                }
            }
            frame::Found::Nothing | frame::Found::Broken => {
                let next = frame::search(bytes, at, segment);
                fault(report, format!("log segment {} is damaged at offset {at}", file_name(segment)));
                match next {
                    Some((next, _)) => at = next,
                    None => return,
                }
            }
        }
    }
}

fn check_engine(report: &mut VerifyReport, engine: &std::sync::Arc<dyn Engine>, numbers: &[u32]) -> Sum {
    let index = Index::new(engine.clone());
    let mut names = Names::default();
    let mut sum = Sum::default();
    for tree in Tree::ALL {
        for row in engine.range(tree, Bound::Unbounded, Bound::Unbounded, false) {
            let (key, value) = match row {
                Ok(row) => row,
                Err(error) => {
                    fault(report, error.to_string());
                    continue;
                }
            };
            report.checked += 1;
            sum.add(tree, &key, &value);
            if let Err(error) = index::check(tree, &key, &value) {
                fault(report, error.to_string());
                continue;
            }
            match index.whole(tree, &key, value) {
                Ok(cell) if tree == Tree::Event => match blocks::decode(&cell.data, &mut names) {
                    Ok(events) => {
                        for (id, row) in events {
                            if !numbers.contains(&row.place.segment) {
                                let segment = file_name(row.place.segment);
                                fault(
                                    report,
                                    format!("event {id} lies in log segment {segment}, which is missing"),
                                );
                            }
                        }
                    }
                    Err(_) => fault(report, format!("{} is not a block of events", row_name(tree, &key))),
                },
                Ok(_) => {}
                Err(error) => fault(report, error.to_string()),
            }
        }
    }
    sum
}

fn check_running(shared: &Shared, indexer: &mut Indexer) -> Result<VerifyReport, StoreError> {
    let mut report = VerifyReport::default();
    let numbers = io("list the log", segments::list(&shared.segments.folder))?;
    let sum = check_engine(&mut report, &indexer.writer.engine, &numbers);
    if sum != indexer.writer.sum {
        fault(
            &mut report,
            format!("the index holds {} rows, {} were written", sum.count, indexer.writer.sum.count),
        );
        indexer.doubt.get_or_insert_with(|| "looking at everything found faults in the index".into());
    }
    let (last, end) = frame::split(shared.synced.load(std::sync::atomic::Ordering::Acquire));
    for segment in numbers.into_iter().filter(|segment| *segment <= last) {
        let bytes = io("read the log", shared.segments.read_all(segment))?;
        check_segment(&mut report, &bytes, segment, (segment == last).then_some(end as usize));
    }
    check_snapshots(&mut report, &shared.options.path)?;
    Ok(report)
}

fn check_snapshots(report: &mut VerifyReport, path: &Path) -> Result<(), StoreError> {
    for path in snapshot::list(path)? {
        let mut rows = 0;
        let read = snapshot::read(&path, |tree, key, value| {
            rows += 1;
            index::check(tree, key, value).map(|_| ())
        });
        report.checked += rows;
        if let Err(error) = read {
            fault(report, error.to_string());
        }
    }
    Ok(())
}

impl SledStore {
    pub(crate) async fn verify_all(&self) -> Result<VerifyReport, StoreError> {
        self.shared.indexer.run(check_running).await
    }
}

/// Looks at everything in the folder of a store that no process has open.
///
/// # Errors
/// `Unavailable` when the store is in use or can't be read. What is wrong with it is in the report.
pub fn verify(path: &Path, progress: Progress<'_>) -> Result<VerifyReport, StoreError> {
    let _lock = crate::lock::take(path)?;
    let mut report = VerifyReport::default();
    let log = path.join("log");
    let numbers = io("list the log", segments::list(&log))?;
    let count = numbers.len() as u64;
    for (done, segment) in numbers.iter().enumerate() {
        progress(done as u64, count);
        let bytes = io("read the log", read_segment(&log.join(file_name(*segment))))?;
        // Where the log ends is not known here: zeros with nothing behind are the end.
        let end = last_frame(&bytes, *segment);
        let is_end = numbers.iter().all(|other| other <= segment || is_unused(&log, *other));
        check_segment(&mut report, &bytes, *segment, is_end.then_some(end));
    }
    progress(count, count);
    match Checkpoint::read(&path.join("checkpoint"))? {
        Found::Whole(checkpoint) => {
            let folder = engine_folder(path, checkpoint.generation);
            match packed::open(&folder, 32 * 1024 * 1024) {
                Ok(engine) => {
                    let sum = check_engine(&mut report, &engine, &numbers);
                    if checkpoint.clean && sum != checkpoint.sum {
                        let text = format!(
                            "the index holds {} rows, {} were written",
                            sum.count, checkpoint.sum.count
                        );
                        fault(&mut report, text);
                    }
                }
                Err(error) => fault(&mut report, error.to_string()),
            }
        }
        // As a backup was brought back: the index is made at the next start.
        Found::None if !path.join("sled").exists() => {}
        Found::None => fault(&mut report, "the checkpoint is missing".into()),
        Found::Damaged => fault(&mut report, "the checkpoint is damaged".into()),
    }
    check_snapshots(&mut report, path)?;
    Ok(report)
}

/// Offset behind the last whole frame.
fn last_frame(bytes: &[u8], segment: u32) -> usize {
    let mut end = START;
    while let Some((_, frame)) = frame::search(bytes, end, segment) {
        end = frame.next;
    }
    end
}

/// Whether a segment was only filled ahead.
fn is_unused(log: &Path, segment: u32) -> bool {
    read_segment(&log.join(file_name(segment)))
        .is_ok_and(|bytes| frame::search(&bytes, START, segment).is_none())
}
