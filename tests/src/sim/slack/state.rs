//! What the simulated workspace holds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;

use super::{SlackChannel, SlackOptions};
use crate::sim::pace::Meter;

/// A message of the bot as it stands now.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) reactions: BTreeSet<String>,
}

/// A file, from the first step of its upload on.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) media_type: String,
    pub(super) length: usize,
    /// `None` until the bytes have come.
    pub(super) bytes: Option<Bytes>,
    /// Channel and message `ts` of each share.
    pub(super) shares: Vec<(String, String)>,
    /// Whether the third step was made.
    pub(super) complete: bool,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) channels: BTreeMap<String, SlackChannel>,
    pub(super) users: BTreeSet<String>,
    pub(super) messages: HashMap<(String, String), Message>,
    /// Reactions on messages that the simulator did not make: (channel, ts) to names.
    pub(super) foreign_reactions: HashMap<(String, String), BTreeSet<String>>,
    pub(super) files: HashMap<String, File>,
    /// Upload token to file id.
    pub(super) uploads: HashMap<String, String>,
    /// Token to channel, end of life, uses left.
    pub(super) response_urls: HashMap<String, (String, Duration, u32)>,
    pub(super) token_error: Option<String>,
    pub(super) missing_scopes: HashSet<String>,
    pub(super) meter: Meter<String>,
    last_ts: Duration,
    count: u64,
}

impl State {
    pub(super) fn new(options: &SlackOptions) -> Self {
        Self {
            channels: options.channels.iter().map(|channel| (channel.id.clone(), channel.clone())).collect(),
            users: options.users.iter().cloned().collect(),
            messages: HashMap::new(),
            foreign_reactions: HashMap::new(),
            files: HashMap::new(),
            uploads: HashMap::new(),
            response_urls: HashMap::new(),
            token_error: None,
            missing_scopes: HashSet::new(),
            meter: Meter::new(options.pace),
            last_ts: Duration::ZERO,
            count: 0,
        }
    }

    /// A new message id: seconds, a point, six digits; never the same twice, always growing.
    pub(super) fn next_ts(&mut self, now: Duration) -> String {
        let micros = Duration::from_micros(u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
        self.last_ts = micros.max(self.last_ts + Duration::from_micros(1));
        format!("{}.{:06}", self.last_ts.as_secs(), self.last_ts.subsec_micros())
    }

    /// A new id with Slack's letter in front.
    pub(super) fn next_id(&mut self, letter: char) -> String {
        self.count += 1;
        format!("{letter}00SIM{:06}", self.count)
    }
}
