//! Named states of conversations, users, bots, integrations and workflows.

use portico_contract::Millis;

use super::keys::{self, Index};
use super::{Records, State, StateType, Versioned, encode};
use crate::{Change, Expect, KeyRange, StoreError, Table};

impl Records {
    /// A state, as stored; the caller looks at `expires_at`.
    ///
    /// # Errors
    /// As the store's.
    pub async fn state(
        &self,
        kind: StateType,
        owner: &str,
        name: &str,
    ) -> Result<Option<Versioned<State>>, StoreError> {
        self.read(Table::State, &keys::state(&self.bot, kind, owner, name)).await
    }

    /// Changes that write a state over the one that was read (`None`: it must not be there yet).
    pub fn state_changes(&self, old: Option<&Versioned<State>>, new: &State) -> Vec<Change> {
        let mut changes = vec![Change::Write {
            table: Table::State,
            key: keys::state(&self.bot, new.kind, &new.owner, &new.name),
            value: Some(encode(new)),
            expect: old.map_or(Expect::Absent, |old| Expect::Version(old.version)),
        }];
        changes.extend(old.and_then(|old| self.expiry_change(&old.value, false)));
        changes.extend(self.expiry_change(new, true));
        changes
    }

    /// Changes that remove a state.
    pub fn state_removal_changes(&self, old: &Versioned<State>) -> Vec<Change> {
        let state = &old.value;
        let mut changes = vec![Change::Write {
            table: Table::State,
            key: keys::state(&self.bot, state.kind, &state.owner, &state.name),
            value: None,
            expect: Expect::Version(old.version),
        }];
        changes.extend(self.expiry_change(state, false));
        changes
    }

    fn expiry_change(&self, state: &State, add: bool) -> Option<Change> {
        let at = state.expires_at?;
        let key = keys::by_time(Index::StateExpiry, &self.bot, at)
            .text(state.kind.as_str())
            .text(&state.owner)
            .text(&state.name);
        Some(if add {
            let place = [state.kind.as_str(), &state.owner, &state.name];
            Change::put(Table::Index, key, encode(&place))
        } else {
            Change::delete(Table::Index, key)
        })
    }

    /// States whose time has run out, at most `limit`, earliest first.
    ///
    /// # Errors
    /// As the store's.
    pub async fn expired_states(
        &self,
        now: Millis,
        limit: usize,
    ) -> Result<Vec<Versioned<State>>, StoreError> {
        let prefix = keys::index(Index::StateExpiry, &self.bot);
        let start = prefix.0.len();
        let mut expired = Vec::new();
        for (key, row) in self.store.scan(Table::Index, KeyRange::prefix(prefix, limit)).await? {
            let at = key
                .0
                .get(start..start + 8)
                .and_then(|bytes| bytes.try_into().ok())
                .map_or(0, u64::from_be_bytes);
            if at > now {
                break;
            }
            let Ok((kind, owner, name)) = serde_json::from_slice::<(StateType, String, String)>(&row.value)
            else {
                continue;
            };
            if let Some(state) = self.state(kind, &owner, &name).await? {
                expired.push(state);
            }
        }
        Ok(expired)
    }
}
