//! What all handlers share: the parts of the gateway, the channels, who is connected, and names of agents.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use portico_contract::UserId;
use portico_serve::origin::is_localhost;
use portico_telemetry::metrics::{HelloRefusal, Limit, Road};
use sha2::Sha256;

use crate::WebchatApi;
use crate::channel::{CONNECTOR, Channel, Channels};
use crate::errors::Refused;
use crate::frame::Close;
use crate::seats::{Seat, Seats};
use crate::visit::Visit;

pub(crate) type Api = Arc<Shared>;

/// How long a name of an agent is believed.
const NAMED: Duration = Duration::from_secs(60);
/// When to come back to an address that has too many connections.
const FULL: Duration = Duration::from_secs(30);
/// Most names that are remembered.
const MOST_NAMES: usize = 1024;

/// Who speaks for the bot's side, as a visitor sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Author {
    pub(crate) name: Option<String>,
    pub(crate) avatar: Option<String>,
}

/// The API's state.
pub(crate) struct Shared {
    api: WebchatApi,
    channels: Channels,
    /// Who is connected.
    pub(crate) seats: Arc<Seats>,
    /// The gateway's own origin: its hosted pages.
    own_origin: String,
    signer: Option<Hmac<Sha256>>,
    names: Mutex<HashMap<UserId, (Instant, Author)>>,
}

impl Deref for Shared {
    type Target = WebchatApi;

    fn deref(&self) -> &WebchatApi {
        &self.api
    }
}

impl Shared {
    pub(crate) fn new(mut api: WebchatApi) -> Self {
        api.public_url.truncate(api.public_url.trim_end_matches('/').len());
        let own_origin = url::Url::parse(&api.public_url).map(|url| url.origin().ascii_serialization());
        Self {
            channels: Channels::default(),
            seats: Arc::new(Seats::default()),
            own_origin: own_origin.unwrap_or_default(),
            // HMAC takes keys of any length.
            signer: <Hmac<Sha256> as KeyInit>::new_from_slice(&api.file_key).ok(),
            names: Mutex::default(),
            api,
        }
    }

    /// The channel of an id.
    pub(crate) fn channel(&self, id: &str) -> Option<Arc<Channel>> {
        self.live.installation(id, CONNECTOR).map(|at| self.channels.of(at, self.live.metrics()))
    }

    /// All channels.
    pub(crate) fn all_channels(&self) -> Vec<Arc<Channel>> {
        let all = self.installations.all().into_iter();
        all.filter(|at| at.connector.manifest().name == CONNECTOR)
            .map(|at| self.channels.of(at, self.live.metrics()))
            .collect()
    }

    /// Whether a page may use a channel.
    pub(crate) fn may_use(&self, channel: &Channel, origin: &str) -> bool {
        let is_trial = || channel.origins.is_empty() && self.allow_localhost && is_localhost(origin);
        (!self.own_origin.is_empty() && origin == self.own_origin)
            || channel.origins.allow(origin)
            || is_trial()
    }

    /// Whether a caller that names no origin, so no page of another site, may use a channel.
    pub(crate) fn may_use_nameless(&self, channel: &Channel) -> bool {
        channel.native || (self.allow_localhost && channel.origins.is_empty())
    }

    /// Whether any channel lets pages of an origin in.
    pub(crate) fn is_known_origin(&self, origin: &str) -> bool {
        self.all_channels().iter().any(|channel| self.may_use(channel, origin))
    }

    /// A place for a visitor's connection, counted under its road.
    ///
    /// # Errors
    /// `Rate` when the address has too many: nobody can do anything about a neighbour's connections but wait.
    pub(crate) fn sit(&self, visit: &Visit, address: Option<IpAddr>, road: Road) -> Result<Seat, Refused> {
        let limits = &visit.channel.limits;
        let seat = self.seats.take(&visit.session.id, address, limits.sockets, limits.session_sockets);
        let Some(seat) = seat else {
            self.live.metrics().limits.inc(Limit::Streams);
            return Err(Refused::later(Close::Rate, FULL));
        };
        Ok(seat.counted(visit.channel.metrics.open(road)))
    }

    /// Counts a visitor who was not let in.
    pub(crate) fn count_refused(&self, refused: &Refused) {
        let reason = match refused.close {
            Close::BadFrame | Close::FrameSize | Close::Protocol | Close::NotUtf8 => HelloRefusal::Malformed,
            Close::Version => HelloRefusal::Version,
            Close::Token | Close::Ended => HelloRefusal::Token,
            Close::Origin => HelloRefusal::Origin,
            Close::Channel => HelloRefusal::UnknownChannel,
            Close::Timeout | Close::Idle => HelloRefusal::TooLate,
            Close::Rate | Close::Crowded => HelloRefusal::RateLimited,
            Close::Failure | Close::Slow => HelloRefusal::Unavailable,
            // They come back to the next gateway.
            Close::Leaving => return,
        };
        self.live.metrics().hellos_refused.inc(reason);
    }

    /// The gateway's own origin.
    pub(crate) fn own_origin(&self) -> &str {
        &self.own_origin
    }

    /// Signs parts of an address.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let Some(mut mac) = self.signer.clone() else { return [0; 32] };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// What is remembered of an agent.
    pub(crate) fn known_author(&self, user: &UserId) -> Option<Author> {
        let names = self.names.lock();
        names.get(user).filter(|(read, _)| read.elapsed() < NAMED).map(|(_, author)| author.clone())
    }

    /// The name and picture of somebody who speaks for the bot's side and is not the bot.
    pub(crate) async fn author(&self, channel: &Channel, user: &UserId) -> Author {
        if let Some(known) = self.known_author(user) {
            return known;
        }
        let author = match self.live.user(&channel.at, user).await {
            Ok(Some(user)) => Author { name: user.name, avatar: user.picture_url },
            // A name is not worth a failure.
            Ok(None) | Err(_) => Author::default(),
        };
        let mut names = self.names.lock();
        if names.len() >= MOST_NAMES {
            names.clear();
        }
        names.insert(user.clone(), (Instant::now(), author.clone()));
        author
    }
}
