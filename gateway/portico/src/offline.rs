//! The operator's API on a store that no gateway works: nothing is dispatched or sent meanwhile.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use axum::Router;
use portico_admin::{Admin, AdminToken, Operations};
use portico_config::Checked;
use portico_contract::{BotId, InstallationId};
use portico_inbound::Inbound;
use portico_net::{Client, ClientOptions};
use portico_problem::{Kind, Problem};
use portico_store::{Files, Store};
use portico_store_sled::SledStore;
use portico_telemetry::Metrics;
use portico_turns::{BlobStore, Installations, Turns};
use serde_json::Value;

use crate::setup;

struct Resting {
    bots: Vec<BotId>,
}

fn not_running() -> Problem {
    Problem::new(Kind::MethodNotFound, "that needs a running gateway")
}

#[async_trait]
impl Operations for Resting {
    fn bots(&self) -> Vec<BotId> {
        self.bots.clone()
    }

    fn dispatch_state(&self, _: &BotId) -> Value {
        Value::Null
    }

    fn resume_bot(&self, _: &BotId) {}

    async fn register(&self, _: &InstallationId) -> Result<(), Problem> {
        Err(not_running())
    }

    fn resume_installation(&self, _: &InstallationId) {}

    async fn reload(&self) -> Result<(), Problem> {
        Err(not_running())
    }

    fn facts(&self) -> Value {
        Value::Null
    }
}

/// Opens the store of a configuration, with the operator's API over it and the token for it.
pub(crate) async fn open(config: &Checked) -> Result<(Router, String, Arc<SledStore>)> {
    let options = setup::store_options(config);
    let path = options.path.clone();
    let opened = tokio::task::spawn_blocking(move || SledStore::open(options)).await?;
    let store = Arc::new(
        opened.map_err(|error| anyhow!("the store in {} can't be opened: {error}", path.display()))?,
    );
    let shared: Arc<dyn Store> = store.clone();
    let files = Files::open(path.join("files")).await?;
    let turns = Turns::new(
        shared.clone(),
        BlobStore::new(files, shared.clone()),
        Client::new(ClientOptions::default())?,
    );
    let catalog = portico_catalog::built_in();
    let bots = config.bots.keys().map(|id| BotId::parse(id)).collect::<Result<_, _>>()?;
    let token = "a token for this process only".to_owned();
    let admin = Admin {
        store: shared.clone(),
        installations: Installations::new(setup::installations(config, &catalog, "")?),
        inbound: Inbound::new(shared, turns, Arc::new(Metrics::new())),
        operations: Arc::new(Resting { bots }),
        token: Arc::new(AdminToken::new(&token, 10_000, 10_000)),
    };
    Ok((admin.router(), token, store))
}
