//! Payloads that others recorded, where they are at hand: each is accepted and read as the documents say.

use std::path::PathBuf;

use bytes::Bytes;
use http::HeaderValue;
use portico_contract::{Event, InboundRequest};
use portico_suite::{Job, TestContext, TestHost, post, receive, run};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{DIR, host, slack, wrap_json};

fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("PORTICO_SHARED")
        .map_or_else(|| PathBuf::from(DIR).join("../../../shared"), PathBuf::from);
    Some(shared.join("fixtures/slack")).filter(|folder| folder.is_dir())
}

fn read(file: &str) -> Option<Value> {
    let bytes = std::fs::read(folder()?.join(file)).unwrap();
    Some(serde_json::from_slice(&bytes).unwrap())
}

fn told(file: &str) -> Option<Vec<String>> {
    let json = read(file)?;
    let mut request = post(json.to_string());
    if file == "slash_command.json" {
        let fields =
            json.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap_or_default()));
        request.body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into();
        request.headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    } else if file.starts_with("block_") || file.starts_with("view_") {
        wrap_json(&json, &mut request);
    }
    let host = host();
    let request = portico_suite::sign(&host, request);
    let run =
        run(&*crate::connector(), &host, &TestContext::with(json!({})), Job::Webhook(request), |request| {
            Ok(slack(request))
        });
    let line = |event: &&Event| {
        let place =
            event.thread().map_or("-".to_owned(), |thread| format!("{} {}", thread.channel, thread.key));
        match event {
            Event::Message(message) => format!("{} {place} by {}", message.content.kind(), message.author.id),
            Event::Reaction(reaction) => {
                format!("reaction {} {place} by {}", reaction.reaction, reaction.author.id)
            }
            Event::Custom(custom) => format!("{} {place}", custom.name),
            other => format!("{other:?}"),
        }
    };
    Some(run.events().iter().map(line).collect())
}

#[test]
fn recorded_payloads_are_read_as_documented() {
    for (file, expected) in [
        ("app_mention.json", Some("text thread C00FAKECHAN1/1767326125.870439 by U00FAKEUSER1")),
        ("block_actions_button.json", Some("text thread C00FAKECHAN1/1767326125.870439 by U00FAKEUSER1")),
        (
            "block_actions_static_select.json",
            Some("text thread C00FAKECHAN1/1767326125.870439 by U00FAKEUSER1"),
        ),
        ("member_joined_channel.json", Some("memberJoinedChannel channel C00FAKECHAN1")),
        ("message_changed.json", None),
        ("message_im.json", Some("text dm D0ACX51K95H by U0ADXQT6CRW")),
        ("message_own_bot.json", None),
        ("message_thread_reply.json", Some("text thread C00FAKECHAN1/1766458026.240809 by U00FAKEUSER1")),
        ("message_with_file.json", Some("bloc thread C00FAKECHAN3/1770241970.822989 by U00FAKEUSER2")),
        ("reaction_added.json", Some("reaction +1 channel C00FAKECHAN1 by U00FAKEUSER1")),
        ("slash_command.json", Some("text channel C00FAKECHAN3 by U00FAKEUSER2")),
        ("view_submission.json", Some("viewSubmission -")),
    ] {
        let Some(told) = told(file) else { return };
        assert_eq!(told, expected.into_iter().map(str::to_owned).collect::<Vec<_>>(), "{file}");
    }
}

#[test]
fn slacks_published_signature_is_accepted_and_any_other_refused() {
    let Some(vectors) = read("signatures.json") else { return };
    let vector = &vectors["published_vector"];
    let text = |name: &str| vector[name].as_str().unwrap().to_owned();
    let stamp = text("timestamp");
    let host = TestHost::with_all_secrets(crate::connector().manifest())
        .secret("signing_secret", &text("signing_secret"))
        .at(stamp.parse::<u64>().unwrap() * 1000);
    let request = |body: String, signature: &str, stamp: &str| {
        let mut request: InboundRequest = post(Bytes::from(body));
        let mut set = |name: &'static str, value: &str| {
            request.headers.insert(name, HeaderValue::from_str(value).unwrap())
        };
        set("content-type", "application/x-www-form-urlencoded");
        set("x-slack-signature", signature);
        set("x-slack-request-timestamp", stamp);
        request
    };
    let accepted = |host: &TestHost, request: &InboundRequest| {
        receive(&*crate::connector(), host, &TestContext::with(json!({})), request).is_ok()
    };
    let (body, signature) = (text("body"), text("signature"));
    assert!(accepted(&host, &request(body.clone(), &signature, &stamp)));
    assert!(!accepted(&host, &request(body.replace("roadrunner", "coyote"), &signature, &stamp)));
    assert!(!accepted(&host, &request(body.clone(), &signature, "1531420619")));
    assert!(!accepted(&host, &request(body.clone(), &signature.replace("v0=", "v1="), &stamp)));
    let later = TestHost::with_all_secrets(crate::connector().manifest())
        .secret("signing_secret", &text("signing_secret"))
        .at((stamp.parse::<u64>().unwrap() + 301) * 1000);
    assert!(!accepted(&later, &request(body, &signature, &stamp)));
}
