//! The manifest: names, versions, references between its parts.

use portico_contract::{
    ChannelSpec, Check, CheckKind, HostRule, KindLimits, Manifest, Pace, Rate, SecretSpec, SecretUse,
};
use serde_json::{Value, json};

use super::{Suite, no_panic, schema};

const FEATURES: [&str; 7] = ["reply_to", "receipts", "typing", "reactions", "edit", "delete", "threads"];

impl Suite {
    /// The manifest is well-formed, and the configuration under test passes the connector's own check.
    pub fn manifest(&self) {
        let manifest = self.connector.manifest();
        assert_eq!(manifest.manifest, 1, "manifest: only form 1 is known");
        assert!(
            is_name(&manifest.name),
            "name '{}': 1 to 81 of a-z, 0-9 and '-', or two such with '/'",
            manifest.name
        );
        assert!(is_version(&manifest.version), "version '{}': must be like 1.2.3", manifest.version);
        assert!((1..=60).contains(&manifest.title.chars().count()), "title: 1 to 60 characters");
        assert!(
            (1..=200).contains(&manifest.description.chars().count()),
            "description: 1 to 200 characters"
        );
        configuration(manifest);
        secrets(manifest);
        webhook(manifest);
        for (name, channel) in &manifest.channels {
            self::channel(name, channel);
        }
        names("user_tags", &manifest.user_tags);
        names("message_tags", &manifest.message_tags);
        actions_and_events(manifest);
        upkeep(manifest);
        let text = serde_json::to_string(manifest).expect("a manifest has a JSON form");
        Manifest::parse(&text).expect("a manifest's JSON form parses");
        let faults = self.connector().check_config(&self.options.config);
        assert!(faults.is_empty(), "check_config finds faults in the configuration under test: {faults:?}");
        for odd in [
            json!(null),
            json!([]),
            json!("x"),
            json!({ "api_url": 5 }),
            json!({ "api_url": "not an address" }),
        ] {
            no_panic(&format!("check_config({odd})"), || self.connector().check_config(&odd));
        }
    }
}

fn configuration(manifest: &Manifest) {
    let schema = &manifest.configuration.schema;
    assert_eq!(schema.get("type"), Some(&json!("object")), "configuration.schema: type must be object");
    if let Some(broken) = schema::broken(schema) {
        panic!("configuration.schema {broken}");
    }
    let properties =
        schema.get("properties").and_then(Value::as_object).expect("configuration.schema.properties");
    for (name, property) in properties {
        assert!(is_snake(name), "configuration property '{name}' must be snake_case");
        let described =
            property.get("description").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        assert!(described, "configuration property '{name}' needs a description");
        assert!(manifest.secret(name).is_none(), "'{name}' is a secret, and no configuration property");
    }
    assert!(
        properties.contains_key("api_url"),
        "configuration: an optional api_url must replace the provider's address"
    );
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    assert!(!required.contains(&json!("api_url")), "configuration: api_url must be optional");
    let everywhere =
        manifest.permissions.hosts.iter().chain(manifest.secrets.iter().flat_map(|secret| &secret.hosts));
    for rule in everywhere {
        match rule {
            HostRule::Config { config } => {
                let known = config
                    .strip_prefix('/')
                    .is_some_and(|name| properties.contains_key(name.split('/').next().unwrap_or_default()));
                assert!(known, "host rule {config}: the configuration has no such property");
            }
            HostRule::Name(name) => {
                let host = name.strip_prefix("*.").unwrap_or(name);
                let plain = host.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
                });
                assert!(
                    plain && host.contains('.'),
                    "host rule '{name}': a lower-case host name, one leading '*.' allowed"
                );
            }
        }
    }
}

fn secrets(manifest: &Manifest) {
    for (index, secret) in manifest.secrets.iter().enumerate() {
        let SecretSpec { name, title, uses, hosts, .. } = secret;
        assert!(is_snake(name), "secret '{name}' must be snake_case");
        assert!(!title.is_empty(), "secret '{name}' needs a title");
        assert!(!uses.is_empty(), "secret '{name}' has no use");
        assert!(
            !manifest.secrets[..index].iter().any(|other| other.name == *name),
            "secret '{name}' is declared twice"
        );
        let filled = uses.contains(&SecretUse::Slot);
        assert_eq!(filled, !hosts.is_empty(), "secret '{name}': use 'slot' and hosts belong together");
        for host in hosts {
            assert!(
                manifest.permissions.hosts.contains(host),
                "secret '{name}': {host:?} is not in permissions.hosts"
            );
        }
    }
}

fn webhook(manifest: &Manifest) {
    let spec = &manifest.webhook;
    for method in &spec.methods {
        assert!(
            ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method.as_str()),
            "webhook.methods: '{method}'"
        );
    }
    for (index, Check { name, secret, methods, kind, .. }) in spec.checks.iter().enumerate() {
        assert!(!name.is_empty(), "a check has no name");
        assert!(
            !spec.checks[..index].iter().any(|other| other.name == *name),
            "check '{name}' is declared twice"
        );
        assert!(
            methods.iter().all(|method| spec.methods.contains(method)),
            "check '{name}': a method outside webhook.methods"
        );
        let declared =
            manifest.secret(secret).unwrap_or_else(|| panic!("check '{name}': no secret '{secret}'"));
        match kind {
            CheckKind::HmacSha256 { header, over, timestamp, .. } => {
                assert!(
                    declared.uses.contains(&SecretUse::Mac),
                    "check '{name}': secret '{secret}' needs use 'mac'"
                );
                assert!(is_header(header), "check '{name}': header '{header}' must be in lower case");
                assert!(over.contains("{body}"), "check '{name}': the body is not signed");
                if let Some(rule) = timestamp {
                    assert!(
                        (1..=3600).contains(&rule.tolerance_s),
                        "check '{name}': tolerance_s must be 1 to 3600"
                    );
                    assert!(
                        over.contains(&format!("{{header:{}}}", rule.header)),
                        "check '{name}': the time is not signed"
                    );
                }
            }
            CheckKind::HeaderToken { header } => {
                assert!(
                    declared.uses.contains(&SecretUse::Match),
                    "check '{name}': secret '{secret}' needs use 'match'"
                );
                assert!(is_header(header), "check '{name}': header '{header}' must be in lower case");
            }
        }
    }
    for header in &spec.keep_headers {
        assert!(is_header(header), "webhook.keep_headers: '{header}' must be in lower case");
    }
}

fn channel(name: &str, channel: &ChannelSpec) {
    assert!(is_word(name), "channel '{name}': letters, digits, '-' and '_'");
    assert!(!channel.title.is_empty(), "channel '{name}' needs a title");
    names(&format!("channel '{name}' tags"), &channel.tags);
    assert!(!channel.identity.is_empty(), "channel '{name}': identity is empty");
    for tag in &channel.identity {
        assert!(channel.tags.contains(tag), "channel '{name}': identity '{tag}' is not among its tags");
    }
    for feature in &channel.features {
        assert!(
            FEATURES.contains(&feature.as_str()),
            "channel '{name}': feature '{feature}' is none of {FEATURES:?}"
        );
    }
    assert!(
        !channel.receives.iter().any(|kind| kind == "bloc"),
        "channel '{name}': receives names parts, not 'bloc'"
    );
    for (kind, limits) in &channel.sends {
        assert!(kind != "bloc", "channel '{name}': blocs are taken apart before the connector sees them");
        let KindLimits { max_length, max_options, max_bytes } = limits;
        let positive = *max_length != Some(0) && *max_options != Some(0) && *max_bytes != Some(0);
        assert!(positive, "channel '{name}', {kind}: a limit of 0 sends nothing");
    }
    pace(&format!("channel '{name}'"), &channel.pace);
}

fn actions_and_events(manifest: &Manifest) {
    for (name, action) in &manifest.actions {
        assert!(is_word(name), "action '{name}': letters, digits, '-' and '_'");
        assert!(!action.title.is_empty(), "action '{name}' needs a title");
        assert!(
            action.input.is_object() && action.output.is_object(),
            "action '{name}' needs schemas of input and output"
        );
        for (side, schema) in [("input", &action.input), ("output", &action.output)] {
            if let Some(broken) = schema::broken(schema) {
                panic!("action '{name}', {side}: {broken}");
            }
        }
    }
    for (name, event) in &manifest.events {
        assert!(is_word(name), "event '{name}': letters, digits, '-' and '_'");
        assert!(!event.title.is_empty(), "event '{name}' needs a title");
        if let Some(broken) = schema::broken(&event.schema) {
            panic!("event '{name}': {broken}");
        }
    }
}

fn upkeep(manifest: &Manifest) {
    for (key, state) in &manifest.states {
        let scope = state.scope.as_str();
        assert!(["installation", "thread", "party"].contains(&scope), "state '{key}': scope '{scope}'");
        assert!(state.lifetime_s != Some(0), "state '{key}': a lifetime of 0 keeps nothing");
    }
    for (name, timer) in &manifest.timers {
        assert!(timer.every_s > 0, "timer '{name}': every_s must be above 0");
    }
    pace("the installation", &manifest.pace);
}

fn pace(whose: &str, pace: &Pace) {
    for Rate { count, per_ms, burst } in [pace.installation, pace.conversation].into_iter().flatten() {
        assert!(count > 0 && per_ms > 0 && burst != Some(0), "pace of {whose}: numbers must be above 0");
    }
}

fn names(what: &str, names: &[String]) {
    for (index, name) in names.iter().enumerate() {
        assert!(is_word(name), "{what}: '{name}' must be letters, digits, '-' and '_'");
        assert!(!names[..index].contains(name), "{what}: '{name}' is there twice");
    }
}

fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        (2..=40).contains(&part.len())
            && part.starts_with(|letter: char| letter.is_ascii_lowercase())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.split('/').count() <= 2 && name.split('/').all(part)
}

fn is_version(version: &str) -> bool {
    let (numbers, pre) =
        version.split_once('-').map_or((version, None), |(numbers, pre)| (numbers, Some(pre)));
    let number = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    numbers.split('.').count() == 3
        && numbers.split('.').all(number)
        && pre.is_none_or(|pre| !pre.is_empty() && !pre.contains('+'))
}

fn is_snake(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_header(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
