//! Secrets: with everything logged, none is in a log, a metric, an answer, or on disk.

use std::path::Path;

use http::Method;
use portico_tests::gateway::GatewaySpec;
use portico_tests::sim::client;
use portico_tests::sim::core::{CoreAnswer, HttpCore};
use portico_tests::sim::provider::Fault;
use portico_tests::sim::sign;
use serde_json::json;

use crate::files::PNG;
use crate::scene::{
    BOT_TOKEN, SLACK_DM, SLACK_USER, SOON, Scene, TELEGRAM_SECRET, VERIFY_TOKEN, bot, call, http_core,
};

/// What a person writes: kept in the journal, but never logged or counted.
const SAID: &str = "a-persons-private-words-7391";

fn files(folder: &Path, all: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), all),
            _ => all.push(entry.path()),
        }
    }
}

/// A file without its empty blocks: the log is laid out ahead in zeros.
fn written(path: &Path) -> Vec<u8> {
    const BLOCK: usize = 4096;
    let whole = std::fs::read(path).unwrap();
    whole.chunks(BLOCK).filter(|block| *block != &[0; BLOCK][..block.len()]).flatten().copied().collect()
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_logged_counted_answered_or_on_disk() {
    let providers = crate::scene::Providers::start().await;
    let core = HttpCore::start(|event| match event.attempt {
        1 if event.text().contains("later") => CoreAnswer::status(503),
        _ if event.text().contains("refused") => CoreAnswer::status(400),
        _ => CoreAnswer::text(SAID),
    })
    .await
    .unwrap();
    let config = format!(
        "[admin]\ntoken = \"admin-token-of-the-secret-test\"\n{}{}",
        bot(&http_core(&core)),
        providers.installations()
    );
    let (mut spec, folder) = GatewaySpec::temporary(&config).unwrap();
    spec.env.push(("PORTICO_LOG__FILTER".into(), "debug".into()));
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    let scene = Scene { providers, core, gateway, folder };
    let providers = &scene.providers;
    let secrets: Vec<String> = [
        BOT_TOKEN,
        VERIFY_TOKEN,
        TELEGRAM_SECRET,
        "admin-token-of-the-secret-test",
        &providers.slack.options().bot_token,
        &providers.slack.options().signing_secret,
        &providers.telegram.options().token,
        &providers.whatsapp.options().access_token,
        &providers.whatsapp.options().app_secret,
        providers.app.secret(),
        scene.core.secret(),
        scene.core.secret().trim_start_matches("whsec_"),
    ]
    .iter()
    .map(|secret| (*secret).to_owned())
    .collect();

    // Everything that could make something talk: success, failures of all sides, forged and malformed requests.
    let mut answers = Vec::new();
    let file = providers.slack.add_file("a.png", "image/png", PNG);
    providers.slack.fail("chat.postMessage", Fault::status(500, "boom"), 1);
    providers.telegram.fail("sendMessage", Fault::Reset, 1);
    providers.whatsapp.fail("messages", Fault::Html, 1);
    let picture = json!({
        "type": "message", "subtype": "file_share", "user": SLACK_USER, "text": SAID, "ts": crate::scene::slack_ts(),
        "channel": SLACK_DM, "channel_type": "im", "files": [file],
    });
    let slack = &providers.slack.options().signing_secret;
    for (installation, request) in [
        ("slack", scene.slack_text(SLACK_DM, SAID)),
        ("slack", scene.slack_text(SLACK_DM, &format!("later {SAID}"))),
        ("slack", scene.slack_text(SLACK_DM, &format!("refused {SAID}"))),
        ("slack", scene.slack_event(picture)),
        ("slack", scene.slack_text(SLACK_DM, SAID).tampered()),
        ("slack", sign::slack_at(slack, sign::now(), "application/json", format!("{{\"broken\": \"{SAID}"))),
        ("telegram", scene.telegram_message(77, json!({"text": SAID}))),
        ("telegram", sign::telegram("wrong-secret", &json!({"text": SAID}))),
        ("whatsapp", providers.whatsapp.inbound_text("491701234567", SAID).request),
        ("hook", scene.app_message("t", SAID)),
        ("hook", sign::webhook("wrong-secret", "application/json", "{}")),
        ("nobody", scene.app_message("t", SAID)),
    ] {
        answers.push(scene.hook(installation, &request).await.text());
    }
    let verify = format!(
        "{}?hub.mode=subscribe&hub.challenge=1&hub.verify_token={VERIFY_TOKEN}",
        scene.gateway.webhook("whatsapp")
    );
    answers.push(client::get(&verify, &[]).await.unwrap().text());
    scene.within(providers.app.wait_for(1, SOON)).await;
    scene.within(providers.slack.wait_for(2, SOON)).await;
    scene.within(providers.telegram.wait_for(1, SOON)).await;
    scene.within(providers.whatsapp.wait_for(1, SOON)).await;
    providers.telegram.fail(
        "*",
        Fault::status(401, r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#),
        3,
    );
    answers.push(scene.hook("telegram", &scene.telegram_message(78, json!({"text": SAID}))).await.text());
    scene
        .within(
            providers.telegram.wait_until("the refusal", SOON, |sim| {
                sim.requests().iter().any(|one| one.status == Some(401))
            }),
        )
        .await;
    let (public, admin) = (scene.gateway.spec.public(), scene.gateway.spec.admin());
    for (url, token) in [
        (format!("{admin}/admin/v1/installations"), "admin-token-of-the-secret-test"),
        (format!("{admin}/admin/v1/installations/slack"), "admin-token-of-the-secret-test"),
        (format!("{admin}/admin/v1/installations/telegram"), "admin-token-of-the-secret-test"),
        (format!("{admin}/admin/v1/installations/whatsapp"), "admin-token-of-the-secret-test"),
        (format!("{admin}/admin/v1/installations/hook"), "admin-token-of-the-secret-test"),
        (format!("{admin}/admin/v1/bots"), "admin-token-of-the-secret-test"),
        (format!("{admin}/admin/v1/dead-letters"), "admin-token-of-the-secret-test"),
        (format!("{admin}/admin/v1/stats"), "wrong-token"),
        (format!("{admin}/health/promises"), ""),
        (format!("{public}/v1/chat/conversations"), BOT_TOKEN),
        (format!("{public}/v1/chat/conversations"), "wrong-token"),
        (format!("{public}/metrics"), ""),
        (format!("{public}/readyz"), ""),
    ] {
        answers.push(call(Method::GET, &url, token, None).await.text());
    }
    let metrics = client::get(&format!("{public}/metrics"), &[]).await.unwrap().text();
    let Scene { providers, core, gateway, folder } = scene;
    let spec = gateway.stop(SOON).await.unwrap();
    let log = spec.log();
    assert!(log.contains("DEBUG"), "the log was to tell everything:\n{log}");
    for secret in &secrets {
        let line = log.lines().find(|line| line.contains(secret.as_str()));
        assert!(line.is_none(), "{secret} in the log: {line:?}");
        assert!(!metrics.contains(secret.as_str()), "{secret} in the metrics");
        let answer = answers.iter().find(|answer| answer.contains(secret.as_str()));
        assert!(answer.is_none(), "{secret} in an answer: {answer:?}");
    }
    let line = log.lines().find(|line| line.contains(SAID));
    assert!(line.is_none(), "a person's words in the log: {line:?}");
    assert!(!metrics.contains(SAID));

    let mut all = Vec::new();
    files(&folder.path().join("data"), &mut all);
    assert!(all.len() >= 3, "{all:?}");
    let mut kept = false;
    for path in &all {
        let bytes = written(path);
        kept |= holds(&bytes, SAID);
        for secret in &secrets {
            assert!(!holds(&bytes, secret), "{secret} in {}", path.display());
        }
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        if path.ends_with("master.key") || path.ends_with("admin.token") {
            assert_eq!(mode & 0o077, 0, "{} is readable by others: {mode:o}", path.display());
        }
    }
    assert!(kept, "what was said must be on disk, or this test looks at the wrong place");
    drop((providers, core));
}
