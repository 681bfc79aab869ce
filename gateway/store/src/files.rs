//! Files: large bytes beside the store, named by their content, so that the same file is kept once.
//!
//! A file is complete and synced before any row names it; a file that no row names is removed by the sweep.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

/// The folder of files: `files/ab/abcdef…`, with `files/tmp/` for those that are being written.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
}

/// A file that was written whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// SHA-256 of the content, 64 hexadecimal digits: the file's name from now on.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

impl Files {
    /// Opens the folder and removes what an earlier process left half written.
    ///
    /// # Errors
    /// The file system's own.
    pub async fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        let unfinished = root.join("tmp");
        if fs::try_exists(&unfinished).await? {
            fs::remove_dir_all(&unfinished).await?;
        }
        fs::create_dir_all(&unfinished).await?;
        Ok(Self { root })
    }

    /// Begins a file.
    ///
    /// # Errors
    /// The file system's own.
    pub async fn begin(&self) -> io::Result<FileWriter> {
        let name = portico_contract::EventId::new().to_string();
        let path = self.root.join("tmp").join(name);
        let file = File::create_new(&path).await?;
        Ok(FileWriter { files: self.clone(), path, file, hash: Sha256::new(), size: 0 })
    }

    /// Where a file of this digest is, if it is there.
    pub async fn find(&self, digest: &str) -> Option<PathBuf> {
        let path = self.place(digest)?;
        fs::try_exists(&path).await.unwrap_or(false).then_some(path)
    }

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// The file system's own.
    pub async fn remove(&self, digest: &str) -> io::Result<()> {
        let Some(path) = self.place(digest) else { return Ok(()) };
        match fs::remove_file(path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes files that `keep` does not want and that are older than `age`. Says how many went.
    ///
    /// # Errors
    /// The file system's own.
    pub async fn retain(&self, age: Duration, keep: impl Fn(&str) -> bool) -> io::Result<usize> {
        let mut removed = 0;
        let mut folders = fs::read_dir(&self.root).await?;
        while let Some(folder) = folders.next_entry().await? {
            // `tmp`, and whatever else is not ours.
            if folder.file_name().len() != 2 || !folder.file_type().await?.is_dir() {
                continue;
            }
            let mut files = fs::read_dir(folder.path()).await?;
            while let Some(file) = files.next_entry().await? {
                let name = file.file_name();
                let Some(digest) = name.to_str().filter(|name| self.place(name).is_some()) else { continue };
                let written = file.metadata().await?.modified()?;
                if !keep(digest) && written.elapsed().unwrap_or_default() > age {
                    fs::remove_file(file.path()).await?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    /// The path of a digest; `None` for text that is no digest, so that a name never leaves the folder.
    pub fn place(&self, digest: &str) -> Option<PathBuf> {
        let is_digest = digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_digest.then(|| self.root.join(&digest[..2]).join(digest))
    }
}

/// A file that is being written. Dropped before [`FileWriter::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct FileWriter {
    files: Files,
    path: PathBuf,
    file: File,
    hash: Sha256,
    size: u64,
}

impl FileWriter {
    /// Adds bytes.
    ///
    /// # Errors
    /// The file system's own.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).await
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Syncs the file, gives it its name, and syncs the folder.
    ///
    /// # Errors
    /// The file system's own; the file is gone then.
    pub async fn finish(mut self) -> io::Result<Written> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let digest = hex::encode(std::mem::take(&mut self.hash).finalize());
        let target = self.files.root.join(&digest[..2]).join(&digest);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).await?;
            fs::rename(&self.path, &target).await?;
            sync_folder(folder).await?;
            sync_folder(&self.files.root).await?;
        }
        Ok(Written { digest, size: self.size })
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        // After `finish` the name is gone already, and this finds nothing.
        drop(std::fs::remove_file(&self.path));
    }
}

async fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder).await?.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_content_is_kept_once_under_its_digest() {
        let folder = std::env::temp_dir().join(portico_contract::EventId::new().to_string());
        let files = Files::open(&folder).await.unwrap();
        let mut names = Vec::new();
        for _ in 0..2 {
            let mut writer = files.begin().await.unwrap();
            writer.write(b"hel").await.unwrap();
            writer.write(b"lo").await.unwrap();
            names.push(writer.finish().await.unwrap());
        }
        assert_eq!(names[0], names[1]);
        assert_eq!(names[0].digest, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        assert_eq!(fs::read(files.find(&names[0].digest).await.unwrap()).await.unwrap(), b"hello");
        drop(files.begin().await.unwrap());
        assert_eq!(std::fs::read_dir(folder.join("tmp")).unwrap().count(), 0);
        assert!(files.place("../../etc/passwd").is_none());
        assert_eq!(files.retain(Duration::from_secs(3600), |_| false).await.unwrap(), 0, "it is young");
        assert_eq!(files.retain(Duration::ZERO, |_| true).await.unwrap(), 0, "it is named");
        assert_eq!(files.retain(Duration::ZERO, |_| false).await.unwrap(), 1);
        assert!(files.find(&names[0].digest).await.is_none());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
