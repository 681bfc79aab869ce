//! Signatures, held against the providers' own SDKs: what they take the gateway takes, and what they refuse it
//! refuses; and what the gateway signs they take.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use portico_tests::gateway::GatewaySpec;
use portico_tests::sim::core::CoreAnswer;
use portico_tests::sim::server::{Answer, Answering, Handler, RawRequest, Server};
use portico_tests::sim::sign::{self, SignedRequest, now};
use serde_json::{Value, json};

use crate::node;
use crate::scene::{SLACK_DM, SOON, Scene, TELEGRAM_SECRET, bot, slack_ts, telegram_message};

/// The failure limit would answer 429 before the signature is looked at.
const MANY_FAILURES: &str = "[limits.webhook]\nfailures = \"100000/min\"\n";

fn case(by: &str, secret: &str, request: &SignedRequest) -> Value {
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), json!(value))).collect();
    json!({"by": by, "secret": secret, "headers": headers, "body": STANDARD.encode(&request.body)})
}

/// What the SDKs say, in order.
async fn verdicts(cases: &[Value]) -> Vec<bool> {
    let output =
        node::run(&node::folder(node::VERIFIERS), "verify.mjs", &[], &json!(cases).to_string()).await;
    let last = output.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {output}"))
}

fn flipped(request: &SignedRequest, header: &str) -> SignedRequest {
    let value = request.header(header).to_owned();
    let last = if value.ends_with('0') { '1' } else { '0' };
    request.clone().with_header(header, format!("{}{last}", &value[..value.len() - 1]))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_takes_what_the_sdks_take_and_refuses_what_they_refuse() {
    let scene = Scene::new(MANY_FAILURES, |_| CoreAnswer::done()).await;
    let slack = scene.providers.slack.options().signing_secret.clone();
    let whatsapp = scene.providers.whatsapp.options().app_secret.clone();
    let message = |text: &str| {
        let event = json!({
            "type": "message", "user": crate::scene::SLACK_USER, "text": text, "ts": slack_ts(),
            "channel": SLACK_DM, "channel_type": "im",
        });
        scene.slack_envelope(event).to_string()
    };
    let (json_type, form) = ("application/json", "application/x-www-form-urlencoded");
    let mut table: Vec<(&str, &str, SignedRequest)> = Vec::new();
    let mut slack_case = |what: &'static str, request: SignedRequest| table.push(("slack", what, request));
    slack_case("right", sign::slack_at(&slack, now(), json_type, message("right")));
    slack_case("right, beyond ASCII", sign::slack_at(&slack, now(), json_type, message("Grüße 世界 👋")));
    slack_case(
        "right, a form",
        sign::slack_command(
            &slack,
            &[
                ("command", "/a"),
                ("text", "b c+d&e"),
                ("user_id", "U1"),
                ("channel_id", SLACK_DM),
                ("team_id", "T1"),
                ("trigger_id", "1.2.3"),
                ("api_app_id", "A1"),
                ("response_url", "https://hooks.slack.com/commands/1"),
            ],
        ),
    );
    slack_case("four minutes old", sign::slack_at(&slack, now() - 240, json_type, message("old")));
    slack_case("stale", sign::slack_at(&slack, now() - 310, json_type, message("stale")));
    slack_case("another secret", sign::slack_at("another", now(), json_type, message("forged")));
    slack_case("changed body", sign::slack_at(&slack, now(), form, "text=a").tampered());
    slack_case(
        "changed signature",
        flipped(&sign::slack_at(&slack, now(), json_type, message("s")), "x-slack-signature"),
    );
    slack_case(
        "changed time",
        sign::slack_at(&slack, now(), json_type, message("t"))
            .with_header("X-Slack-Request-Timestamp", now() - 3),
    );
    slack_case(
        "no signature",
        sign::slack_at(&slack, now(), json_type, message("n")).without_header("x-slack-signature"),
    );
    slack_case(
        "no time",
        sign::slack_at(&slack, now(), json_type, message("n")).without_header("x-slack-request-timestamp"),
    );
    slack_case(
        "another version",
        sign::slack_at(&slack, now(), json_type, message("v")).with_header("X-Slack-Signature", "v1=00"),
    );

    let text = |text: &str| {
        let inbound = scene.providers.whatsapp.inbound_text("491701234567", text);
        inbound.request
    };
    let mut meta_case = |what: &'static str, request: SignedRequest| table.push(("whatsapp", what, request));
    meta_case("right", text("right"));
    meta_case("right, beyond ASCII", text("Grüße/世界 👋"));
    meta_case(
        "changed body",
        sign::whatsapp(&whatsapp, r#"{"object":"whatsapp_business_account","entry":[]}"#).tampered(),
    );
    meta_case("another secret", sign::whatsapp("another", text("forged").body));
    meta_case("changed signature", flipped(&text("s"), "x-hub-signature-256"));
    meta_case("no signature", text("n").without_header("x-hub-signature-256"));
    meta_case(
        "SHA-1 only",
        text("1").without_header("x-hub-signature-256").with_header("X-Hub-Signature", "sha1=00"),
    );

    let mut telegram_case =
        |what: &'static str, request: SignedRequest| table.push(("telegram", what, request));
    let update = || scene.telegram_message(77, json!({"text": "hello"}));
    telegram_case("right", update());
    telegram_case("another secret", update().with_header("X-Telegram-Bot-Api-Secret-Token", "another"));
    telegram_case(
        "a beginning of the secret",
        update().with_header("X-Telegram-Bot-Api-Secret-Token", &TELEGRAM_SECRET[..8]),
    );
    telegram_case("no secret", update().without_header("x-telegram-bot-api-secret-token"));

    let by = |installation: &str| -> &'static [&'static str] {
        match installation {
            "slack" => &["@slack/bolt", "@slack/events-api"],
            "whatsapp" => &["whatsapp-api-js"],
            _ => &["grammy"],
        }
    };
    let secret = |installation: &str| match installation {
        "slack" => slack.clone(),
        "whatsapp" => whatsapp.clone(),
        _ => TELEGRAM_SECRET.to_owned(),
    };
    let mut cases = Vec::new();
    for (installation, _, request) in &table {
        cases.extend(by(installation).iter().map(|sdk| case(sdk, &secret(installation), request)));
    }
    let mut told = verdicts(&cases).await.into_iter();
    let mut taken = 0;
    for (installation, what, request) in &table {
        let reply = scene.hook(installation, request).await;
        for sdk in by(installation) {
            let verdict = told.next().unwrap();
            let expected = if verdict { 200 } else { 401 };
            assert_eq!(reply.status, expected, "{installation}, {what}: {sdk} says {verdict}");
        }
        if reply.status == 401 {
            // Nothing tells a stranger how near they were.
            assert_eq!(reply.body.len(), 0, "{installation}, {what}: {}", reply.text());
        } else {
            taken += 1;
        }
    }
    // What was taken, and nothing else, is in the journal.
    scene.within(scene.core.wait_for(taken, SOON)).await;
    let journal = scene.admin_get("/events?limit=500").await;
    assert_eq!(journal["items"].as_array().unwrap().len(), taken, "{journal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slacks_published_example_has_the_published_signature_and_is_stale_today() {
    let secret = "8f742231b10e8888abcd99yyyzzz85a5";
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
        channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https\
        %3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=3987386630\
        15.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let request = sign::slack_at(secret, 1_531_420_618, "application/x-www-form-urlencoded", body);
    let published = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    assert_eq!(request.header("x-slack-signature"), published);
    let mut then = case("@slack/bolt", secret, &request);
    then["now"] = json!(1_531_420_620_000_u64);
    let today = case("@slack/bolt", secret, &request);
    assert_eq!(verdicts(&[then, today]).await, [true, false]);

    let config = format!(
        "{}[installations.published]\nbot = \"support\"\nconnector = \"slack\"\n[installations.published.config]\n\
         bot_token = \"xoxb-1\"\nsigning_secret = \"{secret}\"\napi_url = \"http://127.0.0.1:9\"\n",
        bot("kind = \"echo\"")
    );
    let (spec, _folder) = GatewaySpec::temporary(&config).unwrap();
    let gateway = spec.start().await.unwrap();
    let url = gateway.webhook("published");
    assert_eq!(request.send(&url).await.unwrap().status, 401);
    // The same body, signed now, is taken.
    let fresh = sign::slack_at(secret, now(), "application/x-www-form-urlencoded", body);
    let reply = fresh.send(&url).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cores_get_is_signed_as_the_standard_webhooks_libraries_verify_it() {
    let seen: Arc<Mutex<Vec<RawRequest>>> = Arc::default();
    let book = seen.clone();
    let handler: Handler = Arc::new(move |request| -> Answering {
        book.lock().push(request);
        Box::pin(async { Answer::empty(204) })
    });
    let server = Server::start(handler).await.unwrap();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let config = format!(
        "{}[installations.telegram]\nbot = \"support\"\nconnector = \"telegram\"\n[installations.telegram.config]\n\
         bot_token = \"7:t\"\nwebhook_secret = \"{TELEGRAM_SECRET}\"\napi_url = \"http://127.0.0.1:9\"\n",
        bot(&format!("kind = \"http\"\nurl = \"{}/events\"\nsecret = \"{secret}\"", server.url()))
    );
    let (spec, _folder) = GatewaySpec::temporary(&config).unwrap();
    let gateway = spec.start().await.unwrap();
    for (number, text) in ["hello", "Grüße 世界 👋"].iter().enumerate() {
        let update = json!({"update_id": number, "message": telegram_message(77, json!({"text": text}))});
        let reply =
            sign::telegram(TELEGRAM_SECRET, &update).send(&gateway.webhook("telegram")).await.unwrap();
        assert_eq!(reply.status, 200);
    }
    let end = std::time::Instant::now() + SOON;
    while seen.lock().len() < 2 {
        assert!(std::time::Instant::now() < end, "{}", gateway.spec.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let requests = seen.lock().clone();
    let rust = standardwebhooks::Webhook::new(secret).unwrap();
    let mut cases = Vec::new();
    for request in &requests {
        assert_eq!((request.path.as_str(), request.media_type().as_str()), ("/events", "application/json"));
        rust.verify(&request.body, &request.headers).unwrap();
        let headers: serde_json::Map<String, Value> = request
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap_or_default())))
            .collect();
        let good = json!({
            "by": "standardwebhooks", "secret": secret, "headers": headers, "body": STANDARD.encode(&request.body),
        });
        let mut other = good.clone();
        other["secret"] = json!("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        cases.extend([good, other]);
    }
    assert_eq!(verdicts(&cases).await, [true, false, true, false]);
}
