//! One process per store: a lock on the file `LOCK`, which names who holds it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use portico_store::StoreError;
use rustix::fs::FlockOperation;

use crate::recover::io;

/// Takes the lock; it is let go when the file is dropped or the process ends.
pub(crate) fn take(folder: &Path) -> Result<File, StoreError> {
    io("make the store's folder", std::fs::create_dir_all(folder))?;
    let path = folder.join("LOCK");
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = io(&format!("open {}", path.display()), opened)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            io("read LOCK", file.read_to_string(&mut holder))?;
            let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
            return Err(StoreError::Unavailable(format!(
                "the store in {} is in use by {holder}",
                folder.display()
            )));
        }
        Err(error) => return io("lock the store", Err(error.into())),
    }
    io("write LOCK", file.set_len(0))?;
    io("write LOCK", file.rewind())?;
    io("write LOCK", writeln!(file, "process {}", std::process::id()))?;
    Ok(file)
}
