//! Telegram's Bot API, as a simulator; it can also act as the provider and deliver updates to a webhook.
//!
//! Enforced: the token in the path, real parsing of HTML and MarkdownV2, lengths in UTF-16 units after it,
//! captions, keyboards, the reactions allowed to bots, file sizes, the webhook's parameters, limits per chat,
//! per group and in all, blocked users, moved groups, edits of the bot's own messages only.
//!
//! Sources: core.telegram.org/bots/api 10.0 and the server's own source (tdlib/telegram-bot-api, 2026).

mod answer;
mod edits;
mod entities;
mod files;
mod keyboard;
mod markdown;
mod messages;
mod params;
mod state;
mod webhook;

use std::collections::BTreeSet;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};

use self::answer::{Refused, bad};
use self::params::Params;
use self::state::{Chat, State};
pub use self::webhook::Delivery;
use super::pace::Pace;
use super::provider::Provider;
use super::server::{Answer, RawRequest, Server};

/// How the simulated Bot API is.
#[derive(Clone, Debug)]
pub struct TelegramOptions {
    /// The bot's token, `<digits>:<text>`; the digits are the bot's id.
    pub token: String,
    /// The bot's user name, without `@`.
    pub username: String,
    /// Messages per chat: one a second, short bursts.
    pub chat_pace: Pace,
    /// Messages per group: 20 a minute.
    pub group_pace: Pace,
    /// Messages in all chats together: about 30 a second.
    pub global_pace: Pace,
    /// Take `http://` webhooks on any port, as a local Bot API server does.
    pub allow_http: bool,
    /// Only chats and messages that the simulator has seen exist. Otherwise any chat does, and messages that
    /// are not the bot's own are taken to be a user's (ids up to 1,000,000; the bot's own begin above).
    pub strict: bool,
    /// Wait before the first repeat of an update; it doubles. The real one goes up to two minutes.
    pub retry_base: Duration,
    /// How often an update is tried before the simulator gives up. The real one goes on for a day.
    pub max_attempts: usize,
}

impl TelegramOptions {
    /// The default without limits in time, for tests of something else.
    pub fn unpaced() -> Self {
        Self { chat_pace: Pace::OFF, group_pace: Pace::OFF, global_pace: Pace::OFF, ..Self::default() }
    }
}

impl Default for TelegramOptions {
    fn default() -> Self {
        Self {
            token: "7000000001:SIM-token_of_the_simulated_bot_00000".into(),
            username: "portico_sim_bot".into(),
            chat_pace: Pace::new(Duration::from_secs(1), 10),
            group_pace: Pace::new(Duration::from_secs(3), 20),
            global_pace: Pace::new(Duration::from_millis(33), 30),
            allow_http: true,
            strict: false,
            retry_base: Duration::from_millis(50),
            max_attempts: 8,
        }
    }
}

/// A running Bot API. Dereferences to its [`Provider`] record.
#[derive(Debug)]
pub struct TelegramSim {
    server: Server,
    telegram: Arc<Telegram>,
}

/// What requests are answered from.
#[derive(Debug)]
pub(crate) struct Telegram {
    options: TelegramOptions,
    provider: Provider,
    state: Mutex<State>,
    /// One update at a time per queue, as the real one does.
    queues: Mutex<std::collections::HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Deref for TelegramSim {
    type Target = Provider;

    fn deref(&self) -> &Provider {
        &self.telegram.provider
    }
}

impl TelegramSim {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Only when the system has no port to give.
    pub async fn start(options: TelegramOptions) -> io::Result<Self> {
        let provider = Provider::default();
        let telegram = Arc::new(Telegram {
            state: Mutex::new(State::new(&options)),
            provider: provider.clone(),
            options,
            queues: Mutex::default(),
        });
        let acting = telegram.clone();
        let server = provider
            .serve(|_| {
                move |request| {
                    let telegram = acting.clone();
                    async move { telegram.answer(request).await }
                }
            })
            .await?;
        Ok(Self { server, telegram })
    }

    /// The base of the API, in place of `https://api.telegram.org`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How this Bot API is.
    pub fn options(&self) -> &TelegramOptions {
        &self.telegram.options
    }

    /// Makes a chat known; needed in strict mode before the bot can write there.
    pub fn open_chat(&self, id: i64) {
        self.telegram.state.lock().chat(id);
    }

    /// The user blocks (or unblocks) the bot: 403 on every message to the chat.
    pub fn block(&self, chat: i64, blocked: bool) {
        self.telegram.state.lock().chat(chat).blocked = blocked;
    }

    /// The group becomes a supergroup: 400 with `migrate_to_chat_id` from now on.
    pub fn migrate(&self, from: i64, to: i64) {
        let mut state = self.telegram.state.lock();
        state.chat(to);
        state.chat(from).migrated_to = Some(to);
    }

    /// The chat is gone: 400 `chat not found`.
    pub fn remove_chat(&self, id: i64) {
        self.telegram.state.lock().chat(id).missing = true;
    }

    /// Links that contain `part` cannot be fetched: 400 with `reason`
    /// (`failed to get HTTP URL content`, `wrong type of the web page content`).
    pub fn refuse_links(&self, part: &str, reason: &str) {
        self.telegram.state.lock().refused_links.push((part.to_owned(), reason.to_owned()));
    }

    /// Puts a user's file on the server; returns its `file_id` for an update.
    pub fn add_file(&self, name: &str, bytes: impl Into<Bytes>) -> String {
        self.telegram.state.lock().add_file(name, bytes.into())
    }

    /// Gives a user a profile picture; returns its `file_id`.
    pub fn add_profile_photo(&self, user: i64, bytes: impl Into<Bytes>) -> String {
        let mut state = self.telegram.state.lock();
        let id = state.add_file("photo.jpg", bytes.into());
        state.profile_photos.entry(user).or_default().push(id.clone());
        id
    }

    /// From now on the callback query is too old to be answered.
    pub fn expire_callback(&self, id: &str) {
        self.telegram.state.lock().expired_callbacks.insert(id.to_owned());
    }

    /// Ids of callback queries that were answered.
    pub fn answered_callbacks(&self) -> BTreeSet<String> {
        self.telegram.state.lock().answered_callbacks.clone()
    }

    /// A message as it stands after edits; `None` when there is none or it was deleted.
    pub fn message(&self, chat: i64, message_id: i64) -> Option<Value> {
        self.telegram.state.lock().messages.get(&(chat, message_id)).cloned()
    }

    /// The registered webhook as `getWebhookInfo` tells it, with the secret added as `secret_token`.
    pub fn webhook(&self) -> Option<Value> {
        self.telegram.state.lock().webhook.as_ref().map(
            |hook| json!({"url": hook.url, "secret_token": hook.secret, "allowed_updates": hook.allowed}),
        )
    }

    /// Delivers one update to the registered webhook, as the provider: with the secret, one at a time per
    /// chat, again after every answer that is not 2xx. `update_id` is added when absent. What the answer's
    /// JSON asks for (`method`) is carried out.
    ///
    /// # Errors
    /// No webhook is registered, or its URL cannot be parsed. A failed delivery is not an error: see
    /// [`Delivery`].
    pub async fn send_update(&self, update: Value) -> anyhow::Result<Delivery> {
        self.telegram.deliver(update).await
    }
}

impl Telegram {
    async fn answer(&self, request: RawRequest) -> Answer {
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["file", bot, path @ ..] => self.download(bot, &path.join("/")),
            [bot, method] if bot.starts_with("bot") => {
                if bot.strip_prefix("bot") != Some(self.options.token.as_str()) {
                    return Refused::Unauthorized.into_answer();
                }
                match Params::read(&request).await {
                    Ok(params) => self.call(method, &params),
                    Err(refusal) => refusal.into_answer(),
                }
            }
            _ => Refused::NotFound.into_answer(),
        }
    }

    /// Carries out one method. Names of methods are not case sensitive.
    pub(crate) fn call(&self, method: &str, params: &Params) -> Answer {
        let outcome = match method.to_ascii_lowercase().as_str() {
            "getme" => Ok(self.me()),
            "setwebhook" => self.set_webhook(params),
            "getwebhookinfo" => Ok(self.webhook_info()),
            "deletewebhook" => Ok(self.delete_webhook(params)),
            "sendmessage" => self.send_message(params),
            "sendphoto" => self.send_media("photo", "sendPhoto", params),
            "sendaudio" => self.send_media("audio", "sendAudio", params),
            "sendvoice" => self.send_media("voice", "sendVoice", params),
            "sendvideo" => self.send_media("video", "sendVideo", params),
            "senddocument" => self.send_media("document", "sendDocument", params),
            "sendanimation" => self.send_media("animation", "sendAnimation", params),
            "sendsticker" => self.send_media("sticker", "sendSticker", params),
            "sendmediagroup" => self.send_media_group(params),
            "sendlocation" => self.send_place("sendLocation", params),
            "sendvenue" => self.send_place("sendVenue", params),
            "sendcontact" => self.send_contact(params),
            "sendchataction" => self.chat_action(params),
            "setmessagereaction" => self.set_reaction(params),
            "answercallbackquery" => self.answer_callback(params),
            "editmessagetext" => self.edit_text(params),
            "editmessagereplymarkup" => self.edit_markup(params),
            "deletemessage" => self.delete_message(params),
            "getfile" => self.get_file(params),
            "getuserprofilephotos" => self.profile_photos(params),
            "setmycommands" => self.set_commands(params),
            _ => Err(Refused::NotFound),
        };
        match outcome {
            Ok(result) => Answer::json(200, &json!({"ok": true, "result": result})),
            Err(refusal) => refusal.into_answer(),
        }
    }

    fn bot_id(&self) -> i64 {
        self.options.token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or(1)
    }

    fn me(&self) -> Value {
        json!({
            "id": self.bot_id(), "is_bot": true, "first_name": "Portico Sim", "username": self.options.username,
            "can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false,
        })
    }

    /// The chat that the bot may write to now, or why not.
    fn reach(&self, params: &Params) -> Result<i64, Refused> {
        let id = params.chat_id()?;
        let mut state = self.state.lock();
        let known = state.chats.contains_key(&id);
        if id == 0 || (self.options.strict && !known) {
            return Err(bad("chat not found"));
        }
        let Chat { blocked, migrated_to, missing, .. } = *state.chat(id);
        if missing {
            return Err(bad("chat not found"));
        }
        if let Some(to) = migrated_to {
            return Err(Refused::Migrated(to));
        }
        if blocked {
            return Err(Refused::Forbidden(if id > 0 {
                "bot was blocked by the user"
            } else {
                "bot was kicked from the group chat"
            }));
        }
        Ok(id)
    }

    /// One more message (or `count` of them) into a chat, or 429.
    fn pace(&self, chat: i64, count: usize) -> Result<(), Refused> {
        let now = self.provider.clock().now();
        let mut state = self.state.lock();
        let mut wait = state.global_meter.wait(&(), now).max(state.chat_meter.wait(&chat, now));
        if chat < 0 {
            wait = wait.max(state.group_meter.wait(&chat, now));
        }
        if !wait.is_zero() {
            return Err(Refused::TooMany(super::pace::whole_seconds(wait)));
        }
        for _ in 0..count {
            // Asked above: an album may overdraw, as it counts once it is begun.
            state.global_meter.admit(&(), now).unwrap_or_default();
            state.chat_meter.admit(&chat, now).unwrap_or_default();
            if chat < 0 {
                state.group_meter.admit(&chat, now).unwrap_or_default();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
