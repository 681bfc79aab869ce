//! One connector, one folder, the same files in each.

use crate::{files, read, root};

fn connectors() -> Vec<String> {
    let catalog = read("connectors/catalog/Cargo.toml");
    let mut names: Vec<String> = std::fs::read_dir(root().join("connectors"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| catalog.contains(&format!("portico-{name}")))
        .filter(|name| !["contract", "catalog"].contains(&name.as_str()))
        .collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    names
}

#[test]
fn every_connector_has_the_same_files() {
    for name in connectors() {
        let folder = root().join("connectors").join(&name);
        let manifest: serde_json::Value =
            serde_json::from_str(&read(format!("connectors/{name}/manifest.json"))).unwrap();
        // A live channel has no provider: nothing is verified, rendered or sent.
        let is_live = manifest["live"] == true;
        for file in [
            "README.md",
            "manifest.json",
            "src/lib.rs",
            "src/config.rs",
            "src/verify.rs",
            "src/render.rs",
            "src/send.rs",
            "fixtures/SOURCES.md",
        ] {
            if is_live && !matches!(file, "README.md" | "manifest.json" | "src/lib.rs" | "src/config.rs") {
                continue;
            }
            let there = folder.join(file).is_file() || folder.join(file.trim_end_matches(".rs")).is_dir();
            assert!(there, "connectors/{name}/{file} is missing");
        }
        for kind in ["inbound", "outbound", "answers"] {
            assert!(
                is_live || folder.join("fixtures").join(kind).is_dir(),
                "connectors/{name}/fixtures/{kind} is missing"
            );
        }
    }
}

#[test]
fn every_option_and_secret_of_a_connector_is_in_its_readme() {
    for name in connectors() {
        let readme = read(format!("connectors/{name}/README.md"));
        let manifest: serde_json::Value =
            serde_json::from_str(&read(format!("connectors/{name}/manifest.json"))).unwrap();
        let options = manifest["configuration"]["schema"]["properties"].as_object();
        let secrets = manifest["secrets"].as_array();
        let names = options
            .into_iter()
            .flat_map(|options| options.keys().cloned())
            .chain(secrets.into_iter().flatten().map(|secret| secret["name"].as_str().unwrap().to_owned()));
        for option in names {
            assert!(
                readme.contains(&format!("`{option}`")),
                "connectors/{name}/README.md does not explain `{option}`"
            );
        }
    }
}

#[test]
fn every_snapshot_belongs_to_a_test() {
    for path in files() {
        let text = path.to_string_lossy();
        assert!(!text.ends_with(".snap.new"), "{text} waits to be looked at");
    }
}
