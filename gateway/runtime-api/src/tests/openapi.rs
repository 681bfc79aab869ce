//! `openapi.json` and the routes say the same.

use serde_json::Value;

use super::World;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_description_is_checked_in() {
    let made = crate::openapi();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(kept == made, "openapi.json is not what the handlers say; run the test with UPDATE_OPENAPI=1");
}

#[tokio::test]
async fn every_described_operation_is_served_and_wants_a_token() {
    let world = World::new().await;
    let description: Value = serde_json::from_str(&crate::openapi()).unwrap();
    assert_eq!(description["info"]["title"], "Portico runtime API");
    let mut count = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace(['{', '}'], "");
            world.call(&method.to_uppercase(), &path, &[], &Value::Null).await.refused(401, "Unauthorized");
            count += 1;
        }
    }
    assert_eq!(count, 51);
}
