//! Slack's Web API, its file hosts and its response URLs, as a simulator.
//!
//! Enforced: the token, HTTP 200 with `ok:false` for refusals, JSON or form bodies, channels and membership,
//! the limits of texts and blocks, one message per second and channel, upload in three steps, downloads with
//! the token only, five uses of a response URL in half an hour.
//!
//! Sources: docs.slack.dev, pages of each method, "Rate limits", "Block Kit", "Working with files",
//! "Handling user interaction" (read 2026).

mod answer;
mod blocks;
mod chat;
mod files;
mod lookup;
mod state;

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use serde_json::Value;

use self::answer::{Arguments, Refused, refused};
use self::state::State;
use super::pace::{Pace, whole_seconds};
use super::provider::{Provider, Sent, random_hex};
use super::server::{Answer, RawRequest, Server};

/// A channel that the workspace has.
#[derive(Clone, Debug)]
pub struct SlackChannel {
    /// `C…` public, `G…` private, `D…` direct.
    pub id: String,
    /// Whether the bot may post there.
    pub bot_is_member: bool,
    /// Whether it is archived.
    pub is_archived: bool,
}

impl SlackChannel {
    /// A channel with the bot in it.
    pub fn joined(id: &str) -> Self {
        Self { id: id.to_owned(), bot_is_member: true, is_archived: false }
    }
}

/// How the simulated workspace is.
#[derive(Clone, Debug)]
pub struct SlackOptions {
    /// The `xoxb-…` token that every call must carry.
    pub bot_token: String,
    /// Signs what the simulator makes for the gateway (see [`super::sign::slack_event`]).
    pub signing_secret: String,
    /// Workspace id.
    pub team_id: String,
    /// User id of the bot, as `auth.test` tells.
    pub bot_user_id: String,
    /// Bot id, as `auth.test` tells.
    pub bot_id: String,
    /// Channels that exist. More with [`SlackSim::add_channel`].
    pub channels: Vec<SlackChannel>,
    /// Ids of users that exist. More with [`SlackSim::add_user`].
    pub users: Vec<String>,
    /// Messages per channel: one a second, short bursts.
    pub pace: Pace,
    /// Answer `msg_too_long` above 40,000 characters; else the text is cut, as Slack does with plain text.
    pub refuse_long_text: bool,
    /// Tell `shares` in the answer of `files.completeUploadExternal`; Slack mostly shares a moment later.
    pub shares_at_once: bool,
}

impl SlackOptions {
    /// The default without limits in time, for tests of something else.
    pub fn unpaced() -> Self {
        Self { pace: Pace::OFF, ..Self::default() }
    }
}

impl Default for SlackOptions {
    fn default() -> Self {
        Self {
            bot_token: "xoxb-sim-000000000001".into(),
            signing_secret: "sim-slack-signing-secret".into(),
            team_id: "T00SIM00001".into(),
            bot_user_id: "U00SIMBOT01".into(),
            bot_id: "B00SIMBOT01".into(),
            channels: vec![SlackChannel::joined("C00SIMGENERAL"), SlackChannel::joined("D00SIMDIRECT1")],
            users: vec!["U00SIMUSER01".into()],
            pace: Pace::new(Duration::from_secs(1), 10),
            refuse_long_text: false,
            shares_at_once: false,
        }
    }
}

/// A running Slack. Dereferences to its [`Provider`] record.
#[derive(Debug)]
pub struct SlackSim {
    server: Server,
    slack: Arc<Slack>,
}

/// What requests are answered from.
#[derive(Debug)]
pub(crate) struct Slack {
    options: SlackOptions,
    provider: Provider,
    state: Mutex<State>,
    url: String,
}

impl Deref for SlackSim {
    type Target = Provider;

    fn deref(&self) -> &Provider {
        &self.slack.provider
    }
}

impl SlackSim {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Only when the system has no port to give.
    pub async fn start(options: SlackOptions) -> io::Result<Self> {
        let provider = Provider::default();
        let mut made = None;
        let server = provider
            .serve(|url| {
                let state = Mutex::new(State::new(&options));
                let slack = Arc::new(Slack { options, provider: provider.clone(), state, url });
                made = Some(slack.clone());
                move |request| {
                    let slack = slack.clone();
                    async move { slack.answer(request).await }
                }
            })
            .await?;
        made.map(|slack| Self { server, slack }).ok_or_else(|| io::Error::other("the simulator was not made"))
    }

    /// `http://127.0.0.1:<port>`, where uploads, downloads and response URLs are.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The base of the Web API: [`SlackSim::url`] with `/api`, in place of `https://slack.com/api`.
    pub fn api_url(&self) -> String {
        format!("{}/api", self.server.url())
    }

    /// How this workspace is.
    pub fn options(&self) -> &SlackOptions {
        &self.slack.options
    }

    /// Adds or replaces a channel.
    pub fn add_channel(&self, channel: SlackChannel) {
        self.slack.state.lock().channels.insert(channel.id.clone(), channel);
    }

    /// Adds a user that may be looked up and written to.
    pub fn add_user(&self, id: &str) {
        self.slack.state.lock().users.insert(id.to_owned());
    }

    /// Makes every call fail with this error (`token_revoked`, `account_inactive`) until `None` is given.
    pub fn break_token(&self, error: Option<&str>) {
        self.slack.state.lock().token_error = error.map(str::to_owned);
    }

    /// Takes a scope away: every call of `method` answers `missing_scope`.
    pub fn remove_scope_of(&self, method: &str) {
        self.slack.state.lock().missing_scopes.insert(method.to_owned());
    }

    /// Puts a user's file into the workspace and returns the file object for an event's `files[]`.
    pub fn add_file(&self, name: &str, media_type: &str, bytes: impl Into<Bytes>) -> Value {
        self.slack.add_file(name, media_type, bytes.into())
    }

    /// Makes a response URL for a channel: five uses in 30 minutes.
    pub fn response_url(&self, channel: &str) -> String {
        let token = random_hex(12);
        let until = self.clock().now() + Duration::from_secs(30 * 60);
        self.slack.state.lock().response_urls.insert(token.clone(), (channel.to_owned(), until, 5));
        format!("{}/actions/{}/{token}", self.url(), self.slack.options.team_id)
    }

    /// The text of a message as it stands after edits; `None` when there is none or it was deleted.
    pub fn text_of(&self, channel: &str, ts: &str) -> Option<String> {
        let state = self.slack.state.lock();
        state.messages.get(&(channel.to_owned(), ts.to_owned())).map(|message| message.text.clone())
    }
}

impl Slack {
    async fn answer(&self, request: RawRequest) -> Answer {
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["api", method] => self.call(method, &request).await,
            ["upload", "v1", token] => self.upload(token, &request).await,
            ["files-pri", id, ..] => self.download(id, &request),
            ["actions" | "commands", _team, token] => self.respond(token, &request),
            _ => {
                Answer::text(404, "text/html; charset=utf-8", "<!doctype html><title>Slack</title>Not found")
            }
        }
    }

    async fn call(&self, method: &str, request: &RawRequest) -> Answer {
        let (arguments, warning) = match Arguments::read(method, request).await {
            Ok(read) => read,
            Err(refusal) => return refusal.into_answer(),
        };
        if let Err(refusal) = self.admit(method, request, &arguments) {
            return refusal.into_answer();
        }
        let outcome = match method {
            "auth.test" => Ok(self.auth_test()),
            "chat.postMessage" => self.post_message(&arguments),
            "chat.update" => self.update(&arguments),
            "chat.delete" => self.delete(&arguments),
            "chat.postEphemeral" => self.post_ephemeral(&arguments),
            "conversations.open" => self.open(&arguments),
            "conversations.info" => self.conversation_info(&arguments),
            "users.info" => self.user_info(&arguments),
            "files.info" => self.file_info(&arguments),
            "files.getUploadURLExternal" => self.upload_url(&arguments),
            "files.completeUploadExternal" => self.complete_upload(&arguments),
            "reactions.add" => self.react(&arguments, true),
            "reactions.remove" => self.react(&arguments, false),
            "assistant.threads.setStatus" => self.set_status(&arguments),
            _ => Err(refused("unknown_method")),
        };
        match outcome {
            Ok(mut body) => {
                if let Some(fields) = body.as_object_mut() {
                    fields.insert("ok".to_owned(), Value::Bool(true));
                    if let Some(warning) = warning {
                        fields.insert("warning".to_owned(), Value::from(warning));
                        fields.insert(
                            "response_metadata".to_owned(),
                            serde_json::json!({"warnings": [warning]}),
                        );
                    }
                }
                Answer::json(200, &body)
            }
            Err(refusal) => refusal.into_answer(),
        }
    }

    /// Method, token and scope, in the order in which Slack looks at them.
    fn admit(&self, method: &str, request: &RawRequest, arguments: &Arguments) -> Result<(), Refused> {
        if request.method != Method::POST && request.method != Method::GET {
            return Err(refused("invalid_post_type"));
        }
        // A token may also stand in a form body, never in JSON.
        let token = request.bearer().map(str::to_owned).or_else(|| arguments.form_token());
        match token {
            None => return Err(refused("not_authed")),
            Some(token) if token != self.options.bot_token => return Err(refused("invalid_auth")),
            Some(_) => {}
        }
        let state = self.state.lock();
        if let Some(error) = &state.token_error {
            return Err(refused(error));
        }
        if state.missing_scopes.contains(method) {
            return Err(refused("missing_scope"));
        }
        Ok(())
    }

    /// One more message into a channel, or `ratelimited`.
    fn pace(&self, channel: &str) -> Result<(), Refused> {
        let now = self.provider.clock().now();
        let mut state = self.state.lock();
        state.meter.admit(&channel.to_owned(), now).map_err(|wait| Refused::RateLimited(whole_seconds(wait)))
    }

    fn record(&self, kind: &str, to: &str, id: &str, body: Value, is_message: bool) {
        self.provider.accept(Sent {
            kind: kind.to_owned(),
            to: to.to_owned(),
            id: id.to_owned(),
            body,
            files: Vec::new(),
            at: self.provider.clock().now(),
            is_message,
        });
    }
}

#[cfg(test)]
mod tests;
