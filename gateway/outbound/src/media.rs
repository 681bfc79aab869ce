//! Media that only a connector can open: fetched once, kept as a blob, shown to bots under a public address.
//!
//! The address carries the connector's handle, signed: nobody can name a handle that the gateway did not
//! give out, so the address works without a login and opens nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use portico_contract::{ActionCall, Blob, InstallationId, MEDIA_SCHEME};
use portico_store::{Change, Commit, Key, Table};
use portico_turns::Installation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::actions::{ActionError, Actions};
use crate::now;

/// Fetches of one installation at a time.
const PARALLEL: usize = 8;
/// Longest handle; longer ones would not fit into an address.
const MAX_HANDLE: usize = 4096;
/// Bytes of the signature.
const MAC: usize = 16;

type Slot = Arc<tokio::sync::Mutex<()>>;

/// Fetches that run: one per handle, a few per installation.
#[derive(Default)]
pub(crate) struct Fetches {
    slots: Mutex<HashMap<Key, Slot>>,
    lines: Mutex<HashMap<InstallationId, Arc<Semaphore>>>,
}

/// What a handle was found to be.
#[derive(Serialize, Deserialize)]
struct Known {
    blob: String,
    at: u64,
}

impl Actions {
    /// The blob of a handle: from the files if it was fetched before, else by the connector's `media` action.
    /// Callers of one handle at the same moment share one fetch.
    ///
    /// # Errors
    /// [`ActionError`], as of any action.
    pub async fn media(&self, installation: &Arc<Installation>, handle: &str) -> Result<Blob, ActionError> {
        if handle.is_empty() || handle.len() > MAX_HANDLE {
            return Err(ActionError::new("ResourceNotFound", 404, "media not found"));
        }
        let key =
            Key::new().text("media").text(installation.id.as_str()).bytes(&Sha256::digest(handle.as_bytes()));
        if let Some(blob) = self.kept(installation, &key).await? {
            return Ok(blob);
        }
        let slot = self.fetches.slots.lock().entry(key.clone()).or_default().clone();
        let fetched = {
            let _one = slot.lock().await;
            match self.kept(installation, &key).await? {
                Some(blob) => Ok(blob),
                None => self.fetch(installation, handle, &key).await,
            }
        };
        drop(slot);
        let mut slots = self.fetches.slots.lock();
        if slots.get(&key).is_some_and(|slot| Arc::strong_count(slot) == 1) {
            slots.remove(&key);
        }
        fetched
    }

    async fn kept(&self, installation: &Installation, key: &Key) -> Result<Option<Blob>, ActionError> {
        let Some(row) = self.store.get(Table::File, key).await? else { return Ok(None) };
        let Ok(known) = serde_json::from_slice::<Known>(&row.value) else { return Ok(None) };
        let blobs = self.turns.blobs();
        let Some(blob) = blobs.describe(&installation.id, &known.blob).await? else { return Ok(None) };
        // Retention may have removed the bytes; then they are fetched again.
        Ok(blobs.files().find(&known.blob).await.map(|_| blob))
    }

    async fn fetch(
        &self,
        installation: &Arc<Installation>,
        handle: &str,
        key: &Key,
    ) -> Result<Blob, ActionError> {
        let line = {
            let mut lines = self.fetches.lines.lock();
            lines.entry(installation.id.clone()).or_insert_with(|| Arc::new(Semaphore::new(PARALLEL))).clone()
        };
        let _place =
            line.acquire().await.map_err(|_| ActionError::new("Internal", 503, "the gateway is stopping"))?;
        let call = ActionCall {
            name: "media".into(),
            input: json!({ "handle": handle }),
            thread: None,
            message: None,
            idempotency_key: portico_contract::EventId::new().to_string(),
        };
        let run = self.run(installation, call, "", None);
        let output = tokio::time::timeout(self.time_limit, run).await.map_err(|_| {
            ActionError::new("OperationTimeout", 504, "the provider did not answer in time")
        })??;
        let unusable = || ActionError::new("Runtime", 400, "the connector returned no blob for the media");
        let id = output.get("blob").and_then(Value::as_str).ok_or_else(unusable)?;
        let blob = self.turns.blobs().describe(&installation.id, id).await?.ok_or_else(unusable)?;
        let known = serde_json::to_vec(&Known { blob: blob.id.clone(), at: now() }).unwrap_or_default();
        self.store.commit(Commit::of([Change::put(Table::File, key.clone(), known)]).ordered()).await?;
        Ok(blob)
    }
}

/// Makes and reads the public addresses of media: `{public_url}/media/{installation}/{token}`.
#[derive(Clone)]
pub struct MediaLinks {
    base: String,
    key: Hmac<Sha256>,
}

impl std::fmt::Debug for MediaLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaLinks").field("base", &self.base).finish_non_exhaustive()
    }
}

impl MediaLinks {
    /// Addresses below a public address, signed with a key that only this gateway has.
    pub fn new(public_url: &str, key: &[u8; 32]) -> Self {
        // HMAC takes keys of any length.
        let Ok(key) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else {
            unreachable!("HMAC takes keys of any length")
        };
        Self { base: public_url.trim_end_matches('/').to_owned(), key }
    }

    /// The public address of a connector's handle.
    pub fn link(&self, installation: &InstallationId, handle: &str) -> String {
        let mut token = self.mac(installation, handle).finalize().into_bytes()[..MAC].to_vec();
        token.extend_from_slice(handle.as_bytes());
        format!("{}/media/{installation}/{}", self.base, URL_SAFE_NO_PAD.encode(token))
    }

    /// The handle of a token, if this gateway made it for this installation.
    pub fn parse(&self, installation: &InstallationId, token: &str) -> Option<String> {
        if token.len() > (MAX_HANDLE + MAC) * 4 / 3 + 4 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (claimed, handle) = bytes.split_at_checked(MAC)?;
        let handle = std::str::from_utf8(handle).ok()?;
        self.mac(installation, handle).verify_truncated_left(claimed).ok()?;
        Some(handle.to_owned())
    }

    /// Replaces every address that only a connector can open by its public one, anywhere in a payload.
    pub fn publish(&self, installation: &InstallationId, payload: &mut Value) {
        match payload {
            Value::String(text) => {
                if let Some(handle) = text.strip_prefix(MEDIA_SCHEME) {
                    *text = self.link(installation, handle);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.publish(installation, item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.publish(installation, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn mac(&self, installation: &InstallationId, handle: &str) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        mac.update(b"portico media");
        mac.update(&(installation.as_str().len() as u64).to_be_bytes());
        mac.update(installation.as_str().as_bytes());
        mac.update(handle.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(link: &str) -> &str {
        link.rsplit('/').next().unwrap()
    }

    #[test]
    fn links_open_what_they_were_made_for_and_nothing_else() {
        let links = MediaLinks::new("https://bots.example/", &[7; 32]);
        let (here, there) = (InstallationId::parse("tg").unwrap(), InstallationId::parse("tg2").unwrap());
        let link = links.link(&here, "AgACAgI/ü=?");
        assert!(link.starts_with("https://bots.example/media/tg/"), "{link}");
        assert!(token(&link).bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        assert_eq!(links.parse(&here, token(&link)).as_deref(), Some("AgACAgI/ü=?"));
        assert_eq!(links.parse(&there, token(&link)), None);
        assert_eq!(MediaLinks::new("https://bots.example", &[8; 32]).parse(&here, token(&link)), None);
        let mut forged = URL_SAFE_NO_PAD.decode(token(&link)).unwrap();
        forged.push(b'x');
        assert_eq!(links.parse(&here, &URL_SAFE_NO_PAD.encode(forged)), None);
        for junk in ["", "AA", "%%%", "ü"] {
            assert_eq!(links.parse(&here, junk), None);
        }
    }

    #[test]
    fn payloads_are_published_wherever_a_handle_stands() {
        let links = MediaLinks::new("https://bots.example", &[7; 32]);
        let here = InstallationId::parse("tg").unwrap();
        let mut payload =
            json!({ "items": [{ "payload": { "imageUrl": "portico-media:F1", "title": "x" } }] });
        links.publish(&here, &mut payload);
        assert_eq!(payload["items"][0]["payload"]["imageUrl"], links.link(&here, "F1"));
        assert_eq!(payload["items"][0]["payload"]["title"], "x");
    }
}
