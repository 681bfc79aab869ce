//! What the chat connector promises: its manifest, its configuration, its two actions.

use portico_contract::{
    ActionCall, Effect, FaultCode, Next, Outcome, TELL_SIGNAL, Tags, Thread, TransportFailure,
};
use portico_suite::{Answer, Job, Run, TestContext, TestHost, json_answer, run, script, text_answer};
use serde_json::{Value, json};

use crate::{Chat, MANIFEST, config, connector};

fn call(name: &str, input: Value) -> Result<portico_contract::Turn, portico_contract::Fault> {
    let thread = Thread::new("channel", &["fid"], Tags::new().with("fid", "room-1"));
    let call = ActionCall {
        name: name.into(),
        input,
        thread: Some(thread),
        message: None,
        idempotency_key: "k".into(),
    };
    connector().act(&TestHost::new(&MANIFEST), &TestContext::new().build(), call)
}

fn signal(name: &str, input: Value) -> (String, Value) {
    let turn = call(name, input).unwrap();
    assert_eq!(turn.next, Next::Done(Outcome::Output(json!({}))));
    match turn.effects.as_slice() {
        [Effect::Signal { thread, name, data, .. }] => {
            assert_eq!(thread.key, "room-1");
            (name.to_string(), data.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_manifest_is_live_and_keeps_its_key_for_codes_only() {
    assert!(MANIFEST.live);
    let key = MANIFEST.secret("encryption_key").unwrap();
    assert_eq!(key.uses, [portico_contract::SecretUse::Mac]);
    assert!(!key.required && key.hosts.is_empty());
}

#[test]
fn origins_are_origins() {
    assert!(config::check(&json!({})).is_empty());
    assert!(config::check(&json!({ "allowed_origins": ["*"] })).is_empty());
    let good =
        json!({ "allowed_origins": ["https://a.example", "http://localhost:3000", "https://*.b.example"] });
    assert!(config::check(&good).is_empty());
    for bad in ["https://a.example/", "a.example", "https://*", "ftp://a.example", "https://a.*.example", ""]
    {
        let faults = config::check(&json!({ "allowed_origins": ["*", bad] }));
        assert_eq!(faults.len(), 1, "{bad}");
        assert_eq!(faults[0].field.as_deref(), Some("/allowed_origins/1"));
    }
    assert_eq!(config::check(&json!({ "encryptionkey": "x" })).len(), 1);
    for bad in ["app.example", "ftp://app.example", "https://u:p@app.example", "https://app.example/?a=1"] {
        let faults = config::check(&json!({ "webhook_url": bad }));
        assert_eq!(faults[0].field.as_deref(), Some("/webhook_url"), "{bad}");
        assert!(!faults[0].message.contains("u:p"));
    }
    assert!(config::check(&json!({ "webhook_url": "https://app.example/in" })).is_empty());
}

#[test]
fn an_event_is_shown_as_it_is() {
    let (name, data) = signal("sendEvent", json!({ "conversationId": "c", "payload": { "a": [1, null] } }));
    assert_eq!((name.as_str(), data), ("event", json!({ "a": [1, null] })));
}

#[test]
fn a_part_of_a_stream_grows_a_draft() {
    let delta = |text: &str| {
        json!({ "conversationId": "c", "signal": { "type": "delta", "streamId": "s", "sequence": 3,
            "createdAt": "2026-01-02T03:04:05Z", "delta": text, "clientMessageId": "m", "more": 1 } })
    };
    let (name, data) = signal("publishMessageStream", delta("Hel"));
    assert_eq!((name.as_str(), data), ("draft", json!({ "id": "s", "append": "Hel" })));
    let abort = json!({ "conversationId": "c", "signal": { "type": "abort", "streamId": "s" } });
    let ended = ("draft".to_owned(), json!({ "id": "s", "abort": true }));
    assert_eq!(signal("publishMessageStream", abort), ended);
    assert!(call("publishMessageStream", delta("")).unwrap().effects.is_empty());
}

#[test]
fn bad_input_names_its_field() {
    let fault = |name: &str, input: Value| call(name, input).unwrap_err();
    for (name, input, field) in [
        ("sendEvent", json!({ "payload": 5 }), "/payload"),
        ("sendEvent", json!("x"), "/payload"),
        ("publishMessageStream", json!({}), "/signal"),
        ("publishMessageStream", json!({ "signal": { "type": "delta" } }), "/signal/streamId"),
        ("publishMessageStream", json!({ "signal": { "type": "end", "streamId": "s" } }), "/signal/type"),
        (
            "publishMessageStream",
            json!({ "signal": { "type": "delta", "streamId": "s", "createdAt": "t", "sequence": 1.5, "delta": "" } }),
            "/signal/sequence",
        ),
    ] {
        let fault = fault(name, input);
        assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::BadInput, Some(field)), "{fault}");
    }
    assert_eq!(fault("addReaction", json!({})).code, FaultCode::Unsupported);
}

#[test]
fn there_is_nothing_to_call_and_nothing_to_deliver() {
    let (host, ctx) = (TestHost::new(&MANIFEST), TestContext::new().build());
    assert!(connector().register(&host, &ctx).is_ok());
    assert!(connector().unregister(&host, &ctx).is_ok());
    assert_eq!(connector().resume(&host, &ctx, b"", Vec::new()).unwrap_err().code, FaultCode::Bug);
}

fn tell(host: &TestHost, address: &str, signal: Value, answer: Answer) -> Run {
    let call = ActionCall {
        name: TELL_SIGNAL.into(),
        input: json!({ "signal": signal }),
        thread: None,
        message: None,
        idempotency_key: "k".into(),
    };
    run(&Chat, host, &TestContext::with(json!({ "webhook_url": address })), Job::Act(call), script([answer]))
}

#[test]
fn a_signal_is_posted_as_it_is_with_the_secret_that_only_its_host_gets() {
    let host = TestHost::new(&MANIFEST).secret("webhook_secret", "s");
    let signal = json!({ "type": "message_created", "data": { "id": "m" } });
    for address in ["https://app.example/in", "https://app.example/in/"] {
        let done = tell(&host, address, signal.clone(), Ok(text_answer(204, "")));
        done.delivered();
        let request = &done.requests[0];
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://app.example/in/"));
        assert!(request.headers.iter().any(|field| field.name == "x-secret-key"));
        assert_eq!((request.slots[0].secret.as_str(), done.json(0)), ("webhook_secret", signal.clone()));
    }
    let done = tell(&TestHost::new(&MANIFEST), "https://app.example", signal, Ok(text_answer(200, "ok")));
    assert!(done.requests[0].slots.is_empty());
    assert!(done.requests[0].headers.iter().all(|field| field.name != "x-secret-key"));
}

#[test]
fn an_answer_says_whether_to_tell_it_again() {
    let host = TestHost::new(&MANIFEST);
    let fault = |answer| tell(&host, "https://app.example", json!({}), answer).fault().code;
    for status in [401, 403, 408, 429, 500, 503] {
        assert_eq!(fault(Ok(json_answer(status, json!({})))), FaultCode::Unavailable, "{status}");
    }
    for status in [301, 400, 404, 410, 422] {
        assert_eq!(fault(Ok(json_answer(status, json!({})))), FaultCode::Rejected, "{status}");
    }
    assert_eq!(fault(Err(TransportFailure::TimedOut)), FaultCode::Unavailable);
    assert_eq!(fault(Err(TransportFailure::Denied)), FaultCode::Rejected);
    let busy = portico_contract::InboundResponse {
        headers: vec![portico_contract::Field::new("retry-after", "7")],
        ..text_answer(503, "")
    };
    let told = tell(&host, "https://app.example", json!({}), Ok(busy));
    assert_eq!(told.fault().retry_after_ms, Some(7_000));
    assert_eq!(
        tell(&host, "https://app.example", json!(5), Ok(text_answer(200, ""))).fault().code,
        FaultCode::BadInput
    );
    assert_eq!(call(TELL_SIGNAL, json!({ "signal": {} })).unwrap_err().code, FaultCode::BadConfig);
}
