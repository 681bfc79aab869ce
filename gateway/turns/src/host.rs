//! The gateway as a connector sees it during one turn.

use std::sync::Arc;

use bytes::Bytes;
use portico_contract::{Blob, Blobs, Host, InstallationId, Keyring, Level, Millis, RunId, Scope, StateValue};
use portico_store::{Key, KeyRange, Row, Store, StoreError, Table};
use sha2::{Digest, Sha256};
use tracing::{debug, error, info, warn};

use crate::{BlobStore, Installation};

/// Key of a connector's state entry.
pub(crate) fn state_key(installation: &InstallationId, scope: &Scope, name: &str) -> Key {
    scope_key(installation, scope).text(name)
}

fn scope_key(installation: &InstallationId, scope: &Scope) -> Key {
    let key = Key::new().text(installation.as_str());
    match scope {
        Scope::Installation => key.byte(0).text(""),
        Scope::Thread(thread) => key.byte(1).text(thread),
        Scope::Party(party) => key.byte(2).text(party),
    }
}

/// Stored form of a state entry: when it is forgotten (0: never), then the value.
pub(crate) fn state_value(data: &[u8], expires_at: Millis) -> Vec<u8> {
    let mut value = Vec::with_capacity(8 + data.len());
    value.extend_from_slice(&expires_at.to_be_bytes());
    value.extend_from_slice(data);
    value
}

fn read_state(row: Row, now: Millis) -> Option<StateValue> {
    let expires_at = u64::from_be_bytes(*row.value.first_chunk::<8>()?);
    if expires_at != 0 && expires_at <= now {
        return None;
    }
    Some(StateValue { data: row.value.slice(8..), revision: row.version.to_string() })
}

/// Waits for an answer that the store could not give at once. Only reached on the blocking pool.
fn wait<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::runtime::Handle::current().block_on(answer)
}

/// One run's view of the gateway.
pub(crate) struct RunHost<'a> {
    pub(crate) installation: &'a Installation,
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) blobs: &'a BlobStore,
    pub(crate) run_id: RunId,
    pub(crate) now: Millis,
    pub(crate) lines: std::cell::Cell<u32>,
}

impl Host for RunHost<'_> {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        // 50 lines a turn, of 4 KiB (limits of the contract).
        if self.lines.replace(self.lines.get() + 1) >= 50 {
            return;
        }
        let mut line = message.to_owned();
        for (name, value) in fields {
            line.push_str(&format!(" {name}={value}"));
        }
        line.truncate(line.floor_char_boundary(4096));
        for secret in self.installation.secrets.all_values() {
            if secret.len() >= 8 && line.contains(secret) {
                line = line.replace(secret, "***");
            }
        }
        let (id, name) =
            (self.installation.id.as_str(), self.installation.connector.manifest().name.as_str());
        match level {
            Level::Debug => debug!(installation.id = id, connector.name = name, "{line}"),
            Level::Info => info!(installation.id = id, connector.name = name, "{line}"),
            Level::Warn => warn!(installation.id = id, connector.name = name, "{line}"),
            Level::Error => error!(installation.id = id, connector.name = name, "{line}"),
        }
    }

    fn now(&self) -> Millis {
        self.now
    }

    fn entropy(&self, count: u32) -> Vec<u8> {
        let count = count.min(1 << 16) as usize;
        let mut bytes = Vec::with_capacity(count + 32);
        let mut block = 0u64;
        while bytes.len() < count {
            let mut hash = Sha256::new();
            hash.update(b"entropy");
            hash.update(self.run_id.0);
            hash.update(block.to_be_bytes());
            bytes.extend_from_slice(&hash.finalize());
            block += 1;
        }
        bytes.truncate(count);
        bytes
    }

    fn state_get(&self, scope: &Scope, key: &str) -> Option<StateValue> {
        let key = state_key(&self.installation.id, scope, key);
        // What belongs to the whole installation is asked for with every webhook.
        let shared = *scope == Scope::Installation;
        if shared && let Some(row) = self.installation.remembered.get(&key) {
            return read_state(row?, self.now);
        }
        let row = match self.store.get_local(Table::ConnectorState, &key) {
            Some(row) => row,
            None => wait(self.store.get(Table::ConnectorState, &key)),
        };
        match row {
            Ok(row) => {
                if shared {
                    self.installation.remembered.put(key, row.clone());
                }
                read_state(row?, self.now)
            }
            Err(error) => {
                error!(installation.id = %self.installation.id, "state of a connector can't be read: {error}");
                None
            }
        }
    }

    fn state_keys(&self, scope: &Scope, prefix: &str, limit: u32) -> Vec<String> {
        let start = scope_key(&self.installation.id, scope);
        let mut wanted = start.clone();
        wanted.0.extend_from_slice(prefix.as_bytes());
        let range = KeyRange::prefix(wanted, limit.min(1000) as usize);
        let rows = match self.store.scan_local(Table::ConnectorState, range.clone()) {
            Some(rows) => rows,
            None => wait(self.store.scan(Table::ConnectorState, range)),
        };
        let rows = rows.unwrap_or_default();
        rows.into_iter()
            .filter(|(_, row)| read_state(row.clone(), self.now).is_some())
            .filter_map(|(key, _)| {
                let name = key.0.get(start.0.len()..)?.strip_suffix(&[0])?;
                String::from_utf8(name.to_vec()).ok()
            })
            .collect()
    }

    fn keyring(&self) -> &dyn Keyring {
        &self.installation.secrets
    }

    fn blobs(&self) -> &dyn Blobs {
        self
    }
}

impl Blobs for RunHost<'_> {
    fn describe(&self, id: &str) -> Option<Blob> {
        self.blobs.describe_now(&self.installation.id, id)
    }

    fn read(&self, id: &str, offset: u64, count: u32) -> Option<Bytes> {
        self.blobs.read_now(&self.installation.id, id, offset, count)
    }
}
