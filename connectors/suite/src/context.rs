//! Where a job runs, for tests.

use std::sync::Arc;

use portico_contract::{Context, EventId, InstallationId, ParsedConfig};
use serde_json::{Value, json};

/// Builds a [`Context`]; everything has a default.
#[derive(Clone, Debug)]
pub struct TestContext {
    config: Value,
    webhook_url: String,
    locale: String,
    installation: String,
}

impl Default for TestContext {
    fn default() -> Self {
        Self {
            config: json!({}),
            webhook_url: "https://gateway.example/hooks/test-installation".into(),
            locale: "en".into(),
            installation: "test-installation".into(),
        }
    }
}

impl TestContext {
    /// A context with an empty configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// A context with a configuration, in one call.
    pub fn with(config: Value) -> Context {
        Self::new().config(config).build()
    }

    /// The configuration, without secrets.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// The public address of the webhook; default `https://gateway.example/hooks/test-installation`.
    #[must_use]
    pub fn webhook_url(mut self, url: &str) -> Self {
        self.webhook_url = url.into();
        self
    }

    /// The language; default `en`.
    #[must_use]
    pub fn locale(mut self, locale: &str) -> Self {
        self.locale = locale.into();
        self
    }

    /// The installation's name; default `test-installation`.
    #[must_use]
    pub fn installation(mut self, name: &str) -> Self {
        self.installation = name.into();
        self
    }

    /// The context.
    pub fn build(self) -> Context {
        Context {
            run_id: EventId([7; 16]),
            installation_id: InstallationId::parse(&self.installation)
                .expect("a test's installation name is valid"),
            config: Arc::new(ParsedConfig::new(self.config)),
            webhook_url: self.webhook_url.into(),
            locale: self.locale.into(),
        }
    }
}
