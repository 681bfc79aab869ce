use std::collections::BTreeMap;
use std::sync::Arc;

use portico_contract::{
    ActionCall, BotId, Connector, Context, Field, Host, HttpAnswer, InboundRequest, InstallationId, Manifest,
    OutboundMessage, Slot, Turn,
};

use super::*;
use crate::{InstallationSpec, OnUnknown};

struct Toy(Manifest);

impl Connector for Toy {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn register(&self, _: &dyn Host, _: &Context) -> Result<Turn, Fault> {
        Ok(Turn::emit([]))
    }

    fn unregister(&self, _: &dyn Host, _: &Context) -> Result<Turn, Fault> {
        Ok(Turn::emit([]))
    }

    fn webhook(&self, _: &dyn Host, _: &Context, _: &InboundRequest) -> Result<Turn, Fault> {
        Ok(Turn::emit([]))
    }

    fn deliver(&self, _: &dyn Host, _: &Context, _: OutboundMessage) -> Result<Turn, Fault> {
        Ok(Turn::emit([]))
    }

    fn act(&self, _: &dyn Host, _: &Context, _: ActionCall) -> Result<Turn, Fault> {
        Ok(Turn::emit([]))
    }

    fn resume(&self, _: &dyn Host, _: &Context, _: &[u8], _: Vec<HttpAnswer>) -> Result<Turn, Fault> {
        Ok(Turn::emit([]))
    }
}

fn toy(public_fetch: bool) -> Installation {
    let manifest = Manifest::parse(&format!(
        r#"{{ "manifest": 1, "name": "toy", "version": "1.0.0", "title": "Toy", "description": "For tests.",
            "secrets": [{{ "name": "token", "title": "T", "use": ["slot"], "hosts": ["api.toy.example"] }}],
            "permissions": {{ "hosts": ["api.toy.example", "files.toy.example"], "public_fetch": {public_fetch} }} }}"#
    ));
    let secrets = BTreeMap::from([("token".to_owned(), vec!["12:a/b\"c".to_owned().into()])]);
    Installation::new(InstallationSpec {
        id: InstallationId::parse("toy").unwrap(),
        bot: BotId::parse("bot").unwrap(),
        alias: "toy".into(),
        connector: Arc::new(Toy(manifest.unwrap())),
        config: serde_json::json!({}),
        secrets,
        webhook_url: "https://here.example/webhooks/toy".into(),
        locale: "en".into(),
        on_unknown: OnUnknown::Retry,
        max_age: std::time::Duration::from_secs(3600),
        max_body: None,
    })
    .unwrap()
}

fn why(installation: &Installation, request: &OutboundRequest) -> String {
    match allow(installation, request) {
        Ok(_) => "allowed".into(),
        Err((failure, rule)) => {
            assert_eq!(failure, TransportFailure::Denied);
            rule
        }
    }
}

#[test]
fn secrets_are_filled_in_for_their_place() {
    let toy = toy(false);
    let request = OutboundRequest::json(
        "x",
        "https://api.toy.example/bot{t}/send",
        &serde_json::json!({ "key": "{k}" }),
    )
    .slot(Slot::url("{t}", "token"))
    .bearer("token")
    .slot(Slot { place: SlotPlace::Body, marker: "{k}".into(), secret: "token".into() });
    let allowed = allow(&toy, &request).unwrap_or_else(|(_, rule)| panic!("{rule}"));
    assert_eq!(allowed.url.as_str(), "https://api.toy.example/bot12:a%2Fb%22c/send");
    assert_eq!(allowed.headers["authorization"], "Bearer 12:a/b\"c");
    assert!(allowed.headers["authorization"].is_sensitive());
    assert_eq!(allowed.body, Payload::Text(r#"{"key":"12:a/b\"c"}"#.into()));
}

#[test]
fn secrets_leave_only_for_their_own_hosts() {
    let get = |url: &str| OutboundRequest::get("x", url).bearer("token");
    assert_eq!(
        why(&toy(false), &get("https://files.toy.example/a")),
        "a slot's secret is not bound to this host"
    );
    assert_eq!(
        why(&toy(true), &get("https://elsewhere.example/a")),
        "a slot's secret is not bound to this host"
    );
    let plain = OutboundRequest::get("x", "https://elsewhere.example/a");
    assert_eq!(why(&toy(false), &plain), "the host is not among the manifest's permissions");
    assert_eq!(why(&toy(true), &plain), "allowed");
}

#[test]
fn requests_that_break_a_rule_are_not_sent() {
    let toy = toy(false);
    let base = || OutboundRequest::get("x", "https://api.toy.example/a");
    let header =
        |name: &str, value: &str| OutboundRequest { headers: vec![Field::new(name, value)], ..base() };
    for (request, rule) in [
        (OutboundRequest::get("x", "/a"), "the address is not an absolute URL"),
        (OutboundRequest::get("x", "https://me:pw@api.toy.example/"), "the address holds credentials"),
        (
            OutboundRequest::get("x", "http://api.toy.example/"),
            "the host is not among the manifest's permissions",
        ),
        (header("host", "elsewhere.example"), "a header belongs to the gateway"),
        (header("content-length", "5"), "a header belongs to the gateway"),
        (header("a b", "c"), "a header's name is malformed"),
        (header("a", "b\r\nc: d"), "a header's value is malformed"),
        (OutboundRequest { method: "G T".into(), ..base() }, "the method is not an HTTP method"),
        (base().slot(Slot::url("{t}", "token")), "a slot's marker must occur exactly once"),
        (
            OutboundRequest::get("x", "https://api.toy.example/{t}/{t}").slot(Slot::url("{t}", "token")),
            "a slot's marker must occur exactly once",
        ),
        (base().slot(Slot::url("{t}", "other")), "a slot names an undeclared secret"),
        (
            OutboundRequest { body: Payload::Text("x".repeat(MAX_BODY + 1)), ..base() },
            "the body is above 4 MiB",
        ),
    ] {
        assert_eq!(why(&toy, &request), rule, "{}", request.url);
    }
}

#[test]
fn host_rules_fit_names_and_configured_addresses_only() {
    let rules = [HostRule::Name("*.slack.com".into()), HostRule::Config { config: "/api_url".into() }];
    let config = serde_json::json!({ "api_url": "http://127.0.0.1:9100" });
    let allowed = |url: &str| host_is_allowed(&rules, &config, &Url::parse(url).unwrap());
    assert!(allowed("https://files.slack.com/a"));
    assert!(allowed("http://127.0.0.1:9100/api/x"));
    for url in [
        "https://slack.com/",
        "http://files.slack.com/",
        "https://files.slack.com:8443/",
        "https://evilslack.com/",
        "https://files.slack.com.evil.example/",
        "http://127.0.0.1:9101/",
        "https://127.0.0.1:9100/",
    ] {
        assert!(!allowed(url), "{url}");
    }
}
