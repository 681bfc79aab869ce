use std::time::Duration;

use serde_json::json;

use super::*;
use crate::sim::client::{self, Reply};
use crate::sim::provider::Fault;

const CHANNEL: &str = "C00SIMGENERAL";

async fn start() -> SlackSim {
    SlackSim::start(SlackOptions::unpaced()).await.unwrap()
}

fn headers(sim: &SlackSim) -> Vec<(String, String)> {
    vec![
        ("authorization".into(), format!("Bearer {}", sim.options().bot_token)),
        ("content-type".into(), "application/json; charset=utf-8".into()),
    ]
}

async fn raw(sim: &SlackSim, method: &str, headers: &[(String, String)], body: String) -> Reply {
    let url = format!("{}/{method}", sim.api_url());
    client::send(Method::POST, &url, headers, body.into()).await.unwrap()
}

async fn call(sim: &SlackSim, method: &str, body: Value) -> Value {
    let reply = raw(sim, method, &headers(sim), body.to_string()).await;
    assert_eq!(reply.status, 200, "Slack answers 200 to refusals too");
    reply.json()
}

async fn form(sim: &SlackSim, method: &str, fields: &[(&str, &str)]) -> Value {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut all = headers(sim);
    all[1].1 = "application/x-www-form-urlencoded".into();
    raw(sim, method, &all, body).await.json()
}

/// The error and the first message of a refusal.
async fn error_of_blocks(sim: &SlackSim, blocks: Value) -> (String, String) {
    let answer =
        call(sim, "chat.postMessage", json!({"channel": CHANNEL, "text": "t", "blocks": blocks})).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&answer["error"]), text(&answer["response_metadata"]["messages"][0]))
}

#[tokio::test]
async fn the_token_is_checked_and_refusals_have_status_200() {
    let sim = start().await;
    let json_type = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
    assert_eq!(raw(&sim, "auth.test", &json_type, "{}".into()).await.json()["error"], "not_authed");
    let mut wrong = json_type.clone();
    wrong.push(("authorization".into(), "Bearer xoxb-wrong".into()));
    assert_eq!(raw(&sim, "auth.test", &wrong, "{}".into()).await.json()["error"], "invalid_auth");
    let told = call(&sim, "auth.test", json!({})).await;
    assert_eq!((&told["ok"], &told["user_id"]), (&json!(true), &json!("U00SIMBOT01")));
    sim.break_token(Some("token_revoked"));
    assert_eq!(call(&sim, "auth.test", json!({})).await["error"], "token_revoked");
    sim.break_token(None);
    sim.remove_scope_of("users.info");
    assert_eq!(form(&sim, "users.info", &[("user", "U00SIMUSER01")]).await["error"], "missing_scope");
    assert_eq!(call(&sim, "no.such", json!({})).await["error"], "unknown_method");
}

#[tokio::test]
async fn a_message_is_recorded_and_can_be_edited_and_deleted_by_its_ts() {
    let sim = start().await;
    let sent = call(
        &sim,
        "chat.postMessage",
        json!({"channel": CHANNEL, "text": "a", "thread_ts": "1700000000.000100"}),
    )
    .await;
    let ts = sent["ts"].as_str().unwrap().to_owned();
    assert_eq!(sent["message"]["thread_ts"], "1700000000.000100");
    assert_eq!(sim.messages()[0].body["text"], "a");
    assert_eq!((sim.messages()[0].to.as_str(), &sim.messages()[0].id), (CHANNEL, &ts));
    assert_eq!(
        call(&sim, "chat.update", json!({"channel": CHANNEL, "ts": ts, "text": "b"})).await["ok"],
        true
    );
    assert_eq!(sim.text_of(CHANNEL, &ts).as_deref(), Some("b"));
    assert_eq!(call(&sim, "chat.delete", json!({"channel": CHANNEL, "ts": ts})).await["ok"], true);
    assert_eq!(sim.text_of(CHANNEL, &ts), None);
    assert_eq!(
        call(&sim, "chat.delete", json!({"channel": CHANNEL, "ts": ts})).await["error"],
        "message_not_found"
    );
    assert_eq!(sim.messages().len(), 1, "edits and deletions make no message");
}

#[tokio::test]
async fn channels_must_exist_be_open_and_have_the_bot_in_them() {
    let sim = start().await;
    sim.add_channel(SlackChannel { is_archived: true, ..SlackChannel::joined("C1") });
    sim.add_channel(SlackChannel { bot_is_member: false, ..SlackChannel::joined("C2") });
    for (channel, error) in [("C9", "channel_not_found"), ("C1", "is_archived"), ("C2", "not_in_channel")] {
        let answer = call(&sim, "chat.postMessage", json!({"channel": channel, "text": "a"})).await;
        assert_eq!(answer["error"], error);
    }
    let none = call(&sim, "chat.postMessage", json!({"text": "a"})).await;
    assert_eq!(none["error"], "invalid_arguments");
    let opened = call(&sim, "conversations.open", json!({"users": "U00SIMUSER01"})).await;
    let dm = opened["channel"]["id"].as_str().unwrap().to_owned();
    assert_eq!(call(&sim, "chat.postMessage", json!({"channel": dm, "text": "a"})).await["ok"], true);
    assert_eq!(call(&sim, "conversations.open", json!({"users": "U9"})).await["error"], "user_not_found");
    assert_eq!(
        call(&sim, "conversations.open", json!({"users": "U00SIMBOT01"})).await["error"],
        "cannot_dm_bot"
    );
}

#[tokio::test]
async fn texts_must_be_there_and_are_cut_at_40_000() {
    let sim = start().await;
    assert_eq!(
        call(&sim, "chat.postMessage", json!({"channel": CHANNEL, "text": " "})).await["error"],
        "no_text"
    );
    let long = "é".repeat(40_001);
    let answer = call(&sim, "chat.postMessage", json!({"channel": CHANNEL, "text": long})).await;
    assert_eq!(answer["message"]["text"].as_str().unwrap().chars().count(), 40_000);
    let strict = SlackOptions { refuse_long_text: true, ..SlackOptions::default() };
    let sim = SlackSim::start(strict).await.unwrap();
    assert_eq!(
        call(&sim, "chat.postMessage", json!({"channel": CHANNEL, "text": long})).await["error"],
        "msg_too_long"
    );
}

#[tokio::test]
async fn bodies_are_json_or_forms() {
    let sim = start().await;
    assert_eq!(form(&sim, "chat.postMessage", &[("channel", CHANNEL), ("text", "a+b c")]).await["ok"], true);
    assert_eq!(sim.messages()[0].body["text"], "a+b c");
    assert_eq!(
        raw(&sim, "chat.postMessage", &headers(&sim), "{".into()).await.json()["error"],
        "invalid_json"
    );
    let mut plain = headers(&sim);
    plain[1].1 = "application/json".into();
    let warned =
        raw(&sim, "chat.postMessage", &plain, json!({"channel": CHANNEL, "text": "a"}).to_string()).await;
    assert_eq!(warned.json()["warning"], "missing_charset");
    let answer = call(&sim, "files.getUploadURLExternal", json!({"filename": "a", "length": 3})).await;
    assert_eq!(answer["error"], "invalid_arguments", "this method reads no JSON");
}

#[tokio::test]
async fn every_limit_of_blocks_is_kept() {
    let sim = start().await;
    let plain = |length: usize| json!({"type": "plain_text", "text": "x".repeat(length)});
    let mrkdwn = |length: usize| json!({"type": "mrkdwn", "text": "x".repeat(length)});
    let button = |id: &str, text: usize, value: usize| json!({"type": "button", "action_id": id, "text": plain(text), "value": "v".repeat(value)});
    let actions = |elements: Vec<Value>| json!([{"type": "actions", "elements": elements}]);
    let select = |count: usize, text: usize, value: usize| {
        let option =
            |n: usize| json!({"text": plain(text), "value": format!("{n:03}{}", "v".repeat(value - 3))});
        json!({"type": "static_select", "action_id": "s", "options": (0..count).map(option).collect::<Vec<_>>()})
    };
    let image = |url: usize, alt: usize| json!([{"type": "image", "image_url": format!("https://e.com/{}", "u".repeat(url - 14)), "alt_text": "a".repeat(alt)}]);
    let right = [
        json!([{"type": "section", "text": mrkdwn(3000)}]),
        actions((0..25).map(|n| button(&n.to_string(), 75, 100)).collect()),
        actions(vec![button("a", 1, 2000)]),
        actions(vec![select(100, 10, 20)]),
        actions(vec![select(1, 75, 150)]),
        image(3000, 2000),
        json!(vec![json!({"type": "divider"}); 50]),
        json!([{"type": "markdown", "text": "m".repeat(12_000)}]),
    ];
    for blocks in right {
        let (error, message) = error_of_blocks(&sim, blocks).await;
        assert_eq!((error.as_str(), message.as_str()), ("", ""));
    }
    let wrong = [
        (json!([{"type": "section", "text": mrkdwn(3001)}]), "/blocks/0/text/text"),
        (json!([{"type": "section", "text": mrkdwn(0)}]), "/blocks/0/text/text"),
        (json!([{"type": "section"}]), "/blocks/0"),
        (json!([{"type": "header", "text": plain(151)}]), "/blocks/0/text/text"),
        (
            json!([{"type": "section", "text": mrkdwn(1), "fields": vec![mrkdwn(2001)]}]),
            "/blocks/0/fields/0/text",
        ),
        (actions((0..26).map(|n| button(&n.to_string(), 5, 1)).collect()), "/blocks/0/elements"),
        (actions(vec![button("a", 76, 1)]), "/blocks/0/elements/0/text/text"),
        (actions(vec![button("a", 0, 1)]), "/blocks/0/elements/0/text/text"),
        (actions(vec![button("a", 1, 2001)]), "/blocks/0/elements/0/value"),
        (actions(vec![button("a", 1, 1), button("a", 1, 1)]), "/blocks/0/elements/1/action_id"),
        (actions(vec![select(101, 3, 3)]), "/blocks/0/elements/0/options"),
        (actions(vec![select(1, 76, 3)]), "/blocks/0/elements/0/options/0/text/text"),
        (actions(vec![select(1, 1, 151)]), "/blocks/0/elements/0/options/0/value"),
        (image(3001, 1), "/blocks/0/image_url"),
        (image(20, 2001), "/blocks/0/alt_text"),
        (json!([{"type": "image", "image_url": "no url", "alt_text": "a"}]), "/blocks/0/image_url"),
        (json!(vec![json!({"type": "divider"}); 51]), "/blocks"),
        (json!([{"type": "nonsense"}]), "/blocks/0/type"),
    ];
    let before = sim.messages().len();
    for (blocks, pointer) in wrong {
        let (error, message) = error_of_blocks(&sim, blocks).await;
        assert_eq!(error, "invalid_blocks", "{pointer}");
        assert!(message.ends_with(&format!("[json-pointer:{pointer}]")), "{message} is not at {pointer}");
    }
    assert_eq!(error_of_blocks(&sim, json!({"type": "section"})).await.0, "invalid_blocks_format");
    let big: Vec<Value> = (0..5).map(|_| json!({"type": "section", "text": mrkdwn(2900)})).collect();
    assert_eq!(error_of_blocks(&sim, json!(big)).await.0, "msg_blocks_too_long");
    assert_eq!(sim.messages().len(), before, "nothing refused is recorded");
}

#[tokio::test]
async fn a_channel_takes_one_message_a_second_after_a_burst() {
    let pace = Pace::new(Duration::from_secs(1), 2);
    let sim = SlackSim::start(SlackOptions { pace, ..SlackOptions::default() }).await.unwrap();
    let body = json!({"channel": CHANNEL, "text": "a"}).to_string();
    let post = async || raw(&sim, "chat.postMessage", &headers(&sim), body.clone()).await;
    assert_eq!(post().await.json()["ok"], true);
    assert_eq!(post().await.json()["ok"], true);
    let limited = post().await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, "1"));
    assert_eq!(limited.json()["error"], "ratelimited");
    let elsewhere = call(&sim, "chat.postMessage", json!({"channel": "D00SIMDIRECT1", "text": "a"})).await;
    assert_eq!(elsewhere["ok"], true);
    sim.clock().advance(Duration::from_secs(1));
    assert_eq!(post().await.json()["ok"], true);
}

#[tokio::test]
async fn a_reaction_is_added_once_and_removed_once() {
    let sim = start().await;
    let body = json!({"channel": CHANNEL, "timestamp": "1700000000.000100", "name": "eyes"});
    assert_eq!(call(&sim, "reactions.remove", body.clone()).await["error"], "no_reaction");
    assert_eq!(call(&sim, "reactions.add", body.clone()).await["ok"], true);
    assert_eq!(call(&sim, "reactions.add", body.clone()).await["error"], "already_reacted");
    assert_eq!(call(&sim, "reactions.remove", body).await["ok"], true);
    let colons = json!({"channel": CHANNEL, "timestamp": "1700000000.000100", "name": ":eyes:"});
    assert_eq!(call(&sim, "reactions.add", colons).await["error"], "invalid_name");
    let float = json!({"channel": CHANNEL, "timestamp": "1700000000.1", "name": "eyes"});
    assert_eq!(call(&sim, "reactions.add", float).await["error"], "bad_timestamp");
    let status = json!({"channel_id": CHANNEL, "thread_ts": "1700000000.000100", "status": "is typing"});
    assert_eq!(call(&sim, "assistant.threads.setStatus", status).await["ok"], true);
    assert_eq!(sim.accepted().len(), 3);
}

#[tokio::test]
async fn a_file_goes_up_in_three_steps() {
    let sim = start().await;
    let step = form(&sim, "files.getUploadURLExternal", &[("filename", "a b.txt"), ("length", "5")]).await;
    let (url, id) = (step["upload_url"].as_str().unwrap().to_owned(), step["file_id"].clone());
    let done = json!({"files": [{"id": id, "title": "T"}], "channel_id": CHANNEL, "initial_comment": "see"});
    assert_eq!(call(&sim, "files.completeUploadExternal", done.clone()).await["error"], "file_not_found");
    let text = vec![("content-type".to_owned(), "text/plain".to_owned())];
    assert_eq!(client::send(Method::POST, &url, &text, "four".into()).await.unwrap().status, 400);
    let up = client::send(Method::POST, &url, &text, "12345".into()).await.unwrap();
    assert_eq!((up.status, up.text().as_str()), (200, "OK - 5"));
    let answer = call(&sim, "files.completeUploadExternal", done.clone()).await;
    assert_eq!(answer["files"][0]["title"], "T");
    let sent = &sim.messages()[0];
    assert_eq!((sent.files[0].name.as_str(), &sent.files[0].bytes[..]), ("a b.txt", &b"12345"[..]));
    let info = form(&sim, "files.info", &[("file", id.as_str().unwrap())]).await;
    assert_eq!(info["file"]["shares"]["public"][CHANNEL][0]["ts"], sent.id);
    assert_eq!(call(&sim, "files.completeUploadExternal", done).await["error"], "file_not_found");
    assert_eq!(
        form(&sim, "files.getUploadURLExternal", &[("filename", "a"), ("length", "0")]).await["ok"],
        false
    );
}

#[tokio::test]
async fn a_private_file_without_the_token_is_a_login_page() {
    let sim = start().await;
    let file = sim.add_file("cat.png", "image/png", &b"png"[..]);
    let url = file["url_private"].as_str().unwrap();
    let page = client::get(url, &[]).await.unwrap();
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let image = client::get(url, &headers(&sim)[..1]).await.unwrap();
    assert_eq!((image.text().as_str(), image.header("content-type")), ("png", "image/png"));
}

#[tokio::test]
async fn a_response_url_works_five_times_in_half_an_hour() {
    let sim = start().await;
    let url = sim.response_url(CHANNEL);
    for _ in 0..5 {
        assert_eq!(client::post_json(&url, &[], &json!({"text": "a"})).await.unwrap().status, 200);
    }
    let sixth = client::post_json(&url, &[], &json!({"text": "a"})).await.unwrap();
    assert_eq!((sixth.status, &sixth.json()["error"]), (404, &json!("used_url")));
    let late = sim.response_url(CHANNEL);
    assert_eq!(client::post_json(&late, &[], &json!({"text": ""})).await.unwrap().status, 400);
    sim.clock().advance(Duration::from_secs(31 * 60));
    assert_eq!(
        client::post_json(&late, &[], &json!({"text": "a"})).await.unwrap().json()["error"],
        "expired_url"
    );
    assert_eq!(sim.messages().len(), 5);
}

#[tokio::test]
async fn users_and_ephemeral_messages() {
    let sim = start().await;
    let user = form(&sim, "users.info", &[("user", "U00SIMUSER01")]).await;
    assert_eq!(user["user"]["profile"]["email"], "u00simuser01@example.com");
    assert_eq!(form(&sim, "users.info", &[("user", "U9")]).await["error"], "user_not_found");
    let body = json!({"channel": CHANNEL, "user": "U00SIMUSER01", "text": "psst"});
    assert!(call(&sim, "chat.postEphemeral", body).await["message_ts"].is_string());
    let stranger = json!({"channel": CHANNEL, "user": "U9", "text": "psst"});
    assert_eq!(call(&sim, "chat.postEphemeral", stranger).await["error"], "user_not_in_channel");
}

#[tokio::test]
async fn a_fault_stands_in_for_one_method_only() {
    let sim = start().await;
    sim.fail("chat.postMessage", Fault::status(503, "busy"), 1);
    let body = json!({"channel": CHANNEL, "text": "a"}).to_string();
    assert_eq!(call(&sim, "auth.test", json!({})).await["ok"], true);
    assert_eq!(raw(&sim, "chat.postMessage", &headers(&sim), body.clone()).await.status, 503);
    assert_eq!(raw(&sim, "chat.postMessage", &headers(&sim), body).await.status, 200);
    assert_eq!(sim.wait_for(1, Duration::from_secs(1)).await.unwrap().len(), 1);
}
