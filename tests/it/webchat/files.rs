//! Files that visitors send, transcripts that they take along, and the page for those who have none.

use bytes::Bytes;
use http::Method;
use portico_tests::sim::client::{self, Reply};
use serde_json::{Value, json};

use super::stage::{OPEN, PAGE, Stage};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
const SVG: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
const HTML: &[u8] = b"<!doctype html><script>alert(1)</script>";

async fn upload(stage: &Stage, token: &str, name: &str, content: &[u8]) -> Reply {
    let headers = [
        ("origin".to_owned(), PAGE.to_owned()),
        ("authorization".to_owned(), format!("Bearer {token}")),
        ("x-file-name".to_owned(), name.to_owned()),
        // What a page claims is of no interest.
        ("content-type".to_owned(), "image/png".to_owned()),
    ];
    stage.send(Method::POST, "/v1/files", &headers, Bytes::copy_from_slice(content)).await
}

/// What every file is served with, and whether a browser may show it.
fn is_harmless(reply: &Reply, shown: bool) {
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("content-security-policy"), "sandbox; default-src 'none'");
    let disposition = if shown { "inline" } else { "attachment" };
    assert!(reply.header("content-disposition").starts_with(disposition), "{:?}", reply.headers);
    assert_eq!(reply.header("set-cookie"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_by_content_and_served_so_that_they_do_no_harm() {
    let config = "origins = [\"https://shop.example\"]\nlimits = { file = 100000, uploads = 100, messages = 600, \
                  accept = [\"image/*\", \"image/svg+xml\", \"text/html\", \"text/plain\"] }";
    let stage = Stage::set(config).await;
    let (mut visitor, token, conversation) = stage.talking().await;
    for (name, content, kind, shown) in [
        ("cat.png", PNG, "image/png", true),
        ("cat.png.html", PNG, "image/png", true),
        ("notes.txt", &b"some notes"[..], "text/plain", false),
        ("drawing.png", SVG, "image/svg+xml", false),
        ("picture.png", HTML, "text/html", false),
    ] {
        let kept = upload(&stage, &token, name, content).await;
        assert_eq!(kept.status, 201, "{name}: {}", kept.text());
        let file = kept.json();
        assert_eq!((&file["mime"], &file["size"]), (&json!(kind), &json!(content.len())), "{name}");
        let served = client::get(file["url"].as_str().unwrap(), &[]).await.unwrap();
        assert_eq!((served.status, served.header("content-type")), (200, kind));
        assert_eq!(&served.body[..], content);
        is_harmless(&served, shown);
    }
    // A message carries it: the bot gets an address that it can read.
    let file = upload(&stage, &token, "cat.png", PNG).await.json();
    let message = json!({ "type": "image", "file": file["id"], "title": "my cat" });
    visitor.send(json!({ "t": "send", "id": "with-a-file", "conv": conversation, "msg": message })).await;
    visitor.frame(|frame| frame["t"] == "ack" && frame["id"] == "with-a-file").await;
    let events = stage.core.wait_until("the picture", crate::scene::SOON, |core| {
        core.events().iter().any(|event| event.body["message"]["type"] == "image")
    });
    events.await.unwrap();
    let event =
        stage.core.events().into_iter().find(|event| event.body["message"]["type"] == "image").unwrap();
    let url = event.body.pointer("/message/payload/imageUrl").and_then(Value::as_str).unwrap();
    assert_eq!(&client::get(url, &[]).await.unwrap().body[..], PNG);
    // Only what was signed, as it was signed.
    let url = file["url"].as_str().unwrap().to_owned();
    let (path, query) = url.split_once('?').unwrap();
    let (expires, signature) = query.split_once("&signature=").unwrap();
    let flipped: String = signature.chars().map(|letter| if letter == '0' { '1' } else { '0' }).collect();
    for wrong in [
        path.to_owned(),
        format!("{path}?{expires}&signature={flipped}"),
        format!("{path}?{expires}&signature="),
        format!("{path}?expires=99999999999999&signature={signature}"),
        format!("{path}?expires=1&signature={signature}"),
        format!("{}?{query}", path.replace("/site/", "/other/")),
    ] {
        assert_eq!(client::get(&wrong, &[]).await.unwrap().status, 404, "{wrong}");
    }
    assert_eq!(upload(&stage, &token, "big.txt", &[b'a'; 100_001]).await.status, 413);
    assert_eq!(upload(&stage, &token, "zip.txt", b"PK\x03\x04rest").await.status, 415);
    assert_eq!(upload(&stage, &token, "empty.txt", b"").await.status, 400);
    assert_eq!(upload(&stage, "nobody.site", "cat.png", PNG).await.status, 401);
    // After a crash they are still there.
    let stage = stage.crash().await;
    assert_eq!(&client::get(&url, &[]).await.unwrap().body[..], PNG, "{}", stage.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn svg_and_html_are_not_taken_where_nobody_asked_for_them() {
    let stage = Stage::set(OPEN).await;
    let (_, token, _) = stage.talking().await;
    for (name, content) in [("a.png", SVG), ("a.txt", HTML), ("a.pdf", b"\x7fELF\x02\x01\x01")] {
        let refused = upload(&stage, &token, name, content).await;
        assert_eq!(refused.status, 415, "{name}: {}", refused.text());
    }
    assert_eq!(upload(&stage, &token, "a.txt", b"text").await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn transcripts_say_what_was_said_and_run_nothing() {
    let stage = Stage::set(OPEN).await;
    let (mut visitor, token, conversation) = stage.talking().await;
    let nasty = "<script>alert(\"1\")</script> & 'more'";
    visitor.says("second-message", Some(&conversation), nasty).await;
    visitor.item(|item| item["data"]["from"] == "bot" && item["data"]["text"] == nasty).await;
    let path = |format: &str| format!("/v1/conversations/{conversation}/transcript?format={format}");
    for (format, kind) in [
        ("txt", "text/plain; charset=utf-8"),
        ("json", "application/json"),
        ("html", "text/html; charset=utf-8"),
    ] {
        let reply = stage.page(Method::GET, &path(format), &token, None).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, kind), "{}", reply.text());
        is_harmless(&reply, false);
        assert_eq!(
            reply.header("content-disposition"),
            format!("attachment; filename=\"conversation.{format}\"")
        );
        let text = reply.text();
        match format {
            "json" => {
                let messages = reply.json()["messages"].as_array().unwrap().clone();
                let said: Vec<_> = messages
                    .iter()
                    .map(|one| (one["from"].as_str().unwrap(), one["text"].as_str().unwrap()))
                    .collect();
                assert_eq!(said, [("user", "hi"), ("bot", "hi"), ("user", nasty), ("bot", nasty)]);
            }
            "html" => {
                assert!(!text.contains("<script"), "{text}");
                assert_eq!(
                    text.matches("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;").count(),
                    2,
                    "{text}"
                );
            }
            _ => {
                let lines: Vec<&str> = text.lines().collect();
                assert_eq!(lines.len(), 4, "{text}");
                assert!(lines[0].ends_with("] You: hi") && lines[2].ends_with(nasty), "{text}");
            }
        }
    }
    assert_eq!(stage.page(Method::GET, &path("pdf"), &token, None).await.status, 400);
    let (_, other) = stage.hello(json!({})).await;
    let stranger = other["tok"].as_str().unwrap();
    assert_eq!(stage.page(Method::GET, &path("txt"), stranger, None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosted_page_runs_the_client_and_may_be_framed_by_listed_sites_only() {
    let config = "origins = [\"https://shop.example\", \"https://*.chain.example\"]\n\
                  look = { bot_name = \"Tea <b>&\" }";
    let stage = Stage::set(config).await;
    let page = stage.send(Method::GET, "/v1/chat/site", &[], Bytes::new()).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "strict-origin-when-cross-origin");
    let policy = page.header("content-security-policy");
    let own = stage.gateway.spec.public();
    let socket = own.replace("http://", "ws://");
    for part in [
        "default-src 'none'".to_owned(),
        format!("script-src 'self' {own}"),
        format!("connect-src 'self' {own} {socket}"),
        "frame-ancestors https://shop.example https://*.chain.example 'self'".to_owned(),
        "base-uri 'none'".to_owned(),
        "form-action 'none'".to_owned(),
        "trusted-types 'none'".to_owned(),
    ] {
        assert!(policy.split("; ").any(|one| one.trim() == part), "{part} is not in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = page.text();
    assert!(text.contains("<title>Tea &lt;b&gt;&amp;</title>"), "{text}");
    assert!(text.contains(&format!("src=\"{own}/webchat/v1/embed.js\" data-channel=\"site\"")), "{text}");
    assert_eq!(text.matches("<script").count(), 1);
    // The script it names is there, and so is what the script goes on to.
    let embed = stage.send(Method::GET, "/v1/embed.js", &[], Bytes::new()).await;
    assert_eq!(embed.status, 200);
    assert!(embed.header("content-type").starts_with("text/javascript"), "{:?}", embed.headers);
    assert!(embed.header("cache-control").contains("max-age=300"), "{:?}", embed.headers);
    assert!(!embed.header("etag").is_empty());
    let missing = stage.send(Method::GET, "/v1/chat/nowhere", &[], Bytes::new()).await;
    assert_eq!(missing.status, 404);
}
