//! Messages out: what is posted, how it is signed, what the answers mean.

use portico_contract::{
    Fault, FaultCode, Field, Host, HttpAnswer, OutboundMessage, OutboundRequest, TransportFailure,
};
use portico_suite::{
    Answer, Fixtures, Job, Run, TestHost, json_answer, mac_hex, resume, run, script, text_answer,
};
use serde_json::{Value, json};

use super::{ctx, host, manifest};
use crate::Webhook;

fn config() -> Value {
    json!({ "outbound_url": "https://app.example/inbox" })
}

fn fixture(name: &str) -> OutboundMessage {
    Fixtures::of(env!("CARGO_MANIFEST_DIR")).outbound_case(name)
}

fn deliver(name: &str, answers: Vec<Answer>) -> Run {
    run(&Webhook, &host(), &ctx(config()), Job::Deliver(fixture(name)), script(answers))
}

fn header<'a>(request: &'a OutboundRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|field| field.name == name).map(|field| field.value.as_str())
}

#[test]
fn a_text_is_posted_signed_and_known_by_the_apps_id() {
    let done = deliver("text_reply", vec![Ok(json_answer(201, json!({ "id": 2001 })))]);
    assert_eq!(done.delivered().external_ids, ["2001"]);
    insta::assert_json_snapshot!(done.json(0), @r#"
    {
      "conversation": {
        "id": "ticket-5/eu"
      },
      "id": "msg_01h00000000000000000000001",
      "message": {
        "payload": {
          "text": "It is on its way."
        },
        "type": "text"
      },
      "type": "message",
      "user": {
        "id": "customer-88"
      }
    }
    "#);
    let request = &done.requests[0];
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://app.example/inbox"));
    assert_eq!(header(request, "idempotency-key"), Some("msg_01h00000000000000000000001"));
    let portico_contract::Payload::Text(body) = &request.body else { panic!("{:?}", request.body) };
    let code = mac_hex("s3cret-of-the-shop", &[b"1750000000.", body.as_bytes()]);
    assert_eq!(header(request, "x-portico-signature").unwrap(), format!("t=1750000000,v1={code}"));
}

#[test]
fn parts_are_posted_one_by_one_under_ids_of_their_own() {
    let fine = || Ok(text_answer(200, "OK"));
    let done = deliver("three_parts", vec![fine(), fine(), Ok(json_answer(200, json!({ "id": "x" })))]);
    let id = "msg_01h00000000000000000000003";
    assert_eq!(done.delivered().external_ids, [id.to_owned(), format!("{id}.2"), "x".to_owned()]);
    assert_eq!(done.json(1)["message"]["type"], json!("file"));
    assert_eq!(done.json(2)["id"], json!(format!("{id}.3")));
}

#[test]
fn an_insecure_installation_sends_unsigned() {
    let bare = TestHost::new(manifest());
    let done = run(&Webhook, &bare, &ctx(config()), Job::Deliver(fixture("text_reply")), |_| {
        Ok(text_answer(204, ""))
    });
    done.delivered();
    assert_eq!(header(&done.requests[0], "x-portico-signature"), None);
}

#[test]
fn without_an_address_the_configuration_is_at_fault() {
    let done = run(&Webhook, &host(), &ctx(json!({})), Job::Deliver(fixture("text_reply")), script([]));
    assert_eq!(
        (done.fault().code, done.fault().field.as_deref()),
        (FaultCode::BadConfig, Some("/outbound_url"))
    );
}

#[test]
fn answers_become_faults_by_their_status() {
    let fault = |answer: Answer| -> Fault { deliver("text_reply", vec![answer]).fault().clone() };
    let table = [
        (301, FaultCode::Rejected),
        (400, FaultCode::Rejected),
        (401, FaultCode::Unauthenticated),
        (403, FaultCode::Forbidden),
        (404, FaultCode::NotFound),
        (408, FaultCode::Unavailable),
        (410, FaultCode::NotFound),
        (429, FaultCode::RateLimited),
        (500, FaultCode::Unavailable),
        (503, FaultCode::Unavailable),
    ];
    for (status, code) in table {
        let fault = fault(Ok(json_answer(status, json!({ "error": "e" }))));
        assert_eq!((fault.code, fault.detail), (code, Some(json!({ "error": "e" }))), "{status}");
    }
    let slow = Fixtures::of(env!("CARGO_MANIFEST_DIR")).answer("slow_down");
    assert_eq!(fault(Ok(slow)).retry_after_ms, Some(12_000));
    assert_eq!(fault(Err(TransportFailure::TimedOut)).code, FaultCode::Unavailable);
    assert_eq!(fault(Err(TransportFailure::Denied)).code, FaultCode::Rejected);
    let mut dated = text_answer(503, "");
    dated.headers.push(Field::new("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"));
    assert_eq!(fault(Ok(dated)).retry_after_ms, None, "a date is no number of seconds");
}

#[test]
fn a_call_refused_for_its_old_signature_is_signed_anew() {
    let failed = deliver("text_reply", vec![Err(TransportFailure::Connect)]);
    let memo = failed.memo.clone().unwrap();
    let refusal = || vec![HttpAnswer { label: "message".into(), outcome: Ok(text_answer(401, "")) }];
    let later = host().at(host().now() + 3_600_000);
    let done = resume(&Webhook, &later, &ctx(config()), &memo, refusal(), |_| Ok(text_answer(200, "")));
    done.delivered();
    assert!(header(&done.requests[0], "x-portico-signature").unwrap().starts_with("t=1750003600,v1="));
    assert_eq!(done.requests[0].headers.len(), failed.requests[0].headers.len(), "the old signature is gone");
    // A fresh signature that is refused is refused for good.
    let done = resume(&Webhook, &host(), &ctx(config()), &memo, refusal(), script([]));
    assert_eq!(done.fault().code, FaultCode::Unauthenticated);
}

#[test]
fn a_configuration_is_checked_by_name() {
    use portico_contract::Connector;
    let places = |config: Value| -> Vec<Option<String>> {
        Webhook.check_config(&config).into_iter().map(|fault| fault.field).collect()
    };
    assert_eq!(places(json!({ "insecure": true, "allowed_origins": ["*", "https://a.example:8443"] })), []);
    assert_eq!(places(json!({ "outbound_url": "app.example" })), [Some("/outbound_url".to_owned())]);
    assert_eq!(places(json!({ "outbound_url": "ftp://app.example" })), [Some("/outbound_url".to_owned())]);
    assert_eq!(places(json!({ "api_url": "https://me:pw@app.example" })), [Some("/api_url".to_owned())]);
    assert_eq!(
        places(json!({ "allowed_origins": ["*", "https://a.example/"] })),
        [Some("/allowed_origins/1".to_owned())]
    );
    assert_eq!(places(json!({ "outbond_url": "x" })), [None]);
}
