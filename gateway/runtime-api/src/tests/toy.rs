//! A connector without a provider, and a gateway's parts around it, in memory: for tests and the example.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use portico_contract::{
    ActionCall, BotId, Connector, Context, Delivered, Fault, FaultCode, Host, HttpAnswer, InboundRequest,
    InstallationId, Manifest, OutboundMessage, Outcome, Turn,
};
use portico_net::{Client, ClientOptions};
use portico_outbound::{Actions, MediaLinks, Outbox, Paces};
use portico_store::memory::MemoryStore;
use portico_store::{Files, Store};
use portico_telemetry::Metrics;
use portico_turns::{BlobStore, Installation, InstallationSpec, Installations, OnUnknown, Turns};
use secrecy::SecretString;
use serde_json::{Value, json};

const MANIFEST: &str = r#"{
    "manifest": 1, "name": "toymaker", "version": "0.1.0", "title": "Toy", "description": "A toy.",
    "channels": {
        "dm": { "title": "Direct", "tags": ["id", "title"], "identity": ["id"], "features": ["edit", "delete"],
                "sends": { "text": {} } },
        "thread": { "title": "Thread", "tags": ["id", "thread"], "identity": ["id", "thread"] }
    },
    "user_tags": ["id", "nick"],
    "message_tags": ["id"],
    "actions": {
        "echo": { "title": "Echo", "input": { "type": "object", "required": ["text"],
                  "properties": { "text": { "type": "string" } } } },
        "fail": { "title": "Fail" },
        "nothing": { "title": "Nothing" }
    }
}"#;

struct Toy(Manifest);

impl Connector for Toy {
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

    fn deliver(&self, _: &dyn Host, _: &Context, _: OutboundMessage) -> Result<Turn, Fault> {
        Ok(Turn::done(Outcome::Delivered(Delivered::default())))
    }

    fn act(&self, _: &dyn Host, _: &Context, call: ActionCall) -> Result<Turn, Fault> {
        match call.name.as_str() {
            "echo" => Ok(Turn::done(Outcome::Output(json!({ "said": call.input.get("text") })))),
            "nothing" => Ok(Turn::done(Outcome::Nothing)),
            // The handle is the blob's own id.
            "media" => Ok(Turn::done(Outcome::Output(json!({ "blob": call.input.get("handle") })))),
            _ => Err(Fault::new(FaultCode::Rejected, "the toy is broken").detail(json!({ "toy": true }))),
        }
    }

    fn resume(&self, _: &dyn Host, _: &Context, _: &[u8], _: Vec<HttpAnswer>) -> Result<Turn, Fault> {
        Ok(Turn::done(Outcome::Nothing))
    }
}

/// An installation of bot `a` whose people are connected to the gateway itself; its channel is `dm`.
pub(crate) fn live_installation(id: &str, alias: &str) -> anyhow::Result<Arc<Installation>> {
    let manifest = Manifest { live: true, ..Manifest::parse(MANIFEST)? };
    installation_of(manifest, id, "a", alias)
}

fn installation(id: &str, bot: &str, alias: &str) -> anyhow::Result<Arc<Installation>> {
    installation_of(Manifest::parse(MANIFEST)?, id, bot, alias)
}

fn installation_of(
    manifest: Manifest,
    id: &str,
    bot: &str,
    alias: &str,
) -> anyhow::Result<Arc<Installation>> {
    let spec = InstallationSpec {
        id: InstallationId::parse(id)?,
        bot: BotId::parse(bot)?,
        alias: alias.to_owned(),
        connector: Arc::new(Toy(manifest)),
        config: Value::Null,
        secrets: BTreeMap::new(),
        webhook_url: format!("http://localhost/webhooks/{id}"),
        locale: "en".into(),
        on_unknown: OnUnknown::default(),
        max_age: std::time::Duration::from_secs(3600),
        max_body: None,
    };
    Installation::new(spec).map(Arc::new).map_err(anyhow::Error::msg)
}

/// What stands behind the API.
pub(crate) struct Parts {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) blobs: BlobStore,
    pub(crate) api: portico_runtime_api::RuntimeApi,
}

/// Bots `a` (token `token-a`) and `b` (`token-b`), both also open to `token-both`. `a` has the installations
/// `toy-a` (alias `toy`) and `other-a` (alias `other`), `b` has `toy-b` (alias `toy`).
pub(crate) async fn parts(folder: &Path, public_url: &str) -> anyhow::Result<Parts> {
    let memory = Arc::new(MemoryStore::new());
    let store: Arc<dyn Store> = memory.clone();
    let metrics = Arc::new(Metrics::new());
    let files = Files::open(folder).await?;
    let blobs = BlobStore::new(files.clone(), store.clone());
    let client = Client::new(ClientOptions::default())?;
    let turns = Turns::new(store.clone(), blobs.clone(), client);
    let installations = Installations::new([
        installation("toy-a", "a", "toy")?,
        installation("other-a", "a", "other")?,
        installation("toy-b", "b", "toy")?,
    ]);
    let shared = Arc::new(installations.clone());
    let paces = Arc::new(Paces::default());
    let secret = |texts: &[&str]| texts.iter().map(|text| SecretString::from(*text)).collect::<Vec<_>>();
    let bots = portico_runtime_api::Bots::new(BTreeMap::from([
        (BotId::parse("a")?, secret(&["token-a", "token-both"])),
        (BotId::parse("b")?, secret(&["token-b", "token-both"])),
    ]));
    let api = portico_runtime_api::RuntimeApi {
        outbox: Arc::new(Outbox::new(store.clone(), shared.clone(), metrics.clone())),
        actions: Arc::new(Actions::new(store.clone(), shared, turns, metrics.clone(), paces)),
        store,
        installations,
        files,
        bots: Arc::new(bots),
        media: Arc::new(MediaLinks::new(public_url, &[7; 32])),
        metrics,
        public_url: public_url.to_owned(),
        limits: portico_runtime_api::ApiLimits::default(),
        file_key: [9; 32],
    };
    Ok(Parts { store: memory, blobs, api })
}
