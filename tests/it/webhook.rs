//! The generic webhook through the real binary: any request as an event, and conversations of an app of one's own.

use http::Method;
use portico_tests::sim::client;
use portico_tests::sim::sign;
use serde_json::json;

use crate::scene::{Scene, call};

#[tokio::test(flavor = "multi_thread")]
async fn any_request_with_the_secret_is_an_event_with_its_parts() {
    let scene = Scene::silent().await;
    let secret = scene.providers.app.secret();
    let url = format!("{}/orders/new?a=1&b[c]=2&d=x&d=y", scene.gateway.webhook("hook"));
    let request =
        sign::webhook(secret, "application/json", r#"{"id":7}"#).with_header("authorization", "Bearer z");
    let reply = request.send(&url).await.unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    let event = scene.nth_event(1).await;
    assert_eq!(event.kind(), "webhook:event");
    let payload = &event.body["payload"];
    assert_eq!(payload["query"], json!({"a": "1", "b": {"c": "2"}, "d": ["x", "y"]}));
    assert_eq!((&payload["method"], &payload["path"]), (&json!("POST"), &json!("/orders/new")));
    assert_eq!(payload["body"], json!({"id": 7}));
    let headers = payload["headers"].as_object().unwrap();
    assert!(!headers.contains_key("x-bp-secret") && !headers.contains_key("authorization"), "{payload}");
    assert!(!event.body.to_string().contains(secret));

    let get =
        client::get(&scene.gateway.webhook("hook"), &[("x-bp-secret".into(), secret.into())]).await.unwrap();
    assert_eq!(get.status, 200);
    assert_eq!(scene.nth_event(2).await.body["payload"]["method"], "GET");

    let text = sign::webhook(secret, "text/plain", "not json");
    scene.accepted("hook", &text).await;
    let event = scene.nth_event(3).await;
    assert_eq!(
        (&event.body["payload"]["body"], &event.body["payload"]["rawBody"]),
        (&json!({}), &json!("not json"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_it_does_not_take_are_answered_405_with_those_it_does() {
    let scene = Scene::silent().await;
    let headers = vec![("x-bp-secret".to_owned(), scene.providers.app.secret().to_owned())];
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let reply = client::send(method.clone(), &scene.gateway.webhook("hook"), &headers, "{}".into())
            .await
            .unwrap();
        assert_eq!(reply.status, 405, "{method}");
        assert!(reply.header("allow").contains("POST"), "{method}: {:?}", reply.headers);
    }
    assert!(scene.core.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_makes_a_repeat_no_second_event() {
    let scene = Scene::silent().await;
    let secret = scene.providers.app.secret();
    for body in [r#"{"n":1}"#, r#"{"n":2}"#] {
        let request = sign::webhook(secret, "application/json", body).with_header("idempotency-key", "k-1");
        assert_eq!(scene.accepted("hook", &request).await.status, 200);
    }
    scene.accepted("hook", &sign::webhook(secret, "application/json", r#"{"n":3}"#)).await;
    scene.nth_event(2).await;
    let bodies: Vec<_> =
        scene.core.events().iter().map(|event| event.body["payload"]["body"]["n"].clone()).collect();
    assert_eq!(bodies.len(), 2);
    assert!(bodies.contains(&json!(1)) && bodies.contains(&json!(3)), "{bodies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bots_answer_goes_to_the_app_signed_and_with_a_key() {
    let scene = Scene::echo().await;
    scene.accepted("hook", &scene.app_message("ticket-5", "Where is my tea?")).await;
    // The simulator checks signature and key before it takes a message.
    let sent = scene.nth_sent(&scene.providers.app, 1).await;
    assert_eq!(sent.body["conversation"]["id"], "ticket-5");
    assert_eq!(sent.body["user"]["id"], "customer-1");
    assert_eq!(sent.body["message"], json!({"type": "text", "payload": {"text": "Where is my tea?"}}));
    let event = scene.nth_event(1).await;
    let told = scene
        .until("the app's id on the message", async || {
            let path = format!("/bots/support/conversations/{}/messages", event.conversation());
            let items = scene.admin_get(&path).await["items"].as_array().unwrap().clone();
            items
                .into_iter()
                .find(|one| one["direction"] == "outgoing" && one["delivery"]["status"] == "sent")
        })
        .await;
    assert_eq!(told["delivery"]["externalIds"], json!([format!("app-{}", sent.id)]), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_calls_another_system_by_an_action() {
    let scene = Scene::silent().await;
    let files = crate::files::Files::start().await;
    let url = files.put("status.json", "application/json", r#"{"open":true}"#);
    let body = json!({"type": "webhook:callWebhook", "input": {"url": url, "method": "GET"}});
    let api = format!("{}/v1/chat/actions", scene.gateway.spec.public());
    let reply = call(Method::POST, &api, crate::scene::BOT_TOKEN, Some(&body)).await;
    assert!(reply.is_success(), "{}: {}", reply.status, reply.text());
    let output = &reply.json()["output"];
    assert_eq!((&output["status"], &output["body"]), (&json!(200), &json!({"open": true})));
}
