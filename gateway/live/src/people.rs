//! The people of a live installation.

use std::sync::Arc;

use portico_contract::{EventId, UserId};
use portico_store::records::{TagMap, User, Versioned};
use portico_store::{Change, Commit, StoreError};
use portico_turns::{Installation, now};

use crate::conversations::TRIES;
use crate::{Live, LiveError};

/// Most properties of one person, and most bytes of a value.
const MAX_DATA: usize = 50;
const MAX_VALUE: usize = 2_000;
/// Longest text of a profile in characters, and of names and addresses in bytes.
const MAX_PROFILE: usize = 1_000;
const MAX_NAME: usize = 500;
const MAX_URL: usize = 2_000;
/// Longest party, in bytes.
const MAX_PARTY: usize = 500;
/// Tag that holds the profile, behind the alias.
const PROFILE: &str = "profile";
/// Tag of people of whom a signed token said who they are, behind the alias.
const VERIFIED: &str = "verified";

/// A person to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewPerson {
    /// An id of the caller's choice, unique within the installation; `None`: one is made.
    pub party: Option<String>,
    /// Name to show.
    pub name: Option<String>,
    /// Address of a picture.
    pub picture_url: Option<String>,
    /// A text of up to 1,000 characters that the Chat API keeps; the tag `<alias>:profile`.
    pub profile: Option<String>,
    /// Properties: at most 50, values of at most 2,000 bytes.
    pub data: TagMap,
    /// Whether a signed token said who it is; the tag `<alias>:verified`.
    pub verified: bool,
}

/// What to change about a person; `None` leaves it, an empty text removes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonChange {
    /// Name to show.
    pub name: Option<String>,
    /// Address of a picture.
    pub picture_url: Option<String>,
    /// See [`NewPerson::profile`].
    pub profile: Option<String>,
    /// Properties to set; an empty value removes one, others stay.
    pub data: TagMap,
    /// Tags under their stored names; an empty value removes one, others stay.
    pub tags: TagMap,
}

impl Live {
    /// Makes a person.
    ///
    /// # Errors
    /// `Taken("user")` when the party is there, `Invalid`, and the store's.
    pub async fn create_user(&self, at: &Arc<Installation>, new: NewPerson) -> Result<User, LiveError> {
        let party = new.party.unwrap_or_else(|| EventId::new().to_string());
        if party.is_empty() || party.len() > MAX_PARTY || party.chars().any(char::is_control) {
            return Err(LiveError::invalid("id", "must have 1 to 500 bytes without control characters"));
        }
        let at_time = now();
        let mut user = User {
            id: UserId::of_party(&at.bot, &at.id, &party),
            name: None,
            picture_url: None,
            tags: TagMap::new(),
            properties: TagMap::new(),
            attributes: TagMap::new(),
            party: Some(party),
            created_at: at_time,
            updated_at: at_time,
        };
        let mut change = PersonChange {
            name: new.name,
            picture_url: new.picture_url,
            profile: new.profile,
            data: new.data,
            tags: TagMap::new(),
        };
        if new.verified {
            change.tags.insert(format!("{}:{VERIFIED}", at.alias), "true".into());
        }
        apply(at, &mut user, &change)?;
        match self.inner.store.commit(Commit::of(self.records(at).user_changes(None, &user))).await {
            Ok(_) => Ok(user),
            Err(StoreError::Conflict { .. }) => Err(LiveError::Taken("user")),
            Err(error) => Err(error.into()),
        }
    }

    /// A person of this installation.
    ///
    /// # Errors
    /// The store's.
    pub async fn user(&self, at: &Arc<Installation>, id: &UserId) -> Result<Option<User>, LiveError> {
        Ok(self.person(at, id).await?.map(|row| row.value))
    }

    /// The person of a party.
    ///
    /// # Errors
    /// The store's.
    pub async fn user_of_party(
        &self,
        at: &Arc<Installation>,
        party: &str,
    ) -> Result<Option<User>, LiveError> {
        self.user(at, &UserId::of_party(&at.bot, &at.id, party)).await
    }

    /// Whether a signed token said who a person is.
    pub fn is_verified(&self, at: &Installation, user: &User) -> bool {
        user.tags.get(&format!("{}:{VERIFIED}", at.alias)).is_some_and(|value| value == "true")
    }

    /// Changes a person.
    ///
    /// # Errors
    /// `NotFound("user")`, `Invalid`, and the store's.
    pub async fn update_user(
        &self,
        at: &Arc<Installation>,
        id: &UserId,
        change: PersonChange,
    ) -> Result<User, LiveError> {
        for _ in 0..TRIES {
            let old = self.person(at, id).await?.ok_or(LiveError::NotFound("user"))?;
            let mut user = old.value.clone();
            apply(at, &mut user, &change)?;
            if user == old.value {
                return Ok(user);
            }
            user.updated_at = now();
            if self.happened(self.records(at).user_changes(Some(&old), &user)).await? {
                return Ok(user);
            }
        }
        Err(LiveError::Unavailable)
    }

    /// Removes a person and their place in conversations. What they said stays, and their sessions end.
    ///
    /// # Errors
    /// `NotFound("user")`, and the store's.
    pub async fn delete_user(&self, at: &Arc<Installation>, id: &UserId) -> Result<(), LiveError> {
        let records = self.records(at);
        for _ in 0..TRIES {
            let old = self.person(at, id).await?.ok_or(LiveError::NotFound("user"))?;
            if self.happened(records.user_removal_changes(&old).await?).await? {
                return Ok(());
            }
        }
        Err(LiveError::Unavailable)
    }

    /// The row of a person of this installation: the id is made from it and their party.
    pub(crate) async fn person(
        &self,
        at: &Installation,
        id: &UserId,
    ) -> Result<Option<Versioned<User>>, LiveError> {
        let row = self.records(at).user(id).await?;
        Ok(row.filter(|row| {
            let party = row.value.party.as_deref();
            party.is_some_and(|party| UserId::of_party(&at.bot, &at.id, party) == *id)
        }))
    }

    /// Commits changes; `false` when a row was not what they expected.
    pub(crate) async fn happened(&self, changes: Vec<Change>) -> Result<bool, LiveError> {
        match self.inner.store.commit(Commit::of(changes)).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict { .. }) => {
                tokio::task::yield_now().await;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn apply(at: &Installation, user: &mut User, change: &PersonChange) -> Result<(), LiveError> {
    if let Some(name) = &change.name {
        user.name = text("name", name, MAX_NAME)?;
    }
    if let Some(address) = &change.picture_url {
        user.picture_url = text("pictureUrl", address, MAX_URL)?;
    }
    if let Some(profile) = &change.profile {
        if profile.chars().count() > MAX_PROFILE {
            return Err(LiveError::invalid("profile", "must have at most 1000 characters"));
        }
        set(&mut user.tags, &format!("{}:{PROFILE}", at.alias), profile);
    }
    for (name, value) in &change.tags {
        check_value("tags", name, value)?;
        set(&mut user.tags, name, value);
    }
    for (name, value) in &change.data {
        check_value("data", name, value)?;
        set(&mut user.properties, name, value);
    }
    if user.properties.len() > MAX_DATA {
        return Err(LiveError::invalid("data", "may have at most 50 entries"));
    }
    Ok(())
}

fn text(field: &str, given: &str, most: usize) -> Result<Option<String>, LiveError> {
    if given.len() > most {
        return Err(LiveError::invalid(field, format!("must have at most {most} bytes")));
    }
    Ok(Some(given.to_owned()).filter(|text| !text.is_empty()))
}

fn check_value(field: &str, name: &str, value: &str) -> Result<(), LiveError> {
    if name.is_empty() || name.len() > 100 {
        return Err(LiveError::invalid(field, "names must have 1 to 100 bytes"));
    }
    if value.len() > MAX_VALUE {
        return Err(LiveError::invalid(field, "values must have at most 2000 bytes"));
    }
    Ok(())
}

fn set(map: &mut TagMap, name: &str, value: &str) {
    if value.is_empty() {
        map.remove(name);
    } else {
        map.insert(name.to_owned(), value.to_owned());
    }
}
