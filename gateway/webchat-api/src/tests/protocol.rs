//! Hello, sending, events, profiles, limits, and how connections end.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{PAGE, Wishes, World, hello, text};
use crate::Times;

#[tokio::test]
async fn a_visitor_is_welcomed_says_something_and_is_answered() {
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    assert_eq!((&welcome["v"], &welcome["hb"], &welcome["cur"]), (&json!(1), &json!(25), &json!({})));
    assert_eq!(welcome["user"]["verified"], false);
    assert_eq!(welcome["limits"], json!({ "frame": 65536, "text": 4000, "file": 20 << 20 }));
    assert!(text(&welcome["tok"]).len() >= 43 && welcome.get("conv").is_none());
    let ack = visitor.says("cid-000001", None, "hi").await;
    let conversation = text(&ack["conv"]);
    assert_eq!((&ack["t"], &ack["seq"]), (&json!("ack"), &json!(1)));
    world.bot_says(&conversation, "**hello**").await;
    let answer = visitor.item_of("msg").await;
    assert_eq!((&answer["seq"], &answer["conv"]), (&json!(2), &json!(conversation)));
    let data = &answer["data"];
    assert_eq!(
        (&data["from"], &data["type"], &data["format"]),
        (&json!("bot"), &json!("text"), &json!("md"))
    );
    assert_eq!(data["text"], "**hello**");
    assert!(data.get("own").is_none());
    // The next message goes to the same conversation without naming it.
    assert_eq!(visitor.says("cid-000002", None, "and").await["conv"], conversation.as_str());
    let core = world.told(&conversation).await;
    assert_eq!(core.len(), 2, "{core:?}");
}

#[tokio::test]
async fn a_repeat_gets_the_same_ack_and_is_stored_once() {
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    let first = visitor.says("cid-000001", None, "hi").await;
    let again = visitor.says("cid-000001", None, "hi").await;
    assert_eq!(first, again);
    // Also on another connection.
    let (mut other, _) = world.hello(json!({ "tok": welcome["tok"] })).await;
    assert_eq!(other.says("cid-000001", None, "hi").await, first);
    let conversation = text(&first["conv"]);
    assert_eq!(world.told(&conversation).await.len(), 1);
    assert_eq!(visitor.says("cid-000002", Some(&conversation), "b").await["seq"], 2);
}

#[tokio::test]
async fn an_own_message_comes_back_on_other_tabs_with_its_client_id() {
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    let ack = visitor.says("cid-000001", None, "hi").await;
    let conversation = text(&ack["conv"]);
    let (mut other, welcome) =
        world.hello(json!({ "tok": welcome["tok"], "cur": { &conversation: 1 } })).await;
    assert_eq!((&welcome["conv"], &welcome["cur"][&conversation]), (&json!(conversation), &json!(1)));
    visitor.says("cid-000002", None, "you see this").await;
    let item = other.item_of("msg").await;
    assert_eq!(item["data"]["cid"], "cid-000002");
    assert_eq!((&item["data"]["own"], &item["data"]["format"]), (&json!(true), &json!("plain")));
    assert!(visitor.is_quiet().await, "the ack has told the sender already");
}

#[tokio::test]
async fn who_says_nothing_is_closed_after_the_wait() {
    let times = Times { hello: Duration::from_millis(100), ..Times::default() };
    let world = World::with(Wishes { times, ..Wishes::default() }).await;
    assert_eq!(world.socket().await.closed().await.1, 4408);
}

#[tokio::test]
async fn the_first_frame_must_be_a_hello_of_this_version() {
    let world = World::new().await;
    for (frame, code) in [
        (json!({ "t": "ping" }), 4400),
        (json!([1]), 4400),
        (json!({ "t": "hello", "v": 2, "ch": "site" }), 4426),
        (json!({ "t": "hello", "v": 1, "ch": "nowhere" }), 4404),
        (json!({ "t": "hello", "v": 1, "ch": "other" }), 4403),
        (hello(json!({ "tok": "made-up.site" })), 4401),
    ] {
        let mut visitor = world.socket().await;
        visitor.send(frame.clone()).await;
        assert_eq!(visitor.closed().await.1, code, "{frame}");
    }
}

#[tokio::test]
async fn only_listed_origins_get_in() {
    let world = World::new().await;
    for (origin, code) in [
        (Some("https://evil.example"), 4403),
        (Some("null"), 4403),
        (Some("http://localhost:3000"), 4403),
        (Some("https://shop.example.evil.com"), 4403),
        (None, 4403),
        // A page of another channel may connect, and is refused by this one.
        (Some("https://other.example"), 4403),
    ] {
        let mut visitor = world.socket_from(origin).await;
        visitor.send(hello(json!({}))).await;
        assert_eq!(visitor.closed().await.1, code, "{origin:?}");
    }
    // The gateway's own pages.
    let mut own = world.socket_from(Some("https://gateway.test")).await;
    own.send(hello(json!({}))).await;
    assert_eq!(own.frame().await["t"], "welcome");
}

#[tokio::test]
async fn without_a_list_only_this_machine_gets_in_and_only_where_that_is_wanted() {
    for (localhost, origin, lets_in) in [
        (true, Some("http://localhost:3000"), true),
        (true, None, true),
        (true, Some("null"), false),
        (true, Some(PAGE), false),
        (false, Some("http://localhost:3000"), false),
    ] {
        let config = json!({ "origins": [] });
        let world = World::with(Wishes { config, localhost, ..Wishes::default() }).await;
        let mut visitor = world.socket_from(origin).await;
        visitor.send(hello(json!({}))).await;
        match lets_in {
            true => assert_eq!(visitor.frame().await["t"], "welcome", "{origin:?}"),
            false => assert_eq!(visitor.closed().await.1, 4403, "{origin:?}"),
        }
    }
    let world = World::configured(json!({ "native": true })).await;
    let mut program = world.socket_from(None).await;
    program.send(hello(json!({}))).await;
    assert_eq!(program.frame().await["t"], "welcome");
}

#[tokio::test]
async fn bad_frames_are_refused_by_their_id_or_end_the_connection() {
    let world = World::new().await;
    let (mut visitor, _) = world.visitor().await;
    let long = "x".repeat(4001);
    for (frame, code) in [
        (json!({ "t": "send", "id": "cid-000001", "msg": { "type": "text" } }), "bad"),
        (json!({ "t": "send", "id": "cid-000001", "msg": { "type": "text", "text": "  " } }), "bad"),
        (json!({ "t": "send", "id": "cid-000001", "msg": { "type": "text", "text": long } }), "too_large"),
        (json!({ "t": "send", "id": "cid-000001", "msg": { "type": "card", "title": "x" } }), "bad"),
        (json!({ "t": "send", "id": "cid-000001", "msg": { "type": "image", "url": "https://x" } }), "bad"),
        (
            json!({ "t": "send", "id": "cid-000001", "conv": "c1", "msg": { "type": "text", "text": "x" } }),
            "closed",
        ),
        (json!({ "t": "event", "id": "cid-000001", "name": "a b" }), "bad"),
        (
            json!({ "t": "conv", "id": "cid-000001", "op": "open", "conv": "conv_00000000000000000000000000" }),
            "closed",
        ),
        (json!({ "t": "user", "id": "cid-000001", "data": { "pictureUrl": "javascript:1" } }), "bad"),
        (json!({ "t": "auth", "id": "cid-000001", "jwt": "x" }), "auth"),
    ] {
        visitor.send(frame.clone()).await;
        let nack = visitor.answer("cid-000001").await;
        assert_eq!((&nack["t"], &nack["code"]), (&json!("nack"), &json!(code)), "{frame}");
        assert!(nack.get("retry").is_none());
    }
    visitor.send(json!({ "t": "wave", "hand": "left" })).await;
    assert!(visitor.is_quiet().await, "what is unknown is passed over");
    visitor.send(json!({ "t": "send", "id": "x" })).await;
    assert_eq!(visitor.closed().await.1, 4400);
}

#[tokio::test]
async fn somebody_elses_conversation_is_out_of_reach() {
    let world = World::new().await;
    let (mut ana, ana_welcome) = world.visitor().await;
    let conversation = text(&ana.says("cid-000001", None, "mine").await["conv"]);
    let (mut eve, welcome) = world.hello(json!({ "cur": { &conversation: 0 } })).await;
    assert_eq!(welcome["cur"], json!({}));
    let nack = eve.says("cid-000001", Some(&conversation), "let me in").await;
    assert_eq!((&nack["t"], &nack["code"]), (&json!("nack"), &json!("blocked")));
    eve.send(json!({ "t": "sync", "cur": { &conversation: 0 } })).await;
    eve.send(json!({ "t": "read", "conv": &conversation, "seq": 1 })).await;
    assert!(eve.is_quiet().await);
    let (eves, anas) = (text(&welcome["tok"]), text(&ana_welcome["tok"]));
    for (method, path) in [
        ("GET", format!("/webchat/v1/conversations/{conversation}/messages")),
        ("GET", format!("/webchat/v1/conversations/{conversation}/transcript")),
    ] {
        world.page(method, &path, &eves, Value::Null).await.refused(404).await;
        assert_eq!(world.page(method, &path, &anas, Value::Null).await.status, 200);
    }
}

#[tokio::test]
async fn events_reach_the_core_under_their_names() {
    let world = World::new().await;
    let (mut visitor, _) = world.visitor().await;
    let started = json!({ "t": "event", "id": "cid-000001", "name": "conversation_started", "data": {} });
    visitor.send(started).await;
    let conversation = text(&visitor.answer("cid-000001").await["conv"]);
    visitor
        .send(json!({ "t": "event", "id": "cid-000002", "name": "cart.changed", "data": { "n": 2 } }))
        .await;
    assert_eq!(visitor.answer("cid-000002").await["conv"], conversation.as_str());
    let core = json!(world.told(&conversation).await).to_string();
    assert!(core.contains("conversation_started"), "{core}");
    assert!(core.contains("custom") && core.contains("cart.changed"), "{core}");
    // The repeat of an event is one event.
    visitor
        .send(json!({ "t": "event", "id": "cid-000002", "name": "cart.changed", "data": { "n": 2 } }))
        .await;
    visitor.answer("cid-000002").await;
    assert_eq!(world.told(&conversation).await.len(), 2);
}

#[tokio::test]
async fn a_thumb_is_kept_with_its_message() {
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    let conversation = text(&visitor.says("cid-000001", None, "hi").await["conv"]);
    world.bot_says(&conversation, "good?").await;
    let id = text(&visitor.item_of("msg").await["data"]["id"]);
    let data = json!({ "messageId": id, "value": "positive" });
    visitor.send(json!({ "t": "event", "id": "cid-000002", "conv": conversation, "name": "feedback", "data": data })).await;
    assert_eq!(visitor.answer("cid-000002").await["t"], "ack");
    let path = format!("/webchat/v1/conversations/{conversation}/messages");
    let page = world.page("GET", &path, &text(&welcome["tok"]), Value::Null).await.ok().await;
    assert_eq!(page["messages"][0]["feedback"], "positive", "{page}");
}

#[tokio::test]
async fn a_profile_is_kept_and_told_at_the_next_hello() {
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    let data = json!({ "name": "Ana", "email": "ana@example.com", "data": { "plan": "gold" } });
    visitor.send(json!({ "t": "user", "id": "cid-000001", "data": data })).await;
    assert_eq!(visitor.answer("cid-000001").await["t"], "ack");
    let (_, welcome) = world.hello(json!({ "tok": welcome["tok"] })).await;
    let user = &welcome["user"];
    assert_eq!((&user["name"], &user["email"]), (&json!("Ana"), &json!("ana@example.com")));
    assert_eq!((&user["data"]["plan"], &user["verified"]), (&json!("gold"), &json!(false)));
    assert!(welcome.get("tok").is_none(), "a token is told once");
}

#[tokio::test]
async fn the_page_is_told_where_the_channel_asks_and_never_its_query() {
    let world = World::configured(json!({ "page": true })).await;
    let page = json!({ "url": "https://shop.example/cart?secret=1#x", "title": "Cart", "ref": "" });
    let (_, welcome) = world.hello(json!({ "page": page, "loc": "pt-BR" })).await;
    assert_eq!(
        welcome["user"]["data"],
        json!({ "page_url": "https://shop.example/cart", "page_title": "Cart" })
    );
    let world = World::new().await;
    let (_, welcome) = world.hello(json!({ "page": page })).await;
    assert!(welcome["user"].get("data").is_none());
}

#[tokio::test]
async fn the_sixth_connection_of_a_session_ends_the_oldest() {
    let world = World::new().await;
    let (mut first, welcome) = world.visitor().await;
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(world.hello(json!({ "tok": welcome["tok"] })).await.0);
    }
    let (frames, code) = first.closed().await;
    assert_eq!((frames.last().map(|frame| &frame["code"]), code), (Some(&json!("limit")), 4409));
    for other in &mut others {
        assert!(other.is_quiet().await);
    }
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let world = World::configured(json!({ "limits": { "sockets": 2 } })).await;
    let (_one, _) = world.visitor().await;
    let (two, _) = world.visitor().await;
    let mut third = world.socket().await;
    third.send(hello(json!({}))).await;
    let (frames, code) = third.closed().await;
    assert_eq!((code, &frames[0]["t"]), (4429, &json!("bye")));
    assert!(frames[0]["retry"].as_u64().is_some_and(|retry| retry > 0));
    drop(two);
    // The place is given back once the gateway has seen the end.
    for tries in 0.. {
        let mut again = world.socket().await;
        again.send(hello(json!({}))).await;
        if again.frame().await["t"] == "welcome" {
            break;
        }
        assert!(tries < 200, "the place was not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_session_sends_so_much_and_is_told_when_to_go_on() {
    let world = World::configured(json!({ "limits": { "messages": 20, "events": 20 } })).await;
    let (mut visitor, _) = world.visitor().await;
    for number in 0..5 {
        assert_eq!(visitor.says(&format!("cid-00000{number}"), None, "hi").await["t"], "ack");
    }
    let nack = visitor.says("cid-000009", None, "hi").await;
    assert_eq!((&nack["t"], &nack["code"]), (&json!("nack"), &json!("rate")));
    assert!(nack["retry"].as_u64().is_some_and(|retry| (1..=3000).contains(&retry)), "{nack}");
}

#[tokio::test]
async fn an_address_says_hello_so_often() {
    let world = World::configured(json!({ "limits": { "hellos": 4 } })).await;
    // Newcomers are half of the hellos.
    let (_, welcome) = world.visitor().await;
    let _second = world.visitor().await;
    let mut third = world.socket().await;
    third.send(hello(json!({}))).await;
    let (frames, code) = third.closed().await;
    assert_eq!((code, &frames[0]["code"]), (4429, &json!("limit")));
    // Who was here before is no newcomer; but four are four.
    world.hello(json!({ "tok": welcome["tok"] })).await;
    let mut fifth = world.socket().await;
    fifth.send(hello(json!({ "tok": welcome["tok"] }))).await;
    assert_eq!(fifth.closed().await.1, 4429);
}

#[tokio::test]
async fn a_gateway_that_leaves_says_so_and_nobody_is_cut() {
    let mut world = World::new().await;
    let mut visitors = Vec::new();
    for _ in 0..20 {
        visitors.push(world.visitor().await.0);
    }
    let silent = world.socket().await;
    assert_eq!(world.connections(), 21);
    world.leaving.cancel();
    let mut retries = Vec::new();
    for visitor in &mut visitors {
        let (frames, code) = visitor.closed().await;
        assert_eq!((code, &frames[0]["code"]), (1012, &json!("deploy")));
        retries.push(frames[0]["retry"].as_u64().unwrap());
    }
    assert!(retries.iter().all(|retry| *retry <= 5000));
    retries.dedup();
    assert!(retries.len() > 5, "all come back at once: {retries:?}");
    drop((visitors, silent));
    assert_eq!(world.drain().await, 0);
}

#[tokio::test]
async fn silence_is_asked_about_and_then_ended() {
    let times = Times { heartbeat: Duration::from_millis(200), ..Times::default() };
    let world = World::with(Wishes { times, ..Wishes::default() }).await;
    let (mut visitor, _) = world.visitor().await;
    // The client library answers pings while it is read, so only one that is not read falls silent.
    tokio::time::sleep(Duration::from_millis(900)).await;
    let (frames, code) = visitor.closed().await;
    assert_eq!((code, &frames[0]["code"]), (1001, &json!("idle")));
    let (mut lively, _) = world.visitor().await;
    for _ in 0..8 {
        assert!(lively.is_quiet().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_bots_signals_are_shown_to_who_is_there() {
    let world = World::configured(json!({ "typing": true })).await;
    let (mut visitor, welcome) = world.visitor().await;
    let conversation = text(&visitor.says("cid-000001", None, "hi").await["conv"]);
    let act = async |name: &str, input: Value| {
        let mut input = input;
        input["conversationId"] = conversation.clone().into();
        world.actions.call(&world.site.bot, &format!("webchat:{name}"), input, None).await.unwrap()
    };
    act("startTypingIndicator", json!({})).await;
    let typing = visitor.frame_of("typing").await;
    assert_eq!(
        (&typing["on"], &typing["by"], &typing["conv"]),
        (&json!(true), &json!("bot"), &json!(conversation))
    );
    act("open", json!({ "ttl": 7 })).await;
    let open = visitor.frame_of("cmd").await;
    assert_eq!((&open["name"], &open["ttl"]), (&json!("open"), &json!(7)));
    act("configWebchat", json!({ "config": { "bot_name": "Ada" } })).await;
    let config = visitor.frame_of("cmd").await;
    assert_eq!((&config["name"], &config["data"]), (&json!("config"), &json!({ "botName": "Ada" })));
    act("customEvent", json!({ "name": "cart", "data": { "n": 1 } })).await;
    let custom = visitor.frame_of("cmd").await;
    assert_eq!(
        (&custom["name"], &custom["data"]),
        (&json!("custom"), &json!({ "name": "cart", "data": { "n": 1 } }))
    );
    act("appendDraft", json!({ "draftId": "d1", "append": "Hel" })).await;
    act("appendDraft", json!({ "draftId": "d1", "append": "lo" })).await;
    let mut shown = String::new();
    while shown != "Hello" {
        let delta = visitor.frame_of("delta").await;
        assert_eq!(delta["mid"], "d1");
        match delta["full"] == true {
            true => shown = text(&delta["s"]),
            false => shown.push_str(&text(&delta["s"])),
        }
    }
    act("stop", json!({ "draftId": "d1" })).await;
    let end = visitor.frame_of("delta").await;
    assert_eq!((&end["end"], end.get("id")), (&json!(true), None));
    // What the visitor types is told to others, and not to the visitor.
    let (mut other, _) = world.hello(json!({ "tok": welcome["tok"] })).await;
    visitor.send(json!({ "t": "typing", "conv": conversation, "on": true })).await;
    assert!(visitor.is_quiet().await && other.is_quiet().await);
}
