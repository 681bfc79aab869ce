//! What the checks must know of connectors, told by the binary out of its catalog.

use serde_json::Value;

/// A secret that a connector takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFact {
    /// Its key in the configuration section, in snake_case.
    pub name: String,
    /// Whether an installation without it is refused.
    pub required: bool,
    /// Whether it proves that webhooks are genuine.
    pub verifies: bool,
}

/// Something that a connector finds wrong with a configuration beyond its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigComplaint {
    /// JSON pointer into the configuration, such as `/api_url`; empty for the whole.
    pub pointer: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// Connectors by name.
pub trait ConnectorFacts {
    /// Names of all connectors.
    fn names(&self) -> Vec<String>;

    /// JSON Schema of a connector's configuration without its secrets; `None` when there is no such connector.
    fn schema(&self, connector: &str) -> Option<&Value>;

    /// Secrets that a connector takes.
    fn secrets(&self, connector: &str) -> Vec<SecretFact>;

    /// What the connector itself finds wrong. Called only with configurations that fit the schema.
    fn check_config(&self, connector: &str, config: &Value) -> Vec<ConfigComplaint>;
}
