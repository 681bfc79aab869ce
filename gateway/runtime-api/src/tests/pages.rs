//! Lists and their tokens.

use serde_json::{Value, json};

use super::{A, B, World, say, text};

async fn all(world: &World, path: &str, field: &str) -> Vec<Value> {
    let (mut items, mut token) = (Vec::new(), None::<String>);
    for _ in 0..100 {
        let sign = if path.contains('?') { '&' } else { '?' };
        let next = token.map(|token| format!("{sign}nextToken={token}")).unwrap_or_default();
        let page = world.get(&format!("{path}{next}"), A).await.ok();
        items.extend(page[field].as_array().unwrap().clone());
        match page["meta"]["nextToken"].as_str() {
            Some(next) => token = Some(next.to_owned()),
            None => return items,
        }
    }
    panic!("{path} never ends");
}

#[tokio::test]
async fn lists_come_whole_newest_first_and_page_by_page() {
    let world = World::new().await;
    let conversation = world.conversation(A, "D0").await;
    for number in 0..25 {
        let tags = json!({ "n": number.to_string(), "even": if number % 2 == 0 { "yes" } else { "no" } });
        world.post("/v1/chat/users", A, json!({ "tags": tags })).await.ok();
        world.post("/v1/chat/conversations", A, json!({ "channel": "notes", "tags": tags })).await.ok();
        world.post("/v1/chat/messages", A, say(&conversation, "a", &number.to_string())).await.ok();
        world.post("/v1/chat/events", A, json!({ "type": "tick", "payload": { "n": number } })).await.ok();
        let file = json!({ "key": format!("f{number:02}"), "size": number });
        world.call("PUT", "/v1/files", A, &file).await.ok();
        // Times are milliseconds; two of one moment have no order.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let descending: Vec<Value> = (0..25).rev().map(|number: i32| json!(number.to_string())).collect();
    let texts = |items: Vec<Value>, at: &str| -> Vec<Value> {
        items.iter().filter_map(|item| item.pointer(at).cloned()).collect()
    };
    for (path, field, at) in [
        ("/v1/chat/users?pageSize=4", "users", "/tags/n"),
        ("/v1/chat/users?pageSize=25", "users", "/tags/n"),
        ("/v1/chat/conversations?pageSize=7&channel=notes", "conversations", "/tags/n"),
        ("/v1/chat/users?pageSize=4&sortField=updatedAt", "users", "/tags/n"),
    ] {
        assert_eq!(texts(all(&world, path, field).await, at), descending, "{path}");
    }
    let messages =
        all(&world, &format!("/v1/chat/messages?pageSize=10&conversationId={conversation}"), "messages")
            .await;
    assert_eq!(texts(messages, "/payload/text"), descending);
    assert_eq!(all(&world, "/v1/chat/messages?pageSize=3", "messages").await.len(), 25);
    let events = all(&world, "/v1/chat/events?pageSize=4&type=tick", "events").await;
    assert_eq!(texts(events, "/payload/n"), (0..25).rev().map(|n| json!(n)).collect::<Vec<_>>());
    let ascending: Vec<Value> = descending.iter().rev().cloned().collect();
    let users = all(&world, "/v1/chat/users?pageSize=4&sortDirection=asc", "users").await;
    assert_eq!(texts(users, "/tags/n"), ascending);
    let keys =
        texts(all(&world, "/v1/files?pageSize=4&sortField=key&sortDirection=asc", "files").await, "/key");
    assert_eq!(keys, (0..25).map(|n: i32| json!(format!("f{n:02}"))).collect::<Vec<_>>());
    assert_eq!(
        texts(all(&world, "/v1/files?pageSize=4", "files").await, "/key"),
        keys.into_iter().rev().collect::<Vec<_>>()
    );
    for (path, count) in [
        ("/v1/chat/users?tags.even=yes&pageSize=2", 13),
        ("/v1/chat/users?tags.even.not=yes&pageSize=2", 13),
        ("/v1/chat/users?tags.even=no&tags.n=3", 1),
        ("/v1/chat/conversations?tags.even=no&pageSize=5", 12),
        ("/v1/chat/conversations?minMessageCount=25", 1),
        ("/v1/chat/conversations?maxMessageCount=0&pageSize=3", 25),
        ("/v1/chat/conversations?integrationName=toy", 1),
        ("/v1/chat/conversations?participantIds=a", 1),
    ] {
        let field = if path.contains("users") { "users" } else { "conversations" };
        assert_eq!(all(&world, path, field).await.len(), count, "{path}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_list_and_its_bot_only() {
    let world = World::new().await;
    for headers in [A, B] {
        for _ in 0..3 {
            world.user(headers, "x").await;
        }
    }
    let page = world.get("/v1/chat/users?pageSize=1", A).await.ok();
    let token = text(&page["meta"]["nextToken"]);
    world.get(&format!("/v1/chat/users?nextToken={token}"), A).await.ok();
    for (path, headers) in [
        (format!("/v1/chat/users?nextToken={token}"), B),
        (format!("/v1/chat/conversations?nextToken={token}"), A),
        (format!("/v1/chat/users?nextToken={token}AA"), A),
        ("/v1/chat/users?nextToken=%00".to_owned(), A),
    ] {
        world.get(&path, headers).await.refused(400, "InvalidQuery");
    }
    assert_eq!(world.get("/v1/chat/users?pageSize=5000", A).await.ok()["users"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn dates_bound_a_list() {
    let world = World::new().await;
    let conversation = world.conversation(A, "D1").await;
    let message = world.post("/v1/chat/messages", A, say(&conversation, "a", "x")).await.ok();
    let at = text(&message["message"]["createdAt"]);
    for (query, count) in [
        ("afterDate=2020-01-01T00:00:00Z".to_owned(), 1),
        ("beforeDate=2020-01-01T00:00:00Z".to_owned(), 0),
        (format!("afterDate={at}"), 0),
    ] {
        let listed = world.get(&format!("/v1/chat/messages?{query}"), A).await.ok();
        assert_eq!(listed["messages"].as_array().unwrap().len(), count, "{query}");
    }
}
