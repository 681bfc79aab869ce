//! A gateway with one channel, `site`, and a core behind it.

use bytes::Bytes;
use http::Method;
use portico_tests::gateway::{Gateway, GatewaySpec};
use portico_tests::sim::client::{self, Reply};
use portico_tests::sim::core::{CoreAnswer, CoreEvent, HttpCore};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::visitor::Visitor;
use crate::scene::{self, BOT_TOKEN};

/// The page that may use the channel.
pub(super) const PAGE: &str = "https://shop.example";
/// The channel's limits where a test has no interest in them, and the page that may use it.
pub(super) const OPEN: &str = r#"origins = ["https://shop.example"]
limits = { messages = 60000, events = 60000, hellos = 60000, uploads = 10000, sockets = 1000, session_sockets = 100 }"#;

/// Everything together.
pub(super) struct Stage {
    pub(super) core: HttpCore,
    pub(super) gateway: Gateway,
    /// Removed with the stage.
    folder: TempDir,
}

impl Stage {
    /// With a core that says every text back, and the channel's configuration.
    pub(super) async fn set(site: &str) -> Self {
        Self::with(site, &[], scene::echo).await
    }

    /// With secrets for the configuration, and a core of one's own.
    pub(super) async fn with(
        site: &str,
        secrets: &[(&str, &str)],
        answer: impl Fn(&CoreEvent) -> CoreAnswer + Send + Sync + 'static,
    ) -> Self {
        let (core, mut spec, folder) = Self::prepared(site, answer).await;
        spec.env = secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
        Self { core, gateway, folder }
    }

    /// What a stage is made of, for a gateway that is started in a way of its own.
    pub(super) async fn prepared(
        site: &str,
        answer: impl Fn(&CoreEvent) -> CoreAnswer + Send + Sync + 'static,
    ) -> (HttpCore, GatewaySpec, TempDir) {
        let core = HttpCore::start(answer).await.unwrap();
        let config = format!(
            "{}\n[installations.site]\nbot = \"support\"\nconnector = \"webchat\"\n\
             [installations.site.config]\n{site}\n",
            scene::bot(&scene::http_core(&core)),
        );
        let (spec, folder) = GatewaySpec::temporary(&config).unwrap();
        (core, spec, folder)
    }

    /// A stage around a gateway that is there already.
    pub(super) fn around(core: HttpCore, gateway: Gateway, folder: TempDir) -> Self {
        Self { core, gateway, folder }
    }

    /// Kills the gateway as a crash would, and starts it again over what is on its disk.
    pub(super) async fn crash(self) -> Self {
        let Self { core, gateway, folder } = self;
        let spec = gateway.kill().unwrap();
        let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
        Self { core, gateway, folder }
    }

    /// A connection from the page, not greeted yet.
    pub(super) async fn connect(&self) -> Visitor {
        Visitor::connect(self.gateway.spec.ports.0, Some(PAGE)).await.unwrap()
    }

    /// A connection from the page, greeted; the welcome besides.
    pub(super) async fn hello(&self, more: Value) -> (Visitor, Value) {
        let mut visitor = self.connect().await;
        let welcome = visitor.hello(more).await;
        (visitor, welcome)
    }

    /// A new visitor who has said something, and was answered: their connection, token and conversation.
    pub(super) async fn talking(&self) -> (Visitor, String, String) {
        let (mut visitor, welcome) = self.hello(json!({})).await;
        let token = welcome["tok"].as_str().unwrap().to_owned();
        let ack = visitor.says("first-message", None, "hi").await;
        let conversation = ack["conv"].as_str().unwrap().to_owned();
        visitor.item(|item| item["data"]["from"] == "bot").await;
        (visitor, token, conversation)
    }

    /// Calls the webchat's HTTP side as the page does.
    pub(super) async fn page(&self, method: Method, path: &str, token: &str, body: Option<&Value>) -> Reply {
        let mut headers = vec![("origin".to_owned(), PAGE.to_owned())];
        if !token.is_empty() {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        let bytes = body.map(|body| {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            Bytes::from(body.to_string())
        });
        self.send(method, path, &headers, bytes.unwrap_or_default()).await
    }

    /// Sends a request with headers of one's own.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Bytes,
    ) -> Reply {
        let url = format!("{}/webchat{path}", self.gateway.spec.public());
        client::send(method, &url, headers, body).await.unwrap()
    }

    /// Calls the runtime API as the bot; the call must succeed.
    pub(super) async fn bot(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}/v1/chat{path}", self.gateway.spec.public());
        let reply = scene::call(method, &url, BOT_TOKEN, body).await;
        assert!(reply.is_success(), "{path}: {} {}", reply.status, reply.text());
        reply.json()
    }

    /// All messages of a conversation as the bot reads them, oldest first: who said it, and the text.
    pub(super) async fn stored(&self, conversation: &str) -> Vec<(String, String)> {
        let (mut rows, mut next) = (Vec::new(), String::new());
        loop {
            let path = format!("/messages?conversationId={conversation}{next}");
            let page = self.bot(Method::GET, &path, None).await;
            rows.extend(page["messages"].as_array().unwrap().iter().map(|message| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                (text(&message["direction"]), text(&message["payload"]["text"]))
            }));
            match page["meta"]["nextToken"].as_str() {
                Some(token) => next = format!("&nextToken={token}"),
                None => break,
            }
        }
        rows.reverse();
        rows
    }

    /// The end of the gateway's log.
    pub(super) fn log(&self) -> String {
        let log = self.gateway.spec.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}
