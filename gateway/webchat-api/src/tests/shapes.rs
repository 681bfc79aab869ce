//! Messages of every type, as the fixtures have them.

use portico_contract::MessageId;
use serde_json::{Value, json};

use super::fixtures::fixtures;
use super::world::{World, text};

/// What a bot sends, and the fixture that shows it.
fn cases() -> Vec<(&'static str, &'static str, Value)> {
    let card = json!({ "title": "Blue mug", "subtitle": "12 €", "imageUrl": "https://gw.example/f/mug.png",
        "actions": [
            { "action": "say", "label": "Buy", "value": "Buy the blue mug" },
            { "action": "url", "label": "More", "value": "https://shop.example/mug" },
            { "action": "postback", "label": "Later", "value": "later:mug" },
        ] });
    vec![
        ("s2c-ev-text", "text", json!({ "text": "**Hello**" })),
        ("s2c-ev-image", "image", json!({ "imageUrl": "https://gw.example/f/1.png", "title": "A cat" })),
        ("s2c-ev-audio", "audio", json!({ "audioUrl": "https://gw.example/f/1.mp3", "title": "Note" })),
        ("s2c-ev-video", "video", json!({ "videoUrl": "https://gw.example/f/1.mp4", "title": "Tour" })),
        (
            "s2c-ev-file",
            "file",
            json!({ "fileUrl": "https://gw.example/f/1.pdf", "title": "Invoice.pdf",
            "mimeType": "application/pdf", "size": 48213 }),
        ),
        (
            "s2c-ev-location",
            "location",
            json!({ "latitude": 52.52, "longitude": 13.405, "title": "Office", "address": "Berlin" }),
        ),
        ("s2c-ev-card", "card", card.clone()),
        ("s2c-ev-carousel", "carousel", json!({ "items": [{ "title": "One", "actions": [] }, card] })),
        (
            "s2c-ev-choice",
            "choice",
            json!({ "text": "Colour?", "options": [
            { "label": "Red", "value": "red" }, { "label": "Blue", "value": "blue" }] }),
        ),
        (
            "s2c-ev-dropdown",
            "dropdown",
            json!({ "text": "Country?", "options": [{ "label": "Peru", "value": "pe" }] }),
        ),
        (
            "s2c-ev-bloc",
            "bloc",
            json!({ "items": [
            { "type": "text", "payload": { "text": "Look:" } },
            { "type": "image", "payload": { "imageUrl": "https://gw.example/f/1.png" } }] }),
        ),
        (
            "s2c-ev-form",
            "form",
            json!({ "title": "Contact", "submit": "Send", "fields": [
            { "name": "email", "label": "E-mail", "kind": "email", "required": true },
            { "name": "topic", "label": "Topic", "kind": "select", "options": [{ "label": "Sales", "value": "sales" }] }] }),
        ),
        (
            "s2c-ev-custom",
            "custom",
            json!({ "name": "seat-map", "url": "https://shop.example/seat.js",
            "data": { "row": 12 }, "fallback": "Pick a seat" }),
        ),
        ("s2c-ev-unknown-message-type", "hologram", json!({ "fallback": "(a hologram)" })),
    ]
}

/// Everything that the bot's form says is in the fixture, with the same value; a runtime payload can't say it all.
fn agrees(ours: &Value, theirs: &Value, place: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours.iter().filter(|(key, _)| !["id", "ts", "format"].contains(&key.as_str()))
            {
                let theirs = theirs.get(key).unwrap_or_else(|| panic!("{place}.{key} is not in the fixture"));
                agrees(value, theirs, &format!("{place}.{key}"));
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for (index, (one, other)) in ours.iter().zip(theirs).enumerate() {
                agrees(one, other, &format!("{place}[{index}]"));
            }
        }
        _ => assert_eq!(ours, theirs, "{place}"),
    }
}

#[tokio::test]
async fn what_a_bot_sends_is_shown_as_the_fixtures_say() {
    let world = World::new().await;
    let (mut visitor, _) = world.visitor().await;
    let conversation = text(&visitor.says("cid-000001", None, "show me").await["conv"]);
    let known = fixtures("s2c");
    for (name, kind, payload) in cases() {
        world.bot_sends(&conversation, kind, payload).await;
        let shown = visitor.item_of("msg").await;
        let fixture = &known.iter().find(|(one, _)| one == name).unwrap_or_else(|| panic!("{name}")).1;
        agrees(&shown["data"], &fixture["frame"]["data"], name);
        assert_eq!(shown["data"]["type"], fixture["frame"]["data"]["type"], "{name}");
    }
}

#[tokio::test]
async fn what_a_visitor_sends_reaches_the_core_in_its_form() {
    let world = World::new().await;
    let (mut visitor, _) = world.visitor().await;
    let conversation = text(&visitor.says("cid-000001", None, "first").await["conv"]);
    let mut number = 1;
    for (msg, kind, payload) in [
        (
            json!({ "type": "text", "text": "Red", "value": "red" }),
            "text",
            json!({ "text": "Red", "value": "red" }),
        ),
        (
            json!({ "type": "location", "lat": 1.5, "lon": -2, "title": "Here" }),
            "location",
            json!({ "latitude": 1.5, "longitude": -2.0, "title": "Here" }),
        ),
        (
            json!({ "type": "form", "fields": [], "values": { "email": "a@b.c" } }),
            "form",
            json!({ "fields": [], "values": { "email": "a@b.c" } }),
        ),
        (
            json!({ "type": "seat-picked", "row": 12, "seat": "C" }),
            "seat-picked",
            json!({ "row": 12, "seat": "C" }),
        ),
    ] {
        number += 1;
        let id = format!("cid-{number:06}");
        visitor.send(json!({ "t": "send", "id": id, "conv": conversation, "msg": msg })).await;
        let ack = visitor.answer(&id).await;
        assert_eq!((&ack["t"], &ack["seq"]), (&json!("ack"), &json!(number)), "{kind}: {ack}");
        let mid = MessageId::parse(&text(&ack["mid"])).unwrap();
        let row = world.live.message(&world.site, mid).await.unwrap().unwrap();
        assert_eq!((row.kind.as_str(), &row.payload), (kind, &payload));
    }
    assert_eq!(world.told(&conversation).await.len(), 5);
    for msg in [
        json!({ "type": "location", "lat": 91, "lon": 0 }),
        json!({ "type": "location", "lat": "1", "lon": 0 }),
        json!({ "type": "a b" }),
        json!({ "type": "" }),
        json!({ "type": "text", "text": "x", "value": 5 }),
    ] {
        visitor.send(json!({ "t": "send", "id": "cid-bad-01", "conv": conversation, "msg": msg })).await;
        assert_eq!(visitor.answer("cid-bad-01").await["code"], "bad", "{msg}");
    }
}
