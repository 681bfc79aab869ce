//! Who may import whom: the table of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use crate::metadata;

/// What a crate of ours may import of ours. A new arrow changes this table and the picture in the same commit.
fn allowed(name: &str) -> &'static [&'static str] {
    match name {
        "portico-contract" | "portico-telemetry" | "portico-config" | "portico-problem" => &[],
        "portico-kit" | "portico-suite" | "portico-net" => &["portico-contract"],
        "portico-store" => &["portico-contract"],
        "portico-store-sled" => &["portico-store", "portico-contract"],
        "portico-webhook" | "portico-slack" | "portico-telegram" | "portico-whatsapp" | "portico-webchat"
        | "portico-chat" => &["portico-contract", "portico-kit"],
        "portico-catalog" => &[
            "portico-contract",
            "portico-webhook",
            "portico-slack",
            "portico-telegram",
            "portico-whatsapp",
            "portico-webchat",
            "portico-chat",
        ],
        "portico-lanes" => &["portico-contract", "portico-store", "portico-telemetry"],
        "portico-turns" => {
            &["portico-contract", "portico-kit", "portico-store", "portico-net", "portico-telemetry"]
        }
        "portico-inbound" => &["portico-contract", "portico-store", "portico-turns", "portico-telemetry"],
        "portico-dispatch" => {
            &["portico-contract", "portico-store", "portico-lanes", "portico-net", "portico-telemetry"]
        }
        "portico-outbound" => {
            &["portico-contract", "portico-store", "portico-lanes", "portico-turns", "portico-telemetry"]
        }
        "portico-live" => &[
            "portico-contract",
            "portico-store",
            "portico-outbound",
            "portico-turns",
            "portico-net",
            "portico-telemetry",
        ],
        "portico-serve" => &["portico-problem", "portico-store", "portico-telemetry"],
        "portico-webchat-api" | "portico-chat-api" => &[
            "portico-contract",
            "portico-problem",
            "portico-serve",
            "portico-store",
            "portico-live",
            "portico-turns",
            "portico-telemetry",
        ],
        "portico-runtime-api" => &[
            "portico-contract",
            "portico-kit",
            "portico-problem",
            "portico-outbound",
            "portico-serve",
            "portico-store",
            "portico-telemetry",
            "portico-turns",
        ],
        "portico-admin" => {
            &["portico-contract", "portico-inbound", "portico-problem", "portico-store", "portico-turns"]
        }
        "portico-edge" => {
            &["portico-contract", "portico-inbound", "portico-problem", "portico-telemetry", "portico-turns"]
        }
        // The binary sees everything; tests and the benchmark stand outside and look at whatever they need.
        "portico" | "portico-tests" | "portico-bench" => &["*"],
        _ => panic!("{name} has no row in the import table of tests/tidy/imports.rs"),
    }
}

#[test]
fn crates_import_only_what_the_table_allows() {
    let metadata = metadata(false);
    let mut wrong = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let allowed: BTreeSet<_> = allowed(name).iter().copied().collect();
        if allowed.contains("*") {
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            // Tests of a crate may stand on more than the crate itself.
            if on.starts_with("portico") && dependency["kind"].is_null() && !allowed.contains(on) {
                wrong.entry(name).or_insert_with(Vec::new).push(on);
            }
        }
    }
    assert!(wrong.is_empty(), "imports that the table does not allow: {wrong:#?}");
}

#[test]
fn heavy_things_live_alone() {
    let metadata = metadata(false);
    for (dependency, only) in [
        ("sled", &["portico-store-sled"][..]),
        ("teloxide-core", &["portico-telegram"]),
        ("clap", &["portico", "portico-bench"]),
        ("hyper-rustls", &["portico-net"]),
        ("tokio-rustls", &["portico-edge", "portico-net", "portico-bench"]),
        (
            "governor",
            &[
                "portico-edge",
                "portico-outbound",
                "portico-runtime-api",
                "portico-admin",
                "portico-webchat-api",
                "portico-chat-api",
            ],
        ),
    ] {
        for package in metadata["packages"].as_array().unwrap() {
            let name = package["name"].as_str().unwrap();
            let uses = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["name"] == dependency && one["kind"].is_null());
            assert!(!uses || only.contains(&name), "{name} imports {dependency}, which only {only:?} may");
        }
    }
}
