//! Every operation × two bots × their tokens: exactly the allowed cells pass.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{A, TOY, World, say, text};

/// Things of bot `a`, by what they are.
async fn things(world: &World) -> BTreeMap<&'static str, String> {
    let conversation = world.conversation(A, "D1").await;
    let user =
        text(&world.post("/v1/chat/users", TOY, json!({ "tags": { "id": "U1" } })).await.ok()["user"]["id"]);
    let message = world.post("/v1/chat/messages", TOY, say(&conversation, &user, "secret")).await.ok();
    let event = world.post("/v1/chat/events", A, json!({ "type": "secret" })).await.ok();
    let later = world
        .post("/v1/chat/events", A, json!({ "type": "later", "schedule": { "delay": 1_000_000 } }))
        .await
        .ok();
    let workflow =
        world.post("/v1/chat/workflows", A, json!({ "name": "secret", "status": "pending" })).await.ok();
    let file = world.call("PUT", "/v1/files", A, &json!({ "key": "secret", "size": 1 })).await.ok();
    world
        .post(&format!("/v1/chat/states/conversation/{conversation}/s"), A, json!({ "payload": {} }))
        .await
        .ok();
    BTreeMap::from([
        ("message", text(&message["message"]["id"])),
        ("event", text(&event["event"]["id"])),
        ("later", text(&later["event"]["id"])),
        ("workflow", text(&workflow["workflow"]["id"])),
        ("file", text(&file["file"]["id"])),
        ("conversation", conversation),
        ("user", user),
    ])
}

/// The operation's address with the ids of bot `a`, and whether it names any.
fn address(template: &str, things: &BTreeMap<&'static str, String>) -> (String, bool) {
    let kind = [
        ("/messages/", "message"),
        ("/users/", "user"),
        ("/conversations/", "conversation"),
        ("/scheduled/", "later"),
        ("/events/", "event"),
        ("/workflows/", "workflow"),
        ("/files/", "file"),
        ("/states/", "conversation"),
    ];
    let id = kind.iter().find(|(part, _)| template.contains(part)).and_then(|(_, kind)| things.get(kind));
    let path = template
        .replace("{type}", "conversation")
        .replace("{name}", "s")
        .replace("{userId}", &things["user"])
        .replace("{key}", "toy:id")
        .replace("{draftId}", &format!("d1?conversationId={}", things["conversation"]))
        .replace("{id}", id.map_or("", String::as_str));
    let path = if template.contains("/tags/") { format!("{path}?type=user") } else { path };
    (path, template.contains("{id}"))
}

fn body(operation: &str, things: &BTreeMap<&'static str, String>) -> Value {
    match operation {
        "createMessage" | "getOrCreateMessage" => {
            let mut body = say(&things["conversation"], &things["user"], "x");
            body["tags"] = json!({ "t": "1" });
            body
        }
        "importMessages" => {
            let mut past = say(&things["conversation"], &things["user"], "x");
            past["createdAt"] = json!("2020-01-01T00:00:00Z");
            json!({ "messages": [past] })
        }
        "initializeIncomingMessage" => {
            json!({ "userId": things["user"], "conversationId": things["conversation"] })
        }
        "appendDraft" => json!({ "conversationId": things["conversation"], "append": "x" }),
        "createConversation" => json!({ "channel": "dm", "tags": { "new": "1" } }),
        "getOrCreateConversation" => json!({ "channel": "dm", "tags": { "new": "2" } }),
        "addParticipant" => json!({ "userId": things["user"] }),
        "createUser" | "getOrCreateUser" => json!({ "tags": { "new": "1" } }),
        "createEvent" => json!({ "type": "x", "conversationId": things["conversation"] }),
        "createWorkflow" | "getOrCreateWorkflow" => {
            json!({ "name": "n", "status": "pending", "tags": { "t": "1" }, "userId": things["user"] })
        }
        "setState" | "getOrSetState" | "patchState" => json!({ "payload": { "x": 1 } }),
        "upsertFile" => json!({ "key": "new", "size": 1 }),
        "trackAnalytics" => json!({ "name": "n", "count": 1 }),
        "callAction" => json!({ "type": "toy:echo", "input": { "text": "x" } }),
        _ => json!({}),
    }
}

/// What names things of `a` in its body or query, and so must fail for `b`.
const BY_BODY: [&str; 9] = [
    "appendDraft",
    "abortDraft",
    "createMessage",
    "getOrCreateMessage",
    "importMessages",
    "initializeIncomingMessage",
    "createEvent",
    "createWorkflow",
    "getOrCreateWorkflow",
];

#[tokio::test]
async fn one_bot_never_reaches_another() {
    let description: Value = serde_json::from_str(&crate::openapi()).unwrap();
    for (template, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            // A world each, since operations change and remove what they are called on.
            let world = World::new().await;
            let things = things(&world).await;
            let (path, names_thing) = address(template, &things);
            let body = body(name, &things);
            let call = async |headers: &[(&str, &str)]| {
                world.call(&method.to_uppercase(), &path, headers, &body).await
            };
            let token = |token| ("authorization", token);
            let (a, b) = (("x-bot-id", "a"), ("x-bot-id", "b"));

            call(&[]).await.refused(401, "Unauthorized");
            call(&[token("Bearer token-c")]).await.refused(401, "Unauthorized");
            call(&[token("Bearer token-b"), a]).await.refused(403, "Forbidden");
            call(&[token("Bearer token-a"), b]).await.refused(403, "Forbidden");
            call(&[token("Bearer token-b"), ("x-integration-id", "toy-a")]).await.refused(403, "Forbidden");
            for headers in [
                &[token("Bearer token-b"), b][..],
                &[token("Bearer token-b")],
                &[token("Bearer token-both"), b],
                &[token("Bearer token-b"), ("x-integration-alias", "toy")],
            ] {
                let answer = call(headers).await;
                if names_thing {
                    answer.refused(404, "ResourceNotFound");
                } else if BY_BODY.contains(&name) {
                    answer.refused(400, "ReferenceNotFound");
                } else {
                    let is_for_integrations = name == "configureIntegration";
                    assert!(answer.status.is_success() || is_for_integrations, "{name}: {}", answer.body);
                    let shown = answer.body.to_string();
                    assert!(
                        !shown.contains("secret") && things.values().all(|id| !shown.contains(id)),
                        "{name}: {shown}"
                    );
                }
            }
            if name == "configureIntegration" {
                call(TOY).await.ok();
            } else if name.ends_with("Participant") && name != "addParticipant" {
                // The user came in with its message, so it takes part.
                call(A).await.ok();
            } else {
                let own: &[(&str, &str)] = &[token("Bearer token-both"), a];
                call(own).await.ok();
            }
        }
    }
}
