//! A gateway's parts around the two APIs, in memory: for tests and the example.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portico_chat_api::{ChatApi, ChatLimits, ChatSignals, Rate};
use portico_contract::{BotId, Connector, ConversationId, InstallationId, UserId};
use portico_lanes::{Driver, DriverHandle, Options};
use portico_live::{Hub, Live};
use portico_net::{Client, ClientOptions};
use portico_outbound::{Actions, NewMessage, Outbox, Paces, Sender, SenderOptions};
use portico_store::memory::MemoryStore;
use portico_store::records::{GatewayEvent, Message, TagMap};
use portico_store::{Dir, EventFilter, EventKind, Files, NodeId, Store};
use portico_telemetry::Metrics;
use portico_turns::{BlobStore, Installation, InstallationSpec, Installations, OnUnknown, Turns};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// What the installation `signed` has as its encryption key.
pub(crate) const KEY: &str = "a key of the shop";
/// What the installation `site` has as its admin secret.
pub(crate) const ADMIN: &str = "an admin secret";
/// What the installation `backend` tells its webhook's receiver.
pub(crate) const HOOK: &str = "a secret of the receiver";

/// The parts.
pub(crate) struct Parts {
    pub(crate) api: ChatApi,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) actions: Actions,
    pub(crate) bot: BotId,
    /// Keeps the outbox going.
    _driver: DriverHandle,
}

fn installation(
    id: &str,
    connector: Arc<dyn Connector>,
    config: Value,
    secret: Option<(&str, &str)>,
) -> anyhow::Result<Arc<Installation>> {
    let alias = connector.manifest().name.clone();
    let secrets = secret
        .map(|(name, value)| (name.to_owned(), vec![SecretString::from(value)]))
        .into_iter()
        .collect::<BTreeMap<_, _>>();
    let spec = InstallationSpec {
        id: InstallationId::parse(id)?,
        bot: BotId::parse("support")?,
        // Two installations of a connector under one bot need names of their own.
        alias: if id == "signed" { id.to_owned() } else { alias },
        connector,
        config,
        secrets,
        webhook_url: format!("http://gateway.test/webhooks/{id}"),
        locale: "en".into(),
        on_unknown: OnUnknown::default(),
        max_age: Duration::from_secs(3600),
        max_body: None,
    };
    Installation::new(spec).map(Arc::new).map_err(anyhow::Error::msg)
}

/// A gateway with the chats `backend` and `signed` and the webchat `site`. What happens at `backend` is told to
/// `hook`.
pub(crate) async fn parts(
    folder: &Path,
    url: &str,
    origins: &[&str],
    hook: Option<&str>,
) -> anyhow::Result<Parts> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let files = Files::open(folder).await?;
    let (chat, webchat) = (portico_chat::connector(), portico_webchat::connector());
    let mut backend = json!({ "allowed_origins": origins });
    if let Some(hook) = hook {
        backend["webhook_url"] = hook.into();
    }
    let installations = Arc::new(Installations::new([
        installation("backend", chat.clone(), backend, hook.map(|_| ("webhook_secret", HOOK)))?,
        installation("signed", chat, json!({}), Some(("encryption_key", KEY)))?,
        installation("site", webchat, json!({ "origins": origins }), Some(("admin_secret", ADMIN)))?,
    ]));
    let (hub, metrics) = (Arc::new(Hub::new()), Arc::new(Metrics::new()));
    let client = Client::new(ClientOptions {
        // The receiver of the tests is on this machine.
        allow_private_networks: hook.is_some(),
        ..ClientOptions::default()
    })?;
    let turns = Turns::new(store.clone(), BlobStore::new(files.clone(), store.clone()), client)
        .with_outlet(hub.clone());
    let outbox =
        Arc::new(Outbox::new(store.clone(), installations.clone(), metrics.clone()).with_outlet(hub.clone()));
    let paces = Arc::new(Paces::default());
    let live = Live::new(store.clone(), outbox.clone(), installations.clone(), hub.clone(), metrics.clone());
    let sender = Sender::new(
        store.clone(),
        installations.clone(),
        turns.clone(),
        metrics.clone(),
        paces.clone(),
        SenderOptions::default(),
    )
    .with_signals(Arc::new(ChatSignals(live.clone())));
    let options = Options { poll: Duration::from_millis(50), ..Options::new(NodeId([1; 16])) };
    let (dir, sender) = (Dir::Outbound, Arc::new(sender));
    let driver = Driver::start(store.clone(), dir, sender, options, CancellationToken::new());
    // Tests call faster than people.
    let rate = Rate { count: 1_000_000, per: Duration::from_secs(1), burst: 1_000_000 };
    let limits = ChatLimits {
        user: rate,
        chat_address: rate,
        webchat_address: rate,
        chat_users: rate,
        webchat_users: rate,
        ..ChatLimits::default()
    };
    let api = ChatApi {
        live,
        store: store.clone(),
        files,
        metrics: metrics.clone(),
        public_url: url.to_owned(),
        allow_localhost: false,
        limits,
        keys: Arc::new(|purpose| {
            let mut key = [9; 32];
            for (index, byte) in purpose.bytes().enumerate() {
                key[index % 32] ^= byte.rotate_left(u32::try_from(index / 32).unwrap_or(0));
            }
            key
        }),
        address: Arc::new(|_| None),
        stop: CancellationToken::new(),
    };
    let actions = Actions::new(store.clone(), installations, turns, metrics, paces);
    let bot = BotId::parse("support")?;
    Ok(Parts { api, store, outbox, actions, bot, _driver: driver })
}

impl Parts {
    /// The bot says something.
    pub(crate) async fn say(
        &self,
        conversation: ConversationId,
        kind: &str,
        payload: Value,
        tags: TagMap,
    ) -> anyhow::Result<Message> {
        let new = NewMessage {
            bot: self.bot.clone(),
            conversation,
            user: UserId::of_bot(&self.bot),
            kind: kind.into(),
            payload,
            tags,
            origin: None,
            reply_to: None,
            once: None,
        };
        Ok(self.outbox.accept(new).await?)
    }

    /// Events that the bot would hear, newest first.
    pub(crate) async fn heard(&self) -> anyhow::Result<Vec<GatewayEvent>> {
        let filter = EventFilter { kinds: vec![EventKind::Gateway], ..EventFilter::default() };
        let mut events = Vec::new();
        for summary in self.store.events(&filter, None, 100).await?.items {
            if summary.lane.dir == Dir::Inbound
                && let Some(stored) = self.store.event(summary.id).await?
            {
                events.push(serde_json::from_slice(&stored.body)?);
            }
        }
        Ok(events)
    }
}
