//! Snapshots: all rows of the index at one log position, in a file that needs no engine to be read.
//!
//! `snap/<position>.snap`: blocks of length (u32), CRC-32C (u32) and rows, as LZ4 with their size in front; the
//! first block is the head, the last the sum. Each row: tree (u8), key (u16 length), value as it lies in the engine (u32 length).

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use portico_store::StoreError;

use crate::checkpoint::Checkpoint;
use crate::checkpointer::Indexer;
use crate::disk::sync_folder;
use crate::index::{Sum, Writer};
use crate::op::Tree;
use crate::recover::io;
use crate::wire::{Bad, Put, Take};

const MAGIC: &[u8; 8] = b"PORTSNP2";
const BLOCK: usize = 256 * 1024;
/// Larger than any block that is written.
const MAX_BLOCK: usize = 4 * 1024 * 1024;
/// Snapshots that are kept.
const KEPT: usize = 2;

pub(crate) struct Head {
    pub(crate) store: [u8; 16],
    pub(crate) position: u64,
    pub(crate) version: u64,
}

/// Snapshots of a store, oldest first.
pub(crate) fn list(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for entry in io("list snap/", std::fs::read_dir(path.join("snap")))? {
        let path = io("list snap/", entry)?.path();
        if path.extension().is_some_and(|ending| ending == "snap") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The position in a snapshot's name.
pub(crate) fn position_of(path: &Path) -> Option<u64> {
    u64::from_str_radix(path.file_stem()?.to_str()?, 16).ok()
}

fn put_block(out: &mut impl Write, block: &[u8]) -> std::io::Result<()> {
    let block = lz4_flex::block::compress_prepend_size(block);
    out.write_all(&(block.len() as u32).to_le_bytes())?;
    out.write_all(&crc32c::crc32c(&block).to_le_bytes())?;
    out.write_all(&block)
}

/// Writes the engine's rows into a folder `snap/` below `to`. Runs on the index thread, so nothing changes.
pub(crate) fn write(indexer: &Indexer, to: &Path) -> Result<PathBuf, StoreError> {
    let folder = to.join("snap");
    io("make snap/", std::fs::create_dir_all(&folder))?;
    let path = folder.join(format!("{:016x}.snap", indexer.checkpoint.position));
    let temp = path.with_extension("tmp");
    let written = write_file(indexer, &temp);
    if written.is_err() {
        io("remove a half-made snapshot", std::fs::remove_file(&temp).or_else(crate::segments::gone))?;
    }
    written?;
    io("name the snapshot", std::fs::rename(&temp, &path))?;
    io("sync snap/", sync_folder(&folder))?;
    Ok(path)
}

fn write_file(indexer: &Indexer, path: &Path) -> Result<(), StoreError> {
    let mut rows = Rows::create(path, &indexer.checkpoint)?;
    for tree in Tree::ALL {
        for row in indexer.writer.engine.range(tree, Bound::Unbounded, Bound::Unbounded, false) {
            let (key, value) = row?;
            rows.put(tree, &key, &value)?;
        }
    }
    // Else a whole snapshot would make way for one that can't be used.
    indexer.compare(*rows.sum())?;
    rows.finish()
}

/// A snapshot's file while it is written.
pub(crate) struct Rows<W: Write> {
    out: W,
    block: Vec<u8>,
    sum: Sum,
}

impl Rows<BufWriter<File>> {
    /// A file with its head.
    pub(crate) fn create(path: &Path, checkpoint: &Checkpoint) -> Result<Self, StoreError> {
        let file = io("write a snapshot", File::create(path))?;
        let mut out = BufWriter::with_capacity(BLOCK, file);
        let mut block = Vec::with_capacity(BLOCK + 16 * 1024);
        block.raw(MAGIC);
        block.raw(&checkpoint.store);
        block.u64(checkpoint.position);
        block.u64(checkpoint.version);
        io("write a snapshot", put_block(&mut out, &block))?;
        block.clear();
        Ok(Self { out, block, sum: Sum::default() })
    }

    /// Ends the file and brings it to the medium.
    pub(crate) fn finish(mut self) -> Result<(), StoreError> {
        self.flush()?;
        // The end: an empty tree number and the sum.
        self.block.u8(u8::MAX);
        self.block.u64(self.sum.count);
        self.block.u64(self.sum.digest);
        self.flush()?;
        let file =
            io("write a snapshot", self.out.into_inner().map_err(std::io::IntoInnerError::into_error))?;
        io("sync a snapshot", file.sync_all())
    }
}

impl<W: Write> Rows<W> {
    /// Checks and writes a row; the answer is its size.
    pub(crate) fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<usize, StoreError> {
        crate::index::check(tree, key, value)?;
        self.sum.add(tree, key, value);
        self.block.u8(tree as u8);
        self.block.u16(key.len() as u16);
        self.block.raw(key);
        self.block.blob(value);
        if self.block.len() >= BLOCK {
            self.flush()?;
        }
        Ok(key.len() + value.len())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if !self.block.is_empty() {
            io("write a snapshot", put_block(&mut self.out, &self.block))?;
            self.block.clear();
        }
        Ok(())
    }

    /// Sum over the rows so far.
    pub(crate) fn sum(&self) -> &Sum {
        &self.sum
    }
}

/// Bytes of rows that are written into an engine at once.
const MANY: usize = 1024 * 1024;

/// Rows on their way from one engine into another, ascending within their tree.
#[derive(Default)]
pub(crate) struct Many {
    tree: Option<Tree>,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl Many {
    pub(crate) fn put(
        &mut self,
        writer: &mut Writer,
        tree: Tree,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), StoreError> {
        if self.tree != Some(tree) || self.bytes >= MANY {
            self.finish(writer)?;
            self.tree = Some(tree);
        }
        self.bytes += key.len() + value.len();
        self.rows.push((key.to_vec(), value.to_vec()));
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(&mut self, writer: &mut Writer) -> Result<(), StoreError> {
        if let Some(tree) = self.tree.take() {
            writer.write_as_they_are(tree, &self.rows)?;
        }
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Reads a snapshot into an empty engine; an error when a byte of it is not what was written.
pub(crate) fn load(path: &Path, writer: &mut Writer) -> Result<Head, StoreError> {
    let mut many = Many::default();
    let head = read(path, |tree, key, value| {
        crate::index::check(tree, key, value)?;
        many.put(writer, tree, key, value)
    })?;
    many.finish(writer)?;
    Ok(head)
}

pub(crate) fn read(
    path: &Path,
    mut row: impl FnMut(Tree, &[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<Head, StoreError> {
    let damaged = || StoreError::Damaged(format!("snapshot {} is damaged", path.display()));
    let mut input = BufReader::with_capacity(BLOCK, io("open a snapshot", File::open(path))?);
    let mut head = None;
    let mut sum = Sum::default();
    loop {
        let block = next_block(&mut input).map_err(|Bad| damaged())?;
        let mut take = Take(&block);
        if head.is_none() {
            head = Some(read_head(&mut take).map_err(|Bad| damaged())?);
            continue;
        }
        while !take.is_empty() {
            let byte = take.u8().map_err(|Bad| damaged())?;
            if byte == u8::MAX {
                let whole = take.u64() == Ok(sum.count) && take.u64() == Ok(sum.digest) && take.is_empty();
                return if whole { head.ok_or_else(damaged) } else { Err(damaged()) };
            }
            let mut fields = || -> Result<(Tree, &[u8], &[u8]), Bad> {
                let tree = Tree::from_byte(byte).ok_or(Bad)?;
                let length = take.u16()?;
                Ok((tree, take.raw(usize::from(length))?, take.blob()?))
            };
            let (tree, key, value) = fields().map_err(|Bad| damaged())?;
            sum.add(tree, key, value);
            row(tree, key, value)?;
        }
    }
}

fn read_head(take: &mut Take<'_>) -> Result<Head, Bad> {
    if take.raw(8)? != MAGIC {
        return Err(Bad);
    }
    Ok(Head { store: take.array()?, position: take.u64()?, version: take.u64()? })
}

fn next_block(input: &mut impl Read) -> Result<Vec<u8>, Bad> {
    let mut head = [0; 8];
    input.read_exact(&mut head).map_err(|_| Bad)?;
    let mut take = Take(&head);
    let (length, sum) = (take.u32()? as usize, take.u32()?);
    if length > MAX_BLOCK {
        return Err(Bad);
    }
    let mut block = vec![0; length];
    input.read_exact(&mut block).map_err(|_| Bad)?;
    if crc32c::crc32c(&block) != sum {
        return Err(Bad);
    }
    let mut take = Take(&block);
    let size = take.u32()? as usize;
    if size > MAX_BLOCK {
        return Err(Bad);
    }
    lz4_flex::block::decompress(take.0, size).map_err(|_| Bad)
}

/// Removes all but the newest snapshots; the answer is the position of the oldest that stays.
pub(crate) fn prune(path: &Path) -> Result<u64, StoreError> {
    // What a process left half-made when it was killed.
    for entry in io("list snap/", std::fs::read_dir(path.join("snap")))? {
        let path = io("list snap/", entry)?.path();
        if path.extension().is_some_and(|ending| ending == "tmp") {
            io("remove a half-made snapshot", std::fs::remove_file(path).or_else(crate::segments::gone))?;
        }
    }
    let mut found = list(path)?;
    while found.len() > KEPT {
        io("remove an old snapshot", std::fs::remove_file(found.remove(0)))?;
    }
    Ok(found.first().and_then(|path| position_of(path)).unwrap_or(0))
}
