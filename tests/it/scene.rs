//! The stage of most tests: a gateway with four installations (`slack`, `telegram`, `whatsapp`, `hook`) of the
//! bot `support`, a simulator behind each of them, and a recording core.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use portico_tests::gateway::{Gateway, GatewaySpec};
use portico_tests::sim::app::AppSim;
use portico_tests::sim::client::{self, Reply};
use portico_tests::sim::core::{CoreAnswer, CoreEvent, HttpCore};
use portico_tests::sim::provider::Sent;
use portico_tests::sim::sign::{self, SignedRequest};
use portico_tests::sim::slack::{SlackOptions, SlackSim};
use portico_tests::sim::telegram::{TelegramOptions, TelegramSim};
use portico_tests::sim::whatsapp::{WhatsAppOptions, WhatsAppSim};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for anything that should happen at once; two slow cores under load are thought of.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What the bot `support` presents to the runtime API.
pub(crate) const BOT_TOKEN: &str = "bot-token-of-the-tests-0123456789";
/// The verify token of the WhatsApp installation.
pub(crate) const VERIFY_TOKEN: &str = "verify-token-of-the-tests";
/// The webhook secret of the Telegram installation.
pub(crate) const TELEGRAM_SECRET: &str = "telegram_secret-of-the-tests";

/// A channel and a person that the simulated Slack knows.
pub(crate) const SLACK_DM: &str = "D00SIMDIRECT1";
pub(crate) const SLACK_CHANNEL: &str = "C00SIMGENERAL";
pub(crate) const SLACK_USER: &str = "U00SIMUSER01";

/// The providers' side.
pub(crate) struct Providers {
    pub(crate) slack: SlackSim,
    pub(crate) telegram: TelegramSim,
    pub(crate) whatsapp: WhatsAppSim,
    pub(crate) app: AppSim,
}

impl Providers {
    /// All four, without limits in time.
    pub(crate) async fn start() -> Self {
        Self {
            slack: SlackSim::start(SlackOptions::unpaced()).await.unwrap(),
            telegram: TelegramSim::start(TelegramOptions::unpaced()).await.unwrap(),
            whatsapp: WhatsAppSim::start(WhatsAppOptions::unpaced()).await.unwrap(),
            app: AppSim::start().await.unwrap(),
        }
    }

    /// The installations, as TOML.
    pub(crate) fn installations(&self) -> String {
        let (slack, whatsapp) = (self.slack.options(), self.whatsapp.options());
        format!(
            r#"
[installations.slack]
bot = "support"
connector = "slack"
[installations.slack.config]
bot_token = "{}"
signing_secret = "{}"
api_url = "{}"

[installations.telegram]
bot = "support"
connector = "telegram"
[installations.telegram.config]
bot_token = "{}"
webhook_secret = "{TELEGRAM_SECRET}"
api_url = "{}"

[installations.whatsapp]
bot = "support"
connector = "whatsapp"
[installations.whatsapp.config]
phone_number_id = "{}"
access_token = "{}"
app_secret = "{}"
verify_token = "{VERIFY_TOKEN}"
api_url = "{}"

[installations.hook]
bot = "support"
connector = "webhook"
[installations.hook.config]
secret = "{}"
messages = true
outbound_url = "{}"
"#,
            slack.bot_token,
            slack.signing_secret,
            self.slack.url(),
            self.telegram.options().token,
            self.telegram.url(),
            whatsapp.phone_number_id,
            whatsapp.access_token,
            whatsapp.app_secret,
            self.whatsapp.url(),
            self.app.secret(),
            self.app.url(),
        )
    }
}

/// A bot with a core, as TOML; `core` is the inside of its table.
pub(crate) fn bot(core: &str) -> String {
    format!("[bots.support]\ntoken = \"{BOT_TOKEN}\"\n[bots.support.core]\n{core}\n")
}

/// A core of kind `http`, as the inside of its table.
pub(crate) fn http_core(core: &HttpCore) -> String {
    format!("kind = \"http\"\nurl = \"{}\"\nsecret = \"{}\"", core.url(), core.secret())
}

/// Everything together.
pub(crate) struct Scene {
    pub(crate) providers: Providers,
    pub(crate) core: HttpCore,
    pub(crate) gateway: Gateway,
    pub(crate) folder: TempDir,
}

impl Scene {
    /// With a core that says every text back.
    pub(crate) async fn echo() -> Self {
        Self::new("", echo).await
    }

    /// With a core that only takes note.
    pub(crate) async fn silent() -> Self {
        Self::new("", |_| CoreAnswer::done()).await
    }

    /// With more configuration, and a core of one's own.
    pub(crate) async fn new(
        more: &str,
        answer: impl Fn(&CoreEvent) -> CoreAnswer + Send + Sync + 'static,
    ) -> Self {
        let (providers, core) = (Providers::start().await, HttpCore::start(answer).await.unwrap());
        let config = format!("{more}\n{}{}", bot(&http_core(&core)), providers.installations());
        let (spec, folder) = GatewaySpec::temporary(&config).unwrap();
        let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
        Self { providers, core, gateway, folder }
    }

    /// Waits for a result; fails with the end of the gateway's log.
    pub(crate) async fn within<T>(&self, wait: impl Future<Output = anyhow::Result<T>>) -> T {
        match wait.await {
            Ok(value) => value,
            Err(error) => panic!("{error:#}\n--- gateway.log ---\n{}", self.log_tail()),
        }
    }

    /// Asks again and again until there is something.
    pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
        &self,
        what: &str,
        mut ask: impl FnMut() -> F,
    ) -> T {
        let end = Instant::now() + SOON;
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            assert!(Instant::now() < end, "waited for {what}\n--- gateway.log ---\n{}", self.log_tail());
            // Slow enough for the rate limit of the admin API.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The last lines of the log.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.gateway.spec.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Sends a signed request to an installation.
    pub(crate) async fn hook(&self, installation: &str, request: &SignedRequest) -> Reply {
        request.send(&self.gateway.webhook(installation)).await.unwrap()
    }

    /// As [`Scene::hook`], and it must be taken.
    pub(crate) async fn accepted(&self, installation: &str, request: &SignedRequest) -> Reply {
        let reply = self.hook(installation, request).await;
        assert!(
            reply.is_success(),
            "{installation}: {} {}\n--- gateway.log ---\n{}",
            reply.status,
            reply.text(),
            self.log_tail()
        );
        reply
    }

    /// Waits until the core has taken `n` events, and returns the last of them.
    pub(crate) async fn nth_event(&self, n: usize) -> CoreEvent {
        let events = self.within(self.core.wait_for(n, SOON)).await;
        events[n - 1].clone()
    }

    /// Waits for the first event of a kind.
    pub(crate) async fn event_of(&self, kind: &str) -> CoreEvent {
        let is_there =
            |core: &portico_tests::sim::core::Ledger| core.events().iter().any(|event| event.kind() == kind);
        self.within(self.core.wait_until(&format!("an event '{kind}'"), SOON, is_there)).await;
        self.core.events().into_iter().find(|event| event.kind() == kind).unwrap()
    }

    /// Waits for `n` messages at a simulator, and returns the last of them.
    pub(crate) async fn nth_sent(&self, provider: &portico_tests::sim::provider::Provider, n: usize) -> Sent {
        let sent = self.within(provider.wait_for(n, SOON)).await;
        sent[n - 1].clone()
    }

    /// Calls the admin API with the right token.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let token = self.gateway.admin_token().unwrap();
        let url = format!("{}/admin/v1{path}", self.gateway.spec.admin());
        call(method, &url, &token, body).await
    }

    /// Reads from the admin API what must be there.
    pub(crate) async fn admin_get(&self, path: &str) -> Value {
        let reply = self.admin(Method::GET, path, None).await;
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        reply.json()
    }

    /// Calls the runtime API as the bot.
    pub(crate) async fn api(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        call(method, &format!("{}/v1/chat{path}", self.gateway.spec.public()), BOT_TOKEN, body).await
    }

    /// Sends a message as the bot, and returns it as the API tells it.
    pub(crate) async fn say(&self, conversation: &str, kind: &str, payload: Value) -> Value {
        let body = json!({
            "conversationId": conversation, "userId": "support", "type": kind, "payload": payload, "tags": {},
        });
        let reply = self.api(Method::POST, "/messages", Some(&body)).await;
        assert!(reply.is_success(), "{}: {}", reply.status, reply.text());
        reply.json()["message"].clone()
    }

    /// A message of a person at Slack, signed.
    pub(crate) fn slack_text(&self, channel: &str, text: &str) -> SignedRequest {
        self.slack_event(json!({
            "type": "message", "user": SLACK_USER, "text": text, "ts": slack_ts(), "channel": channel,
            "channel_type": if channel.starts_with('D') { "im" } else { "channel" },
        }))
    }

    /// An event at Slack, signed.
    pub(crate) fn slack_event(&self, event: Value) -> SignedRequest {
        sign::slack_event(&self.providers.slack.options().signing_secret, &self.slack_envelope(event))
    }

    /// An event in Slack's envelope, with an id of its own.
    pub(crate) fn slack_envelope(&self, event: Value) -> Value {
        let options = self.providers.slack.options();
        json!({
            "type": "event_callback", "team_id": options.team_id, "api_app_id": "A00SIMAPP01",
            "event_id": format!("Ev{:010}", next()), "event_time": sign::now(), "event": event,
            "authorizations": [{"team_id": options.team_id, "user_id": options.bot_user_id, "is_bot": true}],
        })
    }

    /// An update of Telegram, with an id of its own and the secret.
    pub(crate) fn telegram_update(&self, mut update: Value) -> SignedRequest {
        update["update_id"] = json!(900_000 + next());
        sign::telegram(TELEGRAM_SECRET, &update)
    }

    /// A message of a person in a private chat with the bot.
    pub(crate) fn telegram_message(&self, chat: i64, part: Value) -> SignedRequest {
        self.telegram_update(json!({"message": telegram_message(chat, part)}))
    }

    /// A message in a conversation of the webhook connector's own form.
    pub(crate) fn app_message(&self, conversation: &str, text: &str) -> SignedRequest {
        let body = json!({
            "type": "message", "id": format!("app-{}", next()), "conversation": {"id": conversation},
            "user": {"id": "customer-1", "name": "Ada"}, "message": {"type": "text", "payload": {"text": text}},
        });
        sign::webhook_signed(self.providers.app.secret(), "application/json", body.to_string())
    }
}

/// A Telegram message of a person in a private chat.
pub(crate) fn telegram_message(chat: i64, part: Value) -> Value {
    let mut message = json!({
        "message_id": 1000 + next(), "date": sign::now(),
        "from": {"id": chat, "is_bot": false, "first_name": "Ada", "username": "ada", "language_code": "en"},
        "chat": {"id": chat, "type": "private", "first_name": "Ada", "username": "ada"},
    });
    if let (Some(message), Value::Object(part)) = (message.as_object_mut(), part) {
        message.extend(part);
    }
    message
}

/// A core that says every text back.
pub(crate) fn echo(event: &CoreEvent) -> CoreAnswer {
    match event.kind() {
        "message_created" => CoreAnswer::text(event.text()),
        _ => CoreAnswer::done(),
    }
}

/// Calls an API with a bearer token and JSON.
pub(crate) async fn call(method: Method, url: &str, token: &str, body: Option<&Value>) -> Reply {
    let mut headers = vec![("authorization".to_owned(), format!("Bearer {token}"))];
    if body.is_some() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    let body = body.map(|body| body.to_string().into()).unwrap_or_default();
    client::send(method, url, &headers, body).await.unwrap()
}

/// A number that was not used before in this run.
pub(crate) fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A message id of Slack, now.
pub(crate) fn slack_ts() -> String {
    format!("{}.{:06}", sign::now(), next())
}
