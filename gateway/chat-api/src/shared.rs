//! What all operations share: the parts of the gateway, paces, seats, and keys derived once.

use std::ops::Deref;
use std::sync::Arc;

use http::Extensions;
use portico_serve::address::bucket;
use portico_store::records::Records;
use portico_turns::Installation;
use url::Url;

use crate::pace::{Pace, Seats};
use crate::{ChatApi, front::Surface};

pub(crate) type Api = Arc<Shared>;

/// A user of an installation, as paces and seats know one.
pub(crate) type Holder = (String, String);

/// The state of both APIs.
pub(crate) struct Shared {
    api: ChatApi,
    /// Signs tokens of listings.
    pub(crate) page_key: [u8; 32],
    /// Signs addresses of files.
    pub(crate) file_key: [u8; 32],
    /// Origin of the gateway's own pages.
    pub(crate) own_origin: Option<String>,
    pub(crate) users: Pace<Holder>,
    pub(crate) addresses: [Pace<u128>; 2],
    pub(crate) new_users: [Pace<u128>; 2],
    pub(crate) user_seats: Seats<Holder>,
    pub(crate) address_seats: [Seats<u128>; 2],
}

impl Deref for Shared {
    type Target = ChatApi;

    fn deref(&self) -> &ChatApi {
        &self.api
    }
}

impl Shared {
    pub(crate) fn new(mut api: ChatApi) -> Self {
        api.public_url.truncate(api.public_url.trim_end_matches('/').len());
        let limits = &api.limits;
        let pace = |rate| Pace::new(rate, api.metrics.clone());
        let (addresses, new_users) = (
            [limits.chat_address, limits.webchat_address].map(pace),
            [limits.chat_users, limits.webchat_users].map(pace),
        );
        let seats = || Seats::new(api.metrics.clone());
        Self {
            page_key: (api.keys)("chat-api pages"),
            file_key: (api.keys)("chat-api files"),
            own_origin: Url::parse(&api.public_url).ok().map(|url| url.origin().ascii_serialization()),
            users: Pace::new(limits.user, api.metrics.clone()),
            addresses,
            new_users,
            user_seats: Seats::new(api.metrics.clone()),
            address_seats: [seats(), seats()],
            api,
        }
    }

    /// What the caller's address counts under.
    pub(crate) fn bucket(&self, extensions: &Extensions) -> u128 {
        (self.address)(extensions).map_or(0, bucket)
    }

    /// Streams that one address may hold open.
    pub(crate) fn address_streams(&self, surface: Surface) -> usize {
        match surface {
            Surface::Chat => self.limits.chat_streams,
            Surface::Webchat => self.limits.webchat_streams,
        }
    }

    /// The key with which the gateway signs the user keys of an installation.
    pub(crate) fn user_key(&self, surface: Surface, at: &Installation) -> [u8; 32] {
        (self.keys)(&format!("{} user keys of {}", surface.connector(), at.id))
    }

    /// The rows of an installation's bot.
    pub(crate) fn records(&self, at: &Installation) -> Records {
        Records::of(self.store.clone(), at.bot.clone())
    }
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    portico_turns::now() / 1000
}
