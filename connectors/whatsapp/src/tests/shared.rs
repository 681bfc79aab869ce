//! Samples recorded by others, where they are at hand: in the folder that `PORTICO_SHARED` names, or beside
//! the repository. Without it these tests have nothing to check.

use std::path::PathBuf;

use portico_contract::{Event, FaultCode, ReceiptStage};
use portico_suite::TestHost;
use serde_json::json;

use super::*;

fn folder() -> Option<PathBuf> {
    let base = std::env::var_os("PORTICO_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    Some(base.join("fixtures/whatsapp")).filter(|folder| folder.is_dir())
}

fn read(name: &str) -> Option<Vec<u8>> {
    std::fs::read(folder()?.join(name)).ok()
}

/// The event of a sample, in an installation for the number that it names.
fn sample(name: &str) -> Option<Event> {
    let body = read(name)?;
    let json: Value = serde_json::from_slice(&body).expect("a sample is JSON");
    let bot =
        json.pointer("/entry/0/changes/0/value/metadata/phone_number_id").expect("a sample names its number");
    let run = receive_on(&host(), &TestContext::with(json!({ "phone_number_id": bot })), body);
    let events = run.events();
    assert_eq!(events.len(), 1, "{name}");
    Some(events[0].clone())
}

macro_rules! samples {
    ($($name:literal => $pattern:pat => $check:expr),+ $(,)?) => {
        $(if let Some(event) = sample($name) {
            match event {
                $pattern => $check,
                other => panic!("{}: {other:?}", $name),
            }
        })+
    };
}

fn says(content: &Content, text: &str, value: Option<&str>) {
    assert_eq!(content, &Content::Text { text: text.into(), value: value.map(str::to_owned) });
}

#[test]
fn recorded_webhooks_mean_what_they_should() {
    samples! {
        "text.json" => Event::Message(m) => {
            says(&m.content, "What is Vercel?", None);
            assert_eq!(m.thread.tags.get("userPhone"), Some("+15550002222"));
            assert_eq!(m.external_id, "wamid.FAKE_MSG_ID_001");
        },
        "text_bsuid.json" => Event::Message(m) => {
            assert_eq!(m.author.tags.get("whatsappUserId"), Some("US.13491208655302741918"));
            assert_eq!(m.author.tags.get("username"), Some("testuser"));
            assert_eq!(m.thread.tags.get("userPhone"), Some("+15551234567"));
        },
        "image.json" => Event::Message(m) => {
            let Content::Image(media) = &m.content else { panic!("{:?}", m.content) };
            assert_eq!(media.url, "portico-media:65463453");
        },
        "voice.json" => Event::Message(m) => {
            let Content::Audio(media) = &m.content else { panic!("{:?}", m.content) };
            assert_eq!(media.mime_type.as_deref(), Some("audio/ogg; codecs=opus"));
            assert_eq!(m.tags.get("voice"), Some("true"));
        },
        "location.json" => Event::Message(m) => {
            let Content::Location(place) = &m.content else { panic!("{:?}", m.content) };
            assert_eq!((place.latitude, place.title.as_deref()), (37.461_197_8, Some("Facebook HQ")));
            assert_eq!(m.tags.get("forwarded"), Some("true"));
        },
        "contacts.json" => Event::Message(m) => {
            let (kind, data) = m.content.clone().into_parts();
            assert_eq!((kind.as_str(), data["contacts"].as_array().map(Vec::len)), ("contacts", Some(3)));
        },
        "button_reply.json" => Event::Message(m) => {
            says(&m.content, "title", Some("callback_data"));
            assert_eq!(m.reply_to.as_deref(), Some("wamid.xyzxyz"));
        },
        "list_reply.json" => Event::Message(m) => says(&m.content, "title", Some("callback_data")),
        "reply_context.json" => Event::Message(m) => assert!(m.reply_to.is_some()),
        "referral_ad.json" => Event::Message(m) => {
            says(&m.content, "BODY", None);
            assert_eq!(m.tags.get("referralSourceUrl"), Some("AD_OR_POST_FB_URL"));
            assert_eq!(m.tags.get("referralSourceId"), Some("ADID"));
        },
        "reaction_add.json" => Event::Reaction(r) => {
            assert_eq!((r.added, r.reaction.as_str(), r.external_id.as_str()), (true, "😮", "wamid.yzxyzx="));
        },
        "reaction_remove.json" => Event::Reaction(r) => assert!(!r.added && r.reaction.is_empty()),
        "unsupported.json" => Event::Custom(c) => assert_eq!(c.name, "unsupported"),
        "status.json" => Event::Receipt(r) => {
            assert_eq!((r.stage, r.external_id.as_str()), (ReceiptStage::Accepted, "wamid.FAKE_MSG_SENT_001"));
        },
        "status_failed.json" => Event::Receipt(r) => {
            assert_eq!(r.stage, ReceiptStage::Failed);
            assert!(r.reason.as_deref().is_some_and(|reason| reason.starts_with("130472: User's number is part")));
        },
        "user_id_update.json" => Event::Identity(change) => {
            let names = ("US.13491208655302741918".to_owned(), "US.24817305912873645029".to_owned());
            assert_eq!(change.person, Some(names));
        },
    }
}

#[test]
fn vectors_of_signatures_hold_over_the_bytes_that_were_sent() {
    let Some(vectors) = read("signatures.json") else { return };
    let vectors: Value = serde_json::from_slice(&vectors).expect("vectors are JSON");
    let text = |pointer: &str| vectors.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned();
    let host = TestHost::with_all_secrets(connector().manifest()).secret("app_secret", &text("/app_secret"));
    let verdict = |body: Vec<u8>, header: &str| {
        let mut request = post(body);
        request.headers.insert("x-hub-signature-256", http::HeaderValue::from_str(header).expect("a header"));
        let ctx =
            with(json!({ "more_phone_number_ids": ["1122334455667", "100000000000001", "000000000000000"] }));
        portico_suite::receive(connector().as_ref(), &host, &ctx, &request)
            .map(drop)
            .map_err(|fault| fault.code)
    };
    let list = vectors["vectors"].as_array().expect("a list");
    assert!(!list.is_empty());
    for vector in list {
        let field = |name: &str| vector[name].as_str().expect("a text");
        let body = read(field("file")).expect("the vector's file");
        assert_eq!(verdict(body.clone(), field("header_over_file_bytes")), Ok(()), "{}", field("file"));
        let forged = verdict(body, field("header_over_wire_form"));
        assert_eq!(forged, Err(FaultCode::Unauthenticated), "{}: signed over other bytes", field("file"));
    }
    // Genuine by signature, but of another product.
    let body = text("/escaped_body_vector/raw_body").into_bytes();
    assert_eq!(verdict(body, &text("/escaped_body_vector/header")), Err(FaultCode::Unreadable));
    for case in vectors["must_fail"].as_array().expect("a list") {
        let (file, header) =
            (case["file"].as_str().expect("a file"), case["header"].as_str().expect("a header"));
        let refused = verdict(read(file).expect("the case's file"), header);
        assert_eq!(refused, Err(FaultCode::Unauthenticated), "{}", case["case"]);
    }
}
