//! States and their life.

use std::time::Duration;

use portico_contract::BotId;
use portico_store::records::{Records, StateType};
use serde_json::json;

use super::{A, OTHER, TOY, World, text};

#[tokio::test]
async fn a_state_lives_while_it_is_used() {
    let world = World::new().await;
    let path = "/v1/chat/states/bot/a/s";
    world.post(path, A, json!({ "payload": { "n": 1 }, "expiry": 400 })).await.ok();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.get(path, A).await.ok();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.get(path, A).await.refused(404, "ResourceNotFound");
    let anew = world.post(&format!("{path}/get-or-set"), A, json!({ "payload": { "n": 2 } })).await.ok();
    assert_eq!((&anew["state"]["payload"], &anew["state"]["expiry"]), (&json!({ "n": 2 }), &json!(null)));
    let records = Records::of(world.parts.api.store.clone(), BotId::parse("a").unwrap());
    assert!(records.expired_states(u64::MAX, 10).await.unwrap().is_empty(), "the old expiry is forgotten");
}

#[tokio::test]
async fn integrations_have_names_of_their_own() {
    let world = World::new().await;
    let user = world.user(A, "Ann").await;
    let path = format!("/v1/chat/states/user/{user}/seen");
    world.post(&path, A, json!({ "payload": { "by": "bot" } })).await.ok();
    world.get(&path, TOY).await.refused(404, "ResourceNotFound");
    let own = world.post(&path, TOY, json!({ "payload": { "by": "toy" } })).await.ok();
    assert_eq!(own["state"]["name"], "seen");
    world.get(&path, OTHER).await.refused(404, "ResourceNotFound");
    assert_eq!(world.get(&path, A).await.ok()["state"]["payload"]["by"], "bot");
    for id in ["toy-a", "toy", "toymaker"] {
        let path = format!("/v1/chat/states/integration/{id}/token");
        world.post(&path, TOY, json!({ "payload": { "id": id } })).await.ok();
        assert_eq!(
            world.get("/v1/chat/states/integration/toy-a/token", TOY).await.ok()["state"]["payload"]["id"],
            id
        );
    }
    world.get("/v1/chat/states/integration/toy-a/token", OTHER).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn states_go_with_their_owner() {
    let world = World::new().await;
    let user = world.user(A, "Ann").await;
    let path = format!("/v1/chat/states/user/{user}/s");
    let id = text(&world.post(&path, A, json!({ "payload": {} })).await.ok()["state"]["id"]);
    assert!(id.starts_with("state_"));
    world.call("DELETE", &format!("/v1/chat/users/{user}"), A, &json!({})).await.ok();
    world.get(&path, A).await.refused(404, "ResourceNotFound");
    let records = Records::of(world.parts.api.store.clone(), BotId::parse("a").unwrap());
    assert!(records.states_of(StateType::User, &user, 10).await.unwrap().is_empty());
}
