//! The log's files: names, headers, reading a record by its place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use portico_store::StoreError;

use crate::disk::{Disk, sync_folder};
use crate::packed_log::{self, Table};
use crate::record::Place;

/// Bytes of a segment's header: magic (8), store id (16), segment (u32), its full size (u32), CRC-32C of these
/// (u32), zero (u32).
pub(crate) const START: usize = 40;
const MAGIC: &[u8; 8] = b"PORTLOG1";
/// Segments that stay open for reading.
const OPEN_FILES: usize = 64;
/// Zeros that are written between two syncs.
const FILL_STEP: u64 = 2 * 1024 * 1024;

pub(crate) struct Segments {
    pub(crate) folder: PathBuf,
    pub(crate) bytes: u32,
    pub(crate) store: [u8; 16],
    pub(crate) disk: Arc<dyn Disk>,
    open: Mutex<HashMap<u32, Arc<Opened>>>,
    /// Segments that are known to be compressed.
    packed: Mutex<HashSet<u32>>,
}

/// A segment that is open for reading; with a table where it is compressed.
struct Opened {
    file: File,
    table: Option<Table>,
}

impl Opened {
    fn at(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut head = [0; 8];
        file.read_exact_at(&mut head, 0)?;
        let table = if packed_log::is_packed(&head) { Some(Table::read(&file)?) } else { None };
        Ok(Self { file, table })
    }

    fn read(&self, offset: u32, length: u32) -> io::Result<Vec<u8>> {
        match &self.table {
            Some(table) => table.read_at(&self.file, offset as usize, length as usize),
            None => {
                let mut bytes = vec![0; length as usize];
                self.file.read_exact_at(&mut bytes, u64::from(offset))?;
                Ok(bytes)
            }
        }
    }
}

/// The header of a segment's file, whichever way it holds the segment.
pub(crate) fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    Opened::at(path)?.read(0, START as u32)
}

pub(crate) fn file_name(segment: u32) -> String {
    format!("{segment:08}.seg")
}

/// Segments of a folder, ascending.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_suffix(".seg"))
            && let Ok(number) = number.parse()
        {
            found.push(number);
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(crate) fn header(store: &[u8; 16], segment: u32, bytes: u32) -> [u8; START] {
    let mut out = [0; START];
    out[..8].copy_from_slice(MAGIC);
    out[8..24].copy_from_slice(store);
    out[24..28].copy_from_slice(&segment.to_le_bytes());
    out[28..32].copy_from_slice(&bytes.to_le_bytes());
    let sum = crc32c::crc32c(&out[..32]);
    out[32..36].copy_from_slice(&sum.to_le_bytes());
    out
}

/// Store id and full size of a segment, when its header is whole and of this number.
pub(crate) fn read_header(bytes: &[u8], segment: u32) -> Option<([u8; 16], u32)> {
    let head = bytes.get(..START)?;
    let store: [u8; 16] = head.get(8..24)?.try_into().ok()?;
    let size = u32::from_le_bytes(head.get(28..32)?.try_into().ok()?);
    (head == header(&store, segment, size)).then_some((store, size))
}

impl Segments {
    pub(crate) fn new(folder: PathBuf, bytes: u32, store: [u8; 16], disk: Arc<dyn Disk>) -> Self {
        Self { folder, bytes, store, disk, open: Mutex::default(), packed: Mutex::default() }
    }

    pub(crate) fn path(&self, segment: u32) -> PathBuf {
        self.folder.join(file_name(segment))
    }

    /// Makes a segment with `filled` bytes, header included, and brings it to the medium.
    pub(crate) fn make(&self, segment: u32, filled: u32) -> io::Result<File> {
        let temp = self.folder.join(format!("{segment:08}.tmp"));
        let made = self.make_at(&temp, segment, filled);
        if made.is_err() {
            std::fs::remove_file(&temp).or_else(gone)?;
        }
        let file = made?;
        std::fs::rename(&temp, self.path(segment))?;
        sync_folder(&self.folder)?;
        Ok(file)
    }

    fn make_at(&self, path: &Path, segment: u32, filled: u32) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        file.write_all_at(&header(&self.store, segment, self.bytes), 0)?;
        // In steps, so that a commit's sync never waits for the whole segment.
        let (mut at, end) = (START as u64, u64::from(filled));
        while at < end {
            let to = (at + FILL_STEP).min(end);
            self.disk.fill(&file, at, to)?;
            file.sync_data()?;
            at = to;
        }
        Ok(file)
    }

    pub(crate) fn open_for_writing(&self, segment: u32) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(segment))
    }

    pub(crate) fn read_all(&self, segment: u32) -> io::Result<Vec<u8>> {
        packed_log::read_segment(&self.path(segment))
    }

    /// Whether a segment is known to be compressed.
    pub(crate) fn is_packed(&self, segment: u32) -> bool {
        self.packed.lock().contains(&segment)
    }

    /// A segment's file holds it compressed from now on.
    pub(crate) fn packed(&self, segment: u32) {
        self.packed.lock().insert(segment);
        self.open.lock().remove(&segment);
    }

    fn file(&self, segment: u32) -> io::Result<Arc<Opened>> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(&segment) {
            return Ok(file.clone());
        }
        let file = Arc::new(Opened::at(&self.path(segment))?);
        if open.len() >= OPEN_FILES
            && let Some(any) = open.keys().next().copied()
        {
            open.remove(&any);
        }
        open.insert(segment, file.clone());
        Ok(file)
    }

    /// The bytes at a place, unchecked; `None` when the segment is gone.
    pub(crate) fn read(&self, place: Place) -> Result<Option<Bytes>, StoreError> {
        let file = match self.file(place.segment) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(damaged(place)),
            Err(error) => return Err(unavailable("open a log segment", &error)),
        };
        if place.length > self.bytes {
            return Err(damaged(place));
        }
        match file.read(place.offset, place.length) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) =>
            {
                Err(damaged(place))
            }
            Err(error) => Err(unavailable("read the log", &error)),
        }
    }

    pub(crate) fn delete(&self, segment: u32) -> io::Result<u64> {
        self.open.lock().remove(&segment);
        self.packed.lock().remove(&segment);
        let path = self.path(segment);
        let length = std::fs::metadata(&path)?.len();
        std::fs::remove_file(&path)?;
        Ok(length)
    }

    /// Bytes of all segments on disk.
    pub(crate) fn size(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return 0 };
        entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|facts| facts.len()).sum()
    }
}

pub(crate) fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

pub(crate) fn damaged(place: Place) -> StoreError {
    StoreError::Damaged(format!(
        "the event in log segment {} at offset {} fails its checksum",
        file_name(place.segment),
        place.offset
    ))
}

pub(crate) fn unavailable(what: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("cannot {what}: {error}"))
}
