//! Files and media, in and out.

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use portico_contract::InstallationId;
use serde_json::{Value, json};

use super::{A, OTHER, TOY, World, text};

fn place(url: &Value) -> String {
    text(url).strip_prefix("http://gateway.test").unwrap().to_owned()
}

async fn put(world: &World, path: &str, content: &'static [u8]) -> super::Answer {
    world.send(Request::put(path).body(Body::from(Bytes::from_static(content))).unwrap()).await
}

#[tokio::test]
async fn content_goes_in_and_out_by_signed_addresses_only() {
    let world = World::new().await;
    let file =
        world.call("PUT", "/v1/files", A, &json!({ "key": "a/b.txt", "size": 5 })).await.ok()["file"].clone();
    assert_eq!((&file["status"], &file["contentType"]), (&json!("upload_pending"), &json!("text/plain")));
    let (up, down) = (place(&file["uploadUrl"]), place(&file["url"]));
    world.get(&down, &[]).await.refused(404, "ResourceNotFound");
    put(&world, &up, b"toolong").await.refused(413, "PayloadTooLarge");
    put(&world, &up, b"x").await.refused(400, "InvalidPayload");
    put(&world, up.split('?').next().unwrap(), b"hello").await.refused(403, "Forbidden");
    let forged = format!("{}0", &up[..up.len() - 1]);
    if forged != up {
        put(&world, &forged, b"hello").await.refused(403, "Forbidden");
    }
    // An address for reading is none for writing.
    put(&world, &down.replace("/files/", "/files/upload/"), b"hello").await.refused(403, "Forbidden");
    put(&world, &up, b"hello").await.ok();
    let served = world.get(&down, &[]).await;
    assert_eq!(served.headers["content-security-policy"], "sandbox; default-src 'none'");
    assert_eq!(served.headers["content-disposition"], "attachment; filename*=UTF-8''b%2Etxt");
    assert_eq!(served.ok(), "hello");
    let part = world.get(&down, &[("range", "bytes=1-3")]).await;
    assert_eq!((part.status.as_u16(), part.headers["content-range"].to_str().unwrap()), (206, "bytes 1-3/5"));
    assert_eq!(part.body, "ell");
    world.get(down.split('?').next().unwrap(), &[]).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn a_files_owner_and_policies_decide_who_sees_it() {
    let world = World::new().await;
    let own =
        world.call("PUT", "/v1/files", TOY, &json!({ "key": "k", "size": 1 })).await.ok()["file"].clone();
    let bots =
        world.call("PUT", "/v1/files", A, &json!({ "key": "k", "size": 1 })).await.ok()["file"].clone();
    assert_ne!(own["id"], bots["id"]);
    assert_eq!(own["owner"], json!({ "type": "integration", "id": "toy-a", "alias": "toy" }));
    let path = |file: &Value| format!("/v1/files/{}", text(&file["id"]));
    world.get(&path(&own), A).await.ok();
    world.get(&path(&own), OTHER).await.refused(404, "ResourceNotFound");
    world.get(&path(&bots), TOY).await.refused(404, "ResourceNotFound");
    let open = json!({ "accessPolicies": ["integrations"] });
    world.call("PUT", &path(&bots), A, &open).await.ok();
    world.get(&path(&bots), TOY).await.ok();
    let soon = json!({ "expiresAt": "2000-01-01T00:00:00Z" });
    world.call("PUT", &path(&bots), A, &soon).await.refused(400, "InvalidPayload");
}

#[tokio::test]
async fn media_is_served_where_the_address_is_ours() {
    let world = World::new().await;
    let toy = InstallationId::parse("toy-a").unwrap();
    let mut writer = world.parts.api.files.begin().await.unwrap();
    writer.write(b"<svg/>").await.unwrap();
    let blob = world.parts.blobs.keep(&toy, writer, "image/svg+xml", Some("p.svg".into()), 1).await.unwrap();
    let link = world.parts.api.media.link(&toy, &blob.id);
    let path = link.strip_prefix("http://gateway.test").unwrap();
    let served = world.get(path, &[]).await;
    assert_eq!(served.headers["content-type"], "image/svg+xml");
    assert_eq!(served.headers["x-content-type-options"], "nosniff");
    assert!(served.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(served.ok(), "<svg/>");
    world.get(&path.replace("toy-a", "other-a"), &[]).await.refused(404, "ResourceNotFound");
    world.get("/media/toy-a/AAAA", &[]).await.refused(404, "ResourceNotFound");
    world.get("/media/nobody/AAAA", &[]).await.refused(404, "ResourceNotFound");
}
