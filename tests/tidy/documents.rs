//! What the documents promise is there.

use portico_telemetry::Metrics;

use crate::{files, read, root};

#[test]
fn every_metric_is_documented() {
    let document = read("config/operations.md");
    for (name, _, _) in Metrics::describe() {
        assert!(document.contains(&format!("`{name}`")), "config/operations.md does not explain `{name}`");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for path in files().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let text = read(&path);
        for part in text.split("](").skip(1) {
            let Some(target) = part.split(')').next() else { continue };
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty()
                || target.contains("://")
                || target.starts_with("mailto:")
                || target.contains(' ')
            {
                continue;
            }
            let from = root().join(&path);
            let there = from.parent().unwrap().join(target);
            if !there.exists() {
                broken.push(format!("{} → {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_root_holds_what_a_stranger_looks_for() {
    for file in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "LICENSE",
        "Dockerfile",
        "config/portico.toml",
        "config/README.md",
        ".ci/run",
        "tests/run",
    ] {
        assert!(root().join(file).is_file(), "{file} is missing");
    }
}
