//! Which pages may call, and what their browsers are told.

use axum::body::Body;
use http::Request;

use super::World;

async fn ask(world: &World, method: &str, path: &str, origin: &str) -> super::Answer {
    let request = Request::builder().method(method).uri(path).header("origin", origin);
    let request = match method {
        "OPTIONS" => request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-user-key,timeout"),
        _ => request,
    };
    world.send(request.body(Body::from("{}")).unwrap()).await
}

#[tokio::test]
async fn a_page_that_is_listed_gets_its_exact_origin_back() {
    let world = World::with(&["https://shop.example", "https://*.b.example"], |_| ()).await;
    for path in ["/chat/backend/users", "/webchat-api/site/users"] {
        for origin in ["https://shop.example", "https://a.b.example", "http://gateway.test"] {
            let asked = ask(&world, "OPTIONS", path, origin).await;
            assert_eq!(asked.status, 204);
            assert_eq!(asked.headers["access-control-allow-origin"], origin);
            assert_eq!(asked.headers["access-control-allow-credentials"], "true");
            let names = asked.headers["access-control-allow-headers"].to_str().unwrap();
            for name in ["content-type", "x-user-key", "authorization", "x-admin-secret", "timeout"] {
                assert!(names.contains(name), "{names}");
            }
            assert!(["cache-control", "x-amz-tagging"].iter().all(|name| names.contains(name)));
            let made = ask(&world, "POST", path, origin).await;
            assert_eq!(made.headers["access-control-allow-origin"], origin);
            assert_eq!(made.headers["vary"], "origin");
            made.ok();
        }
        for origin in ["https://evil.example", "null", "https://shop.example.evil.example"] {
            for method in ["OPTIONS", "POST"] {
                let answer = ask(&world, method, path, origin).await;
                assert!(answer.headers.get("access-control-allow-origin").is_none());
                answer.refused(403, "Forbidden");
            }
        }
    }
    // Errors, too, must be readable for a page that may call.
    let refused = ask(&world, "GET", "/chat/backend/users/me", "https://shop.example").await;
    assert_eq!(refused.headers["access-control-allow-origin"], "https://shop.example");
    refused.refused(401, "Unauthorized");
}

#[tokio::test]
async fn a_webchat_without_origins_is_for_nobody_but_a_demos_own_machine() {
    let path = "/webchat-api/site/users";
    let world = World::new().await;
    ask(&world, "POST", path, "http://localhost:3000").await.refused(403, "Forbidden");
    ask(&world, "POST", "/chat/backend/users", "http://localhost:3000").await.refused(403, "Forbidden");
    let demo = World::with(&[], |api| api.allow_localhost = true).await;
    ask(&demo, "POST", path, "http://localhost:3000").await.ok();
    ask(&demo, "POST", path, "https://shop.example").await.refused(403, "Forbidden");
    let set_up = World::with(&["https://shop.example"], |api| api.allow_localhost = true).await;
    ask(&set_up, "POST", path, "http://localhost:3000").await.refused(403, "Forbidden");
}
