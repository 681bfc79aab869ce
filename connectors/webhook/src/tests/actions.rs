//! `callWebhook`.

use portico_contract::{ActionCall, FaultCode, Field, Payload, TransportFailure};
use portico_suite::{Answer, Job, Run, json_answer, run, script, text_answer};
use serde_json::{Value, json};

use super::{ctx, host};
use crate::Webhook;

fn call(config: Value, input: Value, answers: Vec<Answer>) -> Run {
    let call = ActionCall {
        name: "callWebhook".into(),
        input,
        thread: None,
        message: None,
        idempotency_key: "k".into(),
    };
    run(&Webhook, &host(), &ctx(config), Job::Act(call), script(answers))
}

#[test]
fn a_call_goes_out_as_asked_and_its_answer_comes_back() {
    let input = json!({
        "url": "https://crm.example/leads?x=1", "method": "put", "headers": { "X-Tenant": "7" }, "body": { "a": [1] },
        "timeoutMs": 2500,
    });
    let mut answer = json_answer(422, json!({ "error": "twice" }));
    answer.headers.push(Field::new("Retry-After", "5"));
    answer.headers.push(Field::new("Set-Cookie", "a"));
    let done = call(json!({}), input, vec![Ok(answer)]);
    let request = &done.requests[0];
    assert_eq!((request.method.as_str(), request.url.as_str()), ("PUT", "https://crm.example/leads?x=1"));
    assert_eq!(request.timeout_ms, Some(2500));
    assert!(!request.repeatable);
    assert_eq!(
        request.headers,
        [Field::new("x-tenant", "7"), Field::new("content-type", "application/json; charset=utf-8")]
    );
    assert_eq!(done.json(0), json!({ "a": [1] }));
    assert_eq!(
        done.output(),
        &json!({
            "status": 422, "headers": { "content-type": "application/json", "retry-after": "5" }, "body": { "error": "twice" },
        })
    );
}

#[test]
fn bodies_are_text_or_json_both_ways() {
    let done = call(
        json!({}),
        json!({ "url": "https://h.example/", "body": "a=1" }),
        vec![Ok(text_answer(200, "thanks"))],
    );
    assert_eq!(done.requests[0].body, Payload::Text("a=1".into()));
    assert_eq!(done.requests[0].headers, [Field::new("content-type", "text/plain; charset=utf-8")]);
    assert_eq!(done.output()["body"], json!("thanks"));
    let done = call(
        json!({}),
        json!({ "url": "https://h.example/", "method": "GET" }),
        vec![Ok(text_answer(204, ""))],
    );
    assert_eq!((&done.requests[0].body, done.requests[0].repeatable), (&Payload::Empty, true));
    assert_eq!(done.output()["body"], json!(null));
}

#[test]
fn relative_addresses_need_a_base() {
    let base = json!({ "api_url": "https://crm.example/v1" });
    for (url, whole) in
        [("leads", "https://crm.example/v1/leads"), ("/leads?a=b", "https://crm.example/leads?a=b")]
    {
        let done = call(base.clone(), json!({ "url": url }), vec![Ok(text_answer(200, ""))]);
        assert_eq!(done.requests[0].url, whole);
    }
    let done = call(json!({}), json!({ "url": "leads" }), vec![]);
    assert_eq!(done.fault().message, "url: must be a whole address, since no api_url is configured");
}

#[test]
fn wrong_inputs_are_refused_by_field() {
    let url = "https://h.example/";
    let cases = [
        (json!({}), "/url"),
        (json!({ "url": 5 }), "/url"),
        (json!({ "url": "ftp://h.example" }), "/url"),
        (json!({ "url": "http://" }), "/url"),
        (json!({ "url": "https://me:pw@h.example" }), "/url"),
        (json!({ "url": url, "method": "TRACE" }), "/method"),
        (json!({ "url": url, "method": 5 }), "/method"),
        (json!({ "url": url, "headers": [] }), "/headers"),
        (json!({ "url": url, "headers": { "a b": "c" } }), "/headers"),
        (json!({ "url": url, "headers": { "a": "c\r\nd: e" } }), "/headers/a"),
        (json!({ "url": url, "headers": { "a": 5 } }), "/headers/a"),
        (json!({ "url": url, "headers": { "Host": "x" } }), "/headers/Host"),
        (json!({ "url": url, "method": "GET", "body": {} }), "/body"),
        (json!({ "url": url, "timeoutMs": 0 }), "/timeoutMs"),
        (json!({ "url": url, "timeoutMs": 60_001 }), "/timeoutMs"),
        (json!({ "url": url, "timeout": 5 }), ""),
        (json!("https://h.example/"), ""),
    ];
    for (input, field) in cases {
        let done = call(json!({}), input.clone(), vec![]);
        assert_eq!(
            (done.fault().code, done.fault().field.as_deref()),
            (FaultCode::BadInput, Some(field)),
            "{input}"
        );
    }
}

#[test]
fn no_answer_is_a_fault() {
    let fault =
        |failure| call(json!({}), json!({ "url": "https://h.example/" }), vec![Err(failure)]).fault().code;
    assert_eq!(fault(TransportFailure::Denied), FaultCode::Forbidden);
    assert_eq!(fault(TransportFailure::TimedOut), FaultCode::Unavailable);
    assert_eq!(fault(TransportFailure::TooLarge), FaultCode::Rejected);
}
