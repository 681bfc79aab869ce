//! R12: the configuration is read again under load.

use std::time::Duration;

use http::Method;
use portico_tests::gateway::Gateway;

use super::line::Line;
use super::load::{Load, assert_all_arrived};
use super::stage::{Kind, Stage, admin, look, tail};

async fn titles(gateway: &Gateway) -> Vec<String> {
    let listed = look(gateway, "/installations").await;
    let ids = listed["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_is_read_again_twenty_times_under_load_without_a_dropped_connection() {
    let mut stage = Stage::plain().await;
    let gateway = stage.start().await;
    let mut load = Load::new(stage.spec.ports.0);
    for conversation in 0..10 {
        for kind in [Kind::Webhook(0), Kind::Slack, Kind::Telegram] {
            load.incoming(kind, conversation, Duration::from_millis(20));
        }
    }
    let plain = stage.spec.config.clone();
    let mut kept = Line::to(stage.spec.ports.0);
    for round in 1..=20 {
        let id = format!("extra-{round}");
        stage.spec.config = format!(
            "{plain}\n[installations.{id}]\nbot = \"support\"\nconnector = \"webhook\"\nalias = \"extra\"\n\
             [installations.{id}.config]\nsecret = \"another-secret-of-the-fault-tests-0001\"\n"
        );
        stage.spec.write_config().unwrap();
        if round % 2 == 0 {
            let reply = admin(&gateway, Method::POST, "/reload", None).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        } else {
            gateway.signal("HUP").unwrap();
        }
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !titles(&gateway).await.contains(&id) {
            assert!(std::time::Instant::now() < end, "{id} did not appear\n{}", tail(&stage.spec));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The one before is gone, and a connection that was there before is still good.
        assert_eq!(titles(&gateway).await.len(), 5);
        let reply = kept.send(Method::GET, "/readyz", &[], bytes::Bytes::new()).await.unwrap();
        assert_eq!(reply.status, 200);
        // So that each configuration sees traffic, however fast the binary reads them.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // Wrong files change nothing, however they are wrong.
    let installed = titles(&gateway).await;
    for wrong in [
        "[installations.bad]\nbot = \"nobody\"\nconnector = \"slak\"\n",
        "[limits.nonsense]\nrate = 1\n",
        "this is no TOML",
    ] {
        stage.spec.config = format!("{plain}\n{wrong}\n");
        stage.spec.write_config().unwrap();
        let reply = admin(&gateway, Method::POST, "/reload", None).await;
        assert_eq!(reply.status, 400, "{wrong}: {}", reply.text());
        let told = stage.spec.log().matches("the old one stays").count();
        gateway.signal("HUP").unwrap();
        let end = std::time::Instant::now() + Duration::from_secs(10);
        while stage.spec.log().matches("the old one stays").count() == told {
            assert!(std::time::Instant::now() < end, "the log does not tell\n{}", tail(&stage.spec));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(titles(&gateway).await, installed);
    }
    let book = load.end().await;
    assert!(
        book.refused.is_empty() && book.broken.is_empty(),
        "{:?} {:?} {:?}",
        book.refused,
        book.broken,
        book.odd
    );
    assert!(book.acknowledged.len() > 500, "{} messages: no load", book.acknowledged.len());
    assert_all_arrived(&stage.core, &book.acknowledged, Duration::from_secs(30), &|| tail(&stage.spec)).await;
    assert!(stage.core.duplicates().is_empty(), "taken twice: {:?}", stage.core.duplicates());
}
