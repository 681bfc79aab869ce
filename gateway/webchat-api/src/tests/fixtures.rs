//! The fixtures that the client's tests read too.

use std::path::Path;

use portico_contract::{ConversationId, MessageId};
use serde_json::Value;

use super::world::{World, text};
use crate::frame::{self, BadFrame, ClientFrame, Close, ServerFrame};

/// All fixtures of a direction, by file name.
pub(super) fn fixtures(dir: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../webchat-client/protocol/fixtures");
    let mut all: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| {
            let fixture = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), fixture)
        })
        .filter(|(_, fixture): &(String, Value)| fixture["dir"] == dir)
        .collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert!(all.len() > 20, "only {} fixtures of {dir}", all.len());
    all
}

#[test]
fn every_client_frame_is_read_as_its_fixture_says() {
    for (name, fixture) in fixtures("c2s") {
        let read = frame::read(&fixture["frame"].to_string());
        let valid = fixture["valid"] == true;
        assert_eq!(read.is_ok(), valid, "{name}: {} {read:?}", fixture["why"]);
        if valid {
            let ignored = fixture["ignored"] == true;
            assert_eq!(read == Ok(ClientFrame::Unknown), ignored, "{name}");
        } else if fixture["close"] == Close::Version.code() {
            assert_eq!(read, Err(BadFrame::Version), "{name}");
        }
    }
}

#[test]
fn every_server_frame_of_the_fixtures_is_one_that_we_could_have_written() {
    for (name, fixture) in fixtures("s2c") {
        if fixture["ignored"] == true || name.contains("unknown") {
            continue;
        }
        let read = serde_json::from_value::<ServerFrame>(fixture["frame"].clone());
        if fixture["valid"] == false {
            continue;
        }
        // Fields that we always write may be left out by others.
        let mut full = fixture["frame"].clone();
        let fill: &[(&str, Value)] = match full["t"].as_str().unwrap() {
            "cmd" => &[("conv", "c1".into()), ("ttl", 30.into()), ("data", Value::Null)],
            "typing" => &[("by", "bot".into())],
            "welcome" => &[("cur", serde_json::json!({})), ("limits", serde_json::json!({}))],
            _ => &[],
        };
        for (key, value) in fill {
            full.as_object_mut().unwrap().entry(*key).or_insert_with(|| value.clone());
        }
        let frame: ServerFrame =
            serde_json::from_value(full.clone()).unwrap_or_else(|error| panic!("{name}: {error} {read:?}"));
        let written: Value = serde_json::from_str(&frame.to_json()).unwrap();
        for (key, value) in full.as_object().unwrap() {
            // What is false need not be said.
            assert!(
                written[key] == *value || *value == false,
                "{name}: {key} is {}, must be {value}",
                written[key]
            );
        }
    }
}

/// The page that the protocol shows, with the ids and times of one that was made here.
fn page_of_the_protocol(made: &Value) -> Value {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../webchat-client/protocol/pages/messages.json");
    let fixture: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut page = fixture["page"].clone();
    for (message, made) in
        page["messages"].as_array_mut().unwrap().iter_mut().zip(made["messages"].as_array().unwrap())
    {
        for name in ["id", "conv", "ts"] {
            assert_eq!(message[name].is_string(), made[name].is_string(), "{name} of {made}");
            message[name] = made[name].clone();
        }
    }
    page
}

#[tokio::test]
async fn a_page_of_the_history_tells_how_far_own_messages_got() {
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    let first = visitor.says("cid-000001", None, "one").await;
    let conversation = text(&first["conv"]);
    let got = async |ack: &Value, outcome| {
        let place = ConversationId::parse(&text(&ack["conv"])).unwrap();
        let message = MessageId::parse(&text(&ack["mid"])).unwrap();
        world.live.core_took(&world.site.id, place, message, outcome).await.unwrap();
    };
    got(&first, Ok(())).await;
    world.bot_says(&conversation, "hello").await;
    // It is shown once its outbox was worked.
    visitor.item_of("msg").await;
    let second = visitor.says("cid-000002", None, "two").await;
    got(&second, Err("refused")).await;
    visitor.says("cid-000003", None, "three").await;
    let path = format!("/webchat/v1/conversations/{conversation}/messages");
    let made = world.page("GET", &path, &text(&welcome["tok"]), Value::Null).await.ok().await;
    assert_eq!(made, page_of_the_protocol(&made));
}
