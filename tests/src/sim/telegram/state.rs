//! What the simulated Bot API holds.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use serde_json::Value;

use super::TelegramOptions;
use crate::sim::pace::Meter;

#[derive(Clone, Debug, Default)]
pub(super) struct Chat {
    pub(super) blocked: bool,
    pub(super) missing: bool,
    pub(super) migrated_to: Option<i64>,
    pub(super) last_message_id: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub(super) url: String,
    pub(super) secret: Option<String>,
    pub(super) allowed: Vec<String>,
    pub(super) max_connections: i64,
    pub(super) last_error: Option<(u64, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) bytes: Bytes,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) chats: HashMap<i64, Chat>,
    /// Messages of the bot as they stand, by chat and message id.
    pub(super) messages: HashMap<(i64, i64), Value>,
    /// Messages of users seen in updates.
    pub(super) foreign: HashSet<(i64, i64)>,
    pub(super) deleted: HashSet<(i64, i64)>,
    pub(super) files: HashMap<String, File>,
    pub(super) profile_photos: HashMap<i64, Vec<String>>,
    pub(super) callbacks: BTreeSet<String>,
    pub(super) answered_callbacks: BTreeSet<String>,
    pub(super) expired_callbacks: BTreeSet<String>,
    pub(super) refused_links: Vec<(String, String)>,
    pub(super) webhook: Option<Webhook>,
    /// Kept when `setWebhook` leaves `allowed_updates` out. Empty means the default set.
    pub(super) allowed_updates: Vec<String>,
    pub(super) pending: i64,
    pub(super) last_update_id: i64,
    pub(super) chat_meter: Meter<i64>,
    pub(super) group_meter: Meter<i64>,
    pub(super) global_meter: Meter<()>,
}

impl State {
    pub(super) fn new(options: &TelegramOptions) -> Self {
        Self {
            chats: HashMap::new(),
            messages: HashMap::new(),
            foreign: HashSet::new(),
            deleted: HashSet::new(),
            files: HashMap::new(),
            profile_photos: HashMap::new(),
            callbacks: BTreeSet::new(),
            answered_callbacks: BTreeSet::new(),
            expired_callbacks: BTreeSet::new(),
            refused_links: Vec::new(),
            webhook: None,
            allowed_updates: Vec::new(),
            pending: 0,
            last_update_id: 700_000_000,
            chat_meter: Meter::new(options.chat_pace),
            group_meter: Meter::new(options.group_pace),
            global_meter: Meter::new(options.global_pace),
        }
    }

    /// A chat, made known if it was not.
    pub(super) fn chat(&mut self, id: i64) -> &mut Chat {
        self.chats.entry(id).or_default()
    }

    /// The next message id of a chat.
    pub(super) fn next_message_id(&mut self, chat: i64) -> i64 {
        let chat = self.chat(chat);
        // Above what fixtures and hand-made updates use, so that the two never meet.
        chat.last_message_id = chat.last_message_id.max(1_000_000) + 1;
        chat.last_message_id
    }

    pub(super) fn add_file(&mut self, name: &str, bytes: Bytes) -> String {
        let number = self.files.len() + 1;
        let id = format!("AgACAgSIM{number:012}");
        let safe: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect();
        self.files.insert(id.clone(), File { path: format!("documents/file_{number}_{safe}"), bytes });
        id
    }
}
