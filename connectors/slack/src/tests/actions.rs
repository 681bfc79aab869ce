//! What a bot may ask for, and the installation.

use portico_contract::{
    ActionCall, Effect, FaultCode, InboundResponse, MessageRef, OutboundRequest, Payload, Scope, Tags, Thread,
};
use portico_suite::{Answer, Job, Run, TestContext, TestHost, json_answer, run};
use serde_json::{Value, json};

use super::{host, slack};
use crate::place;

fn call(name: &str, input: Value) -> ActionCall {
    ActionCall { name: name.into(), input, thread: None, message: None, idempotency_key: "k".into() }
}

/// A call about a message in a conversation.
fn about(name: &str, input: Value, thread: Thread, ids: &[&str]) -> ActionCall {
    let message = MessageRef {
        external_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        tags: Tags::new(),
        content: None,
    };
    ActionCall { thread: Some(thread), message: Some(message), ..call(name, input) }
}

fn act_on(
    host: &TestHost,
    config: Value,
    call: ActionCall,
    answer: impl FnMut(&OutboundRequest) -> Answer,
) -> Run {
    run(&*crate::connector(), host, &TestContext::with(config), Job::Act(call), answer)
}

fn act(call: ActionCall) -> Run {
    act_on(&host(), json!({}), call, |request| Ok(slack(request)))
}

fn error(error: &'static str) -> impl FnMut(&OutboundRequest) -> Answer {
    move |_| Ok(json_answer(200, json!({ "ok": false, "error": error })))
}

const TS: &str = "1750000100.000100";

#[test]
fn reactions() {
    let channel = || place::room("C0ORDERS", false);
    let run = act(about("addReaction", json!({ "reaction": ":thumbsup::skin-tone-3:" }), channel(), &[TS]));
    assert_eq!(
        run.json(0),
        json!({ "channel": "C0ORDERS", "timestamp": TS, "name": "thumbsup::skin-tone-3" })
    );
    assert_eq!(run.output(), &json!({}));
    assert_eq!(
        act(about("addReaction", json!({ "reaction": "❤️" }), channel(), &[TS])).json(0)["name"],
        "heart"
    );
    let again = act_on(
        &host(),
        json!({}),
        about("addReaction", json!({ "reaction": "x" }), channel(), &[TS]),
        error("already_reacted"),
    );
    again.output();
    act_on(
        &host(),
        json!({}),
        about("removeReaction", json!({ "reaction": "x" }), channel(), &[TS]),
        error("no_reaction"),
    )
    .output();
    for (call, field) in [
        (about("addReaction", json!({ "reaction": "<!channel>" }), channel(), &[TS]), "/reaction"),
        (about("addReaction", json!({}), channel(), &[TS]), "/reaction"),
        (about("addReaction", json!({ "reaction": "x" }), channel(), &["press-1.000001"]), "/messageId"),
        (call("addReaction", json!({ "reaction": "x" })), "/messageId"),
    ] {
        let run = act(call);
        assert_eq!((run.fault().code, run.fault().field.as_deref()), (FaultCode::BadInput, Some(field)));
    }
}

#[test]
fn edits_change_all_messages_of_the_old_one() {
    let input = json!({ "type": "text", "payload": { "text": "a & b" } });
    let run = act(about("editMessage", input.clone(), place::room("D0ADA", true), &[TS]));
    assert_eq!(run.json(0), json!({ "channel": "D0ADA", "ts": TS, "text": "a &amp; b", "blocks": [] }));
    let shorter = act(about("editMessage", input, place::room("D0ADA", true), &[TS, "1750000100.000200"]));
    assert_eq!(
        (shorter.requests[0].label.as_str(), shorter.requests[1].label.as_str()),
        ("chat.update", "chat.delete")
    );
    let long = json!({ "type": "text", "payload": { "text": "word ".repeat(2000) } });
    assert_eq!(
        act(about("editMessage", long, place::room("D0ADA", true), &[TS])).fault().field.as_deref(),
        Some("/payload")
    );
    let file = json!({ "type": "file", "payload": { "fileUrl": "https://shop.example/a.pdf" } });
    assert_eq!(
        act(about("editMessage", file, place::room("D0ADA", true), &[TS])).fault().field.as_deref(),
        Some("/type")
    );
    let wrong = json!({ "type": "choice", "payload": { "text": "x", "options": [{ "label": 1 }] } });
    assert_eq!(
        act(about("editMessage", wrong, place::room("D0ADA", true), &[TS])).fault().field.as_deref(),
        Some("/payload/options/0/label")
    );
}

#[test]
fn deletions() {
    let run = act(about(
        "deleteMessage",
        json!({}),
        place::thread("C0ORDERS", "1.000001"),
        &[TS, "1750000100.000200"],
    ));
    assert_eq!(run.requests.len(), 2);
    assert_eq!(run.json(1), json!({ "channel": "C0ORDERS", "ts": "1750000100.000200" }));
    act_on(
        &host(),
        json!({}),
        about("deleteMessage", json!({}), place::room("D1", true), &[TS]),
        error("message_not_found"),
    )
    .output();
    let other = act_on(
        &host(),
        json!({}),
        about("deleteMessage", json!({}), place::room("D1", true), &[TS]),
        error("cant_delete_message"),
    );
    assert_eq!(other.fault().code, FaultCode::Forbidden);
}

#[test]
fn typing_is_a_status_in_assistant_threads_and_else_a_reaction_if_wanted() {
    let with_eyes = json!({ "typing_reaction": true });
    let status = act(about("startTypingIndicator", json!({}), place::thread("D0ADA", "1.000001"), &[TS]));
    assert_eq!(
        status.json(0),
        json!({ "channel_id": "D0ADA", "thread_ts": "1.000001", "status": "is typing…" })
    );
    assert_eq!(
        act(about("stopTypingIndicator", json!({}), place::thread("D0ADA", "1.000001"), &[TS])).json(0)["status"],
        ""
    );
    let silent = act(about("startTypingIndicator", json!({}), place::room("D0ADA", true), &[TS]));
    assert_eq!((silent.requests.len(), silent.output()), (0, &json!({})));
    let eyes = act_on(
        &host(),
        with_eyes.clone(),
        about("startTypingIndicator", json!({}), place::room("D0ADA", true), &[TS]),
        |request| Ok(slack(request)),
    );
    assert_eq!((eyes.requests[0].label.as_str(), &eyes.json(0)["name"]), ("reactions.add", &json!("eyes")));
    let no_assistant = |request: &OutboundRequest| match request.label.as_str() {
        "assistant.threads.setStatus" => {
            Ok(json_answer(200, json!({ "ok": false, "error": "invalid_thread_ts" })))
        }
        _ => Ok(slack(request)),
    };
    let fallback = act_on(
        &host(),
        with_eyes,
        about("stopTypingIndicator", json!({}), place::thread("D0ADA", "1.000001"), &[TS]),
        no_assistant,
    );
    assert_eq!(fallback.requests[1].label, "reactions.remove");
    fallback.output();
    assert_eq!(act(call("markAsRead", json!({}))).fault().code, FaultCode::Unsupported);
}

#[test]
fn conversations_can_be_opened_first() {
    let run = act(call("startDmConversation", json!({ "slackUserId": "U0EVE" })));
    assert_eq!(
        (run.json(0), run.output()),
        (json!({ "users": "U0EVE" }), &json!({ "slackChannelId": "D0EVE" }))
    );
    assert!(run.effects.contains(&Effect::Open(place::room("D0EVE", true))));
    assert_eq!(
        act(call("startDmConversation", json!({ "slackUserId": "eve" }))).fault().field.as_deref(),
        Some("/slackUserId")
    );
    let channel = act(call("startChannelConversation", json!({ "channelId": "C0ORDERS" })));
    assert_eq!(channel.requests[0].url, "https://slack.com/api/conversations.info?channel=C0ORDERS");
    assert!(
        matches!(&channel.effects[..], [Effect::Open(thread)] if thread.key == "C0ORDERS" && thread.tags.get("title") == Some("orders"))
    );
    let named = call("startChannelConversation", json!({ "channelName": "#Orders" }));
    let run = act_on(&host(), json!({}), named, |request| {
        Ok(json_answer(
            200,
            match request.url.contains("cursor=next") {
                false => {
                    json!({ "ok": true, "channels": [{ "id": "C1", "name": "else" }], "response_metadata": { "next_cursor": "next" } })
                }
                true => json!({ "ok": true, "channels": [{ "id": "C2", "name": "orders" }] }),
            },
        ))
    });
    assert_eq!(run.output(), &json!({ "slackChannelId": "C2" }));
}

#[test]
fn people_channels_and_messages_can_be_looked_up() {
    let eve = act(call("getUserProfile", json!({ "userId": "U0EVE" })));
    assert_eq!(
        eve.output(),
        &json!({ "userId": "U0EVE", "name": "eve", "realName": "Eve Adams", "email": "eve@shop.example", "isBot": false, "isAdmin": false })
    );
    let mail = act(call("findTarget", json!({ "query": "eve@shop.example", "channel": "dm" })));
    assert_eq!(mail.requests[0].url, "https://slack.com/api/users.lookupByEmail?email=eve%40shop.example");
    assert_eq!(mail.output()["targets"][0]["tags"]["id"], "U0EVE");
    let nobody = act_on(
        &host(),
        json!({}),
        call("findTarget", json!({ "query": "a@b.example", "channel": "dm" })),
        error("users_not_found"),
    );
    assert_eq!(nobody.output(), &json!({ "targets": [] }));
    let mut page = 0;
    let people = act_on(
        &host(),
        json!({}),
        call("findTarget", json!({ "query": "EVE", "channel": "dm" })),
        |_| {
            page += 1;
            let members = json!([{ "id": format!("U{page}"), "name": "steve" }, { "id": "U9", "name": "eve", "deleted": true }, { "id": "U8", "name": "bob" }]);
            let cursor = if page < 3 { "more" } else { "" };
            Ok(json_answer(
                200,
                json!({ "ok": true, "members": members, "response_metadata": { "next_cursor": cursor } }),
            ))
        },
    );
    assert_eq!(people.output()["targets"].as_array().unwrap().len(), 3);
    let message = |request: &OutboundRequest| {
        Ok(json_answer(
            200,
            match request.label.as_str() {
                "conversations.history" => {
                    json!({ "ok": true, "messages": [{ "ts": "1.000001", "text": "older" }] })
                }
                _ => {
                    json!({ "ok": true, "messages": [{ "type": "message", "ts": TS, "text": "a reply", "user": "U1", "thread_ts": "1.000001" }] })
                }
            },
        ))
    };
    let found =
        act_on(&host(), json!({}), call("retrieveMessage", json!({ "channel": "C1", "ts": TS })), message);
    assert_eq!((found.requests.len(), &found.output()["text"]), (2, &json!("a reply")));
    assert_eq!(
        act(call("retrieveMessage", json!({ "channel": "C1", "ts": "now" }))).fault().field.as_deref(),
        Some("/ts")
    );
}

#[test]
fn topics_and_views() {
    let topic = act(call("updateChannelTopic", json!({ "channelId": "C1", "topic": "Sale" })));
    assert_eq!(topic.json(0), json!({ "channel": "C1", "topic": "Sale" }));
    let view = act(call("openView", json!({ "triggerId": "1.2.x", "view": { "type": "modal" } })));
    assert_eq!(
        (view.json(0)["trigger_id"].as_str(), view.output()),
        (Some("1.2.x"), &json!({ "viewId": "V0NEW" }))
    );
    assert_eq!(
        act(call("openView", json!({ "triggerId": "1.2.x" }))).fault().field.as_deref(),
        Some("/view")
    );
}

#[test]
fn response_addresses_are_named_by_their_message_and_carry_no_token() {
    let knowing =
        || host().state(Scope::Installation, "response:command-1", "https://hooks.slack.com/commands/T/1/x");
    let input = json!({ "type": "text", "payload": { "text": "done" }, "visibility": "in_channel", "replaceOriginal": true });
    let ok = |_: &OutboundRequest| {
        Ok(InboundResponse { status: 200, headers: Vec::new(), body: Payload::Text("ok".into()) })
    };
    let run = act_on(
        &knowing(),
        json!({}),
        about("respond", input.clone(), place::room("C1", false), &["command-1"]),
        ok,
    );
    assert_eq!(
        run.json(0),
        json!({ "response_type": "in_channel", "replace_original": true, "text": "done", "blocks": [] })
    );
    assert_eq!(
        (run.requests[0].url.as_str(), run.requests[0].slots.len(), run.output()),
        ("https://hooks.slack.com/commands/T/1/x", 0, &json!({}))
    );
    let by_id = act_on(
        &knowing(),
        json!({}),
        call("respond", json!({ "responseId": "command-1", "deleteOriginal": true })),
        ok,
    );
    assert_eq!(by_id.json(0), json!({ "delete_original": true }));
    let gone = |_: &OutboundRequest| Ok(json_answer(404, json!({ "ok": false, "error": "used_url" })));
    let used = act_on(
        &knowing(),
        json!({}),
        about("respond", input.clone(), place::room("C1", false), &["command-1"]),
        gone,
    );
    assert_eq!(used.fault().code, FaultCode::Unreachable);
    assert_eq!(
        act(about("respond", input, place::room("C1", false), &[TS])).fault().code,
        FaultCode::Unreachable
    );
}

#[test]
fn files_are_fetched_with_the_token_from_slack_only() {
    let file = |kind: &'static str| {
        move |request: &OutboundRequest| match request.label.as_str() {
            "file" => Ok(InboundResponse {
                status: 200,
                headers: vec![portico_contract::Field::new("content-type", kind)],
                body: Payload::Bytes("bytes".into()),
            }),
            _ => Ok(slack(request)),
        }
    };
    let held = |handle: &str| call("media", json!({ "handle": handle }));
    let run =
        act_on(&host(), json!({}), held("https://files.slack.com/files-pri/T-F/x.png"), file("image/png"));
    assert_eq!((run.requests.len(), run.requests[0].slots.len()), (1, 1));
    assert!(run.output()["blob"].is_string());
    let by_id = act_on(&host(), json!({}), held("id:F06"), file("image/png"));
    assert_eq!(
        (by_id.requests[0].url.as_str(), by_id.requests.len()),
        ("https://slack.com/api/files.info?file=F06", 2)
    );
    let login = act_on(
        &host(),
        json!({}),
        held("https://files.slack.com/files-pri/T-F/x.png"),
        file("text/html; charset=utf-8"),
    );
    assert_eq!(login.fault().code, FaultCode::Forbidden);
    let elsewhere = act(held("https://evil.example/x"));
    assert_eq!((elsewhere.fault().code, elsewhere.requests.len()), (FaultCode::BadInput, 0));
}

#[test]
fn an_installation_learns_who_the_bot_is() {
    let ctx = TestContext::with(json!({}));
    let dead = host().state(Scope::Installation, "revoked", "app_uninstalled");
    let done = run(&*crate::connector(), &dead, &ctx, Job::Register, |request| Ok(slack(request)));
    assert!(done.outcome.is_ok());
    let bot = dead.stored(&Scope::Installation, "bot").unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&bot).unwrap()["user_id"], "U0SHOPBOT");
    assert_eq!(dead.stored(&Scope::Installation, "revoked"), None, "a working token ends the mourning");
    let bad = run(&*crate::connector(), &host(), &ctx, Job::Register, error("invalid_auth"));
    assert_eq!(bad.fault().code, FaultCode::Unauthenticated);
    assert!(
        run(&*crate::connector(), &host(), &ctx, Job::Unregister, |request| Ok(slack(request)))
            .requests
            .is_empty()
    );
}
