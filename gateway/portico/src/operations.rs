//! What operators can do, through the admin API.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use portico_admin::Operations;
use portico_contract::{BotId, InstallationId};
use portico_dispatch::{BotStatus, BreakerView, Dispatch};
use portico_lanes::{DriverHandle, GroupKey};
use portico_outbound::Sender;
use portico_problem::{Kind, Problem};
use portico_turns::Installations;
use serde_json::{Value, json};

use crate::register::Registrar;

/// Reads the configuration again.
pub(crate) type Reload = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The running gateway, for operators.
pub(crate) struct Running {
    pub(crate) dispatch: Dispatch,
    pub(crate) outbound: DriverHandle,
    pub(crate) sender: Arc<Sender>,
    pub(crate) installations: Installations,
    pub(crate) registrar: Registrar,
    pub(crate) reload: Mutex<Option<Reload>>,
}

#[async_trait]
impl Operations for Running {
    fn bots(&self) -> Vec<BotId> {
        self.dispatch.bots().into_iter().map(|status| status.bot).collect()
    }

    fn dispatch_state(&self, bot: &BotId) -> Value {
        match self.dispatch.bots().into_iter().find(|status| status.bot == *bot) {
            Some(status) => json!({
                "core": status.core,
                "breaker": breaker(&status.breaker),
                "paused": is_paused(&status),
                "conversationsWaiting": status.queued,
                "conversationsRunning": status.running,
                "moreInStore": status.more,
            }),
            None => Value::Null,
        }
    }

    fn resume_bot(&self, bot: &BotId) {
        self.dispatch.resume(bot);
    }

    async fn register(&self, installation: &InstallationId) -> Result<(), Problem> {
        let found = self
            .installations
            .get(installation)
            .ok_or_else(|| Problem::new(Kind::ResourceNotFound, "there is no such installation"))?;
        self.registrar.register(&found).await.map_err(|fault| {
            Problem::new(Kind::Runtime, format!("registration failed: {fault}"))
                .with("detail", fault.detail.unwrap_or(Value::Null))
        })
    }

    fn resume_installation(&self, installation: &InstallationId) {
        self.sender.resume(installation);
        self.outbound.resume_group(&GroupKey::new(installation.as_str()));
        self.outbound.poke_group(&GroupKey::new(installation.as_str()));
    }

    async fn reload(&self) -> Result<(), Problem> {
        let reload = self.reload.lock().clone();
        match reload {
            Some(reload) => reload().map_err(|faults| Problem::new(Kind::InvalidPayload, faults)),
            None => Err(Problem::new(Kind::MethodNotFound, "this gateway was started without a file")),
        }
    }

    fn facts(&self) -> Value {
        let breakers: Vec<Value> = self
            .dispatch
            .bots()
            .iter()
            .map(|status| {
                json!({ "bot": status.bot, "breaker": breaker(&status.breaker), "paused": is_paused(status) })
            })
            .collect();
        json!({ "cores": breakers })
    }
}

fn breaker(view: &BreakerView) -> Value {
    match view {
        BreakerView::Closed => json!({ "state": "closed" }),
        BreakerView::Open { since } => json!({ "state": "open", "forSeconds": since.as_secs() }),
        BreakerView::Paused { since, reason } => {
            json!({ "state": "paused", "forSeconds": since.as_secs(), "reason": reason })
        }
    }
}

/// Paused by an operator, or because its core is gone.
fn is_paused(status: &BotStatus) -> bool {
    status.paused || matches!(status.breaker, BreakerView::Paused { .. })
}
