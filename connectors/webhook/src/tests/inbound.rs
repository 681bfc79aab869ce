//! Requests in: who may, and what becomes of them.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use portico_contract::{Connector, Event, Fault, FaultCode, Host, InboundRequest, Payload, Turn};
use portico_suite::{Fixtures, Job, TestHost, mac_hex, post, receive, run, sign};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ctx, host, manifest};
use crate::Webhook;

fn with(mut request: InboundRequest, name: &str, value: &str) -> InboundRequest {
    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
    request.headers.append(name, HeaderValue::from_str(value).unwrap());
    request
}

fn take(config: Value, request: InboundRequest) -> Result<Turn, Fault> {
    receive(&Webhook, &host(), &ctx(config), &sign(&host(), request))
}

fn events(turn: &Turn) -> Vec<&Event> {
    turn.effects
        .iter()
        .filter_map(
            |effect| if let portico_contract::Effect::Emit(event) = effect { Some(event) } else { None },
        )
        .collect()
}

fn data(turn: &Turn) -> &Value {
    match events(turn).as_slice() {
        [Event::Custom(event)] => &event.data,
        other => panic!("expected one custom event, got {other:?}"),
    }
}

fn fixture(name: &str) -> InboundRequest {
    Fixtures::of(env!("CARGO_MANIFEST_DIR")).inbound_case(name).request
}

#[test]
fn a_request_becomes_an_event_with_all_that_was_sent_but_the_proofs() {
    let request = with(with(fixture("order_paid"), "cookie", "a=b"), "authorization", "Bearer x");
    let request = with(with(request, "x-list", "one"), "x-list", "two");
    let turn = take(json!({}), request).unwrap();
    assert_eq!(
        data(&turn),
        &json!({
            "body": { "type": "order.paid", "order": { "id": 7714, "total": "19.90", "items": [{ "sku": "TEA-1", "count": 2 }] }, "paid": true },
            "query": { "source": "till", "tag": ["new", "eu"], "page": { "size": "5" } },
            "method": "POST",
            "path": "/shop/orders",
            "headers": {
                "content-type": "application/json; charset=utf-8", "idempotency-key": "order-7714-paid",
                "user-agent": "till/3.2", "x-list": ["one", "two"],
            },
        })
    );
    assert_eq!(events(&turn)[0].dedupe_key().as_deref(), Some("c:event:order-7714-paid"));
    assert_eq!(events(&turn)[0].thread(), None, "it belongs to no conversation");
    assert_eq!(turn.reply, None, "a caller that is no browser gets the plain 200");
}

#[test]
fn a_get_has_an_empty_body_and_its_query_as_qs_reads_it() {
    let turn = take(json!({}), fixture("ping")).unwrap();
    assert_eq!(
        data(&turn),
        &json!({ "body": {}, "query": { "a": "1", "b": { "c": "2" }, "d": ["x", "y"] }, "method": "GET", "path": "/ping", "headers": {} })
    );
}

#[test]
fn what_is_no_json_is_an_empty_body_and_the_raw_text() {
    let turn = take(json!({}), fixture("not_json")).unwrap();
    assert_eq!(data(&turn)["body"], json!({}));
    assert_eq!(data(&turn)["rawBody"], json!("{\"temperature\": 21.5,"));
    let turn = take(json!({}), fixture("contact_form")).unwrap();
    assert_eq!(data(&turn)["body"], json!({}));
    assert_eq!(
        data(&turn)["form"],
        json!({ "name": "Ada L.", "topics": ["tea", "cake"], "address": { "city": "Graz" } })
    );
    let turn = take(json!({}), post(Bytes::from_static(b"\xff\xfe"))).unwrap();
    assert_eq!(data(&turn)["rawBody"], json!("//4="));
    assert_eq!(data(&turn)["rawBodyEncoding"], json!("base64"));
    let turn = take(json!({}), post("null")).unwrap();
    assert_eq!((&data(&turn)["body"], data(&turn).get("rawBody")), (&json!(null), None), "null is JSON");
}

#[test]
fn an_unusable_idempotency_key_is_the_callers_mistake() {
    for keys in [vec![""], vec!["a", "b"], vec!["k".repeat(256).leak() as &str]] {
        let request = keys.iter().fold(post("{}"), |request, key| with(request, "idempotency-key", key));
        assert_eq!(take(json!({}), request).unwrap_err().webhook_status(), 400, "{keys:?}");
    }
}

#[test]
fn a_signature_over_time_and_body_proves_the_sender_for_five_minutes() {
    let now = host().now() / 1000;
    let body = r#"{"a":1}"#;
    let signed = |stamp: u64, body: &str| {
        let stamp = stamp.to_string();
        format!("t={stamp},v1={}", mac_hex("s3cret-of-the-shop", &[stamp.as_bytes(), b".", body.as_bytes()]))
    };
    let status = |header: &str| {
        receive(&Webhook, &host(), &ctx(json!({})), &with(post(body), "x-portico-signature", header))
            .map_or_else(|fault| fault.webhook_status(), |_| 200)
    };
    for stamp in [now, now - 300, now + 300] {
        assert_eq!(status(&signed(stamp, body)), 200);
    }
    assert_eq!(status(&format!("{}, v0=old", signed(now, body))), 200, "other schemes may stand beside it");
    let right = signed(now, body);
    let code = right.split_once("v1=").unwrap().1;
    for wrong in [
        signed(now - 301, body),
        signed(now + 301, body),
        signed(now, "{}"),
        format!("t={now},v1={}", mac_hex("another", &[now.to_string().as_bytes(), b".", body.as_bytes()])),
        format!("t={},v1={code}", now - 1),
        format!("t={now}"),
        format!("v1={code}"),
        format!("{right},v1={code}"),
        format!("t=+{now},v1={code}"),
        "garbage".into(),
        String::new(),
    ] {
        assert_eq!(status(&wrong), 401, "{wrong}");
    }
}

#[test]
fn during_a_rotation_the_old_secret_still_counts() {
    let host = host().old_secret("secret", "the-one-before");
    for secret in ["s3cret-of-the-shop", "the-one-before"] {
        assert!(receive(&Webhook, &host, &ctx(json!({})), &with(post("{}"), "x-bp-secret", secret)).is_ok());
    }
    assert!(receive(&Webhook, &host, &ctx(json!({})), &with(post("{}"), "x-bp-secret", "neither")).is_err());
}

#[test]
fn without_a_secret_only_a_declared_insecure_installation_works() {
    let bare = TestHost::new(manifest());
    let open = receive(&Webhook, &bare, &ctx(json!({ "insecure": true })), &post("{}"));
    assert!(open.is_ok());
    let fault = receive(&Webhook, &bare, &ctx(json!({})), &post("{}")).unwrap_err();
    assert_eq!((fault.webhook_status(), fault.message.as_str()), (401, "set secret, or insecure = true"));
    // insecure opens nothing where there is a secret.
    assert!(receive(&Webhook, &host(), &ctx(json!({ "insecure": true })), &post("{}")).is_err());

    let fault = Webhook.register(&bare, &ctx(json!({}))).unwrap_err();
    assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::BadConfig, Some("/secret")));
    assert!(Webhook.register(&host(), &ctx(json!({}))).is_ok());
    assert!(Webhook.register(&bare, &ctx(json!({ "insecure": true }))).is_ok());
    assert_eq!(bare.log_lines().len(), 1, "and says so in the log");
}

#[test]
fn browsers_are_told_what_they_may_send() {
    let config = json!({ "allowed_origins": ["https://shop.example"] });
    let ask = |origin: &str| {
        let request = InboundRequest { method: Method::OPTIONS, ..with(post(""), "origin", origin) };
        receive(&Webhook, &host(), &ctx(config.clone()), &request).unwrap().reply.unwrap()
    };
    let header = |reply: &portico_contract::Reply, name: &str| {
        reply.headers.iter().find(|field| field.name == name).map(|field| field.value.clone())
    };
    let reply = ask("https://shop.example");
    assert_eq!((reply.status, &reply.body), (200, &Payload::Empty));
    assert_eq!(header(&reply, "access-control-allow-origin").as_deref(), Some("https://shop.example"));
    assert_eq!(header(&reply, "access-control-allow-methods").as_deref(), Some("GET, POST, OPTIONS"));
    assert!(header(&reply, "access-control-allow-headers").unwrap().starts_with("content-type, x-bp-secret"));
    assert_eq!(header(&reply, "vary").as_deref(), Some("Origin"));
    assert_eq!(header(&ask("https://evil.example"), "access-control-allow-origin").as_deref(), Some(""));

    let turn = take(config, with(post("{}"), "origin", "https://shop.example")).unwrap();
    assert_eq!(
        header(&turn.reply.unwrap(), "access-control-allow-origin").as_deref(),
        Some("https://shop.example")
    );
}

#[test]
fn other_methods_are_told_which_there_are() {
    let request = InboundRequest { method: Method::PUT, ..post("{}") };
    let reply = Webhook.webhook(&host(), &ctx(json!({})), &request).unwrap().reply.unwrap();
    assert_eq!((reply.status, reply.headers[0].value.as_str()), (405, "GET, POST, OPTIONS"));
    assert_eq!(receive(&Webhook, &host(), &ctx(json!({})), &request).unwrap_err().webhook_status(), 405);
}

#[test]
fn a_message_of_an_app_becomes_a_message() {
    let messages: Vec<Event> = ["message_text", "message_choice_answer", "message_image", "message_bloc"]
        .iter()
        .flat_map(|name| {
            let turn = take(json!({ "messages": true }), fixture(name)).unwrap();
            events(&turn).into_iter().cloned().collect::<Vec<_>>()
        })
        .collect();
    insta::assert_json_snapshot!(messages);
}

#[test]
fn messages_are_events_unless_they_are_allowed() {
    let turn = take(json!({}), fixture("message_text")).unwrap();
    assert_eq!(data(&turn)["body"]["type"], json!("message"));
    // With messages allowed, other bodies and other methods stay events.
    for request in
        [fixture("order_paid"), fixture("ping"), fixture("not_json"), post(r#"{"type":5}"#), post("[]")]
    {
        data(&take(json!({ "messages": true }), request).unwrap());
    }
    let get = InboundRequest { method: Method::GET, ..fixture("message_text") };
    data(&take(json!({ "messages": true }), get).unwrap());
}

#[test]
fn a_message_without_an_id_takes_the_idempotency_key_or_an_id_of_its_own() {
    let body = r#"{"type":"message","conversation":{"id":"c"},"user":{"id":"u"},"message":{"type":"text","payload":{"text":"hi"}}}"#;
    let id = |seed: u64, request: InboundRequest| {
        let host = host().seed(seed);
        let turn =
            receive(&Webhook, &host, &ctx(json!({ "messages": true })), &sign(&host, request)).unwrap();
        match events(&turn).as_slice() {
            [Event::Message(message)] => message.external_id.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(id(1, with(post(body), "idempotency-key", "k1")), "k1");
    assert_eq!(id(1, post(body)).len(), 32);
    assert_ne!(id(1, post(body)), id(2, post(body)), "the same words twice are two messages");
}

#[test]
fn a_message_that_lacks_something_is_refused_by_name() {
    let message = |conversation: Value, user: Value, message: Value| {
        post(json!({ "type": "message", "id": "1", "conversation": conversation, "user": user, "message": message }).to_string())
    };
    let (c, u) = (json!({ "id": "c" }), json!({ "id": "u" }));
    let text = json!({ "type": "text", "payload": { "text": "hi" } });
    let cases = [
        (message(json!({}), u.clone(), text.clone()), "/conversation"),
        (message(json!({ "id": "" }), u.clone(), text.clone()), "/conversation/id"),
        (message(json!({ "id": "c".repeat(256) }), u.clone(), text.clone()), "/conversation/id"),
        (message(json!({ "id": "/".repeat(200) }), u.clone(), text.clone()), "/conversation/id"),
        (message(json!({ "id": "c", "colour": "red" }), u.clone(), text.clone()), "/conversation"),
        (message(c.clone(), json!({ "id": null }), text.clone()), "/user/id"),
        (message(c.clone(), json!({ "id": "" }), text.clone()), "/user/id"),
        (message(c.clone(), u.clone(), json!({ "type": "poll", "payload": {} })), "/message/type"),
        (
            message(c.clone(), u.clone(), json!({ "type": "text", "payload": { "text": 5 } })),
            "/message/payload/text",
        ),
        (
            message(c.clone(), u.clone(), json!({ "type": "text", "payload": { "text": "" } })),
            "/message/payload/text",
        ),
        (
            message(
                c.clone(),
                u.clone(),
                json!({ "type": "image", "payload": { "imageUrl": "portico-media:x" } }),
            ),
            "/message/payload",
        ),
        (
            message(c, u, json!({ "type": "carousel", "payload": { "items": [{}] } })),
            "/message/payload/items/0/title",
        ),
    ];
    for (request, place) in cases {
        let fault = take(json!({ "messages": true }), request).unwrap_err();
        assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::BadInput, Some(place)), "{fault}");
    }
}

#[test]
fn the_shared_requests_give_the_shared_events() {
    let shared = std::env::var("PORTICO_SHARED")
        .unwrap_or_else(|_| format!("{}/../../../shared", env!("CARGO_MANIFEST_DIR")));
    let Ok(text) = std::fs::read_to_string(format!("{shared}/fixtures/webhook/composed-requests.json"))
    else {
        return;
    };
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(!cases.is_empty());
    let host = TestHost::new(manifest()).secret("secret", "s3cret");
    for case in cases {
        let wanted = &case["request"];
        let text = |name: &str| wanted[name].as_str().unwrap_or_default().to_owned();
        let mut request = post(text("body"));
        request.headers.clear();
        request.method = Method::from_bytes(text("method").as_bytes()).unwrap();
        (request.path, request.query) = (text("path").into(), text("query"));
        for (name, value) in wanted["headers"].as_object().unwrap() {
            request = with(request, name, value.as_str().unwrap());
        }
        let done = run(&Webhook, &host, &ctx(json!({})), Job::Webhook(request), |_| unreachable!());
        let Some(expected) = case["event"].as_object() else {
            assert_eq!(done.fault().webhook_status(), 401);
            continue;
        };
        let [Event::Custom(event)] = done.events()[..] else { panic!("{:?}", done.events()) };
        for (name, value) in expected {
            let mut value = value.clone();
            if let (true, Some(headers)) = (name == "headers", value.as_object_mut()) {
                headers.remove("x-bp-secret");
            }
            assert_eq!(event.data[name], value, "{name}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_a_fault(body in proptest::collection::vec(any::<u8>(), 0..300), query in ".{0,60}") {
        let mut request = post(body);
        request.query = query;
        let turn = take(json!({ "messages": true }), request);
        prop_assert!(turn.is_ok_and(|turn| turn.effects.len() == 1));
    }

    #[test]
    fn any_message_like_json_is_an_event_or_a_named_fault(
        id in "\\PC{0,20}", kind in "text|image|card|bloc|x", field in "text|imageUrl|items", value in "\\PC{0,20}",
    ) {
        let body = json!({
            "type": "message", "id": id, "conversation": { "id": id }, "user": { "id": id },
            "message": { "type": kind, "payload": { field: value } },
        });
        match take(json!({ "messages": true }), post(body.to_string())) {
            Ok(turn) => prop_assert!(matches!(events(&turn)[..], [Event::Message(_)])),
            Err(fault) => prop_assert!(fault.code == FaultCode::BadInput && fault.field.is_some()),
        }
    }
}
