//! The few calls by which the log reaches the disk, behind a trait so that tests can make them fail.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Room on the disk that holds the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this process may still write.
    pub free: u64,
    /// Bytes in use.
    pub used: u64,
}

/// The log's way to the disk.
pub trait Disk: Send + Sync + 'static {
    /// Writes all of `bytes` at an offset.
    ///
    /// # Errors
    /// Those of the system.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    /// Brings what was written to the medium (`fdatasync`).
    ///
    /// # Errors
    /// Those of the system.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Writes zeros ahead of use. Running out of room here loses nothing.
    ///
    /// # Errors
    /// Those of the system.
    fn fill(&self, file: &File, from: u64, to: u64) -> io::Result<()> {
        const ZEROS: &[u8] = &[0; 256 * 1024];
        let mut at = from;
        while at < to {
            let step = usize::try_from(to - at).unwrap_or(usize::MAX).min(ZEROS.len());
            file.write_all_at(&ZEROS[..step], at)?;
            at += step as u64;
        }
        Ok(())
    }

    /// Room on the disk of a folder.
    ///
    /// # Errors
    /// Those of the system.
    fn space(&self, folder: &Path) -> io::Result<Space> {
        let facts = rustix::fs::statvfs(folder)?;
        let free = facts.f_bavail.saturating_mul(facts.f_frsize);
        let used = facts.f_blocks.saturating_sub(facts.f_bfree).saturating_mul(facts.f_frsize);
        Ok(Space { free, used })
    }
}

/// The disk itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}

/// Makes a folder's list of files survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Replaces a small file so that after a crash it is either the old or the new one.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temp = folder.join(name);
    std::fs::write(&temp, bytes)?;
    File::open(&temp)?.sync_all()?;
    std::fs::rename(&temp, path)?;
    sync_folder(folder)
}
