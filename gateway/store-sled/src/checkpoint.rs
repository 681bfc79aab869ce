//! The checkpoint: up to which log position the index in sled is complete, and the sum over its rows.
//!
//! One small file, replaced as a whole. `clean` is taken back before rows are written and given again after
//! they were synced, so that the sum is compared only where it must hold.

use std::path::Path;

use portico_store::StoreError;

use crate::disk::replace_file;
use crate::index::Sum;
use crate::segments::unavailable;
use crate::wire::{Bad, Put, Take};

const MAGIC: &[u8; 8] = b"PORTCHK1";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) store: [u8; 16],
    /// Size of the store's segments.
    pub(crate) segment_bytes: u32,
    /// Log position from which frames must be applied again.
    pub(crate) position: u64,
    /// Folder below `sled/`.
    pub(crate) generation: u32,
    pub(crate) version: u64,
    pub(crate) sum: Sum,
    pub(crate) clean: bool,
}

/// What was found on disk.
pub(crate) enum Found {
    None,
    Whole(Checkpoint),
    Damaged,
}

impl Checkpoint {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.raw(MAGIC);
        out.raw(&self.store);
        out.u32(self.segment_bytes);
        out.u64(self.position);
        out.u32(self.generation);
        out.u64(self.version);
        out.u64(self.sum.count);
        out.u64(self.sum.digest);
        out.u64(self.sum.live);
        out.u8(u8::from(self.clean));
        let sum = crc32c::crc32c(&out);
        out.u32(sum);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Bad> {
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(Bad)?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
            return Err(Bad);
        }
        let mut take = Take(body);
        if take.raw(8)? != MAGIC {
            return Err(Bad);
        }
        let found = Self {
            store: take.array()?,
            segment_bytes: take.u32()?,
            position: take.u64()?,
            generation: take.u32()?,
            version: take.u64()?,
            sum: Sum { count: take.u64()?, digest: take.u64()?, live: take.u64()? },
            clean: take.u8()? == 1,
        };
        if take.is_empty() { Ok(found) } else { Err(Bad) }
    }

    pub(crate) fn read(path: &Path) -> Result<Found, StoreError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::decode(&bytes).map_or(Found::Damaged, Found::Whole)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Found::None),
            Err(error) => Err(unavailable("read the checkpoint", &error)),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), StoreError> {
        replace_file(path, &self.encode()).map_err(|error| unavailable("write the checkpoint", &error))
    }
}
