//! Meta's Graph API as far as the WhatsApp Cloud API goes, as a simulator; it also makes signed webhooks.
//!
//! Enforced: the token (190 with 401), every message type with its limits, the 24 hour window (131047), one
//! message per six seconds and user after a burst of 45 (131056), the number's throughput (130429), media ids,
//! media links of five minutes that need the token, the handshake before a callback is registered.
//!
//! Sources: developers.facebook.com, "Cloud API" reference and guides, "Error codes", "Throughput" (2026);
//! facebook/openapi, Business messaging v23.0.

mod carousel;
mod graph;
mod inbound;
mod interactive;
mod media;
mod message;
mod subscriptions;
mod template;

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};

use self::graph::GraphError;
pub use self::inbound::Inbound;
use self::media::Media;
pub use self::template::Template;
use super::pace::{Meter, Pace};
use super::provider::{Provider, random_hex};
use super::server::{Answer, RawRequest, Server};

/// How the simulated account is.
#[derive(Clone, Debug)]
pub struct WhatsAppOptions {
    /// The token that every call must carry.
    pub access_token: String,
    /// Signs webhooks, and with the app id registers the callback.
    pub app_secret: String,
    /// The app's id.
    pub app_id: String,
    /// The bot's number as Graph knows it.
    pub phone_number_id: String,
    /// The bot's number as people see it, digits.
    pub display_phone_number: String,
    /// The business account.
    pub waba_id: String,
    /// Messages to one user: one per six seconds, bursts of 45.
    pub pair_pace: Pace,
    /// Messages of the number: 80 a second.
    pub throughput: Pace,
    /// Refuse free messages outside the 24 hour window. Off, every window is open.
    pub window: bool,
    /// Only message ids that were seen here may be read, quoted or reacted to.
    pub strict_ids: bool,
    /// Templates that are approved.
    pub templates: Vec<Template>,
}

impl WhatsAppOptions {
    /// The default without limits in time, for tests of something else.
    pub fn unpaced() -> Self {
        Self { pair_pace: Pace::OFF, throughput: Pace::OFF, ..Self::default() }
    }
}

impl Default for WhatsAppOptions {
    fn default() -> Self {
        Self {
            access_token: "EAASIM0000000000000000000000".into(),
            app_secret: "sim-whatsapp-app-secret".into(),
            app_id: "200000000000001".into(),
            phone_number_id: "100000000000001".into(),
            display_phone_number: "15550001111".into(),
            waba_id: "100000000000002".into(),
            pair_pace: Pace::new(Duration::from_secs(6), 45),
            throughput: Pace::new(Duration::from_micros(12_500), 80),
            window: true,
            strict_ids: true,
            templates: vec![Template::new("hello_world", "en_US", 0), Template::new("order_update", "en", 2)],
        }
    }
}

/// A running Graph API. Dereferences to its [`Provider`] record.
#[derive(Debug)]
pub struct WhatsAppSim {
    server: Server,
    graph: Arc<WhatsApp>,
}

/// What requests are answered from.
#[derive(Debug)]
pub(crate) struct WhatsApp {
    options: WhatsAppOptions,
    provider: Provider,
    state: Mutex<State>,
    url: String,
}

#[derive(Debug)]
struct State {
    /// Recipient to the time of their last message.
    windows: HashMap<String, Duration>,
    /// Ids of users' messages and of our own.
    known_ids: HashSet<String>,
    media: HashMap<String, Media>,
    /// Token of a media link to media id and end of life.
    links: HashMap<String, (String, Duration)>,
    refused_links: Vec<String>,
    /// Recipient to the code that their messages fail with.
    refused_users: HashMap<String, u32>,
    pair_meter: Meter<String>,
    number_meter: Meter<()>,
    token_dead: bool,
    app_subscription: Option<Value>,
    waba_subscription: Option<Value>,
    number_webhook: Option<Value>,
}

impl Deref for WhatsAppSim {
    type Target = Provider;

    fn deref(&self) -> &Provider {
        &self.graph.provider
    }
}

impl WhatsAppSim {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Only when the system has no port to give.
    pub async fn start(options: WhatsAppOptions) -> io::Result<Self> {
        let provider = Provider::default();
        let mut made = None;
        let server = provider
            .serve(|url| {
                let state = Mutex::new(State::new(&options));
                let graph = Arc::new(WhatsApp { options, provider: provider.clone(), state, url });
                made = Some(graph.clone());
                move |request| {
                    let graph = graph.clone();
                    async move { graph.answer(request).await }
                }
            })
            .await?;
        made.map(|graph| Self { server, graph }).ok_or_else(|| io::Error::other("the simulator was not made"))
    }

    /// The base of the API, in place of `https://graph.facebook.com`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How this account is.
    pub fn options(&self) -> &WhatsAppOptions {
        &self.graph.options
    }

    /// Opens the 24 hour window of a user (phone number or BSUID), as a message of theirs would.
    pub fn open_window(&self, user: &str) {
        let now = self.clock().now();
        self.graph.state.lock().windows.insert(recipient_key(user), now);
    }

    /// Makes a message id known, so that it may be read, quoted and reacted to.
    pub fn know_message(&self, id: &str) {
        self.graph.state.lock().known_ids.insert(id.to_owned());
    }

    /// From now on messages to this user fail with `code` (131026, 131050, …); 0 ends it.
    pub fn refuse_user(&self, user: &str, code: u32) {
        self.graph.state.lock().refused_users.insert(recipient_key(user), code);
    }

    /// Links that contain `part` cannot be fetched: 131053.
    pub fn refuse_links(&self, part: &str) {
        self.graph.state.lock().refused_links.push(part.to_owned());
    }

    /// The token expires (or lives again): 190 with 401.
    pub fn kill_token(&self, dead: bool) {
        self.graph.state.lock().token_dead = dead;
    }

    /// Puts a user's media file on the server and returns its id for a webhook.
    pub fn add_media(&self, mime_type: &str, bytes: impl Into<Bytes>) -> String {
        self.graph.add_media(mime_type, bytes.into())
    }

    /// What was registered with `/{app_id}/subscriptions`: `callback_url`, `verify_token`, `fields`.
    pub fn app_subscription(&self) -> Option<Value> {
        self.graph.state.lock().app_subscription.clone()
    }

    /// What was posted to `/{waba_id}/subscribed_apps`.
    pub fn waba_subscription(&self) -> Option<Value> {
        self.graph.state.lock().waba_subscription.clone()
    }

    /// The number's `webhook_configuration`.
    pub fn number_webhook(&self) -> Option<Value> {
        self.graph.state.lock().number_webhook.clone()
    }
}

impl State {
    fn new(options: &WhatsAppOptions) -> Self {
        Self {
            windows: HashMap::new(),
            known_ids: HashSet::new(),
            media: HashMap::new(),
            links: HashMap::new(),
            refused_links: Vec::new(),
            refused_users: HashMap::new(),
            pair_meter: Meter::new(options.pair_pace),
            number_meter: Meter::new(options.throughput),
            token_dead: false,
            app_subscription: None,
            waba_subscription: None,
            number_webhook: None,
        }
    }
}

impl WhatsApp {
    async fn answer(&self, request: RawRequest) -> Answer {
        let mut segments = request.segments();
        if segments.first().is_some_and(|first| is_version(first)) {
            segments.remove(0);
        }
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let outcome = match parts.as_slice() {
            ["media-files", token] => return self.download(token, &request),
            [app, "subscriptions"] if *app == self.options.app_id => self.subscriptions(&request).await,
            parts => match self.check_token(&request) {
                Ok(()) => self.route(parts, &request).await,
                Err(error) => Err(error),
            },
        };
        match outcome {
            Ok(body) => Answer::json(200, &body),
            Err(error) => error.into_answer(),
        }
    }

    async fn route(&self, parts: &[&str], request: &RawRequest) -> Result<Value, GraphError> {
        let number = self.options.phone_number_id.as_str();
        let post = request.method == Method::POST;
        match parts {
            [id, "messages"] if *id == number && post => self.messages(request),
            [id, "media"] if *id == number && post => self.upload(request).await,
            [id, "register"] if *id == number && post => {
                let pin = request.json().and_then(|body| body["pin"].as_str().map(str::to_owned));
                match pin {
                    Some(pin) if pin.len() == 6 => Ok(json!({"success": true})),
                    _ => Err(GraphError::missing("pin")),
                }
            }
            [id] if *id == number => self.number(request).await,
            [waba, "subscribed_apps"] if *waba == self.options.waba_id => self.subscribed_apps(request).await,
            [waba] if *waba == self.options.waba_id => Ok(json!({"id": self.options.waba_id, "name": "Sim"})),
            ["debug_token"] => Ok(json!({"data": {"app_id": self.options.app_id, "is_valid": true}})),
            [id] if self.state.lock().media.contains_key(*id) => self.media_info(id, request),
            [id, ..] => Err(GraphError::no_object(request.method.as_str(), id)),
            [] => Err(GraphError::no_object(request.method.as_str(), "")),
        }
    }

    fn check_token(&self, request: &RawRequest) -> Result<(), GraphError> {
        let in_query = request.query_pairs().into_iter().find(|(name, _)| name == "access_token");
        let token = request.bearer().map(str::to_owned).or(in_query.map(|(_, token)| token));
        match token {
            None => Err(GraphError::no_token()),
            Some(token) if token != self.options.access_token || self.state.lock().token_dead => {
                Err(GraphError::bad_token())
            }
            Some(_) => Ok(()),
        }
    }
}

/// `v22.0` and the like.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| {
        rest.split_once('.')
            .is_some_and(|(major, minor)| major.parse::<u8>().is_ok() && minor.parse::<u8>().is_ok())
    })
}

/// A phone number without `+`, blanks and dashes; a BSUID as it is.
fn recipient_key(user: &str) -> String {
    let digits: String = user.chars().filter(char::is_ascii_digit).collect();
    let is_phone = user.chars().all(|c| c.is_ascii_digit() || "+ -()".contains(c));
    if is_phone { digits } else { user.to_owned() }
}

fn new_wamid() -> String {
    format!("wamid.SIM{}", random_hex(12).to_ascii_uppercase())
}

#[cfg(test)]
mod tests;
