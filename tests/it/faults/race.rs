//! Get-or-create under concurrency: many ask at once, one thing is made.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::line::Line;
use super::stage::{Kind, Stage, all_pages, bot_headers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_first_messages_at_once_make_one_conversation_and_one_user() {
    let stage = Stage::plain().await;
    let gateway = stage.start().await;
    let mut tasks = JoinSet::new();
    for number in 1..=64 {
        let port = stage.spec.ports.0;
        tasks.spawn(async move {
            let request = Kind::Webhook(0).message(7, number, &format!("first {number}"));
            let reply = Line::to(port).post(&Kind::Webhook(0).path(), &request).await.unwrap();
            assert!(reply.is_success(), "{} {}", reply.status, reply.text());
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let events = stage.core.wait_for(64, Duration::from_secs(30)).await.unwrap();
    let conversations: BTreeSet<&str> = events.iter().map(|event| event.conversation()).collect();
    let users: BTreeSet<&str> =
        events.iter().map(|event| event.body["user"]["id"].as_str().unwrap()).collect();
    let messages: BTreeSet<&str> =
        events.iter().map(|event| event.body["message"]["id"].as_str().unwrap()).collect();
    assert_eq!((conversations.len(), users.len(), messages.len()), (1, 1, 64));
    assert_eq!(all_pages(&gateway, "/bots/support/conversations").await.len(), 1);
}

/// Calls a get-or-create 64 times at once; the answers' ids, and how many said that it was created.
async fn at_once(
    port: u16,
    path: &'static str,
    body: serde_json::Value,
    object: &'static str,
) -> (BTreeSet<String>, usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let body = bytes::Bytes::from(body.to_string());
        tasks.spawn(async move {
            let reply = Line::to(port).send(Method::POST, path, &bot_headers(None), body).await.unwrap();
            assert!(reply.is_success(), "{path}: {} {}", reply.status, reply.text());
            let answer = reply.json();
            (answer[object]["id"].as_str().unwrap().to_owned(), answer["meta"]["created"] == true)
        });
    }
    let (mut ids, mut created) = (BTreeSet::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (id, is_new) = done.unwrap();
        ids.insert(id);
        created += usize::from(is_new);
    }
    (ids, created)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_get_or_creates_at_once_make_one_conversation_one_user_and_one_message() {
    let stage = Stage::plain().await;
    let gateway = stage.start().await;
    let port = stage.spec.ports.0;
    let conversation =
        json!({"channel": "channel", "integrationName": "one", "tags": {"one:id": "ticket-race"}});
    let (conversations, created) =
        at_once(port, "/v1/chat/conversations/get-or-create", conversation, "conversation").await;
    assert_eq!((conversations.len(), created), (1, 1));
    let user = json!({"integrationName": "one", "tags": {"one:id": "customer-race"}, "name": "Ada"});
    let (users, created) = at_once(port, "/v1/chat/users/get-or-create", user, "user").await;
    assert_eq!((users.len(), created), (1, 1));
    let id = conversations.first().unwrap();
    let message = json!({
        "conversationId": id, "userId": "support", "type": "text", "payload": {"text": "once"},
        "tags": {"round": "1"}, "discriminateByTags": ["round"],
    });
    let (messages, created) = at_once(port, "/v1/chat/messages/get-or-create", message, "message").await;
    assert_eq!((messages.len(), created), (1, 1));
    let listed = all_pages(&gateway, &format!("/bots/support/conversations/{id}/messages")).await;
    assert_eq!(listed.len(), 1, "{listed:?}");

    // The same Idempotency-Key at once: one message, and all get the same answer.
    let mut tasks = JoinSet::new();
    let body = super::stage::text_message(id, "keyed").to_string();
    for _ in 0..64 {
        let body = bytes::Bytes::from(body.clone());
        tasks.spawn(async move {
            let reply = Line::to(port)
                .send(Method::POST, "/v1/chat/messages", &bot_headers(Some("key-1")), body)
                .await
                .unwrap();
            assert!(reply.is_success(), "{} {}", reply.status, reply.text());
            reply.json()["message"]["id"].as_str().unwrap().to_owned()
        });
    }
    let ids: BTreeSet<String> = tasks.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 1);
    let listed = all_pages(&gateway, &format!("/bots/support/conversations/{id}/messages")).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
}
