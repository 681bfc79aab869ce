//! A gateway in small: one bot, one installation, one conversation or more.

use std::sync::Arc;
use std::time::Duration;

use portico_contract::{
    ActionCall, BotId, Connector, Content, Context, ConversationId, Delivered, Effect, Fault, FaultCode,
    Host, HttpAnswer, InboundRequest, InstallationId, Keep, Manifest, OutboundMessage, OutboundRequest,
    Outcome, Payload, Tags, Thread, TimerSet, TimerTick, Turn, UserId,
};
use portico_lanes::{Driver, DriverHandle, Options};
use portico_net::{Client, ClientOptions};
use portico_store::records::{Message, Records};
use portico_store::{Commit, Dir, EventKind, Files, Lane, NodeId, Store};
use portico_telemetry::Metrics;
use portico_turns::{BlobStore, Installation, InstallationSpec, Installations, OnUnknown, Turns};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::provider::Provider;
use crate::{Actions, NewMessage, Outbox, Paces, Sender, SenderOptions};

/// A connector that sends one request per part, and treats what comes back as real ones do.
pub(super) struct Probe(Manifest);

#[derive(Serialize, Deserialize)]
struct Memo {
    left: Vec<String>,
    ids: Vec<String>,
    action: Option<String>,
}

impl Probe {
    fn new(extra: &Value) -> Self {
        let mut manifest = json!({
            "manifest": 1, "name": "probe", "version": "1.0.0", "title": "Probe", "description": "For tests.",
            "permissions": { "hosts": [{ "config": "/api_url" }] },
            "channels": { "dm": {
                "title": "DM", "sends": { "text": {}, "image": {}, "card": {} }, "features": ["edit", "delete"],
            } },
            "actions": {
                "find": { "title": "Find", "input": { "type": "object", "required": ["code"],
                    "properties": { "code": { "type": "string" } } } },
                "open": { "title": "Open" },
                "signal": { "title": "Signal" },
                "hang": { "title": "Hang" },
            },
        });
        for (name, value) in extra.as_object().unwrap() {
            manifest[name] = value.clone();
        }
        Self(serde_json::from_value(manifest).unwrap())
    }

    fn ask(ctx: &Context, memo: &Memo, repeatable: bool) -> Turn {
        let base = ctx.config.json()["api_url"].as_str().unwrap_or_default();
        let text = memo.left.first().cloned().unwrap_or_default();
        let mut request = OutboundRequest::json("send", format!("{base}/send"), &json!({ "text": text }));
        request.repeatable = repeatable;
        request.timeout_ms = Some(1_500);
        if memo.action.as_deref() == Some("media") {
            request.keep = Keep::Stored;
        }
        Turn::ask(vec![request], serde_json::to_vec(memo).unwrap())
    }
}

impl Connector for Probe {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn register(&self, _: &dyn Host, _: &Context) -> Result<Turn, Fault> {
        Ok(Turn::done(Outcome::Nothing))
    }

    fn unregister(&self, _: &dyn Host, _: &Context) -> Result<Turn, Fault> {
        Ok(Turn::done(Outcome::Nothing))
    }

    fn webhook(&self, _: &dyn Host, _: &Context, _: &InboundRequest) -> Result<Turn, Fault> {
        Ok(Turn::done(Outcome::Nothing))
    }

    fn deliver(&self, _: &dyn Host, ctx: &Context, message: OutboundMessage) -> Result<Turn, Fault> {
        let mut left = Vec::new();
        for part in &message.parts {
            left.push(match part {
                Content::Text { text, .. } if text == "panic" => panic!("as asked"),
                Content::Text { text, .. } if text == "bug" => {
                    return Err(Fault::new(FaultCode::Bug, "as asked"));
                }
                Content::Text { text, .. } if text == "who" => json!({
                    "thread": message.thread, "recipient": message.recipient, "reply_to": message.reply_to,
                    "tags": message.tags, "attempt": message.attempt,
                })
                .to_string(),
                Content::Text { text, .. } => text.clone(),
                Content::Image(media) => media.url.clone(),
                other => {
                    return Err(Fault::new(FaultCode::Unsupported, format!("no {} today", other.kind())));
                }
            });
        }
        Ok(Self::ask(ctx, &Memo { left, ids: Vec::new(), action: None }, false))
    }

    fn act(&self, _: &dyn Host, ctx: &Context, call: ActionCall) -> Result<Turn, Fault> {
        match call.name.as_str() {
            "open" => {
                let thread =
                    Thread { channel: "dm".into(), key: "new".into(), tags: Tags::new().with("id", "new") };
                Ok(Turn::done(Outcome::Output(json!({}))).with_effect(Effect::Open(thread)))
            }
            "signal" => {
                let thread = Thread { channel: "dm".into(), key: "new".into(), tags: Tags::new() };
                let signal = Effect::Signal { thread, name: "open".into(), data: json!({}), ttl_ms: 0 };
                Ok(Turn::done(Outcome::Nothing).with_effect(signal))
            }
            "find" | "hang" | "media" | "editMessage" | "deleteMessage" => {
                let told = json!({ "name": call.name, "input": call.input, "thread": call.thread,
                    "message": call.message.map(|message| message.external_ids) });
                let memo = Memo { left: vec![told.to_string()], ids: Vec::new(), action: Some(call.name) };
                Ok(Self::ask(ctx, &memo, true))
            }
            other => Err(Fault::new(FaultCode::Unsupported, format!("no action '{other}'"))),
        }
    }

    fn tick(&self, _: &dyn Host, _: &Context, tick: TimerTick) -> Result<Turn, Fault> {
        let again = TimerSet { name: format!("{}-seen", tick.name), after_ms: Some(3_600_000) };
        Ok(Turn::done(Outcome::Nothing).with_effect(Effect::Timer(again)))
    }

    fn resume(
        &self,
        _: &dyn Host,
        ctx: &Context,
        memo: &[u8],
        answers: Vec<HttpAnswer>,
    ) -> Result<Turn, Fault> {
        let mut memo: Memo = serde_json::from_slice(memo).unwrap();
        let answer = answers.last().unwrap();
        let response = match &answer.outcome {
            Ok(response) => response,
            Err(failure) => return Err(Fault::new(FaultCode::Unavailable, failure.to_string())),
        };
        let fault = |code| Err(Fault::new(code, format!("HTTP {}", response.status)));
        match response.status {
            200 => {}
            401 => return fault(FaultCode::Unauthenticated),
            403 => return fault(FaultCode::Unreachable),
            422 => return fault(FaultCode::Unsupported),
            429 => {
                let fault = Fault::new(FaultCode::RateLimited, "HTTP 429");
                let seconds = response.header("retry-after").and_then(|text| text.parse::<u32>().ok());
                return Err(seconds.map_or(fault.clone(), |seconds| fault.retry_after_ms(seconds * 1000)));
            }
            500.. => return fault(FaultCode::Unavailable),
            _ => return fault(FaultCode::Rejected),
        }
        if let Payload::Stored(blob) = &response.body {
            return Ok(Turn::done(Outcome::Output(json!({ "blob": blob }))));
        }
        let Some(id) = serde_json::from_slice::<Value>(response.bytes())
            .ok()
            .and_then(|it| Some(it["id"].as_str()?.to_owned()))
        else {
            return Err(Fault::new(FaultCode::Unavailable, "the answer is not JSON"));
        };
        if memo.action.is_some() {
            return Ok(Turn::done(Outcome::Output(json!({ "messageId": id }))));
        }
        memo.ids.push(id);
        memo.left.remove(0);
        if memo.left.is_empty() {
            let tags = Tags::new().with("id", memo.ids[0].clone());
            return Ok(Turn::done(Outcome::Delivered(Delivered { external_ids: memo.ids, tags })));
        }
        Ok(Self::ask(ctx, &memo, false))
    }
}

/// What can be different.
pub(super) struct Setup {
    pub(super) manifest: Value,
    pub(super) max_age: Duration,
    pub(super) on_unknown: OnUnknown,
    pub(super) options: SenderOptions,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            manifest: json!({}),
            max_age: Duration::from_secs(3600),
            on_unknown: OnUnknown::Retry,
            options: SenderOptions::default(),
        }
    }
}

pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    pub(super) bot: BotId,
    pub(super) installation: Arc<Installation>,
    pub(super) installations: Arc<Installations>,
    pub(super) turns: Turns,
    pub(super) metrics: Arc<Metrics>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) actions: Arc<Actions>,
    pub(super) sender: Arc<Sender>,
    pub(super) records: Records,
    pub(super) provider: Provider,
    _folder: tempfile::TempDir,
}

fn installation(provider: &Provider, bot: &BotId, setup: &Setup) -> Installation {
    Installation::new(InstallationSpec {
        id: InstallationId::parse("shop-probe").unwrap(),
        bot: bot.clone(),
        alias: "probe".into(),
        connector: Arc::new(Probe::new(&setup.manifest)),
        config: json!({ "api_url": provider.url }),
        secrets: Default::default(),
        webhook_url: "https://bots.example/hooks/shop-probe".into(),
        locale: "en".into(),
        on_unknown: setup.on_unknown,
        max_age: setup.max_age,
        max_body: None,
    })
    .unwrap()
}

impl World {
    pub(super) async fn new(provider: Provider) -> Self {
        Self::with(provider, Setup::default()).await
    }

    pub(super) async fn with(provider: Provider, setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(portico_store::memory::MemoryStore::new());
        let bot = BotId::parse("shop").unwrap();
        let installation = Arc::new(installation(&provider, &bot, &setup));
        let installations = Arc::new(Installations::default());
        installations.replace([installation.clone()]);
        let options = ClientOptions { allow_private_networks: true, ..ClientOptions::default() };
        let blobs = BlobStore::new(Files::open(folder.path()).await.unwrap(), store.clone());
        let turns = Turns::new(store.clone(), blobs, Client::new(options).unwrap());
        let metrics = Arc::new(Metrics::new());
        let paces = Arc::new(Paces::default());
        let outbox = Arc::new(Outbox::new(store.clone(), installations.clone(), metrics.clone()));
        let actions =
            Actions::new(store.clone(), installations.clone(), turns.clone(), metrics.clone(), paces.clone());
        let sender = Sender::new(
            store.clone(),
            installations.clone(),
            turns.clone(),
            metrics.clone(),
            paces,
            setup.options,
        );
        Self {
            records: Records::of(store.clone(), bot.clone()),
            actions: Arc::new(actions.time_limit(Duration::from_millis(600))),
            sender: Arc::new(sender),
            store,
            bot,
            installation,
            installations,
            turns,
            metrics,
            outbox,
            provider,
            _folder: folder,
        }
    }

    /// The same installation, read from the configuration anew.
    pub(super) fn again(&self) -> Arc<Installation> {
        Arc::new(installation(&self.provider, &self.bot, &Setup::default()))
    }

    /// The conversation of a thread, made if it is not there.
    pub(super) async fn conversation(&self, key: &str) -> ConversationId {
        let thread = Thread { channel: "dm".into(), key: key.into(), tags: Tags::new().with("id", key) };
        self.turns.open(&self.installation, &thread, crate::now()).await.unwrap()
    }

    pub(super) fn text(&self, conversation: ConversationId, text: &str) -> NewMessage {
        NewMessage {
            bot: self.bot.clone(),
            conversation,
            user: UserId::of_bot(&self.bot),
            kind: "text".into(),
            payload: json!({ "text": text }),
            tags: Default::default(),
            origin: None,
            reply_to: None,
            once: None,
        }
    }

    pub(super) async fn say(&self, conversation: ConversationId, text: &str) -> Message {
        self.outbox.accept(self.text(conversation, text)).await.unwrap()
    }

    pub(super) fn drive(&self, node: u8) -> Running {
        let stop = CancellationToken::new();
        let options = Options { poll: Duration::from_millis(100), ..Options::new(NodeId([node; 16])) };
        let handle =
            Driver::start(self.store.clone(), Dir::Outbound, self.sender.clone(), options, stop.clone());
        Running { handle, stop }
    }

    /// Waits until a message is as it should be.
    pub(super) async fn until(
        &self,
        id: portico_contract::MessageId,
        is: impl Fn(&Message) -> bool,
    ) -> Message {
        for _ in 0..400 {
            let message = self.records.message(id).await.unwrap().unwrap().value;
            if is(&message) {
                return message;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let message = self.records.message(id).await.unwrap().unwrap().value;
        panic!("still {message:?}; the provider was asked {:?}", self.provider.asked());
    }

    /// Waits until a lane is empty.
    pub(super) async fn settled(&self, conversation: ConversationId) {
        for _ in 0..400 {
            if self.store.lane(Lane::outbound(conversation)).await.unwrap().is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the outbox is not empty; the provider was asked {:?}", self.provider.asked());
    }

    /// The gateway's events in a mailbox.
    pub(super) async fn told(&self, lane: Lane) -> Vec<Value> {
        let entries = self.store.peek(lane, 100).await.unwrap();
        let gateway = entries.into_iter().filter(|entry| entry.event.kind == EventKind::Gateway);
        gateway.map(|entry| serde_json::from_slice(&entry.event.body).unwrap()).collect()
    }

    pub(super) async fn commit(&self, changes: impl IntoIterator<Item = portico_store::Change>) {
        self.store.commit(Commit::of(changes)).await.unwrap();
    }
}

pub(super) struct Running {
    pub(super) handle: DriverHandle,
    pub(super) stop: CancellationToken,
}

impl Running {
    /// Ends at once, as a crash would.
    pub(super) async fn kill(self) {
        self.stop.cancel();
        self.handle.drain(Duration::ZERO).await;
    }
}
