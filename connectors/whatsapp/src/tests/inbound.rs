//! Webhooks in, events out.

use portico_contract::{Content, Event, FaultCode, Media, ReceiptStage, Scope};
use portico_suite::{Job, sign};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn every_fixture_becomes_the_events_of_its_snapshot() {
    for case in fixtures().inbound().into_iter().filter(|case| !case.name.starts_with("unreadable_")) {
        if case.request.body.is_empty() {
            continue;
        }
        let run = receive(&case.name);
        let events: Vec<Value> = run.events().into_iter().map(|event| json!(event)).collect();
        insta::assert_json_snapshot!(case.name, events);
    }
}

#[test]
fn people_without_a_number_are_known_by_their_user_id() {
    let Event::Message(message) = event("text_username_only") else { panic!("no message") };
    assert_eq!(message.thread.key, format!("{BOT}//DE.5550001112223334445"));
    assert_eq!(message.thread.tags.get("userPhone"), None);
    assert_eq!(message.author.id, "DE.5550001112223334445");
    assert_eq!(message.author.tags.get("username"), Some("ada.example"));
    let Event::Message(message) = event("text") else { panic!("no message") };
    assert_eq!(message.thread.key, format!("{BOT}/+4915100000001/"));
    assert_eq!(message.thread.tags.get("userId"), None);
    assert_eq!(message.author.tags.get("whatsappUserId"), Some("DE.5550001112223334445"));
}

#[test]
fn a_batch_is_split_and_its_broken_updates_do_not_take_the_others_along() {
    let run = receive("batch");
    let told: Vec<String> = run
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Message(message) => match &message.content {
                Content::Text { text, .. } => {
                    format!("{} says {text}", message.author.name.as_deref().unwrap_or("nobody"))
                }
                other => other.kind().to_owned(),
            },
            Event::Receipt(receipt) => receipt.stage.as_str().to_owned(),
            Event::Custom(custom) => {
                format!("{}: {}", custom.name, custom.data["reason"].as_str().unwrap_or(""))
            }
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "Ada Example says one",
            "Bo Example says two",
            "delivered",
            "read",
            "Ada Example says three",
            "unreadable: entry[1].changes[0].value.messages[1].text: invalid type: string, expected struct Body",
            "unreadable: entry[1].changes[0].value.messages[2].image.id: is missing",
        ]
    );
}

#[test]
fn what_cannot_be_read_at_all_is_named_by_its_path() {
    let reason = |name: &str| {
        let run = receive(name);
        assert_eq!(run.fault().code, FaultCode::Unreadable);
        run.fault().message.clone()
    };
    assert_eq!(reason("unreadable_nobody"), "entry[0].changes[0].value.messages[0].from: is missing");
    assert!(reason("unreadable_without_entry").contains("missing field `entry`"));
    assert!(reason("unreadable_other_product").starts_with("object: "));
}

#[test]
fn media_is_named_by_its_id_and_a_caption_follows_it() {
    let Event::Message(message) = event("image_with_caption") else { panic!("no message") };
    let picture = Media { mime_type: Some("image/jpeg".into()), ..Media::held("300000000000002") };
    assert_eq!(
        message.content,
        Content::Bloc { items: vec![Content::Image(picture), Content::text("Is this the right part?")] }
    );
}

#[test]
fn a_kept_value_comes_back_at_the_press() {
    let key = "value:00112233445566778899aabbccddeeff";
    let host = host().state(Scope::Installation, key, "the whole long value");
    let body = fixtures().inbound_case("button_reply_kept_value").request.body;
    let value = |run: &Run| match run.events()[0] {
        Event::Message(message) => message.content.clone(),
        other => panic!("{other:?}"),
    };
    let press = |value: &str| Content::Text { text: "Long one".into(), value: Some(value.into()) };
    assert_eq!(value(&receive_on(&host, &ctx(), body.clone())), press("the whole long value"));
    // Forgotten after 90 days: better its id than nothing.
    assert_eq!(
        value(&receive_on(&super::host(), &ctx(), body)),
        press("portico:00112233445566778899aabbccddeeff")
    );
}

#[test]
fn numbers_of_the_configuration_are_accepted_and_others_told() {
    let body = fixtures().inbound_case("other_number").request.body;
    let host = host();
    let run = receive_on(&host, &ctx(), body.clone());
    assert!(matches!(run.events()[..], [Event::Custom(custom)] if custom.name == "other_number"));
    assert!(host.log_lines().iter().any(|line| line.message.contains("phone number")));
    let run = receive_on(&host, &with(json!({ "more_phone_number_ids": ["111"] })), body);
    assert!(
        matches!(run.events()[..], [Event::Message(message)] if message.thread.key == "111/+4915100000001/")
    );
}

#[test]
fn refused_media_is_sent_as_a_link_once_and_only_then_told() {
    let host = host();
    let picture =
        Content::Image(Media { title: Some("The part".into()), ..Media::at("https://files.example/a.bmp") });
    let delivered =
        portico_suite::run(connector().as_ref(), &host, &ctx(), Job::Deliver(message(vec![picture])), |_| {
            Ok(json_answer(200, json!({ "messages": [{ "id": "wamid.OUT0100" }] })))
        });
    delivered.delivered();
    let body = fixtures().inbound_case("status_failed_media").request.body;
    let run = receive_on(&host, &ctx(), body.clone());
    assert_eq!(
        bodies(&run),
        [json!({ "type": "text", "text": { "body": "The part\nhttps://files.example/a.bmp" } })]
    );
    let [Event::Custom(told)] = run.events()[..] else { panic!("{:?}", run.events()) };
    assert_eq!((&*told.name, told.message.as_deref()), ("media_sent_as_link", Some("wamid.OUT0100")));
    assert_eq!(told.data["linkMessageId"], "wamid.1");
    // The provider repeats the status.
    let again = receive_on(&host, &ctx(), body);
    assert!(again.requests.is_empty() && again.events().is_empty(), "{again:?}");
}

#[test]
fn refused_media_fails_when_its_link_fails_too_or_nothing_is_known_of_it() {
    let body = fixtures().inbound_case("status_failed_media").request.body;
    let run = receive_on(&host(), &ctx(), body.clone());
    let failed = |run: &Run| match run.events()[..] {
        [Event::Receipt(receipt)] => (receipt.stage, receipt.reason.clone()),
        ref other => panic!("{other:?}"),
    };
    let expected = (ReceiptStage::Failed, Some("131053: Media upload error (Unsupported type)".to_owned()));
    assert_eq!(failed(&run), expected);
    let kept = json!({ "target": { "bot": BOT, "to": "1" }, "text": "https://files.example/a.bmp" });
    let host = host().state(Scope::Installation, "media:wamid.OUT0100", kept.to_string());
    let request = sign(&host, post(body));
    let run = portico_suite::run(connector().as_ref(), &host, &ctx(), Job::Webhook(request), |_| {
        Ok(json_answer(400, json!({ "error": { "code": 131_047 } })))
    });
    assert_eq!(failed(&run), expected);
}

#[test]
fn the_handshake_tells_wrong_tokens_from_wrong_requests() {
    let host = host();
    let status = |query: &str| {
        let mut request = post("");
        request.method = http::Method::GET;
        request.query = query.into();
        match portico_suite::receive(connector().as_ref(), &host, &ctx(), &request) {
            Ok(turn) => {
                let reply = turn.reply.expect("a reply");
                assert_eq!(reply.headers[0].value, "text/plain");
                (reply.status, String::from_utf8_lossy(body_of(&reply.body)).into_owned())
            }
            Err(fault) => (fault.webhook_status(), String::new()),
        }
    };
    let token = "secret-value-of-verify_token";
    let all = format!("hub.mode=subscribe&hub.verify_token={token}&hub.challenge=0012");
    assert_eq!(status(&all), (200, "0012".into()));
    assert_eq!(status("hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1").0, 403);
    assert_eq!(status(&format!("hub.mode=unsubscribe&hub.verify_token={token}&hub.challenge=1")).0, 400);
    assert_eq!(status(&format!("hub.mode=subscribe&hub.verify_token={token}")).0, 400);
    assert_eq!(status("hub.mode=subscribe&hub.challenge=1").0, 400);
    assert_eq!(status("").0, 400);
}

fn body_of(payload: &Payload) -> &[u8] {
    match payload {
        Payload::Text(text) => text.as_bytes(),
        _ => b"",
    }
}

#[test]
fn a_rewritten_body_passes_only_where_the_operator_allows_it() {
    let host = host();
    let secret = "secret-value-of-app_secret";
    let sent = r#"{"object":"whatsapp_business_account","entry":[{"id":"Gr\u00fc\u00dfe \ud83d\udc4b a\/b","changes":[]}]}"#;
    let arrived = r#"{"object":"whatsapp_business_account","entry":[{"id":"Grüße 👋 a/b","changes":[]}]}"#;
    let code = portico_suite::mac_hex(secret, &[sent.as_bytes()]);
    let status = |body: &'static str, ctx: &Context| {
        let mut request = post(body);
        let value = http::HeaderValue::from_str(&format!("sha256={code}")).expect("hex");
        request.headers.insert("x-hub-signature-256", value);
        portico_suite::receive(connector().as_ref(), &host, ctx, &request).map_err(|fault| fault.code)
    };
    let lenient = with(json!({ "signature_fallback": true }));
    assert!(status(sent, &ctx()).is_ok(), "the bytes that were signed always pass");
    assert_eq!(status(arrived, &ctx()).unwrap_err(), FaultCode::Unauthenticated);
    assert!(status(arrived, &lenient).is_ok());
    let forged = r#"{"object":"whatsapp_business_account","entry":[{"id":"Grüße 👋 a/c","changes":[]}]}"#;
    assert_eq!(status(forged, &lenient).unwrap_err(), FaultCode::Unauthenticated);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let host = host();
        let request = sign(&host, post(body));
        if let Err(fault) = portico_suite::receive(connector().as_ref(), &host, &ctx(), &request) {
            prop_assert_eq!(fault.code, FaultCode::Unreadable);
        }
    }

    #[test]
    fn no_message_of_a_known_kind_makes_it_panic(
        kind in "(text|image|audio|document|location|contacts|order|button|interactive|reaction|edit|revoke|system|x)",
        part in "(null|1|\"a\"|\\[\\]|\\{\\}|\\{\"id\":\"1\"\\}|\\{\"type\":\"button_reply\"\\}|\\{\"message\":\\{\"type\":\"edit\"\\}\\})",
    ) {
        let body = format!(
            r#"{{"entry":[{{"changes":[{{"field":"messages","value":{{"metadata":{{"phone_number_id":"{BOT}"}},"messages":[{{"id":"m","from":"1","type":"{kind}","{kind}":{part}}}]}}}}]}}]}}"#
        );
        let host = host();
        let request = sign(&host, post(body));
        match portico_suite::receive(connector().as_ref(), &host, &ctx(), &request) {
            Ok(turn) => prop_assert!(!turn.effects.is_empty(), "dropped in silence"),
            Err(fault) => prop_assert_eq!(fault.code, FaultCode::Unreadable),
        }
    }
}
