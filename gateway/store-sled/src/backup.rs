//! Copies of one point in commit order, and the way back from them.
//!
//! A backup is a folder: `snap/` with the index at a position, `log/` with all segments up to it, `files/`, and
//! `backup`, a text that says what it is. It never copies `sled/`.

use std::fs::File;
use std::path::Path;

use portico_contract::Millis;
use portico_store::StoreError;

use crate::disk::{replace_file, sync_folder};
use crate::frame;
use crate::recover::io;
use crate::segments::{self, file_name};
use crate::shared::now;
use crate::snapshot;
use crate::store::SledStore;

/// Told how much is done and how much there is.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// What a backup says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupFacts {
    /// When it was made.
    pub made_at: Millis,
    /// Log position up to which it holds everything.
    pub position: u64,
}

impl BackupFacts {
    fn text(&self) -> String {
        format!("portico backup 1\nmade_at {}\nposition {}\n", self.made_at, self.position)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != "portico backup 1" {
            return None;
        }
        let made_at = lines.next()?.strip_prefix("made_at ")?.parse().ok()?;
        let position = lines.next()?.strip_prefix("position ")?.parse().ok()?;
        Some(Self { made_at, position })
    }
}

fn is_empty(folder: &Path) -> Result<bool, StoreError> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => io("list the folder", Err(error)),
    }
}

fn refuse_full(folder: &Path) -> Result<(), StoreError> {
    if is_empty(folder)? {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "the folder {} is not empty; give an empty or a new one",
        folder.display()
    )))
}

/// Copies a file and brings the copy to the medium; `length` cuts it.
fn copy(from: &Path, to: &Path, length: Option<u64>) -> Result<u64, StoreError> {
    let what = format!("copy {}", from.display());
    let mut source = io(&what, File::open(from))?;
    let mut target = io(&what, File::create(to))?;
    let mut part = std::io::Read::take(&mut source, length.unwrap_or(u64::MAX));
    let copied = io(&what, std::io::copy(&mut part, &mut target))?;
    io(&what, target.sync_all())?;
    Ok(copied)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), StoreError> {
    io("make a folder", std::fs::create_dir_all(to))?;
    let entries = match std::fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return io("list a folder", Err(error)),
    };
    for entry in entries {
        let entry = io("list a folder", entry)?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            copy(&path, &target, None)?;
        }
    }
    io("sync a folder", sync_folder(to))
}

impl SledStore {
    pub(crate) async fn back_up(&self, folder: &Path) -> Result<(), StoreError> {
        refuse_full(folder)?;
        // No segment may go while it is copied.
        let _held = self.shared.upkeep.lock().await;
        self.checkpoint().await?;
        let target = folder.to_path_buf();
        let (position, made_at) = self
            .shared
            .indexer
            .run(move |_, indexer| {
                snapshot::write(indexer, &target)?;
                Ok((indexer.checkpoint.position, now()))
            })
            .await?;
        let (shared, folder) = (self.shared.clone(), folder.to_path_buf());
        let (done, wait) = tokio::sync::oneshot::channel();
        // Copying may take minutes: no runtime is to stand still for it.
        let copying = move || {
            let copied = copy_log(&shared.segments.folder, &folder, position)
                .and_then(|()| copy_folder(&shared.path("files"), &folder.join("files")))
                .and_then(|()| {
                    let facts = BackupFacts { made_at, position };
                    io(
                        "write the backup's facts",
                        replace_file(&folder.join("backup"), facts.text().as_bytes()),
                    )
                });
            // Whoever asked may have gone.
            let _gone = done.send(copied);
        };
        io("start a thread", std::thread::Builder::new().name("portico-backup".into()).spawn(copying))?;
        wait.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the copying thread ended".into())))
    }
}

fn copy_log(log: &Path, folder: &Path, position: u64) -> Result<(), StoreError> {
    let target = folder.join("log");
    io("make log/", std::fs::create_dir_all(&target))?;
    let (last, end) = frame::split(position);
    for segment in io("list the log", segments::list(log))? {
        if segment <= last {
            let name = file_name(segment);
            copy(&log.join(&name), &target.join(&name), (segment == last).then_some(u64::from(end)))?;
        }
    }
    io("sync log/", sync_folder(&target))
}

/// Reads what a backup says of itself, and whether its snapshot and log are there and whole.
///
/// # Errors
/// `Damaged` names what is missing or broken.
pub fn check_backup(folder: &Path) -> Result<BackupFacts, StoreError> {
    let what = |text: &str| StoreError::Damaged(format!("the backup in {} {text}", folder.display()));
    let text = std::fs::read_to_string(folder.join("backup"))
        .map_err(|_| what("has no file `backup`: it is not one, or was not completed"))?;
    let facts = BackupFacts::parse(&text).ok_or_else(|| what("has a file `backup` of an unknown format"))?;
    let path = folder.join("snap").join(format!("{:016x}.snap", facts.position));
    snapshot::read(&path, |tree, key, value| crate::index::check(tree, key, value).map(|_| ()))?;
    let (last, end) = frame::split(facts.position);
    let log = std::fs::metadata(folder.join("log").join(file_name(last)));
    if !log.is_ok_and(|facts| facts.len() >= u64::from(end)) {
        return Err(what(&format!("lacks log segment {}", file_name(last))));
    }
    Ok(facts)
}

/// Makes a store out of a backup. The folder `path` must be empty or missing. The store's epochs go on 1,000
/// higher, and the row `restored_at` of the table `Meta` says when the backup was made: what is older was
/// perhaps sent already.
///
/// # Errors
/// `Damaged` when the backup is not whole, `Unavailable` when copying fails.
pub fn restore(folder: &Path, path: &Path, progress: Progress<'_>) -> Result<BackupFacts, StoreError> {
    let facts = check_backup(folder)?;
    refuse_full(path)?;
    let numbers = io("list the backup's log", segments::list(&folder.join("log")))?;
    let count = numbers.len() as u64 + 2;
    for (done, part) in ["snap", "files"].into_iter().enumerate() {
        progress(done as u64, count);
        copy_folder(&folder.join(part), &path.join(part))?;
    }
    let log = path.join("log");
    io("make log/", std::fs::create_dir_all(&log))?;
    for (done, segment) in numbers.into_iter().enumerate() {
        progress(done as u64 + 2, count);
        let name = file_name(segment);
        copy(&folder.join("log").join(&name), &log.join(&name), None)?;
    }
    io("sync log/", sync_folder(&log))?;
    // Last: a store without it would take itself for the one that was backed up.
    io("mark the restore", replace_file(&path.join("restored"), facts.made_at.to_string().as_bytes()))?;
    progress(count, count);
    Ok(facts)
}
