//! Samples that lie outside the repository, where there are any: `PORTICO_SHARED`, or `shared` beside it.

use std::path::PathBuf;

use portico_contract::{Content, Event};
use portico_suite::{Job, TestHost, post, run, sign};
use serde_json::Value;

use super::{ctx, success};
use crate::connector;

fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("PORTICO_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let folder = root.join("fixtures/telegram");
    folder.is_dir().then_some(folder)
}

fn read(name: &str) -> Option<Vec<u8>> {
    std::fs::read(folder()?.join(name)).ok()
}

fn events(body: Vec<u8>) -> Vec<Event> {
    let host = TestHost::with_all_secrets(connector().manifest());
    let request = sign(&host, post(body));
    let run = run(connector().as_ref(), &host, &ctx(), Job::Webhook(request), |request| Ok(success(request)));
    assert!(run.outcome.is_ok(), "{:?}", run.outcome);
    run.events().into_iter().cloned().collect()
}

#[test]
fn every_sample_is_read_as_described() {
    type Check = fn(&[Event]) -> bool;
    fn text(events: &[Event], expected: &str) -> bool {
        matches!(events, [Event::Message(message)] if message.content == Content::text(expected))
    }
    let checks: [(&str, Check); 14] = [
        ("private_text.json", |events| text(events, "how are you")),
        ("private_text_mention.json", |events| text(events, "@vercelchatsdkbot hi")),
        (
            "photo.json",
            |events| matches!(events, [Event::Message(message)] if matches!(&message.content, Content::Image(image) if image.size == Some(173_215))),
        ),
        (
            "document.json",
            |events| matches!(events, [Event::Message(message)] if matches!(&message.content, Content::File(file) if file.filename.as_deref() == Some("document.pdf"))),
        ),
        (
            "callback_query.json",
            |events| matches!(events, [Event::Message(message)] if matches!(&message.content, Content::Text { value: Some(value), .. } if value == "thedata")),
        ),
        (
            "callback_query_inaccessible_message.json",
            |events| matches!(events, [Event::Message(message)] if matches!(&message.content, Content::Text { value: Some(value), .. } if value == "thedata")),
        ),
        ("command_with_parameters.json", |events| {
            text(events, "/register HR John Doe")
                && matches!(events, [Event::Message(message)] if message.tags.get("commandArguments") == Some("HR John Doe"))
        }),
        (
            "contact.json",
            |events| matches!(events, [Event::Message(message)] if matches!(&message.content, Content::Custom { kind, data } if kind == "contact" && data["phoneNumber"] == "911")),
        ),
        (
            "location.json",
            |events| matches!(events, [Event::Message(message)] if matches!(&message.content, Content::Location(place) if place.latitude == 41.899_977)),
        ),
        (
            "edited_message.json",
            |events| matches!(events, [Event::Edit(edit)] if edit.content == Content::text("Editing this message") && edit.external_id == "23762"),
        ),
        ("message_reaction.json", |events| {
            matches!(events, [Event::Reaction(one), Event::Reaction(two)]
                if one.reaction == "🤡" && one.added && two.reaction == "custom_emoji:1234567890123456789" && two.added)
        }),
        (
            "message_topic.json",
            |events| matches!(events, [Event::Message(message)] if message.thread.key == "-1001234567489/33" && message.reply_to.is_none()),
        ),
        (
            "my_chat_member.json",
            |events| matches!(events, [Event::Custom(event)] if event.name == "botStatusChanged"),
        ),
        (
            "new_chat_members.json",
            |events| matches!(events, [Event::Custom(event)] if event.name == "memberJoined"),
        ),
    ];
    for (name, check) in checks {
        let Some(body) = read(name) else { continue };
        let events = events(body);
        assert!(check(&events), "{name}: {events:?}");
    }
}

#[test]
fn no_sample_is_left_out() {
    let Some(folder) = folder() else { return };
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_update =
            path.extension().is_some_and(|ending| ending == "json") && !path.ends_with("signatures.json");
        if is_update {
            // What teloxide reads of them, it reads alike; one of them is too old for it.
            let body = std::fs::read(&path).unwrap();
            if serde_json::from_slice::<teloxide_core::types::Update>(&body).is_ok() {
                super::agreement::same(&path.display().to_string(), &body);
            }
            assert!(!events(std::fs::read(&path).unwrap()).is_empty(), "{}", path.display());
        }
    }
}

#[test]
fn the_secret_is_compared_as_the_vector_says() {
    let Some(vector) = read("signatures.json") else { return };
    let vector: Value = serde_json::from_slice(&vector).unwrap();
    let (Some(name), Some(secret)) = (vector["header_name"].as_str(), vector["secret_token"].as_str()) else {
        panic!("the vector has another form")
    };
    let host = TestHost::with_all_secrets(connector().manifest()).secret("webhook_secret", secret);
    let passes = |value: Option<&str>| {
        let mut request = post(r#"{"update_id":1,"poll":{"id":"1"}}"#);
        if let Some(value) = value {
            let name = http::HeaderName::from_bytes(name.to_lowercase().as_bytes()).unwrap();
            request.headers.insert(name, http::HeaderValue::from_str(value).unwrap());
        }
        portico_suite::receive(connector().as_ref(), &host, &ctx(), &request).is_ok()
    };
    assert!(passes(Some(secret)));
    assert!(!passes(None) && !passes(Some("another")) && !passes(secret.get(..secret.len() - 1)));
}
