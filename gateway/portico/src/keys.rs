//! The gateway's own keys: one master key in the data folder, everything else derived from it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The master key of a data folder.
pub(crate) struct MasterKey([u8; 32]);

impl MasterKey {
    /// Reads the key of a data folder, or makes one at the first start. Only the owner may read the file.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self> {
        let path = folder.join("master.key");
        let mut key = [0; 32];
        match fs::read_to_string(&path) {
            Ok(text) => {
                hex::decode_to_slice(text.trim(), &mut key)
                    .with_context(|| format!("{} must hold 64 hexadecimal digits", path.display()))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                getrandom::fill(&mut key).context("the system gives no random numbers")?;
                write_private(&path, &hex::encode(key))?;
            }
            Err(error) => return Err(error).with_context(|| format!("{} can't be read", path.display())),
        }
        Ok(Self(key))
    }

    /// The key for one purpose.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        // HMAC takes keys of any length.
        match <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0) {
            Ok(mut mac) => {
                mac.update(purpose.as_bytes());
                mac.finalize().into_bytes().into()
            }
            Err(_) => self.0,
        }
    }
}

/// The admin token of a data folder, made at the first start.
pub(crate) fn admin_token(folder: &Path) -> Result<String> {
    let path = folder.join("admin.token");
    match fs::read_to_string(&path) {
        Ok(token) => {
            let token = token.trim().to_owned();
            ensure!(token.len() >= 20, "{} holds no token", path.display());
            Ok(token)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut random = [0; 24];
            getrandom::fill(&mut random).context("the system gives no random numbers")?;
            let token = format!("ptc_{}", hex::encode(random));
            write_private(&path, &token)?;
            Ok(token)
        }
        Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
    }
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let unfinished = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        // The name, too, must outlive a power cut: everything sealed with a lost key is lost.
        path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    write().with_context(|| format!("{} can't be written", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_made_once_and_are_private() {
        let folder = std::env::temp_dir().join(portico_contract::EventId::new().to_string());
        fs::create_dir(&folder).unwrap();
        let first = MasterKey::of_folder(&folder).unwrap();
        let second = MasterKey::of_folder(&folder).unwrap();
        assert_eq!(first.derive("media"), second.derive("media"));
        assert_ne!(first.derive("media"), first.derive("files"));
        assert_eq!(admin_token(&folder).unwrap(), admin_token(&folder).unwrap());
        for name in ["master.key", "admin.token"] {
            assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(folder.join("master.key"), "short").unwrap();
        assert!(MasterKey::of_folder(&folder).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
