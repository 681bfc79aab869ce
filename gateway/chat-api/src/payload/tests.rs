//! What goes in comes out the same, and what goes out is what the clients take.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn shown(shape: Shape, kind: &str, payload: Value) -> Value {
    show(shape, kind, &payload).payload
}

#[test]
fn a_carousel_gets_the_type_that_the_chat_client_needs() {
    let bots = json!({ "items": [{ "title": "t", "subtitle": null, "imageUrl": "" }] });
    assert_eq!(
        shown(Shape::Chat, "carousel", bots.clone()),
        json!({ "type": "carousel", "items": [{ "type": "card", "title": "t", "actions": [] }] })
    );
    assert_eq!(
        shown(Shape::Webchat, "carousel", bots),
        json!({ "type": "carousel", "items": [{ "title": "t", "actions": [] }] })
    );
}

#[test]
fn a_bloc_is_flat_for_chat_and_nested_for_webchat() {
    let payload = json!({ "items": [{ "type": "text", "payload": { "text": "a" } },
        { "type": "image", "payload": { "imageUrl": "https://i", "title": null } }] });
    let flat = json!({ "type": "bloc",
        "items": [{ "type": "text", "text": "a" }, { "type": "image", "imageUrl": "https://i" }] });
    assert_eq!(shown(Shape::Chat, "bloc", payload.clone()), flat);
    let nested = json!({ "type": "bloc", "items": [{ "type": "text", "payload": { "text": "a" } },
        { "type": "image", "payload": { "imageUrl": "https://i" } }] });
    assert_eq!(shown(Shape::Webchat, "bloc", payload), nested);
    let (kind, read_back) = read(Shape::Chat, flat, None).unwrap();
    assert_eq!(kind, "bloc");
    assert_eq!(
        read_back,
        json!({ "items": [{ "type": "text", "payload": { "text": "a" } },
        { "type": "image", "payload": { "imageUrl": "https://i" } }] })
    );
}

#[test]
fn metadata_travels_beside_the_payload() {
    let metadata = json!({ "clientMessageId": "c1", "n": [1] }).as_object().cloned();
    let sent = json!({ "type": "text", "text": "a", "metadata": "not ours" });
    let (kind, kept) = read(Shape::Webchat, sent, metadata.clone()).unwrap();
    assert_eq!(kept, json!({ "text": "a", "metadata": { "clientMessageId": "c1", "n": [1] } }));
    let shown = show(Shape::Webchat, &kind, &kept);
    assert_eq!(shown.payload, json!({ "type": "text", "text": "a" }));
    assert_eq!(shown.metadata, metadata);
    assert_eq!(show(Shape::Chat, "text", &json!({ "text": "a", "metadata": null })).metadata, None);
}

#[test]
fn what_a_client_does_not_know_is_shown_as_text() {
    let text = |kind: &str, payload: Value| shown(Shape::Chat, kind, payload)["text"].clone();
    assert_eq!(text("sticker", json!({ "text": "wave", "id": 7 })), "wave");
    assert_eq!(text("sticker", json!({ "id": 7 })), r#"{"id":7}"#);
    assert_eq!(text("sticker", json!({})), "[sticker]");
    assert_eq!(text("sticker", json!("plain")), "plain");
    assert_eq!(text("sticker", Value::Null), "[sticker]");
    // Of a known type, but not of its form.
    assert_eq!(text("card", json!({ "actions": 5 })), r#"{"actions":5}"#);
    let custom = json!({ "url": "https://u", "name": "n" });
    assert_eq!(shown(Shape::Webchat, "custom", custom.clone())["type"], "custom");
    assert_eq!(shown(Shape::Chat, "custom", custom), json!({ "type": "text", "text": "https://u" }));
}

#[test]
fn a_payload_without_a_type_is_refused() {
    for (payload, field) in [
        (json!("x"), "payload"),
        (json!({ "text": "x" }), "payload.type"),
        (json!({ "type": "" }), "payload.type"),
        (json!({ "type": 5 }), "payload.type"),
    ] {
        let problem = read(Shape::Chat, payload, None).unwrap_err();
        assert_eq!(problem.body()["metadata"]["field"], field);
    }
}

fn word() -> impl Strategy<Value = String> {
    "[a-zA-Zäß👋 ]{1,12}".prop_filter("must not be empty", |text| !text.is_empty())
}

fn card() -> impl Strategy<Value = Value> {
    (word(), proptest::option::of(word()), proptest::collection::vec((word(), word()), 0..3)).prop_map(
        |(title, subtitle, actions)| {
            let actions: Vec<Value> = actions
                .into_iter()
                .map(|(label, value)| json!({ "action": "say", "label": label, "value": value }))
                .collect();
            let mut card = json!({ "title": title, "actions": actions });
            if let Some(subtitle) = subtitle {
                card["subtitle"] = subtitle.into();
            }
            card
        },
    )
}

fn part() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        word().prop_map(|text| ("text", json!({ "text": text }))),
        word().prop_map(|text| ("markdown", json!({ "markdown": text }))),
        word().prop_map(|url| ("image", json!({ "imageUrl": url }))),
        (word(), word()).prop_map(|(url, title)| ("file", json!({ "fileUrl": url, "title": title }))),
        (-90.0..90.0_f64, -180.0..180.0_f64)
            .prop_map(|(lat, lon)| ("location", json!({ "latitude": lat, "longitude": lon }))),
    ]
}

fn message() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        part(),
        card().prop_map(|card| ("card", card)),
        proptest::collection::vec(card(), 0..4).prop_map(|items| ("carousel", json!({ "items": items }))),
        (word(), proptest::collection::vec((word(), word()), 0..4)).prop_map(|(text, options)| {
            let options: Vec<Value> =
                options.into_iter().map(|(label, value)| json!({ "label": label, "value": value })).collect();
            ("choice", json!({ "text": text, "options": options }))
        }),
        proptest::collection::vec(part(), 0..4).prop_map(|parts| {
            let items: Vec<Value> = parts
                .into_iter()
                .map(|(kind, payload)| json!({ "type": kind, "payload": payload }))
                .collect();
            ("bloc", json!({ "items": items }))
        }),
    ]
}

proptest! {
    #[test]
    fn a_message_goes_out_and_comes_back_the_same(
        (kind, payload) in message(),
        metadata in proptest::option::of(word()),
        chat in any::<bool>(),
    ) {
        let shape = if chat { Shape::Chat } else { Shape::Webchat };
        let mut payload = payload;
        if let Some(metadata) = metadata {
            payload["metadata"] = json!({ "m": metadata });
        }
        let out = show(shape, kind, &payload);
        prop_assert_eq!(&out.payload["type"], kind);
        prop_assert!(out.payload.get("metadata").is_none());
        let (back_kind, back) = read(shape, out.payload, out.metadata).unwrap();
        prop_assert_eq!(back_kind, kind);
        prop_assert_eq!(back, payload);
    }
}
