//! Get-or-create from many sides at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{A, TOY, World, text};

/// Headers, path, body, and the field of the answer that holds the object.
type Case = (&'static [(&'static str, &'static str)], &'static str, Value, &'static str);

/// 64 callers at once; every answer's id.
async fn ids(
    world: Arc<World>,
    headers: &'static [(&str, &str)],
    path: &'static str,
    body: Value,
    field: &'static str,
) -> (BTreeSet<String>, usize) {
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (world, body) = (world.clone(), body.clone());
            tokio::spawn(async move { world.post(path, headers, body).await.ok() })
        })
        .collect();
    let (mut ids, mut created) = (BTreeSet::new(), 0);
    for task in tasks {
        let answer = task.await.unwrap();
        created += usize::from(answer["meta"]["created"] == true);
        ids.insert(text(&answer[field]["id"]));
    }
    (ids, created)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn get_or_create_makes_one_of_each_kind() {
    let world = Arc::new(World::new().await);
    let conversation = world.conversation(TOY, "D1").await;
    let user = world.user(TOY, "Ann").await;
    let message = json!({ "conversationId": conversation, "userId": user, "type": "text", "payload": { "text": "x" },
        "tags": { "id": "M1", "n": "1" }, "discriminateByTags": ["id"] });
    let cases: [Case; 9] = [
        (TOY, "/v1/chat/users/get-or-create", json!({ "tags": { "id": "U1" } }), "user"),
        (TOY, "/v1/chat/users/get-or-create", json!({ "tags": { "nick": "n" } }), "user"),
        (
            A,
            "/v1/chat/users/get-or-create",
            json!({ "tags": { "mine": "1", "also": "2" }, "discriminateByTags": ["mine"] }),
            "user",
        ),
        (
            TOY,
            "/v1/chat/conversations/get-or-create",
            json!({ "channel": "dm", "tags": { "id": "D9" } }),
            "conversation",
        ),
        (
            A,
            "/v1/chat/conversations/get-or-create",
            json!({ "channel": "notes", "tags": { "mine": "1" } }),
            "conversation",
        ),
        (
            TOY,
            "/v1/chat/conversations/get-or-create",
            json!({ "channel": "dm", "tags": { "id": "D8", "title": "t" }, "discriminateByTags": ["title"] }),
            "conversation",
        ),
        (TOY, "/v1/chat/messages/get-or-create", message.clone(), "message"),
        (A, "/v1/chat/messages/get-or-create", message, "message"),
        (
            A,
            "/v1/chat/workflows/get-or-create",
            json!({ "name": "w", "status": "pending", "tags": { "mine": "1" } }),
            "workflow",
        ),
    ];
    for (headers, path, body, field) in cases {
        let (ids, created) = ids(world.clone(), headers, path, body.clone(), field).await;
        assert_eq!((ids.len(), created), (1, 1), "{path} {body}");
    }
    let brought = json!({
        "user": { "tags": { "id": "U2" }, "discriminateByTags": [] },
        "conversation": { "channel": "thread", "tags": { "id": "C1", "thread": "T1" }, "discriminateByTags": ["id", "thread"] },
        "message": { "type": "text", "payload": { "text": "x" }, "tags": { "id": "M2" }, "discriminateByTags": ["id"] },
    });
    for field in ["user", "conversation", "message"] {
        let (ids, _) =
            ids(world.clone(), TOY, "/v1/chat/initialize-incoming-message", brought.clone(), field).await;
        assert_eq!(ids.len(), 1, "{field}");
    }
    let (ids, _) =
        ids(world.clone(), A, "/v1/chat/states/bot/a/s/get-or-set", json!({ "payload": {} }), "state").await;
    assert_eq!(ids.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn patches_from_many_sides_are_all_kept() {
    let world = Arc::new(World::new().await);
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let world = world.clone();
            let body = json!({ "payload": { (format!("n{number}")): number } });
            tokio::spawn(async move { world.call("PATCH", "/v1/chat/states/bot/a/s", A, &body).await.ok() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let state = world.get("/v1/chat/states/bot/a/s", A).await.ok();
    assert_eq!(state["state"]["payload"].as_object().unwrap().len(), 64);
}

#[tokio::test]
async fn the_tags_that_tell_decide_what_is_found() {
    let world = World::new().await;
    let find = async |tags: Value, by: Value| {
        let body = json!({ "tags": tags, "discriminateByTags": by });
        let answer = world.post("/v1/chat/users/get-or-create", A, body).await.ok();
        (text(&answer["user"]["id"]), answer["meta"]["created"] == true)
    };
    let (first, made) = find(json!({ "a": "1", "b": "1" }), json!(["a"])).await;
    assert!(made);
    assert_eq!(find(json!({ "a": "1", "b": "2" }), json!(["a"])).await, (first.clone(), false));
    assert_eq!(find(json!({ "a": "1", "b": "1" }), json!(null)).await, (first.clone(), false));
    assert_eq!(find(json!({ "b": "1" }), json!([])).await, (first.clone(), false));
    let (second, made) = find(json!({ "a": "1", "b": "2" }), json!(null)).await;
    assert!(made && second != first);

    // A tag that changed, or an object that is gone, is not found by what it was.
    world.call("PUT", &format!("/v1/chat/users/{first}"), A, &json!({ "tags": { "a": "9" } })).await.ok();
    world.call("DELETE", &format!("/v1/chat/users/{second}"), A, &json!({})).await.ok();
    let (third, made) = find(json!({ "a": "1" }), json!(["a"])).await;
    assert!(made && third != first && third != second);
}

#[tokio::test]
async fn identity_tags_lead_to_what_webhooks_bring() {
    let world = World::new().await;
    use portico_contract::{BotId, ConversationId, InstallationId, UserId};
    let (bot, toy) = (BotId::parse("a").unwrap(), InstallationId::parse("toy-a").unwrap());
    let thread = json!({ "channel": "thread", "tags": { "thread": "T/1", "id": "C1" } });
    let answer = world.post("/v1/chat/conversations/get-or-create", TOY, thread).await.ok();
    let expected = ConversationId::of_thread(&bot, &toy, "thread", "C1/T%2F1").to_string();
    assert_eq!(answer["conversation"]["id"], expected);
    let user =
        world.post("/v1/chat/users/get-or-create", A, json!({ "tags": { "toy:id": "U1" } })).await.ok();
    assert_eq!(user["user"]["id"], UserId::of_party(&bot, &toy, "U1").as_str());
    // A bot that names the integration may leave the prefix out.
    let named = json!({ "tags": { "id": "U1" }, "integrationName": "toy" });
    let same = world.post("/v1/chat/users/get-or-create", A, named).await.ok();
    assert_eq!((&same["user"]["id"], &same["meta"]["created"]), (&user["user"]["id"], &json!(false)));
    assert_eq!(same["user"]["tags"], json!({ "toy:id": "U1" }));
    let again = world
        .post("/v1/chat/users", TOY, json!({ "tags": { "id": "U1" } }))
        .await
        .refused(409, "AlreadyExists");
    assert_eq!(again["metadata"]["id"], user["user"]["id"]);
}
