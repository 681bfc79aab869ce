//! Actions and media.

use std::time::Duration;

use portico_store::records::DeliveryStatus;
use serde_json::{Value, json};

use super::provider::{Act, Provider};
use super::world::World;

#[tokio::test]
async fn an_action_gets_thread_and_message_and_its_output_comes_back_in_our_ids() {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    world
        .until(message.id, |message| message.delivery.as_ref().unwrap().status == DeliveryStatus::Sent)
        .await;
    running.kill().await;
    let input = json!({ "code": "x", "conversationId": conversation, "messageId": message.id });
    world.provider.always(Act::Answer(200, "content-type: application/json", r#"{"id":"p1"}"#));
    let output = world.actions.call(&world.bot, "probe:find", input, Some("k")).await.unwrap();
    assert_eq!(output, json!({ "messageId": message.id.to_string() }));
    let asked = world.provider.asked();
    let told: Value = serde_json::from_str(asked.last().unwrap()["text"].as_str().unwrap()).unwrap();
    assert_eq!(told["message"], json!(["p1"]));
    assert_eq!(told["thread"]["key"], "A");
}

#[tokio::test]
async fn an_opened_conversation_comes_back_as_its_id() {
    let world = World::new(Provider::start([]).await).await;
    let output = world.actions.call(&world.bot, "probe:open", Value::Null, None).await.unwrap();
    assert_eq!(output, json!({ "conversationId": world.conversation("new").await.to_string() }));
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_named() {
    let world = World::new(Provider::start([]).await).await;
    let lost = "conv_00000000000000000000000000";
    for (name, input, api_type, text) in [
        (
            "find",
            json!({}),
            "InvalidPayload",
            "type: must be 'integration:action', such as 'slack:addReaction'",
        ),
        ("x:find", json!({}), "ReferenceNotFound", "type: the bot has no such integration"),
        ("probe:fly", json!({}), "MethodNotFound", "type: the integration has no such action"),
        ("probe:find", json!({}), "InvalidPayload", "input.code: is missing"),
        ("probe:find", json!({ "code": 1 }), "InvalidPayload", "input.code: must be string, is a number"),
        ("probe:find", json!([]), "InvalidPayload", "input: must be an object"),
        (
            "probe:markAsRead",
            json!({ "conversationId": lost }),
            "ReferenceNotFound",
            "input.conversationId: the conversation does not exist",
        ),
        ("probe:markAsRead", json!({}), "MethodNotFound", "no action 'markAsRead'"),
    ] {
        let error = world.actions.call(&world.bot, name, input, None).await.unwrap_err();
        assert_eq!((error.api_type, error.message.as_str()), (api_type, text));
    }
    assert!(world.provider.asked().is_empty());
}

#[tokio::test]
async fn a_providers_failure_is_a_runtime_error_and_a_429_says_when() {
    let script = [Act::Answer(400, "", "no"), Act::Answer(429, "retry-after: 7", "")];
    let world = World::new(Provider::start(script).await).await;
    let call = || world.actions.call(&world.bot, "probe:find", json!({ "code": "x" }), None);
    let error = call().await.unwrap_err();
    assert_eq!((error.api_type, error.status), ("Runtime", 400));
    assert_eq!(error.metadata["code"], "rejected");
    let error = call().await.unwrap_err();
    assert_eq!((error.status, error.retry_after), (429, Some(Duration::from_secs(7))));
    let error = call().await.unwrap_err();
    assert_eq!(error.status, 429);
    assert_eq!(world.provider.asked().len(), 2, "the provider is left alone until then");
}

#[tokio::test]
async fn a_slow_action_ends_in_time() {
    let world = World::new(Provider::start([Act::Slow(Duration::from_secs(5))]).await).await;
    let error = world.actions.call(&world.bot, "probe:hang", json!({}), None).await.unwrap_err();
    assert_eq!((error.api_type, error.status), ("OperationTimeout", 504));
}

#[tokio::test]
async fn media_is_fetched_once_for_all_who_ask() {
    let picture = Act::Answer(200, "content-type: image/png", "PNG");
    let world = World::new(Provider::start([picture]).await).await;
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let (actions, installation) = (world.actions.clone(), world.installation.clone());
            tokio::spawn(async move { actions.media(&installation, "F1").await.unwrap() })
        })
        .collect();
    for one in asking {
        let blob = one.await.unwrap();
        assert_eq!((blob.media_type.as_str(), blob.size), ("image/png", 3));
    }
    assert_eq!(world.provider.asked().len(), 1);
    world.actions.media(&world.installation, "F1").await.unwrap();
    assert_eq!(world.provider.asked().len(), 1);
    assert_eq!(world.actions.media(&world.installation, "").await.unwrap_err().status, 404);
}

#[tokio::test]
async fn a_connector_that_is_not_live_shows_nothing_by_itself() {
    let world = World::new(Provider::start([]).await).await;
    let refused = world.actions.call(&world.bot, "probe:signal", json!({}), None).await.unwrap_err();
    assert_eq!(refused.message, "bad turn: a signal of a connector that is not live");
}
