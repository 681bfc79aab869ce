//! Sealed values: secrets at rest, encrypted above any adapter, which never sees plain text.
//!
//! XChaCha20-Poly1305 with a random 192-bit nonce, so that there is no counter to get wrong. Record, field and key
//! id are associated data: a value that is copied to another place does not open there.

use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::{Change, Commit, Expect, Key, KeyRange, Store, StoreError, Table};

/// Key id, then nonce.
const HEAD: usize = 4 + 24;

/// A key with its id. The newest of a list seals; all of them open.
pub struct SealingKey {
    /// Id, written with each value.
    pub id: u32,
    /// The key.
    pub key: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

/// Why a sealed value can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// None of the keys is the one that sealed it.
    #[error("the key {0} that sealed the value is not at hand")]
    NoKey(u32),
    /// It is not what was sealed at this place.
    #[error("the value was altered, or copied from another place")]
    Broken,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// Sealed values of a store.
#[derive(Clone)]
pub struct Sealed {
    store: Arc<dyn Store>,
    keys: Arc<Vec<SealingKey>>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("keys", &self.keys).finish_non_exhaustive()
    }
}

fn place(record: &str, field: &str) -> Key {
    Key::new().text(record).text(field)
}

fn bound_to(place: &Key, id: u32) -> Vec<u8> {
    let mut data = id.to_be_bytes().to_vec();
    data.extend_from_slice(&place.0);
    data
}

impl Sealed {
    /// Sealed values under keys, newest first.
    pub fn new(store: Arc<dyn Store>, keys: Vec<SealingKey>) -> Self {
        Self { store, keys: Arc::new(keys) }
    }

    /// The change that stores a value under a record and field.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn put(&self, record: &str, field: &str, plain: &[u8]) -> Result<Change, SealError> {
        let place = place(record, field);
        let sealed = self.seal(&place, plain)?;
        Ok(Change::put(Table::Sealed, place, sealed))
    }

    /// The value of a record and field.
    ///
    /// # Errors
    /// [`SealError`].
    pub async fn get(&self, record: &str, field: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SealError> {
        let place = place(record, field);
        match self.store.get(Table::Sealed, &place).await? {
            Some(row) => self.open(&place, &row.value).map(Some),
            None => Ok(None),
        }
    }

    /// Seals values again that an older key sealed, a bounded number after `cursor`; `None` comes back at the end.
    /// May be stopped and gone on with at any time. Says how many were sealed again.
    ///
    /// # Errors
    /// [`SealError`]; values before the one that does not open were sealed again.
    pub async fn rotate(&self, cursor: Option<Key>) -> Result<(u64, Option<Key>), SealError> {
        let newest = self.keys.first().ok_or(SealError::NoKey(0))?.id;
        let rows = self.store.scan(Table::Sealed, KeyRange::prefix(Key::new(), 100).after(cursor)).await?;
        let next = (rows.len() == 100).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        let mut again = 0;
        for (place, row) in rows {
            if row.value.first_chunk::<4>().is_some_and(|id| u32::from_be_bytes(*id) == newest) {
                continue;
            }
            let plain = self.open(&place, &row.value)?;
            let value = Some(self.seal(&place, &plain)?.into());
            let expect = Expect::Version(row.version);
            let change = Change::Write { table: Table::Sealed, key: place, value, expect };
            match self.store.commit(Commit::of([change])).await {
                Ok(_) => again += 1,
                // Written meanwhile, with the newest key.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((again, next))
    }

    fn seal(&self, place: &Key, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let newest = self.keys.first().ok_or(SealError::NoKey(0))?;
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let aad = bound_to(place, newest.id);
        let sealed = cipher(newest)
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
            .map_err(|_| SealError::Broken)?;
        let mut value = Vec::with_capacity(HEAD + sealed.len());
        value.extend_from_slice(&newest.id.to_be_bytes());
        value.extend_from_slice(&nonce);
        value.extend_from_slice(&sealed);
        Ok(value)
    }

    fn open(&self, place: &Key, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, rest) = value.split_first_chunk::<4>().ok_or(SealError::Broken)?;
        let (nonce, sealed) = rest.split_first_chunk::<24>().ok_or(SealError::Broken)?;
        let id = u32::from_be_bytes(*id);
        let key = self.keys.iter().find(|key| key.id == id).ok_or(SealError::NoKey(id))?;
        let aad = bound_to(place, id);
        cipher(key)
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| SealError::Broken)
    }
}

fn cipher(key: &SealingKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*key.key).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    fn key(id: u32) -> SealingKey {
        SealingKey { id, key: Zeroizing::new([id as u8; 32]) }
    }

    #[tokio::test]
    async fn a_value_opens_only_at_its_own_place_and_no_plain_text_is_stored() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let sealed = Sealed::new(store.clone(), vec![key(1)]);
        let change = sealed.put("installations/shop", "bot_token", b"canary-secret").unwrap();
        store.commit(Commit::of([change])).await.unwrap();
        let plain = sealed.get("installations/shop", "bot_token").await.unwrap().unwrap();
        assert_eq!(&plain[..], b"canary-secret");

        let row = store.get(Table::Sealed, &place("installations/shop", "bot_token")).await.unwrap().unwrap();
        assert!(!row.value.windows(6).any(|part| part == b"canary"));
        let elsewhere =
            Change::put(Table::Sealed, place("installations/other", "bot_token"), row.value.clone());
        let mut flipped = row.value.to_vec();
        flipped[HEAD + 2] ^= 1;
        let altered = Change::put(Table::Sealed, place("installations/shop", "bot_token"), flipped);
        store.commit(Commit::of([elsewhere, altered])).await.unwrap();
        for record in ["installations/other", "installations/shop"] {
            assert_eq!(sealed.get(record, "bot_token").await, Err(SealError::Broken), "{record}");
        }
        assert_eq!(sealed.get("installations/shop", "other").await, Ok(None));
    }

    #[tokio::test]
    async fn rotation_seals_again_and_the_old_key_may_go() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let old = Sealed::new(store.clone(), vec![key(1)]);
        for number in 0..150 {
            let change = old.put("r", &format!("{number:03}"), number.to_string().as_bytes()).unwrap();
            store.commit(Commit::of([change])).await.unwrap();
        }
        let both = Sealed::new(store.clone(), vec![key(2), key(1)]);
        let (first, cursor) = both.rotate(None).await.unwrap();
        let (second, end) = both.rotate(cursor).await.unwrap();
        assert_eq!((first, second, end), (100, 50, None));
        assert_eq!(both.rotate(None).await.unwrap().0, 0);
        let new = Sealed::new(store, vec![key(2)]);
        assert_eq!(&new.get("r", "149").await.unwrap().unwrap()[..], b"149");
        assert_eq!(old.get("r", "149").await, Err(SealError::NoKey(2)));
    }
}
