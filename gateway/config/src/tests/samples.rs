//! The files that operators copy from.

use super::*;

/// A connector of this repository, as far as its manifest tells.
struct Manifests(BTreeMap<String, Json>);

impl Manifests {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors");
        let mut manifests = BTreeMap::new();
        for name in ["slack", "telegram", "webhook", "whatsapp"] {
            if let Ok(text) = std::fs::read_to_string(folder.join(name).join("manifest.json")) {
                manifests.insert(name.to_owned(), serde_json::from_str(&text).unwrap());
            }
        }
        Self(manifests)
    }
}

impl ConnectorFacts for Manifests {
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn schema(&self, connector: &str) -> Option<&Json> {
        self.0.get(connector)?.pointer("/configuration/schema")
    }

    fn secrets(&self, connector: &str) -> Vec<SecretFact> {
        let manifest = &self.0[connector];
        let checks =
            manifest.pointer("/webhook/checks").and_then(Json::as_array).cloned().unwrap_or_default();
        let secrets = manifest["secrets"].as_array().cloned().unwrap_or_default();
        secrets
            .iter()
            .map(|secret| SecretFact {
                name: secret["name"].as_str().unwrap_or_default().to_owned(),
                required: secret["required"] == true,
                verifies: checks.iter().any(|check| check["secret"] == secret["name"]),
            })
            .collect()
    }

    fn check_config(&self, _: &str, _: &Json) -> Vec<ConfigComplaint> {
        Vec::new()
    }
}

#[test]
fn each_channel_sample_is_a_whole_configuration_without_a_fault() {
    let manifests = Manifests::read();
    assert!(!manifests.0.is_empty());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/channels");
    let secret = format!("whsec_{}", "QUJD".repeat(8));
    // Every variable that a sample names is set to something of the right form.
    let env = |name: &str| match name {
        name if name.starts_with("PORTICO_") => None,
        "CORE_SECRET" => Some(secret.clone()),
        "WHATSAPP_PHONE_NUMBER_ID" => Some("106540352242922".into()),
        name => Some(format!("value-of-{}", name.to_lowercase())),
    };
    for connector in manifests.names() {
        let path = folder.join(format!("{connector}.toml"));
        let checked =
            load(&path, &env, &manifests).unwrap_or_else(|faults| panic!("{}:\n{faults}", path.display()));
        let installation = checked.installations.values().next().unwrap();
        assert_eq!(installation.connector, connector);
        assert!(!installation.insecure && !installation.secrets.is_empty());
    }
}
