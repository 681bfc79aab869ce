//! The fixtures that the client's tests read too.

use std::path::Path;

use serde_json::Value;

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
