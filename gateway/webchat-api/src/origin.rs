//! Which pages may use a channel: exact origins, and one wildcard form.

use portico_serve::origin::is_listed;

/// An allow-list that the connector has checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    pub(crate) fn new(list: Vec<String>) -> Self {
        Self(list)
    }

    /// Whether none is listed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a page of this origin may use the channel. `null` (files, sandboxes) never may.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        is_listed(origin, self.0.iter().map(String::as_str))
    }

    /// The list as sources of a content security policy, for `frame-ancestors`, which writes them the same way.
    pub(crate) fn sources(&self) -> Vec<String> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_pages_pass() {
        let list = ["https://shop.example", "https://*.example.com"].map(ToOwned::to_owned);
        let origins = Origins::new(list.to_vec());
        for good in ["https://shop.example", "https://a.example.com", "https://a.b.example.com"] {
            assert!(origins.allow(good), "{good}");
        }
        for bad in [
            "null",
            "",
            "http://shop.example",
            "https://shop.example:8443",
            "https://example.com",
            "https://.example.com",
            "https://evil-example.com",
            "https://evil.com/.example.com",
            "https://evil.com#.example.com",
            "https://a@b.example.com",
            "https://shop.example.evil.com",
            "HTTPS://shop.example",
        ] {
            assert!(!origins.allow(bad), "{bad}");
        }
        assert_eq!(origins.sources(), list);
    }
}
