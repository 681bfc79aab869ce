//! A gateway in small: one bot, two live installations, a visitor.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portico_contract::{
    ActionCall, BotId, Connector, Context, ConversationId, Effect, Fault, FaultCode, Host, HttpAnswer,
    InboundRequest, InstallationId, Manifest, OutboundMessage, Outcome, Turn, UserId,
};
use portico_lanes::{Driver, DriverHandle, Options};
use portico_net::{Client, ClientOptions};
use portico_outbound::{Actions, NewMessage, Outbox, Paces, Sender, SenderOptions};
use portico_store::memory::MemoryStore;
use portico_store::records::{Message, Records, TagMap, User};
use portico_store::{Dir, Files, Lane, NodeId, Store};
use portico_store_sled::SledStore;
use portico_telemetry::Metrics;
use portico_turns::{BlobStore, Installation, InstallationSpec, Installations, OnUnknown, Outlet, Turns};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{Bounds, Heard, Hub, Listener, Live, NewPerson, Said, Say, Shown, What};

/// A connector as live ones are: it is never asked to deliver.
struct Probe(Manifest);

impl Probe {
    fn new(name: &str) -> Self {
        let manifest = json!({
            "manifest": 1, "name": name, "version": "1.0.0", "title": "Probe", "description": "For tests.",
            "live": true,
            "secrets": [{ "name": "identity_secret", "title": "Secret", "use": ["mac"] }],
            "actions": { "open": { "title": "Open" }, "typing": { "title": "Typing" }, "draft": { "title": "Draft" },
                "event": { "title": "Event" } },
            "channels": { "conversation": { "title": "Conversation", "sends": {} } },
        });
        Self(serde_json::from_value(manifest).unwrap())
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
        Err(Fault::new(FaultCode::Unsupported, "no webhooks"))
    }

    fn deliver(&self, _: &dyn Host, _: &Context, _: OutboundMessage) -> Result<Turn, Fault> {
        panic!("live connectors deliver nothing");
    }

    fn act(&self, _: &dyn Host, _: &Context, call: ActionCall) -> Result<Turn, Fault> {
        let thread = call.thread.ok_or_else(|| Fault::new(FaultCode::BadInput, "where?"))?;
        let signal = Effect::Signal { thread, name: call.name, data: call.input, ttl_ms: 30_000 };
        Ok(Turn::done(Outcome::Output(json!({}))).with_effect(signal))
    }

    fn resume(&self, _: &dyn Host, _: &Context, _: &[u8], _: Vec<HttpAnswer>) -> Result<Turn, Fault> {
        Ok(Turn::done(Outcome::Nothing))
    }
}

fn installation(id: &str, name: &str) -> Arc<Installation> {
    installation_with(id, name, &["sesame"])
}

/// An installation with values of its `identity_secret`, newest first.
pub(super) fn installation_with(id: &str, name: &str, values: &[&str]) -> Arc<Installation> {
    let values = values.iter().map(|value| SecretString::from(*value)).collect();
    let secrets = BTreeMap::from([("identity_secret".to_owned(), values)]);
    let spec = InstallationSpec {
        id: InstallationId::parse(id).unwrap(),
        bot: BotId::parse("support").unwrap(),
        alias: name.into(),
        connector: Arc::new(Probe::new(name)),
        config: Value::Null,
        secrets,
        webhook_url: String::new(),
        locale: "en".into(),
        on_unknown: OnUnknown::Retry,
        max_age: Duration::from_secs(3600),
        max_body: None,
    };
    Arc::new(Installation::new(spec).unwrap())
}

pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    pub(super) live: Live,
    pub(super) hub: Arc<Hub>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) actions: Actions,
    pub(super) sender: Arc<Sender>,
    pub(super) records: Records,
    pub(super) at: Arc<Installation>,
    pub(super) other: Arc<Installation>,
    pub(super) client: Client,
    _folder: tempfile::TempDir,
}

/// A store on disk, small.
pub(super) fn sled(folder: &std::path::Path) -> Arc<dyn Store> {
    let mut options = portico_store_sled::Options::at(folder);
    options.segment_bytes = 4 * 1024 * 1024;
    options.disk_limits = portico_store_sled::DiskLimits::off();
    Arc::new(SledStore::open(options).unwrap())
}

impl World {
    pub(super) async fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new())).await
    }

    pub(super) async fn over(store: Arc<dyn Store>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (at, other) = (installation("site", "webchat"), installation("backend", "chat"));
        let installations = Arc::new(Installations::new([at.clone(), other.clone()]));
        let blobs = BlobStore::new(Files::open(folder.path()).await.unwrap(), store.clone());
        let metrics = Arc::new(Metrics::new());
        let hub = Arc::new(Hub::counted(metrics.clone()));
        let outlet: Arc<dyn Outlet> = hub.clone();
        let options = ClientOptions { allow_private_networks: true, ..ClientOptions::default() };
        let client = Client::new(options).unwrap();
        let turns = Turns::new(store.clone(), blobs, client.clone()).with_outlet(outlet.clone());
        let paces = Arc::new(Paces::default());
        let outbox = Outbox::new(store.clone(), installations.clone(), metrics.clone()).with_outlet(outlet);
        let outbox = Arc::new(outbox);
        let actions =
            Actions::new(store.clone(), installations.clone(), turns.clone(), metrics.clone(), paces.clone());
        let options = SenderOptions::default();
        let sender =
            Sender::new(store.clone(), installations.clone(), turns, metrics.clone(), paces, options);
        let live = Live::new(store.clone(), outbox.clone(), installations, hub.clone(), metrics);
        Self {
            records: Records::of(store.clone(), at.bot.clone()),
            store,
            live,
            hub,
            outbox,
            actions,
            sender: Arc::new(sender),
            at,
            other,
            client,
            _folder: folder,
        }
    }

    /// A visitor with a conversation.
    pub(super) async fn visitor(&self) -> (User, ConversationId) {
        let user = self.live.create_user(&self.at, NewPerson::default()).await.unwrap();
        let opened = self.live.open(&self.at, None, &user.id, TagMap::new()).await.unwrap();
        assert!(opened.created);
        (user, opened.conversation.id)
    }

    pub(super) fn text(conversation: ConversationId, user: &UserId, id: &str, text: &str) -> Say {
        Say {
            conversation,
            user: user.clone(),
            client_id: Some(id.to_owned()),
            kind: "text".into(),
            payload: json!({ "text": text }),
            tags: TagMap::new(),
            reply_to: None,
        }
    }

    pub(super) async fn say(&self, conversation: ConversationId, user: &UserId, id: &str) -> Said {
        self.live.say(&self.at, Self::text(conversation, user, id, id)).await.unwrap()
    }

    /// The bot says something; it waits in the outbox.
    pub(super) async fn bot_says(&self, conversation: ConversationId, text: &str) -> Message {
        let new = NewMessage {
            bot: self.at.bot.clone(),
            conversation,
            user: UserId::of_bot(&self.at.bot),
            kind: "text".into(),
            payload: json!({ "text": text }),
            tags: TagMap::new(),
            origin: None,
            reply_to: None,
            once: None,
        };
        self.outbox.accept(new).await.unwrap()
    }

    /// Works the outboxes from now on.
    pub(super) fn drive(&self) -> Running {
        let stop = CancellationToken::new();
        let options = Options { poll: Duration::from_millis(50), ..Options::new(NodeId([7; 16])) };
        let handle =
            Driver::start(self.store.clone(), Dir::Outbound, self.sender.clone(), options, stop.clone());
        Running { handle, stop }
    }

    /// Waits until a conversation's outbox is empty.
    pub(super) async fn sent(&self, conversation: ConversationId) {
        for _ in 0..1_000 {
            if self.store.lane(Lane::outbound(conversation)).await.unwrap().is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the outbox is not empty");
    }

    pub(super) fn listen(&self, conversation: ConversationId) -> Listener {
        self.live.listen(&self.at, conversation, Bounds::default())
    }

    /// What the core would get from a conversation: kinds of the gateway's events.
    pub(super) async fn told(&self, conversation: ConversationId) -> Vec<Value> {
        let entries = self.store.peek(Lane::inbound(conversation), 1_000).await.unwrap();
        entries.iter().map(|entry| serde_json::from_slice(&entry.event.body).unwrap()).collect()
    }
}

pub(super) struct Running {
    handle: DriverHandle,
    stop: CancellationToken,
}

impl Running {
    /// Ends at once, as a crash would.
    pub(super) async fn kill(self) {
        self.stop.cancel();
        self.handle.drain(Duration::ZERO).await;
    }
}

/// What comes next, within a time in which it must.
pub(super) async fn heard(listener: &mut Listener) -> Heard {
    tokio::time::timeout(Duration::from_secs(20), listener.next()).await.expect("nothing was heard")
}

/// The next item.
pub(super) async fn item(listener: &mut Listener) -> Arc<Shown> {
    loop {
        match heard(listener).await {
            Heard::Item(shown) => return shown,
            Heard::Signal(_) => {}
            other => panic!("heard {other:?}"),
        }
    }
}

/// What a message item says.
pub(super) fn text_of(shown: &Shown) -> String {
    match &shown.what {
        What::Message { message, .. } | What::Updated { message } => {
            message.payload["text"].as_str().unwrap().to_owned()
        }
        other => panic!("no message: {other:?}"),
    }
}
