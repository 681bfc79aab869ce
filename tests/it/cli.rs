//! The command line, beside a running gateway and with none.

use std::path::Path;

use portico_tests::sim::core::CoreAnswer;
use serde_json::{Value, json};

use crate::command::{Said, portico};
use crate::scene::{SLACK_DM, SOON, Scene};

fn config(scene: &Scene) -> String {
    scene.gateway.spec.config_file().display().to_string()
}

async fn run(scene: &Scene, arguments: &[&str]) -> Said {
    let file = config(scene);
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--config", &file]).collect();
    portico(scene.folder.path(), &arguments, &[]).await
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        "serve",
        "demo",
        "check-config",
        "replay",
        "dead-letters",
        "dead-letters list",
        "dead-letters retry",
        "dead-letters drop",
        "export",
        "store",
        "store verify",
        "store backup",
        "store restore",
        "store salvage",
        "health",
    ] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = portico(folder.path(), &arguments, &[]).await.well();
        let first = help.lines().next().unwrap();
        assert!(first.len() > 10 && help.contains("Usage:"), "{command}: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command}: {help}");
    }
    let nothing = portico(folder.path(), &[], &[]).await;
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.err.contains("check-config"), "{}", nothing.err);
    let unknown = portico(folder.path(), &["serv"], &[]).await;
    assert!(unknown.code == Some(2) && unknown.err.contains("serve"), "{}", unknown.err);
    assert!(portico(folder.path(), &["--version"], &[]).await.well().starts_with("portico "));
    let which = portico(folder.path(), &["replay"], &[]).await;
    assert_eq!(which.code, Some(2), "{which:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_running_gateway_the_commands_speak_to_it() {
    let scene = Scene::new("", |event| match (event.text(), event.attempt) {
        ("poison", 1) | ("waste", _) => CoreAnswer::status(422),
        _ => CoreAnswer::text(event.text()),
    })
    .await;
    for text in ["poison", "waste", "fine"] {
        scene.accepted("slack", &scene.slack_text(SLACK_DM, text)).await;
    }
    scene.nth_event(1).await;
    assert!(run(&scene, &["health"]).await.well().contains("ready"));

    let dead = lines(&run(&scene, &["dead-letters", "list", "--json"]).await.well());
    assert_eq!(dead.len(), 2, "{dead:?}");
    let person = run(&scene, &["dead-letters", "list", "--bot", "support"]).await.well();
    assert_eq!(person.lines().count(), 2);
    assert!(person.contains("refused"), "{person}");
    let received = scene.core.received();
    let id_of = |text: &str| received.iter().find(|one| one.event.text() == text).unwrap().event.id.clone();
    let said = run(&scene, &["dead-letters", "retry", &id_of("poison")]).await.well();
    assert!(said.contains('1'), "{said}");
    scene.nth_event(2).await;
    run(&scene, &["dead-letters", "drop", "--all"]).await.well();
    assert!(run(&scene, &["dead-letters", "list"]).await.well().contains("no dead letters"));

    run(&scene, &["replay", &id_of("fine")]).await.well();
    scene
        .within(
            scene.core.wait_until("the replay", SOON, |core| core.duplicates().contains_key(&id_of("fine"))),
        )
        .await;
    let said =
        run(&scene, &["replay", "--installation", "slack", "--since", "2020-01-01T00:00:00Z"]).await.well();
    assert!(said.contains("events are offered again"), "{said}");
    let wrong = run(&scene, &["replay", "--bot", "support", "--since", "yesterday"]).await;
    assert!(wrong.code == Some(1) && wrong.err.contains("--since"), "{}", wrong.err);
    let unknown = run(&scene, &["replay", "evt_01h455vb4pex5vsknk084sn02q"]).await;
    assert!(unknown.code == Some(1) && unknown.err.contains("no such event"), "{}", unknown.err);

    let export = lines(&run(&scene, &["export", "--bot", "support"]).await.well());
    assert_eq!(export.iter().filter(|line| line["conversation"].is_object()).count(), 1);
    assert!(export.iter().any(|line| line["message"]["payload"]["text"] == "fine"));
    let nobody = run(&scene, &["export", "--bot", "nobody"]).await;
    assert!(nobody.code == Some(1) && nobody.err.contains("no such bot"), "{}", nobody.err);

    // The store belongs to the gateway as long as it runs.
    for command in [&["store", "salvage"][..], &["store", "backup", "elsewhere"][..]] {
        let refused = run(&scene, command).await;
        assert_eq!(refused.code, Some(1), "{command:?}: {refused:?}");
        assert!(!refused.err.contains("panicked") && refused.err.starts_with("portico: "), "{}", refused.err);
    }
    assert!(!scene.folder.path().join("elsewhere/log").exists());
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "and on it goes")).await;
    let on = |core: &portico_tests::sim::core::Ledger| {
        core.events().iter().any(|event| event.text() == "and on it goes")
    };
    scene.within(scene.core.wait_until("the next", SOON, on)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_gateway_the_commands_open_the_store_and_what_they_change_holds_at_the_next_start() {
    let scene = Scene::new("", |event| match (event.text(), event.attempt) {
        ("poison", 1) => CoreAnswer::status(422),
        _ => CoreAnswer::done(),
    })
    .await;
    for text in ["poison", "fine"] {
        scene.accepted("slack", &scene.slack_text(SLACK_DM, text)).await;
    }
    scene.nth_event(1).await;
    let Scene { providers, core, gateway, folder } = scene;
    let spec = gateway.stop(SOON).await.unwrap();
    let file = spec.config_file().display().to_string();
    let run = async |arguments: &[&str]| {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--config", &file]).collect();
        portico(folder.path(), &arguments, &[]).await
    };
    assert_eq!(run(&["health"]).await.code, Some(1));
    assert!(run(&["store", "verify"]).await.well().contains("all are right"));
    let dead = lines(&run(&["dead-letters", "list", "--json"]).await.well());
    assert_eq!(dead.len(), 1, "{dead:?}");
    run(&["export", "--bot", "support", "--output", "export.jsonl"]).await.well();
    let export = lines(&std::fs::read_to_string(folder.path().join("export.jsonl")).unwrap());
    assert_eq!(export.iter().filter(|line| line["message"].is_object()).count(), 2);
    run(&["dead-letters", "retry", "--all"]).await.well();

    // A backup, and the same store again in another place.
    run(&["store", "backup", "backup"]).await.well();
    let full = run(&["store", "backup", "backup"]).await;
    assert_eq!(full.code, Some(1), "{full:?}");
    let over = run(&["store", "restore", "backup"]).await;
    assert_eq!(over.code, Some(1), "a folder that holds a store is not written over: {over:?}");
    let key = std::fs::read(folder.path().join("data/master.key")).unwrap();
    std::fs::rename(folder.path().join("data"), folder.path().join("lost")).unwrap();
    run(&["store", "restore", "backup"]).await.well();
    restore_key(folder.path(), &key);
    assert!(run(&["store", "verify"]).await.well().contains("all are right"));

    let gateway = spec.launch(spec.command().unwrap()).await.unwrap_or_else(|error| panic!("{error:#}"));
    let retried =
        |core: &portico_tests::sim::core::Ledger| core.events().iter().any(|event| event.text() == "poison");
    core.wait_until("the retried event", SOON, retried)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", gateway.spec.log()));
    drop((gateway, providers));
}

fn restore_key(folder: &Path, key: &[u8]) {
    let path = folder.join("data/master.key");
    if !path.exists() {
        std::fs::write(&path, key).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_over_the_same_store_refuses_to_start() {
    let scene = Scene::echo().await;
    let file = std::fs::read_to_string(scene.gateway.spec.config_file()).unwrap();
    let (one, two) = scene.gateway.spec.ports;
    let other = file
        .replace(&format!("127.0.0.1:{one}"), &format!("127.0.0.1:{}", portico_tests::gateway::free_port()))
        .replace(&format!("127.0.0.1:{two}"), &format!("127.0.0.1:{}", portico_tests::gateway::free_port()));
    std::fs::write(scene.folder.path().join("second.toml"), other).unwrap();
    let said = portico(scene.folder.path(), &["serve", "--config", "second.toml"], &[]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("store"), "{}", said.err);
    scene.accepted("hook", &scene.app_message("t", "unharmed")).await;
    assert_eq!(
        scene.nth_sent(&scene.providers.app, 1).await.body["message"]["payload"],
        json!({"text": "unharmed"})
    );
}
