use http::Method;

use super::*;
use crate::sim::client::{self, Reply};
use crate::sim::sign::now;

async fn deliver(core: &HttpCore, id: &str, conversation: &str, text: &str) -> io::Result<Reply> {
    let body = json!({
        "type": "message_created", "id": id, "conversation": {"id": conversation},
        "message": {"payload": {"text": text}},
    });
    post(core, core.secret(), id, now(), &body.to_string()).await
}

async fn post(core: &HttpCore, secret: &str, id: &str, at: u64, body: &str) -> io::Result<Reply> {
    let signature = standard_webhooks_signature(secret, id, at, body.as_bytes()).unwrap();
    let headers = [
        ("webhook-id".to_owned(), id.to_owned()),
        ("webhook-timestamp".to_owned(), at.to_string()),
        ("webhook-signature".to_owned(), format!("v1,AAAA {signature}")),
    ];
    client::send(Method::POST, &core.url(), &headers, body.to_owned().into()).await
}

#[test]
fn the_signature_is_that_of_the_specification() {
    // The worked example of the Standard Webhooks libraries.
    let signature = standard_webhooks_signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[tokio::test]
async fn only_signed_fresh_json_reaches_the_behaviour() {
    let core = HttpCore::echo().await.unwrap();
    let body = r#"{"type":"message_created"}"#;
    let other = signature::new_secret();
    assert_eq!(post(&core, &other, "a", now(), body).await.unwrap().status, 401);
    assert_eq!(post(&core, core.secret(), "a", now() - 301, body).await.unwrap().status, 401);
    assert_eq!(post(&core, core.secret(), "a", now(), "no json").await.unwrap().status, 400);
    let bare = client::send(Method::POST, &core.url(), &[], body.into()).await.unwrap();
    assert_eq!(bare.status, 401);
    use SignatureFault::{Missing, NotJson, Stale, Wrong};
    assert_eq!(core.refused(), [Wrong, Stale, NotJson, Missing("webhook-id")]);
    assert!(core.received().is_empty());
    let reply = deliver(&core, "b", "c1", "hello").await.unwrap();
    assert_eq!(reply.json(), json!({"messages": [{"type": "text", "payload": {"text": "hello"}}]}));
}

#[tokio::test]
async fn attempts_are_counted_and_faults_are_programmable() {
    let core = HttpCore::start(|event| match event.attempt {
        1 => CoreAnswer::status(503),
        2 => CoreAnswer::reset(),
        _ => CoreAnswer::text("third").after(Duration::from_millis(5)),
    })
    .await
    .unwrap();
    assert_eq!(deliver(&core, "a", "c", "1").await.unwrap().status, 503);
    assert!(deliver(&core, "a", "c", "1").await.is_err());
    assert_eq!(core.events().len(), 0);
    assert_eq!(deliver(&core, "a", "c", "1").await.unwrap().status, 200);
    assert_eq!(core.wait_for(1, Duration::from_secs(1)).await.unwrap()[0].attempt, 3);
    let statuses: Vec<_> = core.received().iter().map(|one| one.status).collect();
    assert_eq!(statuses, [Some(503), None, Some(200)]);
    core.answer_with(|_| CoreAnswer::status(204));
    assert_eq!(deliver(&core, "b", "c", "2").await.unwrap().status, 204);
    let error = core.wait_for(9, Duration::from_millis(5)).await.unwrap_err().to_string();
    assert!(error.contains("4 deliveries, 2 events done"), "{error}");
}

#[tokio::test]
async fn disorder_gaps_and_repeats_are_seen() {
    let core = HttpCore::echo().await.unwrap();
    for (id, conversation, text) in [
        ("1", "x", "n 1"),
        ("2", "y", "n 7"),
        ("3", "x", "n 3"),
        ("4", "x", "n 2"),
        ("5", "y", "n 9"),
        ("6", "y", "n 9"),
    ] {
        assert!(deliver(&core, id, conversation, text).await.unwrap().is_success());
    }
    assert_eq!(core.inversions(), [("x".to_owned(), 2)]);
    assert_eq!(core.gaps(), [("y".to_owned(), 8)]);
    assert_eq!(core.doubled_places(), [("y".to_owned(), 9)]);
    assert!(core.duplicates().is_empty());
    assert!(deliver(&core, "6", "y", "n 9").await.unwrap().is_success());
    assert_eq!(core.duplicates(), [("6".to_owned(), 2)].into());
    assert!(core.overlaps().is_empty());
}

#[tokio::test]
async fn two_open_deliveries_of_one_conversation_overlap() {
    let core = HttpCore::start(|_| CoreAnswer::done().after(Duration::from_millis(60))).await.unwrap();
    let (a, b, c) = tokio::join!(
        deliver(&core, "1", "x", "1"),
        deliver(&core, "2", "x", "2"),
        deliver(&core, "3", "y", "1")
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(core.overlaps(), ["x".to_owned()].into());
}

#[tokio::test]
async fn rasa_answers_its_rest_channel_only() {
    let rasa = RasaCore::start(|turn| {
        CoreAnswer::json(json!([{"recipient_id": turn.sender, "text": turn.message}]))
    })
    .await
    .unwrap();
    let url = format!("{}/webhooks/rest/webhook", rasa.url());
    let turn = json!({"sender": "s1", "message": "hi", "metadata": {"a": 1}});
    let reply = client::post_json(&url, &[], &turn).await.unwrap();
    assert_eq!(reply.json(), json!([{"recipient_id": "s1", "text": "hi"}]));
    assert_eq!(rasa.wait_for(1, Duration::from_secs(1)).await.unwrap()[0].metadata, json!({"a": 1}));
    assert_eq!(client::post_json(&url, &[], &json!({"message": "x"})).await.unwrap().status, 400);
    assert_eq!(client::post_json(&rasa.url(), &[], &turn).await.unwrap().status, 404);
    assert_eq!(client::get(&url, &[]).await.unwrap().status, 405);
}
