//! Tests of the embedded store.

use std::sync::Arc;

use portico_store::Store;
use portico_store::suite::Home;

use crate::{DiskLimits, Options, SledStore};

mod contract;
mod damage;
mod faults;
mod mend;
mod packed;
mod slices;
mod upkeep;
mod waking;

/// A store in a folder of its own.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Small files and no levels, so that tests are quick wherever they run.
    pub(crate) fn options(&self) -> Options {
        Options {
            segment_bytes: 4 * 1024 * 1024,
            disk_limits: DiskLimits::off(),
            cache_bytes: 8 * 1024 * 1024,
            ..Options::at(self.0.path().join("data"))
        }
    }

    pub(crate) fn store(&self) -> SledStore {
        SledStore::open(self.options()).unwrap()
    }
}

impl Home for Folder {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store())
    }

    fn durable(&self) -> bool {
        true
    }
}
