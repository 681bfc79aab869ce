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
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["bad.toml"]);
    insta::assert_snapshot!(checked.err, @"");
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
    assert_eq!(defaults.trim_end(), shipped.trim_end());
    for entry in std::fs::read_dir(root.join("config/channels")).unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        // Whatever the file takes from the environment is given; cores want a secret of their own form.
        let names = regex::Regex::new(r"\$\{([A-Z0-9_]+)\}").unwrap();
        let values: Vec<(String, &str)> = names
            .captures_iter(&text)
            .map(|found| {
                let name = found[1].to_owned();
                let value = if name.contains("CORE") { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" } else { "secret-0123456789" };
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
