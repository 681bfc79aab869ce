//! The tests that every connector passes, each a method of [`Suite`]; [`crate::conformance!`] calls them all.

mod broken;
mod forged;
mod inbound;
mod manifest;
mod outbound;
mod schema;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use portico_contract::{
    Connector, Context, InboundRequest, InboundResponse, Keep, OutboundRequest, Scope, Tags,
};
use serde_json::{Value, json};

use crate::run::{Answer, json_answer, text_answer};
use crate::{Fixtures, InboundCase, TestContext, TestHost, sign};

/// What makes the answer of the provider's success.
type Success = Arc<dyn Fn(&OutboundRequest) -> InboundResponse + Send + Sync>;

/// What the suite has to know of a connector.
#[derive(Clone)]
pub struct Options {
    fixtures: Fixtures,
    config: Value,
    secrets: Vec<(String, String)>,
    state: Vec<(Scope, String, Bytes)>,
    prepare: Option<fn(&str, &mut InboundRequest)>,
    sign: Option<fn(&TestHost, InboundRequest) -> InboundRequest>,
    success: Option<Success>,
    threads: Vec<(String, Tags)>,
    any_success_body: bool,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("fixtures", &self.fixtures)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Options of a crate: pass `env!("CARGO_MANIFEST_DIR")`. The configuration is `{}`, and every declared
    /// secret has the value `secret-value-of-<name>`.
    pub fn new(crate_dir: &str) -> Self {
        Self {
            fixtures: Fixtures::of(crate_dir),
            config: json!({}),
            secrets: Vec::new(),
            state: Vec::new(),
            prepare: None,
            sign: None,
            success: None,
            threads: Vec::new(),
            any_success_body: false,
        }
    }

    /// The configuration, without secrets.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// A secret whose value matters (a token that a fixture repeats).
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.push((name.into(), value.into()));
        self
    }

    /// A state entry that is there before each test.
    #[must_use]
    pub fn state(mut self, scope: Scope, key: &str, data: impl Into<Bytes>) -> Self {
        self.state.push((scope, key.into(), data.into()));
        self
    }

    /// Changes each inbound fixture, by name, before it is signed: such as wrapping readable JSON in a form.
    #[must_use]
    pub fn prepare(mut self, change: fn(&str, &mut InboundRequest)) -> Self {
        self.prepare = Some(change);
        self
    }

    /// Signs requests for checks that the connector makes itself; called after [`sign`].
    #[must_use]
    pub fn sign(mut self, sign: fn(&TestHost, InboundRequest) -> InboundRequest) -> Self {
        self.sign = Some(sign);
        self
    }

    /// The provider's answer to a request that went well; else 200 with `{}`. Requests whose answer is kept
    /// as a blob get a small picture without asking.
    #[must_use]
    pub fn answer(
        mut self,
        success: impl Fn(&OutboundRequest) -> InboundResponse + Send + Sync + 'static,
    ) -> Self {
        self.success = Some(Arc::new(success));
        self
    }

    /// The tags of a thread to send to in a channel. Else those of the first outbound fixture in that channel,
    /// or `1000001` for each identity tag.
    #[must_use]
    pub fn thread(mut self, channel: &str, tags: Tags) -> Self {
        self.threads.push((channel.into(), tags));
        self
    }

    /// Any 2xx is a success, whatever its body; else a page of HTML must not pass for one.
    #[must_use]
    pub fn any_success_body(mut self) -> Self {
        self.any_success_body = true;
        self
    }
}

/// A connector under test.
pub struct Suite {
    connector: Arc<dyn Connector>,
    options: Options,
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite").field("connector", &self.connector.manifest().name).finish_non_exhaustive()
    }
}

impl Suite {
    /// A suite for a connector.
    pub fn new(connector: Arc<dyn Connector>, options: Options) -> Self {
        Self { connector, options }
    }

    fn connector(&self) -> &dyn Connector {
        self.connector.as_ref()
    }

    fn host(&self) -> TestHost {
        let mut host = TestHost::with_all_secrets(self.connector.manifest());
        for (name, value) in &self.options.secrets {
            host = host.secret(name, value);
        }
        self.with_state(host)
    }

    /// A host whose secrets all have other values.
    fn foreign_host(&self) -> TestHost {
        let manifest = self.connector.manifest();
        let host = manifest.secrets.iter().fold(TestHost::new(manifest), |host, secret| {
            let value = format!("foreign-value-of-{}", secret.name);
            host.secret(&secret.name, &value)
        });
        self.with_state(host)
    }

    fn with_state(&self, host: TestHost) -> TestHost {
        self.options
            .state
            .iter()
            .fold(host, |host, (scope, key, data)| host.state(scope.clone(), key, data.clone()))
    }

    fn ctx(&self) -> Context {
        TestContext::with(self.options.config.clone())
    }

    fn inbound_cases(&self) -> Vec<InboundCase> {
        let mut cases = self.options.fixtures.inbound();
        let takes_webhooks = !self.connector.manifest().webhook.methods.is_empty();
        assert!(!takes_webhooks || !cases.is_empty(), "fixtures/inbound/ is empty");
        if let Some(prepare) = self.options.prepare {
            cases.iter_mut().for_each(|case| prepare(&case.name, &mut case.request));
        }
        cases
    }

    fn signed(&self, host: &TestHost, request: InboundRequest) -> InboundRequest {
        let request = sign(host, request);
        match self.options.sign {
            Some(sign) => sign(host, request),
            None => request,
        }
    }

    fn success(&self, request: &OutboundRequest) -> Answer {
        if request.keep == Keep::Stored {
            let mut picture = text_answer(200, "\u{89}PNG");
            picture.headers = vec![portico_contract::Field::new("content-type", "image/png")];
            return Ok(picture);
        }
        Ok(self
            .options
            .success
            .as_ref()
            .map_or_else(|| json_answer(200, json!({})), |answer| answer(request)))
    }
}

/// Runs something and panics with the name of the case when it panics.
#[track_caller]
fn no_panic<T>(case: &str, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|cause| {
        let text = cause
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| cause.downcast_ref::<&str>().copied());
        panic!("{case}: {}", text.unwrap_or("panicked"))
    })
}
