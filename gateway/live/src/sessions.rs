//! Sessions of visitors: random tokens, kept as digests, with a sliding life and rotation.
//!
//! Rows of [`Table::Session`] begin with their end as eight bytes, so that the sweep need not know the rest: one
//! under the digest of each token, and one under session and digest, by which a session's tokens are found.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use portico_contract::{ConversationId, EventId, InstallationId, Millis, UserId};
use portico_store::records::Records;
use portico_store::{Change, Commit, Expect, Key, KeyRange, Store, StoreError, Table};
use portico_turns::{Installation, now};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::LiveError;
use crate::conversations::TRIES;

const DAY: Millis = 24 * 60 * 60 * 1000;
/// How long a token is good from its last use.
const LIFE: Millis = 30 * DAY;
/// How long a token is good after another took its place.
const GRACE: Millis = 60_000;
/// Bytes of a token before it is written as text.
const TOKEN: usize = 32;
/// Leads the keys of rows by token.
const BY_TOKEN: u8 = 1;
/// Leads the keys of rows by session.
const BY_SESSION: u8 = 3;
/// Most tokens of one session that are ended at once; in a minute of grace there are a few.
const MOST: usize = 1_000;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id; the same through rotations, no secret.
    pub id: String,
    /// Whose it is.
    pub user: UserId,
    /// The conversation that is open in it, where one is.
    pub conversation: Option<ConversationId>,
    /// Subject of the token that proved who the user is; `None` for an anonymous one.
    pub subject: Option<String>,
    /// When the token in use was made.
    pub issued_at: Millis,
    /// Until when the token is good, if it is not used meanwhile.
    pub expires_at: Millis,
    /// Whether a newer token has taken its place; it is good for a last minute.
    pub replaced: bool,
}

/// A session with its token, which is told once.
#[derive(Clone)]
pub struct Minted {
    /// The session.
    pub session: Session,
    /// The token: 43 characters of `A-Z a-z 0-9 - _`. Never log it.
    pub token: String,
}

impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted").field("session", &self.session).finish_non_exhaustive()
    }
}

/// What is kept of a session, behind its end.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    id: String,
    installation: InstallationId,
    user: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conversation: Option<ConversationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    issued_at: Millis,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replaced: bool,
}

/// A row as it was read.
struct Found {
    kept: Kept,
    until: Millis,
    version: u64,
    digest: [u8; 32],
}

impl Found {
    fn session(&self) -> Session {
        session(&self.kept, self.until)
    }
}

fn session(kept: &Kept, until: Millis) -> Session {
    Session {
        id: kept.id.clone(),
        user: kept.user.clone(),
        conversation: kept.conversation,
        subject: kept.subject.clone(),
        issued_at: kept.issued_at,
        expires_at: until,
        replaced: kept.replaced,
    }
}

/// The sessions of all live installations.
#[derive(Clone)]
pub struct Sessions {
    store: Arc<dyn Store>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Makes a session of a user. `subject` is set when a signed token said who they are.
    ///
    /// # Errors
    /// The store's.
    pub async fn mint(
        &self,
        at: &Arc<Installation>,
        user: &UserId,
        subject: Option<&str>,
    ) -> Result<Minted, LiveError> {
        let kept = Kept {
            id: portico_contract::base32(&EventId::new().0),
            installation: at.id.clone(),
            user: user.clone(),
            conversation: None,
            subject: subject.map(str::to_owned),
            issued_at: now(),
            replaced: false,
        };
        let (minted, changes) = fresh(&kept)?;
        self.store.commit(Commit::of(changes)).await?;
        Ok(minted)
    }

    /// The session of a token, and a longer life for it; `None` when it is unknown, over, revoked, of another
    /// installation, or its user is gone.
    ///
    /// # Errors
    /// The store's.
    pub async fn check(&self, at: &Arc<Installation>, token: &str) -> Result<Option<Session>, LiveError> {
        let Some(mut found) = self.find(at, token).await? else { return Ok(None) };
        let wished = now().saturating_add(LIFE);
        // Written once a day at most: a lost extension costs nothing.
        if !found.kept.replaced && found.until.saturating_add(DAY) < wished {
            match self.store.commit(Commit::of(rows(&found, &found.kept, wished)).ordered()).await {
                Ok(_) => found.until = wished,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(found.session()))
    }

    /// A new token for a session; the old one stays good for 60 s, and may be rotated again meanwhile: an answer
    /// that was lost must not lose the session. `None` as for [`Sessions::check`].
    ///
    /// # Errors
    /// The store's.
    pub async fn rotate(&self, at: &Arc<Installation>, token: &str) -> Result<Option<Minted>, LiveError> {
        for _ in 0..TRIES {
            let Some(found) = self.find(at, token).await? else { return Ok(None) };
            let kept = Kept { issued_at: now(), replaced: false, ..found.kept.clone() };
            let (minted, mut changes) = fresh(&kept)?;
            if !found.kept.replaced {
                let old = Kept { replaced: true, ..found.kept.clone() };
                changes.extend(rows(&found, &old, found.until.min(now().saturating_add(GRACE))));
            }
            match self.store.commit(Commit::of(changes)).await {
                Ok(_) => return Ok(Some(minted)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LiveError::Unavailable)
    }

    /// Ends the session of a token, with all its tokens. Nothing happens when there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke(&self, at: &Arc<Installation>, token: &str) -> Result<(), LiveError> {
        let Some(found) = self.find(at, token).await? else { return Ok(()) };
        let prefix = of_session(&found.kept.id);
        let start = prefix.0.len();
        let rows = self.store.scan(Table::Session, KeyRange::prefix(prefix, MOST)).await?;
        let mut changes = vec![Change::delete(Table::Session, by_token(&found.digest))];
        for (key, _) in rows {
            if let Some(digest) = key.0.get(start..).and_then(|rest| rest.first_chunk::<32>()) {
                changes.push(Change::delete(Table::Session, by_token(digest)));
            }
            changes.push(Change::delete(Table::Session, key));
        }
        self.store.commit(Commit::of(changes)).await?;
        Ok(())
    }

    /// Notes which conversation is open in a session.
    ///
    /// # Errors
    /// `NotFound("session")`, and the store's.
    pub async fn set_conversation(
        &self,
        at: &Arc<Installation>,
        token: &str,
        conversation: Option<ConversationId>,
    ) -> Result<(), LiveError> {
        for _ in 0..TRIES {
            let found = self.find(at, token).await?.ok_or(LiveError::NotFound("session"))?;
            if found.kept.conversation == conversation {
                return Ok(());
            }
            let kept = Kept { conversation, ..found.kept.clone() };
            match self.store.commit(Commit::of(rows(&found, &kept, found.until))).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LiveError::Unavailable)
    }

    async fn find(&self, at: &Installation, token: &str) -> Result<Option<Found>, LiveError> {
        let Some(digest) = digest(token) else { return Ok(None) };
        let Some(row) = self.store.get(Table::Session, &by_token(&digest)).await? else { return Ok(None) };
        let damaged = || LiveError::Store(StoreError::Damaged("a session does not read".into()));
        let (until, rest) = row.value.split_first_chunk::<8>().ok_or_else(damaged)?;
        let until = u64::from_be_bytes(*until);
        let kept: Kept = serde_json::from_slice(rest).map_err(|_| damaged())?;
        if until <= now() || kept.installation != at.id {
            return Ok(None);
        }
        let records = Records::of(self.store.clone(), at.bot.clone());
        if records.user(&kept.user).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(Found { kept, until, version: row.version, digest }))
    }
}

/// A new token for what is kept, and the changes that make it good.
fn fresh(kept: &Kept) -> Result<(Minted, Vec<Change>), LiveError> {
    let mut random = [0; TOKEN];
    getrandom::fill(&mut random).map_err(|_| LiveError::Unavailable)?;
    let token = URL_SAFE_NO_PAD.encode(random);
    let digest: [u8; 32] = Sha256::digest(random).into();
    let until = now().saturating_add(LIFE);
    let changes = vec![
        Change::Write {
            table: Table::Session,
            key: by_token(&digest),
            value: Some(value(kept, until)),
            expect: Expect::Absent,
        },
        Change::put(Table::Session, of_session(&kept.id).bytes(&digest), until.to_be_bytes().to_vec()),
    ];
    Ok((Minted { session: session(kept, until), token }, changes))
}

/// The changes that keep something else under a token that was found.
fn rows(found: &Found, kept: &Kept, until: Millis) -> Vec<Change> {
    vec![
        Change::Write {
            table: Table::Session,
            key: by_token(&found.digest),
            value: Some(value(kept, until)),
            expect: Expect::Version(found.version),
        },
        Change::put(Table::Session, of_session(&kept.id).bytes(&found.digest), until.to_be_bytes().to_vec()),
    ]
}

fn value(kept: &Kept, until: Millis) -> Bytes {
    let mut value = until.to_be_bytes().to_vec();
    // Writing plain data into memory does not fail.
    value.extend(serde_json::to_vec(kept).unwrap_or_default());
    value.into()
}

/// The digest of a token; `None` when it is not one of ours.
fn digest(token: &str) -> Option<[u8; 32]> {
    let random = URL_SAFE_NO_PAD.decode(token).ok().filter(|random| random.len() == TOKEN)?;
    Some(Sha256::digest(random).into())
}

fn by_token(digest: &[u8; 32]) -> Key {
    Key::new().byte(BY_TOKEN).bytes(digest)
}

fn of_session(id: &str) -> Key {
    Key::new().byte(BY_SESSION).text(id)
}
