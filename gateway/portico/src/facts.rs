//! What the configuration's checks want to know of connectors, out of the catalog.

use portico_config::{ConfigComplaint, ConnectorFacts, SecretFact};
use portico_contract::{Catalog, SecretUse};
use serde_json::Value;

/// The catalog, as the configuration sees it.
pub(crate) struct Facts<'a>(pub(crate) &'a Catalog);

impl ConnectorFacts for Facts<'_> {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn schema(&self, connector: &str) -> Option<&Value> {
        self.0.get(connector).map(|one| &one.manifest().configuration.schema)
    }

    fn secrets(&self, connector: &str) -> Vec<SecretFact> {
        let Some(connector) = self.0.get(connector) else { return Vec::new() };
        let manifest = connector.manifest();
        manifest
            .secrets
            .iter()
            .map(|secret| SecretFact {
                name: secret.name.clone(),
                required: secret.required,
                // A live channel gets no webhooks; who visits it is proven by sessions and keys.
                verifies: !manifest.live
                    && secret.uses.iter().any(|one| matches!(one, SecretUse::Mac | SecretUse::Match)),
            })
            .collect()
    }

    fn check_config(&self, connector: &str, config: &Value) -> Vec<ConfigComplaint> {
        let Some(connector) = self.0.get(connector) else { return Vec::new() };
        connector
            .check_config(config)
            .into_iter()
            .map(|fault| ConfigComplaint { pointer: fault.field.unwrap_or_default(), message: fault.message })
            .collect()
    }
}
