//! Blobs: large data of an installation, kept as files; connectors see only the id.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portico_contract::{Blob, InstallationId, Millis};
use portico_store::{Change, Commit, FileWriter, Files, Key, KeyRange, Store, StoreError, Table};
use serde::{Deserialize, Serialize};

/// What the store knows of a blob.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct BlobRow {
    media_type: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    created_at: Millis,
}

/// The blobs of all installations; an id is valid only together with its installation.
#[derive(Clone)]
pub struct BlobStore {
    files: Files,
    store: Arc<dyn Store>,
}

impl std::fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobStore").field("files", &self.files).finish_non_exhaustive()
    }
}

fn key(installation: &InstallationId, id: &str) -> Key {
    Key::new().text("blob").text(installation.as_str()).text(id)
}

impl BlobStore {
    /// Blobs in a folder of files, described in a store.
    pub fn new(files: Files, store: Arc<dyn Store>) -> Self {
        Self { files, store }
    }

    /// The folder of files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Keeps a file that was written as a blob of an installation.
    ///
    /// # Errors
    /// `Unavailable` when the disk or the store fails.
    pub async fn keep(
        &self,
        installation: &InstallationId,
        writer: FileWriter,
        media_type: &str,
        filename: Option<String>,
        now: Millis,
    ) -> Result<Blob, StoreError> {
        let written = writer
            .finish()
            .await
            .map_err(|error| StoreError::Unavailable(format!("files folder: {error}")))?;
        let row =
            BlobRow { media_type: media_type.to_owned(), size: written.size, filename, created_at: now };
        let value = serde_json::to_vec(&row).unwrap_or_default();
        self.store
            .commit(Commit::of([Change::put(Table::File, key(installation, &written.digest), value)]))
            .await?;
        Ok(Blob { id: written.digest, media_type: row.media_type, size: row.size, filename: row.filename })
    }

    /// What is known of a blob of an installation.
    ///
    /// # Errors
    /// As the store's.
    pub async fn describe(
        &self,
        installation: &InstallationId,
        id: &str,
    ) -> Result<Option<Blob>, StoreError> {
        let row = self.store.get(Table::File, &key(installation, id)).await?;
        Ok(row.and_then(|row| read(id, &row.value)))
    }

    /// Forgets blobs older than `keep`, and removes the files that no row names any more: of blobs, or of bots.
    /// A file younger than an hour may still be on its way to its row. Says how many files went.
    ///
    /// # Errors
    /// `Unavailable` when the store or the folder can't be read.
    pub async fn sweep(&self, now: Millis, keep: Duration) -> Result<usize, StoreError> {
        let mut named = HashSet::new();
        let mut after = None;
        loop {
            let range = KeyRange::prefix(Key::new(), 500).after(after.take());
            let rows = self.store.scan(Table::File, range).await?;
            let full = rows.len() == 500;
            for (key, row) in rows {
                let is_blob = key.0.starts_with(b"blob\0");
                let old = is_blob
                    && serde_json::from_slice::<BlobRow>(&row.value)
                        .is_ok_and(|blob| now.saturating_sub(blob.created_at) > keep.as_millis() as u64);
                if old {
                    self.store
                        .commit(Commit::of([Change::delete(Table::File, key.clone())]).ordered())
                        .await?;
                } else {
                    digests(&key.0, &mut named);
                    digests(&row.value, &mut named);
                }
                after = Some(key);
            }
            if !full {
                break;
            }
        }
        self.files
            .retain(Duration::from_secs(3600), |digest| named.contains(digest))
            .await
            .map_err(|error| StoreError::Unavailable(format!("files folder: {error}")))
    }

    /// As [`BlobStore::describe`], for turns, which can't wait.
    pub(crate) fn describe_now(&self, installation: &InstallationId, id: &str) -> Option<Blob> {
        let key = key(installation, id);
        let row = match self.store.get_local(Table::File, &key) {
            Some(row) => row,
            // Only on the blocking pool, see `run`.
            None => tokio::runtime::Handle::current().block_on(self.store.get(Table::File, &key)),
        };
        read(id, &row.ok()??.value)
    }

    /// At most `count` bytes of a blob from `offset`.
    pub(crate) fn read_now(
        &self,
        installation: &InstallationId,
        id: &str,
        offset: u64,
        count: u32,
    ) -> Option<Bytes> {
        self.describe_now(installation, id)?;
        let mut file = std::fs::File::open(self.files.place(id)?).ok()?;
        file.seek(SeekFrom::Start(offset)).ok()?;
        let mut bytes = Vec::new();
        file.take(u64::from(count.min(4 << 20))).read_to_end(&mut bytes).ok()?;
        Some(bytes.into())
    }
}

/// Collects every digest that bytes name: rows of all kinds write it as 64 hexadecimal digits.
fn digests(bytes: &[u8], named: &mut HashSet<String>) {
    for run in bytes.split(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        if run.len() == 64 {
            named.insert(String::from_utf8_lossy(run).into_owned());
        }
    }
}

fn read(id: &str, value: &[u8]) -> Option<Blob> {
    let row: BlobRow = serde_json::from_slice(value).ok()?;
    Some(Blob { id: id.to_owned(), media_type: row.media_type, size: row.size, filename: row.filename })
}
