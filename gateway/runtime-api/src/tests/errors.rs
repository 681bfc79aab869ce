//! What goes wrong, and how it is told.

use http::Request;
use portico_store::StoreError;
use serde_json::{Value, json};

use super::{A, B, OTHER, TOY, World, say, text};

#[tokio::test]
async fn a_wrong_body_names_the_field_and_what_it_is() {
    let world = World::new().await;
    let conversation = world.conversation(A, "D1").await;
    let (no_text, deep) = (json!({ "text": 7 }), (0..40).fold(json!(1), |inner, _| json!([inner])));
    for (path, body, kind, words) in [
        ("/v1/chat/messages", json!({}), "InvalidPayload", "conversationId"),
        (
            "/v1/chat/messages",
            json!({ "conversationId": 1 }),
            "InvalidPayload",
            "`conversationId`: invalid type: integer",
        ),
        ("/v1/chat/messages", json!([]), "InvalidPayload", "invalid"),
        (
            "/v1/chat/messages",
            json!({ "conversationId": conversation, "userId": "a", "type": "text", "payload": no_text }),
            "InvalidPayload",
            "payload.text: must be a text, is a number",
        ),
        (
            "/v1/chat/messages",
            json!({ "conversationId": conversation, "userId": "a", "type": "", "payload": {} }),
            "InvalidPayload",
            "type",
        ),
        (
            "/v1/chat/messages",
            json!({ "conversationId": conversation, "userId": "a", "type": "x", "payload": { "deep": deep } }),
            "InvalidPayload",
            "JSON",
        ),
        (
            "/v1/chat/messages",
            json!({ "conversationId": conversation, "userId": "a", "type": "text",
            "payload": { "text": "x" }, "origin": "dream" }),
            "InvalidPayload",
            "origin",
        ),
        (
            "/v1/chat/messages",
            json!({ "conversationId": conversation, "userId": "a", "type": "text",
            "payload": { "text": "x" }, "schedule": {} }),
            "InvalidPayload",
            "schedule",
        ),
        ("/v1/chat/messages", say("conv_x", "a", "x"), "ReferenceNotFound", "conversationId"),
        ("/v1/chat/messages", say(&conversation, "user_x", "x"), "ReferenceNotFound", "userId"),
        ("/v1/chat/messages", say(&conversation, "not an id", "x"), "ReferenceNotFound", "userId"),
        ("/v1/chat/messages/get-or-create", say(&conversation, "a", "x"), "InvalidPayload", "tags"),
        (
            "/v1/chat/users",
            json!({ "tags": { "a": true } }),
            "InvalidPayload",
            "`tags.a`: invalid type: boolean",
        ),
        ("/v1/chat/users", json!({ "tags": { "a": "x".repeat(3000) } }), "InvalidPayload", "tags.a"),
        (
            "/v1/chat/users/get-or-create",
            json!({ "tags": { "a": "1" }, "discriminateByTags": ["b"] }),
            "InvalidPayload",
            "discriminateByTags[0]",
        ),
        ("/v1/chat/users/get-or-create", json!({ "tags": {} }), "InvalidPayload", "tags"),
        (
            "/v1/chat/conversations",
            json!({ "channel": "nowhere", "tags": {}, "integrationName": "toy" }),
            "InvalidPayload",
            "channel: must be a channel of the integration: dm, thread",
        ),
        (
            "/v1/chat/conversations",
            json!({ "channel": "dm", "tags": {}, "integrationName": "nobody" }),
            "ReferenceNotFound",
            "integrationName",
        ),
        ("/v1/chat/states/bot/a/s", json!({ "payload": [] }), "InvalidPayload", "payload"),
        ("/v1/chat/states/bot/a/s", json!({ "payload": {}, "expiry": 0 }), "InvalidPayload", "expiry"),
        ("/v1/chat/states/moon/a/s", json!({ "payload": {} }), "InvalidIdentifier", "type"),
        ("/v1/chat/events", json!({ "type": "x", "messageId": "msg_x" }), "ReferenceNotFound", "messageId"),
        ("/v1/chat/actions", json!({ "type": "toy:echo", "input": {} }), "InvalidPayload", "input"),
        ("/v1/chat/actions", json!({ "type": "echo", "input": {} }), "InvalidPayload", "type"),
        ("/v1/chat/actions", json!({ "type": "toy:fail", "input": {} }), "Runtime", "the toy is broken"),
        ("/v1/chat/initialize-incoming-message", json!({}), "InvalidPayload", "user"),
        (
            "/v1/chat/messages/import-messages",
            json!({ "messages": [{ "createdAt": "3026-01-01T00:00:00Z",
            "conversationId": conversation, "userId": "a", "type": "text", "payload": { "text": "x" } }] }),
            "InvalidPayload",
            "messages[0].createdAt",
        ),
    ] {
        let body = world.post(path, A, body).await.refused(400, kind);
        assert!(text(&body["message"]).contains(words), "{path}: {body}");
    }
}

#[tokio::test]
async fn addresses_that_lead_nowhere_say_so() {
    let world = World::new().await;
    let gone = "conv_00000000000000000000000000";
    for (method, path, status, kind) in [
        ("GET", "/v1/chat/nothing", 405, "MethodNotFound"),
        ("GET", "/v1/tables", 405, "MethodNotFound"),
        ("GET", "/v1/chat/tasks/1", 405, "MethodNotFound"),
        ("PATCH", "/v1/chat/messages", 405, "MethodNotFound"),
        ("GET", "/v1", 405, "MethodNotFound"),
        ("GET", "/v1/chat/messages/x", 404, "ResourceNotFound"),
        ("GET", "/v1/chat/users/%2F%00", 404, "ResourceNotFound"),
        ("GET", "/v1/chat/users/%FF", 400, "InvalidIdentifier"),
        ("GET", &format!("/v1/chat/conversations/{gone}"), 404, "ResourceNotFound"),
        ("GET", &format!("/v1/chat/messages?conversationId={gone}"), 404, "ResourceNotFound"),
        ("GET", "/v1/chat/states/bot/b/s", 404, "ResourceNotFound"),
        ("GET", "/v1/chat/events/evt_x", 404, "ResourceNotFound"),
        ("DELETE", "/v1/chat/events/scheduled/evt_x", 404, "ResourceNotFound"),
        ("GET", "/v1/chat/users?pageSize=0", 400, "InvalidQuery"),
        ("GET", "/v1/chat/users?pageSize=many", 400, "InvalidQuery"),
        ("GET", "/v1/chat/users?afterDate=today", 400, "InvalidQuery"),
        ("GET", "/v1/chat/events?status=lost", 400, "InvalidQuery"),
        ("GET", "/v1/chat/tags/x/values", 400, "InvalidQuery"),
    ] {
        world.call(method, path, A, &json!({})).await.refused(status, kind);
    }
}

#[tokio::test]
async fn strangers_and_other_bots_are_told_apart() {
    let world = World::new().await;
    for (headers, status, kind) in [
        (&[][..], 401, "Unauthorized"),
        (&[("authorization", "Bearer wrong")], 401, "Unauthorized"),
        (&[("authorization", "Basic token-a")], 401, "Unauthorized"),
        (&[("authorization", "Bearer token-a"), ("x-bot-id", "b")], 403, "Forbidden"),
        (&[("authorization", "Bearer token-both")], 400, "InvalidPayload"),
        (&[("authorization", "Bearer token-a"), ("x-integration-id", "toy-b")], 403, "Forbidden"),
        (
            &[
                ("authorization", "Bearer token-a"),
                ("x-integration-id", "other-a"),
                ("x-integration-alias", "toy"),
            ],
            403,
            "Forbidden",
        ),
    ] {
        world.get("/v1/chat/users", headers).await.refused(status, kind);
    }
    let by_connector = [
        ("authorization", "bearer token-a"),
        ("x-integration-id", "toymaker"),
        ("x-integration-alias", "toy"),
    ];
    world.get("/v1/chat/users", &by_connector).await.ok();
}

#[tokio::test]
async fn a_large_or_coded_body_is_refused() {
    let world = World::new().await;
    let large = json!({ "tags": {}, "name": "x".repeat(2 << 20) });
    world.post("/v1/chat/users", A, large.clone()).await.refused(413, "PayloadTooLarge");
    world.call("GET", "/v1/chat/users", A, &large).await.refused(413, "PayloadTooLarge");
    let mut coded = A.to_vec();
    coded.push(("content-encoding", "gzip"));
    world.post("/v1/chat/users", &coded, json!({})).await.refused(415, "UnsupportedMediaType");
    let broken =
        Request::post("/v1/chat/users").header("authorization", "Bearer token-a").body("{".into()).unwrap();
    world.send(broken).await.refused(400, "InvalidPayload");
}

#[tokio::test]
async fn a_store_that_is_away_is_503_and_never_502() {
    let world = World::new().await;
    let conversation = world.conversation(A, "D1").await;
    world.parts.store.refuse(Some(StoreError::Unavailable("/secret/path".into())));
    for (path, body) in [
        ("/v1/chat/messages", say(&conversation, "a", "x")),
        ("/v1/chat/users", json!({ "tags": {} })),
        ("/v1/chat/events", json!({ "type": "x" })),
        ("/v1/chat/states/bot/a/s", json!({ "payload": {} })),
    ] {
        let answer = world.post(path, A, body).await;
        assert!(answer.headers.contains_key("retry-after"));
        let body = answer.refused(503, "Internal");
        assert!(!body.to_string().contains("secret"), "{body}");
    }
    world.parts.store.refuse(Some(StoreError::DiskFull { free_bytes: 1 }));
    let answer = world.post("/v1/chat/messages", A, say(&conversation, "a", "x")).await;
    assert_eq!(answer.headers["retry-after"], "60");
    answer.refused(503, "Internal");
}

#[tokio::test]
async fn a_full_outbox_is_429_with_a_pause() {
    let world = World::new().await;
    let conversation = world.conversation(A, "D1").await;
    for number in 0..portico_outbound::MAX_LANE {
        world.post("/v1/chat/messages", A, say(&conversation, "a", &number.to_string())).await.ok();
    }
    let answer = world.post("/v1/chat/messages", A, say(&conversation, "a", "one more")).await;
    assert_eq!(answer.headers["retry-after"], "5");
    answer.refused(429, "RateLimited");
    let elsewhere = world.conversation(A, "D2").await;
    world.post("/v1/chat/messages", A, say(&elsewhere, "a", "fine")).await.ok();
}

#[tokio::test]
async fn a_bot_that_calls_too_often_waits_and_others_do_not() {
    let world = World::with(|api| {
        api.limits.rate = crate::Rate { count: 1, per: std::time::Duration::from_secs(10), burst: 3 };
    })
    .await;
    for _ in 0..3 {
        world.get("/v1/chat/users", A).await.ok();
    }
    let answer = world.get("/v1/chat/users", A).await;
    let pause: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=10).contains(&pause));
    answer.refused(429, "RateLimited");
    world.get("/v1/chat/users", B).await.ok();
}

#[tokio::test]
async fn what_is_not_for_integrations_or_bots_is_forbidden() {
    let world = World::new().await;
    world
        .post("/v1/chat/integrations/configure", A, json!({ "identifier": "x" }))
        .await
        .refused(403, "Forbidden");
    world.post("/v1/chat/integrations/configure", TOY, json!({ "identifier": null })).await.ok();
    world
        .post("/v1/chat/integrations/configure", TOY, json!({ "scheduleRegisterCall": "hourly" }))
        .await
        .ok();
    let wrong =
        world.post("/v1/chat/integrations/configure", TOY, json!({ "scheduleRegisterCall": "never" })).await;
    wrong.refused(400, "InvalidPayload");
    let call = |kind: &str| json!({ "type": kind, "input": { "text": "x" } });
    world.post("/v1/chat/actions", OTHER, call("toy:echo")).await.refused(403, "Forbidden");
    assert_eq!(
        world.post("/v1/chat/actions", OTHER, call("echo")).await.ok()["output"],
        json!({ "said": "x" })
    );
    let nothing: Value = world.post("/v1/chat/actions", A, json!({ "type": "toy:nothing" })).await.ok();
    assert_eq!(nothing, json!({ "output": {}, "meta": { "cached": false } }));
}
