//! The list of built-in connectors: a new one adds its feature to `Cargo.toml` and its line here.

use std::sync::Arc;

use portico_contract::{Catalog, Connector};

/// Every connector that this build has, by name.
pub fn built_in() -> Catalog {
    let connectors: Vec<Arc<dyn Connector>> = vec![
        #[cfg(feature = "webhook")]
        portico_webhook::connector(),
        #[cfg(feature = "slack")]
        portico_slack::connector(),
        #[cfg(feature = "telegram")]
        portico_telegram::connector(),
        #[cfg(feature = "whatsapp")]
        portico_whatsapp::connector(),
        #[cfg(feature = "webchat")]
        portico_webchat::connector(),
        #[cfg(feature = "chat")]
        portico_chat::connector(),
    ];
    Catalog::new(connectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_adds_the_connector_of_its_name() {
        let catalog = built_in();
        let there: Vec<&str> = catalog.iter().map(|(name, _)| name).collect();
        let features = [
            ("chat", cfg!(feature = "chat")),
            ("slack", cfg!(feature = "slack")),
            ("telegram", cfg!(feature = "telegram")),
            ("webchat", cfg!(feature = "webchat")),
            ("webhook", cfg!(feature = "webhook")),
            ("whatsapp", cfg!(feature = "whatsapp")),
        ];
        let wanted: Vec<&str> = features.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        assert_eq!(there, wanted);
    }
}
