//! The stage of the fault tests: one gateway with installations of several kinds, a core, a provider, and the
//! calls that operators and bots make.

use std::time::{Duration, Instant};

use http::Method;
use portico_tests::gateway::{Gateway, GatewaySpec};
use portico_tests::sim::client::{self, Reply};
use portico_tests::sim::core::{CoreAnswer, CoreEvent, HttpCore};
use portico_tests::sim::sign::{self, SignedRequest};
use portico_tests::sim::telegram::{TelegramOptions, TelegramSim};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(super) const BOT_TOKEN: &str = "bot-token-of-the-fault-tests";
pub(super) const WEBHOOK_SECRET: &str = "webhook-secret-of-the-fault-tests-0001";
pub(super) const SLACK_SECRET: &str = "slack-secret-of-the-fault-tests-000001";
pub(super) const TELEGRAM_SECRET: &str = "telegram-secret-of-the-fault-tests-01";
/// Telegram user and chat ids begin here.
pub(super) const FIRST_CHAT: i64 = 5_000_000;

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Webhook(u8),
    Slack,
    Telegram,
}

impl Kind {
    pub(super) fn installation(self) -> &'static str {
        match self {
            Self::Webhook(0) => "app-one",
            Self::Webhook(_) => "app-two",
            Self::Slack => "shop-slack",
            Self::Telegram => "shop-telegram",
        }
    }

    /// Message `number` of a conversation, signed as this kind signs; the same arguments, the same message.
    pub(super) fn message(self, conversation: u32, number: u64, text: &str) -> SignedRequest {
        self.padded_message(conversation, number, text, 0)
    }

    /// As [`Kind::message`]; a webhook's has `bytes` more in a field that nobody reads.
    pub(super) fn padded_message(
        self,
        conversation: u32,
        number: u64,
        text: &str,
        bytes: usize,
    ) -> SignedRequest {
        match self {
            Self::Webhook(_) => {
                let body = json!({
                    "type": "message", "id": format!("{conversation}-{number}"),
                    "conversation": {"id": format!("ticket-{conversation}")},
                    "user": {"id": format!("customer-{conversation}")},
                    "message": {"type": "text", "payload": {"text": text}},
                    "padding": "x".repeat(bytes),
                });
                sign::webhook_signed(WEBHOOK_SECRET, "application/json", body.to_string())
            }
            Self::Slack => {
                let ts = format!("{}.{:06}", 1_700_000_000 + number, conversation);
                let event = json!({
                    "type": "event_callback", "team_id": "T00SIM00001", "api_app_id": "A00SIM00001",
                    "event_id": format!("Ev{conversation:05}{number:09}"), "event_time": 1_700_000_000 + number,
                    "event": {
                        "type": "message", "channel": format!("D{conversation:08}"), "channel_type": "im",
                        "user": format!("U{conversation:08}"), "text": text, "ts": ts, "event_ts": ts,
                    },
                });
                sign::slack_event(SLACK_SECRET, &event)
            }
            Self::Telegram => {
                let chat = FIRST_CHAT + i64::from(conversation);
                let update = json!({
                    "update_id": u64::from(conversation) * 1_000_000 + number,
                    "message": {
                        "message_id": number, "date": sign::now(), "text": text,
                        "chat": {"id": chat, "type": "private", "first_name": "Ada"},
                        "from": {"id": chat, "is_bot": false, "first_name": "Ada"},
                    },
                });
                sign::telegram(TELEGRAM_SECRET, &update)
            }
        }
    }

    /// Path of the webhook.
    pub(super) fn path(self) -> String {
        format!("/webhooks/{}", self.installation())
    }
}

/// A gateway that may be down, and what stands around it.
pub(super) struct Stage {
    pub(super) core: HttpCore,
    pub(super) telegram: TelegramSim,
    pub(super) spec: GatewaySpec,
    /// Removed with the stage.
    _folder: TempDir,
}

impl Stage {
    /// Everything but the gateway; `more` is added to the configuration, `core` to the bot's core table.
    pub(super) async fn set(
        answer: impl Fn(&CoreEvent) -> CoreAnswer + Send + Sync + 'static,
        core_options: &str,
        more: &str,
    ) -> Self {
        let core = HttpCore::with_sequence(answer, place).await.unwrap();
        let telegram = TelegramSim::start(TelegramOptions::unpaced()).await.unwrap();
        let config = config(&core, &telegram, core_options, more);
        let (spec, folder) = GatewaySpec::temporary(&config).unwrap();
        Self { core, telegram, spec, _folder: folder }
    }

    /// A stage whose core takes everything.
    pub(super) async fn plain() -> Self {
        Self::set(|_| CoreAnswer::done(), "", "").await
    }

    pub(super) async fn start(&self) -> Gateway {
        self.spec.start().await.unwrap()
    }

    pub(super) fn data(&self) -> std::path::PathBuf {
        self.spec.data.join("data")
    }
}

/// The place of a message from outside in its conversation: the last number of its text.
fn place(event: &CoreEvent) -> Option<(String, u64)> {
    if event.kind() != "message_created" {
        return None;
    }
    let digits =
        event.text().rsplit(|letter: char| !letter.is_ascii_digit()).find(|digits| !digits.is_empty())?;
    Some((event.conversation().to_owned(), digits.parse().ok()?))
}

pub(super) fn config(core: &HttpCore, telegram: &TelegramSim, core_options: &str, more: &str) -> String {
    format!(
        "[limits.api]\nrate = \"100000/s\"\nadmin_rate = \"1000/s\"\n[limits.webhook]\nrate = \"100000/s\"\n\
         [limits.edge]\nconnections_per_address = 4096\n\
         [bots.support]\ntoken = \"{BOT_TOKEN}\"\nrate = \"100000/s\"\n\
         [bots.support.core]\nkind = \"http\"\nurl = \"{}\"\nsecret = \"{}\"\n{core_options}\n\
         [installations.app-one]\nbot = \"support\"\nconnector = \"webhook\"\nalias = \"one\"\n\
         [installations.app-one.config]\nsecret = \"{WEBHOOK_SECRET}\"\nmessages = true\n\
         [installations.app-two]\nbot = \"support\"\nconnector = \"webhook\"\nalias = \"two\"\n\
         [installations.app-two.config]\nsecret = \"{WEBHOOK_SECRET}\"\nmessages = true\n\
         [installations.shop-slack]\nbot = \"support\"\nconnector = \"slack\"\n\
         [installations.shop-slack.config]\nbot_token = \"xoxb-sim\"\nsigning_secret = \"{SLACK_SECRET}\"\n\
         api_url = \"http://127.0.0.1:9\"\n\
         [installations.shop-telegram]\nbot = \"support\"\nconnector = \"telegram\"\n\
         [installations.shop-telegram.config]\nbot_token = \"{}\"\nwebhook_secret = \"{TELEGRAM_SECRET}\"\n\
         api_url = \"{}\"\n{more}\n",
        core.url(),
        core.secret(),
        telegram.options().token,
        telegram.url(),
    )
}

/// Sends one message from outside and expects it to be taken.
pub(super) async fn say(gateway: &Gateway, kind: Kind, conversation: u32, number: u64, text: &str) {
    let reply =
        kind.message(conversation, number, text).send(&gateway.webhook(kind.installation())).await.unwrap();
    assert!(reply.is_success(), "{kind:?} {conversation} {number}: {} {}", reply.status, reply.text());
}

/// Headers of a bot's call.
pub(super) fn bot_headers(key: Option<&str>) -> Vec<(String, String)> {
    let mut headers = vec![
        ("authorization".to_owned(), format!("Bearer {BOT_TOKEN}")),
        ("x-bot-id".to_owned(), "support".to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    headers.extend(key.map(|key| ("idempotency-key".to_owned(), key.to_owned())));
    headers
}

/// Body of `createMessage` with a text.
pub(super) fn text_message(conversation: &str, text: &str) -> Value {
    json!({
        "conversationId": conversation, "userId": "support", "type": "text",
        "payload": {"text": text}, "tags": {},
    })
}

/// A call of the admin API.
pub(super) async fn admin(gateway: &Gateway, method: Method, path: &str, body: Option<Value>) -> Reply {
    let url = format!("{}/admin/v1{path}", gateway.spec.admin());
    let headers = vec![
        ("authorization".to_owned(), format!("Bearer {}", gateway.admin_token().unwrap())),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    client::send(method, &url, &headers, body.map(|body| body.to_string()).unwrap_or_default().into())
        .await
        .unwrap()
}

/// Reads from the admin API what must be there.
pub(super) async fn look(gateway: &Gateway, path: &str) -> Value {
    let reply = admin(gateway, Method::GET, path, None).await;
    assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
    reply.json()
}

/// All pages of an admin list.
pub(super) async fn all_pages(gateway: &Gateway, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = look(gateway, &format!("{path}{sign}limit=500{cursor}")).await;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// Waits until the admin API shows what is wanted at a path.
pub(super) async fn wait_look(
    gateway: &Gateway,
    path: &str,
    what: &str,
    within: Duration,
    holds: impl Fn(&Value) -> bool,
) -> Value {
    let end = Instant::now() + within;
    loop {
        let seen = look(gateway, path).await;
        if holds(&seen) {
            return seen;
        }
        assert!(
            Instant::now() < end,
            "waited {within:?} for {what}: {path} says {seen}\n{}",
            tail(&gateway.spec)
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Status of `/readyz`; 0 when nobody answers.
pub(super) async fn readiness(spec: &GatewaySpec) -> u16 {
    client::get(&format!("{}/readyz", spec.public()), &[]).await.map_or(0, |reply| reply.status)
}

/// The end of the gateway's log, for messages of failing tests.
pub(super) fn tail(spec: &GatewaySpec) -> String {
    let log = spec.log();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
