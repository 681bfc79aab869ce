//! What every connector promises, then what is this one's own.

mod actions;
mod inbound;
mod outbound;

use portico_contract::{Context, Manifest};
use portico_suite::{TestContext, TestHost};
use serde_json::{Value, json};

use crate::MANIFEST;

portico_suite::conformance!(
    crate::connector(),
    Options::new(env!("CARGO_MANIFEST_DIR"))
        .config(
            json!({ "messages": true, "outbound_url": "https://app.example/inbox", "allowed_origins": ["*"] })
        )
        .answer(|_| json_answer(200, json!({ "id": "app-1" })))
        .any_success_body()
);

fn manifest() -> &'static Manifest {
    &MANIFEST
}

fn host() -> TestHost {
    TestHost::new(manifest()).secret("secret", "s3cret-of-the-shop")
}

fn ctx(config: Value) -> Context {
    TestContext::with(config)
}
