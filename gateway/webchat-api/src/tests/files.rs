//! Uploads and downloads.

use portico_contract::MessageId;
use serde_json::{Value, json};

use super::world::{PAGE, PUBLIC, World, text};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR0000";

async fn upload(world: &World, token: &str, name: &str, body: &[u8]) -> super::world::Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("origin", PAGE),
        ("x-file-name", name),
        ("content-type", "text/html"),
    ];
    world.call("POST", "/webchat/v1/files", &headers, body).await
}

#[tokio::test]
async fn a_picture_is_uploaded_sent_shown_and_served() {
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    let token = text(&welcome["tok"]);
    let answer = upload(&world, &token, "..%2Fcat.png", PNG).await;
    assert_eq!(answer.status, 201);
    let file = answer.ok().await;
    assert_eq!(
        (&file["mime"], &file["name"], &file["size"]),
        (&json!("image/png"), &json!("cat.png"), &json!(PNG.len()))
    );
    // Where the visitor says that it lies counts for nothing.
    let msg = json!({ "type": "image", "file": file["id"], "url": "https://evil.example/x", "title": "Cat" });
    visitor.send(json!({ "t": "send", "id": "cid-000001", "msg": msg })).await;
    let ack = visitor.answer("cid-000001").await;
    let conversation = text(&ack["conv"]);
    let mid = MessageId::parse(&text(&ack["mid"])).unwrap();
    let row = world.live.message(&world.site, mid).await.unwrap().unwrap();
    assert!(text(&row.payload["imageUrl"]).starts_with(PUBLIC), "{}", row.payload);
    let path = format!("/webchat/v1/conversations/{conversation}/messages");
    let page = world.page("GET", &path, &token, Value::Null).await.ok().await;
    let message = &page["messages"][0];
    assert_eq!(
        (&message["type"], &message["title"], &message["mime"]),
        (&json!("image"), &json!("Cat"), &json!("image/png"))
    );
    let url = text(&message["url"]);
    let path = url.strip_prefix(PUBLIC).unwrap();
    let served = world.call("GET", path, &[], "").await;
    assert_eq!(served.status, 200);
    assert_eq!(served.headers["content-type"], "image/png");
    assert_eq!(served.headers["x-content-type-options"], "nosniff");
    assert_eq!(served.headers["content-security-policy"], "sandbox; default-src 'none'");
    assert!(served.headers["content-disposition"].to_str().unwrap().starts_with("inline"));
    assert_eq!(served.bytes().await, PNG);
    let part = world.call("GET", path, &[("range", "bytes=1-3")], "").await;
    assert_eq!((part.status, part.bytes().await.as_ref()), (206, &b"PNG"[..]));

    // Nobody makes an address, nor a longer life for one.
    let changed = path.replace("expires=", "expires=9");
    world.call("GET", &changed, &[], "").await.refused(404).await;
    world.call("GET", path.split('?').next().unwrap(), &[], "").await.refused(404).await;
    let elsewhere = path.replace("/files/site/", "/files/other/");
    world.call("GET", &elsewhere, &[], "").await.refused(404).await;
}

#[tokio::test]
async fn documents_are_downloads_and_markup_is_not_taken() {
    let world = World::new().await;
    let (_, welcome) = world.visitor().await;
    let token = text(&welcome["tok"]);
    let file = upload(&world, &token, "a.pdf", b"%PDF-1.7 x").await.ok().await;
    let path = text(&file["url"]).strip_prefix(PUBLIC).unwrap().to_owned();
    let served = world.call("GET", &path, &[], "").await;
    assert!(served.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    for body in
        [&b"<svg onload=alert(1)>"[..], b"<!doctype html><script>alert(1)</script>", b"\x00\x01\x02\x03"]
    {
        upload(&world, &token, "cat.png", body).await.refused(415).await;
    }
    upload(&world, &token, "cat.png", b"").await.refused(400).await;
}

#[tokio::test]
async fn files_have_their_limits() {
    let world = World::configured(json!({ "limits": { "file": 100, "uploads": 2 } })).await;
    let (_, welcome) = world.visitor().await;
    let token = text(&welcome["tok"]);
    upload(&world, &token, "a.txt", &[b'a'; 101]).await.refused(413).await;
    assert_eq!(upload(&world, &token, "a.txt", &[b'a'; 100]).await.status, 201);
    let refused = upload(&world, &token, "a.txt", b"a").await;
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 60);
    refused.refused(429).await;
    world.call("POST", "/webchat/v1/files", &[("origin", PAGE)], PNG).await.refused(401).await;
    let world = World::configured(json!({ "upload": false })).await;
    let (mut visitor, welcome) = world.visitor().await;
    upload(&world, &text(&welcome["tok"]), "a.txt", b"a").await.refused(403).await;
    visitor.send(json!({ "t": "send", "id": "cid-000001", "msg": { "type": "file", "file": "f" } })).await;
    assert_eq!(visitor.answer("cid-000001").await["code"], "blocked");
}
