//! Registration: tells providers where their webhooks go, when an installation is new or has changed.

use std::sync::Arc;
use std::time::Duration;

use portico_contract::{Fault, FaultCode};
use portico_store::{Change, Commit, Key, Store, Table};
use portico_turns::{Installation, Installations, Job, Turns};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use portico_turns::now;

/// Registers what needs it.
#[derive(Clone)]
pub(crate) struct Registrar {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) turns: Turns,
    pub(crate) installations: Installations,
    pub(crate) stop: CancellationToken,
}

fn key(installation: &Installation) -> Key {
    Key::new().text("registered").text(installation.id.as_str())
}

/// What a registration depends on: when it changes, the provider is told again.
fn digest(installation: &Installation) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [
        installation.connector.manifest().version.as_str(),
        &installation.webhook_url,
        &installation.config.json().to_string(),
        &installation.secrets.fingerprint(),
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

impl Registrar {
    /// Registers every installation that is new or has changed since it was registered last.
    pub(crate) fn register_changed(&self) {
        for installation in self.installations.all() {
            let this = self.clone();
            tokio::spawn(async move {
                let work = this.until_registered(&installation);
                this.stop.run_until_cancelled(work).await;
            });
        }
    }

    async fn until_registered(&self, installation: &Arc<Installation>) {
        match self.store.get(Table::Installation, &key(installation)).await {
            Ok(Some(row)) if row.value[..] == digest(installation)[..] => return,
            _ => {}
        }
        let mut wait = Duration::from_secs(2);
        loop {
            match self.register(installation).await {
                Ok(()) => return,
                // A person must mend it; the operator's API tries again.
                Err(fault) if !passing(&fault) => return,
                Err(_) => {}
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(300));
            // Somebody may have changed or removed it meanwhile.
            let current = self.installations.get(&installation.id);
            if !current.is_some_and(|current| Arc::ptr_eq(&current, installation)) {
                return;
            }
        }
    }

    /// Registers one installation now.
    ///
    /// # Errors
    /// The connector's fault; the installation then needs attention.
    pub(crate) async fn register(&self, installation: &Arc<Installation>) -> Result<(), Fault> {
        match self.turns.run(installation, Job::Register).await {
            Ok(_) => {
                if !installation.connector.manifest().live {
                    info!(installation.id = %installation.id, "registered with the provider");
                }
                installation.is_well();
                let change = Change::put(Table::Installation, key(installation), digest(installation));
                if let Err(error) = self.store.commit(Commit::of([change]).ordered()).await {
                    warn!(installation.id = %installation.id, "the registration could not be noted: {error}");
                }
                Ok(())
            }
            Err(fault) => {
                warn!(installation.id = %installation.id, "registration with the provider failed: {fault}");
                installation.needs_attention(fault.code.as_str(), &fault.message, now());
                Err(fault)
            }
        }
    }
}

/// Whether a fault may pass by itself.
fn passing(fault: &Fault) -> bool {
    matches!(fault.code, FaultCode::Unavailable | FaultCode::RateLimited | FaultCode::Conflict)
}
