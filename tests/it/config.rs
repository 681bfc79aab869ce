//! A wrong configuration: nothing starts, and every fault is named with its place and the way to mend it.

use crate::command::portico;

const BAD: &str = r#"[server]
listn = "127.0.0.1:8080"
public_url = "ftp://portico.example"
[limits.core]
timeout = "15 parsecs"
[bots.support]
[bots.support.core]
kind = "http"
url = "http://127.0.0.1:9000/"
secret = "plain-secret-that-must-not-be-shown"
[installations.shop-slack]
bot = "suport"
connector = "slak"
[installations.shop-telegram]
bot = "support"
connector = "telegram"
[installations.shop-telegram.config]
bot_token = "${NOT_SET_ANYWHERE}"
max_connections = 500
tokn = "x"
[installations.open]
bot = "support"
connector = "webhook"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_file_is_told_at_once_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.toml"), BAD).unwrap();
    let checked = portico(folder.path(), &["check-config", "--config", "bad.toml"], &[]).await;
    let served = portico(folder.path(), &["serve", "--config", "bad.toml"], &[]).await;
    assert_eq!((checked.code, served.code), (Some(2), Some(2)));
    assert_eq!((checked.out.as_str(), &served.err), ("", &checked.err));
    assert!(!checked.err.contains("must-not-be-shown"), "{}", checked.err);
    // No store, no token: nothing was begun.
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["bad.toml"]);
    insta::assert_snapshot!(checked.err, @r#"
    portico: bad.toml has 12 faults:
    server.listn: no such option; did you mean 'listen'? (line 2)
    server.public_url: is no http or https address; write an address like "https://portico.example.com" (line 3)
    limits.core.timeout: '15 parsecs' is not right; write a time like "15s", from 100ms to 10m (line 5)
    bots.support.token: is missing; write token = "${BOT_TOKEN}": what the bot presents to the API (line 6)
    bots.support.core.secret: is no Standard Webhooks secret; write "whsec_" and base64 of 24 to 64 random bytes (line 10)
    installations.shop-slack.bot: there is no bot 'suport'; did you mean 'support'? (line 12)
    installations.shop-slack.connector: there is no connector 'slak'; did you mean 'slack'? (line 13)
    installations.shop-telegram.config.webhook_secret: is missing; write webhook_secret = "${VARIABLE}" or "file:/path" (line 14)
    installations.shop-telegram.config.bot_token: variable NOT_SET_ANYWHERE is not set; set it before starting Portico (line 18)
    installations.shop-telegram.config.max_connections: is above 100 (line 19)
    installations.shop-telegram.config.tokn: no such option; known here: accept_channel_posts, allowed_updates, api_url, bot_token, commands, drop_pending_updates, max_connections, webhook_secret (line 20)
    installations.open.config.secret: is missing, so nothing would prove that webhooks are genuine; write secret = "${VARIABLE}", or set insecure = true for a trial (line 21)
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_missing_or_no_toml_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = portico(folder.path(), &["serve", "--config", "nowhere.toml"], &[]).await;
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.err.contains("nowhere.toml"), "{}", missing.err);
    std::fs::write(folder.path().join("broken.toml"), "[server\nlisten = 1").unwrap();
    let broken = portico(folder.path(), &["serve", "--config", "broken.toml"], &[]).await;
    assert_eq!(broken.code, Some(2), "{broken:?}");
    assert!(broken.err.contains("line 1"), "{}", broken.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_defaults_and_channel_files_are_right() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let defaults = portico(folder.path(), &["check-config", "--defaults"], &[]).await.well();
    let shipped = std::fs::read_to_string(root.join("config/portico.toml")).unwrap();
    assert!(defaults.trim_end() == shipped.trim_end(), "config/portico.toml is not what was compiled in");
    let names = regex::Regex::new(r"\$\{([A-Z0-9_]+)\}").unwrap();
    for entry in std::fs::read_dir(root.join("config/channels")).unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        // Whatever the file takes from the environment is given; cores want a secret of their own form.
        let values: Vec<(String, &str)> = names
            .captures_iter(&text)
            .map(|found| {
                let name = found[1].to_owned();
                let value = match name.as_str() {
                    name if name.contains("CORE") => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                    name if name.contains("PHONE") => "106540352242922",
                    _ => "secret-0123456789",
                };
                (name, value)
            })
            .collect();
        let env: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let path = entry.path();
        let said = portico(folder.path(), &["check-config", "--config", path.to_str().unwrap()], &env).await;
        assert_eq!(said.code, Some(0), "{}: {}", path.display(), said.err);
        assert!(said.out.contains("is right"), "{}", said.out);
    }
}
