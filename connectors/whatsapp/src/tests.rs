//! The connector as the gateway runs it: fixtures in, events and requests out.

mod actions;
mod inbound;
mod outbound;
mod setup;
mod shared;

use portico_contract::{
    ActionCall, Content, Context, Event, InboundResponse, MessageId, OutboundMessage, Payload, Tags, Thread,
};
use portico_suite::{Answer, Fixtures, Job, Run, TestContext, TestHost, json_answer, post, sign};
use serde_json::{Value, json};

use crate::{CHANNEL, IDENTITY, connector};

pub(crate) const BOT: &str = "700100200300400";

pub(crate) fn fixtures() -> Fixtures {
    Fixtures::of(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn host() -> TestHost {
    TestHost::with_all_secrets(connector().manifest())
}

pub(crate) fn config() -> Value {
    json!({ "phone_number_id": BOT })
}

pub(crate) fn ctx() -> Context {
    TestContext::with(config())
}

pub(crate) fn with(extra: Value) -> Context {
    let mut all = config();
    if let (Some(all), Value::Object(extra)) = (all.as_object_mut(), extra) {
        all.extend(extra);
    }
    TestContext::with(all)
}

/// What the provider answers when all goes well: ids count up from `wamid.1` within a run.
pub(crate) fn well() -> impl FnMut(&portico_contract::OutboundRequest) -> Answer {
    let mut sent = 0;
    move |request| {
        Ok(match request.label.split(':').next().unwrap_or_default() {
            "message" | "link" => {
                sent += 1;
                json_answer(200, json!({ "messages": [{ "id": format!("wamid.{sent}") }] }))
            }
            "held" | "address" => {
                json_answer(200, json!({ "url": "https://lookaside.fbsbx.com/media/1?ext=2" }))
            }
            "fetch" | "bytes" => {
                let mut answer = json_answer(200, json!({}));
                answer.headers[0].value = "image/png".into();
                answer
            }
            "upload" => json_answer(200, json!({ "id": "upload-1" })),
            _ => json_answer(200, json!({ "success": true })),
        })
    }
}

pub(crate) fn success(request: &portico_contract::OutboundRequest) -> InboundResponse {
    well()(request).expect("a good answer")
}

pub(crate) fn run(
    ctx: &Context,
    job: Job,
    answers: impl FnMut(&portico_contract::OutboundRequest) -> Answer,
) -> Run {
    portico_suite::run(connector().as_ref(), &host(), ctx, job, answers)
}

pub(crate) fn receive_on(host: &TestHost, ctx: &Context, body: impl Into<bytes::Bytes>) -> Run {
    let request = sign(host, post(body));
    portico_suite::run(connector().as_ref(), host, ctx, Job::Webhook(request), well())
}

pub(crate) fn receive(name: &str) -> Run {
    receive_on(&host(), &ctx(), fixtures().inbound_case(name).request.body)
}

/// The only event of a fixture.
pub(crate) fn event(name: &str) -> Event {
    let run = receive(name);
    let events = run.events();
    assert_eq!(events.len(), 1, "{name}: {events:?}");
    events[0].clone()
}

pub(crate) fn thread() -> Thread {
    Thread::new(
        CHANNEL,
        &IDENTITY,
        Tags::new().with("botPhoneNumberId", BOT).with("userPhone", "+4915100000001"),
    )
}

pub(crate) fn message(parts: Vec<Content>) -> OutboundMessage {
    OutboundMessage {
        id: MessageId([1; 16]),
        thread: thread(),
        recipient: None,
        parts,
        reply_to: None,
        tags: Tags::new(),
        attempt: 1,
    }
}

/// The bodies that go out, without what they all have.
pub(crate) fn bodies(run: &Run) -> Vec<Value> {
    run.requests
        .iter()
        .filter_map(|request| match &request.body {
            Payload::Text(text) => serde_json::from_str::<Value>(text).ok(),
            _ => None,
        })
        .map(|mut body| {
            if let Some(fields) = body.as_object_mut() {
                assert_eq!(fields.remove("messaging_product"), Some(json!("whatsapp")));
                fields.remove("recipient_type");
                fields.remove("to");
            }
            body
        })
        .collect()
}

pub(crate) fn sent(parts: Vec<Content>) -> Vec<Value> {
    let run = run(&ctx(), Job::Deliver(message(parts)), well());
    run.delivered();
    bodies(&run)
}

pub(crate) fn call(name: &str, input: Value) -> ActionCall {
    ActionCall {
        name: name.into(),
        input,
        thread: Some(thread()),
        message: Some(portico_contract::MessageRef {
            external_ids: vec!["wamid.IN0001".into()],
            ..Default::default()
        }),
        idempotency_key: "key".into(),
    }
}

portico_suite::conformance!(
    crate::connector(),
    Options::new(env!("CARGO_MANIFEST_DIR")).config(config()).answer(success)
);
