//! Who is let in and how: origins, TLS, rates, and what becomes of those who are not.

use std::sync::Arc;

use http::Method;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::stage::{OPEN, PAGE, Stage};
use super::visitor::{Came, Visitor};
use crate::scene;

#[tokio::test(flavor = "multi_thread")]
async fn only_pages_of_listed_origins_get_in() {
    let stage = Stage::set("origins = [\"https://shop.example\", \"https://*.chain.example\"]").await;
    let port = stage.gateway.spec.ports.0;
    let own = stage.gateway.spec.public();
    for origin in [PAGE, "https://paris.chain.example", &own] {
        let mut visitor = Visitor::connect(port, Some(origin)).await.unwrap();
        visitor.hello(json!({})).await;
        let config = get(&stage, "/v1/channels/site/config", origin).await;
        assert_eq!((config.status, config.header("access-control-allow-origin")), (200, origin));
        assert!(config.header("vary").to_ascii_lowercase().contains("origin"));
    }
    for origin in [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "https://chain.example",
        "https://chain.example.evil.example",
        "http://localhost",
        "null",
    ] {
        let mut visitor = Visitor::connect(port, Some(origin)).await.unwrap();
        assert_eq!(visitor.greet(json!({})).await, Came::End(4403), "{origin}");
        let config = get(&stage, "/v1/channels/site/config", origin).await;
        assert_eq!((config.status, config.header("access-control-allow-origin")), (403, ""), "{origin}");
    }
    // Programs without an origin are let in only where the channel says so.
    let mut nameless = Visitor::connect(port, None).await.unwrap();
    assert_eq!(nameless.greet(json!({})).await, Came::End(4403));
    // A token does not help a page of somebody else.
    let (_, token, conversation) = stage.talking().await;
    let path = format!("/v1/conversations/{conversation}/messages");
    let headers = |origin: &str| {
        vec![
            ("origin".to_owned(), origin.to_owned()),
            ("authorization".to_owned(), format!("Bearer {token}")),
        ]
    };
    for (origin, status) in [(PAGE, 200), ("https://evil.example", 403), ("null", 403)] {
        let reply = stage.send(Method::GET, &path, &headers(origin), bytes::Bytes::new()).await;
        assert_eq!(reply.status, status, "{origin}");
    }
    // A browser's question before the call.
    for (origin, status) in [(PAGE, 204), ("https://evil.example", 403)] {
        let headers = [
            ("origin".to_owned(), origin.to_owned()),
            ("access-control-request-method".to_owned(), "POST".to_owned()),
        ];
        let reply = stage.send(Method::OPTIONS, "/v1/frames", &headers, bytes::Bytes::new()).await;
        assert_eq!(reply.status, status, "{origin}");
        assert_ne!(reply.header("access-control-allow-origin"), "*");
        assert_eq!(reply.header("access-control-allow-credentials"), "");
    }
}

async fn get(stage: &Stage, path: &str, origin: &str) -> portico_tests::sim::client::Reply {
    let headers = [("origin".to_owned(), origin.to_owned())];
    stage.send(Method::GET, path, &headers, bytes::Bytes::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_hello_ends_with_the_code_that_says_why() {
    let stage = Stage::set(OPEN).await;
    let nobody = json!({ "tok": format!("{}.site", "A".repeat(43)) });
    for (hello, code) in [
        (json!({ "ch": "nowhere" }), 4404),
        (json!({ "v": 2 }), 4426),
        (nobody, 4401),
        (json!({ "tok": "x" }), 4401),
        (json!({ "cur": "x" }), 4400),
    ] {
        let mut visitor = stage.connect().await;
        visitor
            .send({
                let mut frame = json!({ "t": "hello", "v": 1, "ch": "site", "cur": {} });
                frame.as_object_mut().unwrap().extend(hello.as_object().unwrap().clone());
                frame
            })
            .await;
        let (_, ended) = visitor.read_out().await;
        assert_eq!(ended, code, "{hello}");
    }
    let mut visitor = stage.connect().await;
    visitor.send(json!({ "t": "send", "id": "too-early", "msg": { "type": "text", "text": "x" } })).await;
    assert_eq!(visitor.next().await, Came::End(4400));
    let (mut visitor, _) = stage.hello(json!({})).await;
    visitor.send(json!({ "t": "ping", "more": "x".repeat(70_000) })).await;
    assert_eq!(visitor.read_out().await.1, 4413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_works_over_tls() {
    let (core, mut spec, folder) = Stage::prepared(OPEN, scene::echo).await;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    spec.tls = Some((cert, key));
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    let stage = Stage::around(core, gateway, folder);

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // What browsers offer for a WebSocket.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let port = stage.gateway.spec.ports.0;
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let base = format!("wss://localhost:{port}");
    let mut visitor = Visitor::over(Box::new(stream), &base, Some(PAGE)).await.unwrap();
    visitor.hello(json!({})).await;
    let long = "ü".repeat(4000);
    visitor.says("over-tls-1", None, &long).await;
    let answer = visitor.item(|item| item["data"]["from"] == "bot").await;
    assert_eq!(answer["data"]["text"], long.as_str(), "{}", stage.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_too_much_is_told_when_to_go_on_and_nothing_is_lost_by_that() {
    let limits = "origins = [\"https://shop.example\"]\nlimits = { messages = 60, events = 12, hellos = 12 }";
    let stage = Stage::set(limits).await;
    let (mut visitor, welcome) = stage.hello(json!({})).await;
    let mut refused = None;
    for number in 0..40 {
        let answer = visitor.tries(&format!("message-{number:03}"), None, "hi").await;
        if answer["t"] == "nack" {
            refused = Some((number, answer));
            break;
        }
    }
    let (number, nack) = refused.expect("40 messages at once were taken");
    assert!((5..=30).contains(&number), "refused after {number}");
    assert_eq!(nack["code"], "rate");
    let wait = nack["retry"].as_u64().expect("a rate is never the last word");
    assert!((1..=5_000).contains(&wait), "{nack}");
    tokio::time::sleep(std::time::Duration::from_millis(wait + 50)).await;
    visitor.says(&format!("message-{number:03}"), None, "hi").await;
    // Events have a quota of their own.
    let mut codes = Vec::new();
    for number in 0..20 {
        let id = format!("event-{number:04}");
        visitor.send(json!({ "t": "event", "id": id, "name": "trigger", "data": {} })).await;
        let answer =
            visitor.frame(|frame| frame["id"] == id && (frame["t"] == "ack" || frame["t"] == "nack")).await;
        codes.push(answer["code"].as_str().unwrap_or("ack").to_owned());
    }
    assert!(codes.iter().any(|code| code == "ack") && codes.iter().any(|code| code == "rate"), "{codes:?}");
    // Connections, too: the last word is when to come back.
    let token = welcome["tok"].clone();
    let mut last = (Vec::new(), 0);
    for _ in 0..14 {
        let mut again = stage.connect().await;
        again.send(json!({ "t": "hello", "v": 1, "ch": "site", "tok": token, "cur": {} })).await;
        if let Came::Frame(frame) = again.next().await
            && frame["t"] == "bye"
        {
            let (_, code) = again.read_out().await;
            last = (vec![frame], code);
            break;
        }
    }
    let (frames, code) = last;
    assert_eq!(code, 4429, "{frames:?}");
    assert_eq!(frames[0]["code"], "limit");
    assert!(frames[0]["retry"].as_u64().is_some_and(|retry| (1..=60_000).contains(&retry)), "{frames:?}");
    let poll = json!({ "t": "hello", "v": 1, "ch": "site", "tok": token, "cur": {} });
    let reply = stage.page(Method::POST, "/v1/poll", "", Some(&poll)).await;
    assert_eq!((reply.status, &reply.json()["metadata"]["close"]), (429, &json!(4429)));
    assert!(reply.header("retry-after").parse::<u64>().is_ok_and(|wait| wait > 0));
}
