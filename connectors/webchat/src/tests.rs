//! What every connector promises as far as a channel without a provider can, then what is this one's own.

use portico_contract::{ActionCall, Connector, Effect, Fault, FaultCode, Next, Outcome, Tags, Thread, Turn};
use portico_suite::{Options, Suite};
use serde_json::{Value, json};

use crate::{MANIFEST, Webchat, actions};

fn call(name: &str, input: Value) -> Result<Turn, Fault> {
    actions::act(ActionCall {
        name: name.into(),
        input,
        thread: Some(Thread::new("channel", &["id"], Tags::new().with("id", "t1"))),
        message: None,
        idempotency_key: "k".into(),
    })
}

#[track_caller]
fn signal(name: &str, input: Value) -> (String, Value, u32) {
    let turn = call(name, input).unwrap();
    assert_eq!(turn.next, Next::Done(Outcome::Output(json!({}))));
    match turn.effects.as_slice() {
        [Effect::Signal { thread, name, data, ttl_ms }] => {
            assert_eq!(thread.key, "t1");
            (name.clone(), data.clone(), *ttl_ms)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_manifest_is_live_and_jobs_it_has_not_give_a_fault() {
    assert!(MANIFEST.live);
    let suite = Suite::new(crate::connector(), Options::new(env!("CARGO_MANIFEST_DIR")));
    suite.unknown_jobs();
    suite.broken_bodies();
}

#[test]
fn commands_become_signals_under_either_name() {
    assert_eq!(signal("open", json!({})), ("open".into(), json!({}), 30_000));
    assert_eq!(signal("hideWebchat", json!({ "ttl": 5 })), ("close".into(), json!({}), 5_000));
    assert_eq!(
        signal("config", json!({ "config": { "bot_name": "Ada", "zIndex": 3 } })),
        ("config".into(), json!({ "botName": "Ada", "zIndex": 3 }), 30_000)
    );
    assert_eq!(
        signal("customEvent", json!({ "name": "cart", "data": [1] })),
        ("event".into(), json!({ "name": "cart", "data": [1] }), 30_000)
    );
    assert_eq!(signal("stopTypingIndicator", json!({})).1, json!({ "on": false }));
}

#[test]
fn a_draft_grows_or_is_replaced_and_can_be_taken_back() {
    let (name, data, _) = signal("appendDraft", json!({ "draftId": "d1", "append": "He" }));
    assert_eq!((name.as_str(), data), ("draft", json!({ "id": "d1", "append": "He" })));
    let (_, data, _) = signal("stop", json!({ "draftId": "d1" }));
    assert_eq!(data, json!({ "id": "d1", "abort": true }));
    let fault = call("appendDraft", json!({ "draftId": "d1", "append": "a", "text": "b" })).unwrap_err();
    assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::BadInput, Some("/append")));
}

#[test]
fn what_a_page_lets_in_is_not_the_bots_to_change() {
    for config in
        [json!({ "html": true }), json!({ "imageHosts": ["x"] }), json!({ "nonsense": 1 }), json!([])]
    {
        assert_eq!(call("config", json!({ "config": config })).unwrap_err().code, FaultCode::BadInput);
    }
    assert_eq!(call("open", json!({ "ttl": 0 })).unwrap_err().code, FaultCode::BadInput);
    assert_eq!(call("addReaction", json!({})).unwrap_err().code, FaultCode::Unsupported);
}

#[test]
fn origins_are_exact_or_one_level_of_a_domain() {
    let faults = |origins: Value| Webchat.check_config(&json!({ "origins": origins })).len();
    for good in [
        "https://shop.example",
        "http://localhost:3000",
        "https://*.example.com",
        "https://shop.example:8443",
    ] {
        assert_eq!(faults(json!([good])), 0, "{good}");
    }
    for bad in [
        "*",
        "null",
        "shop.example",
        "https://shop.example/",
        "https://Shop.example",
        "https://shop.example:443",
        "https://*.com",
        "https://*",
        "ftp://shop.example",
        "https://*.*.com",
        "file://",
        "https://a@shop.example",
    ] {
        assert_eq!(faults(json!([bad])), 1, "{bad}");
    }
}

#[test]
fn faults_name_their_place() {
    let faults = Webchat.check_config(&json!({
        "overridable": ["botName", "look"],
        "identity": { "jwks_url": "keys" },
        "look": { "bot_avatar": "javascript:alert(1)" },
    }));
    let places: Vec<_> = faults.iter().filter_map(|fault| fault.field.as_deref()).collect();
    assert_eq!(places, ["/identity/jwks_url", "/look/bot_avatar", "/overridable/1"]);
}
