use serde_json::json;

use super::*;

#[test]
fn the_published_slack_vector_holds() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
                channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
                response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
                trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let request = slack_at("8f742231b10e8888abcd99yyyzzz85a5", 1_531_420_618, FORM, body);
    assert_eq!(
        request.header("x-slack-signature"),
        "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    );
    assert_eq!(request.header("x-slack-request-timestamp"), "1531420618");
}

#[test]
fn the_published_hub_vector_holds_and_a_changed_byte_breaks_it() {
    let request = whatsapp("It's a Secret to Everybody", "Hello, World!");
    assert_eq!(
        request.header("X-Hub-Signature-256"),
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    );
    let changed = request.clone().tampered();
    assert_ne!(whatsapp("It's a Secret to Everybody", changed.body).headers, request.headers);
}

#[test]
fn meta_writes_ascii_only() {
    let bytes = meta_json(&json!({"a": "é/😀"}));
    assert_eq!(bytes, r#"{"a":"\u00e9\/\ud83d\ude00"}"#);
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), json!({"a": "é/😀"}));
}

#[test]
fn an_interaction_is_a_form_with_a_payload() {
    let request = slack_interaction("s", &json!({"type": "block_actions", "text": "a b&c"}));
    let pairs: Vec<_> = form_urlencoded::parse(&request.body).into_owned().collect();
    assert_eq!(pairs, [("payload".to_owned(), r#"{"text":"a b&c","type":"block_actions"}"#.to_owned())]);
    assert_eq!(request.header("content-type"), FORM);
}

#[test]
fn a_webhook_signature_covers_its_timestamp() {
    let first = webhook_signed_at("secret", 1, JSON, "{}");
    let second = webhook_signed_at("secret", 2, JSON, "{}");
    let part = |request: &SignedRequest| {
        request.header("x-portico-signature").split_once(",v1=").map(|p| p.1.to_owned())
    };
    assert_eq!(part(&first).map(|hex| hex.len()), Some(64));
    assert_ne!(part(&first), part(&second));
    assert_eq!(webhook("s", JSON, "{}").header("x-bp-secret"), "s");
    assert_eq!(telegram("t", &json!({})).header("x-telegram-bot-api-secret-token"), "t");
}
