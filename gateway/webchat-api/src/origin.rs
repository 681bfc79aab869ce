//! Which pages may use a channel: exact origins, and one wildcard form.

/// An allow-list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    exact: Vec<String>,
    /// `https://` and `.example.com` of `https://*.example.com`.
    below: Vec<(String, String)>,
}

impl Origins {
    /// Reads a list that the connector has checked.
    pub(crate) fn new(list: impl IntoIterator<Item = String>) -> Self {
        let mut origins = Self::default();
        for origin in list {
            match origin.split_once("://*.") {
                Some((scheme, domain)) => origins.below.push((format!("{scheme}://"), format!(".{domain}"))),
                None => origins.exact.push(origin),
            }
        }
        origins
    }

    /// Whether none is listed.
    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty()
    }

    /// Whether a page of this origin may use the channel. `null` (files, sandboxes) never may.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        let is_below = |(scheme, domain): &(String, String)| {
            let host =
                origin.strip_prefix(scheme.as_str()).and_then(|rest| rest.strip_suffix(domain.as_str()));
            host.is_some_and(|host| {
                !host.is_empty()
                    && host
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
            })
        };
        self.exact.iter().any(|one| one == origin) || self.below.iter().any(is_below)
    }

    /// The list as sources of a content security policy, for `frame-ancestors`.
    pub(crate) fn sources(&self) -> Vec<String> {
        let below = self.below.iter().map(|(scheme, domain)| format!("{scheme}*{domain}"));
        self.exact.iter().cloned().chain(below).collect()
    }
}

/// Whether an origin is a page of this machine.
pub(crate) fn is_localhost(origin: &str) -> bool {
    let Ok(url) = url::Url::parse(origin) else { return false };
    if !matches!(url.scheme(), "http" | "https") || url.origin().ascii_serialization() != origin {
        return false;
    }
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_pages_pass() {
        let origins = Origins::new(["https://shop.example".to_owned(), "https://*.example.com".to_owned()]);
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
        assert_eq!(origins.sources(), ["https://shop.example", "https://*.example.com"]);
    }

    #[test]
    fn a_page_of_this_machine_is_known_by_its_host() {
        for good in
            ["http://localhost:3000", "https://shop.localhost", "http://127.0.0.1:8080", "http://[::1]:1"]
        {
            assert!(is_localhost(good), "{good}");
        }
        for bad in
            ["http://localhost.evil.com", "http://127.0.0.1.evil.com", "null", "http://localhost/", "file://"]
        {
            assert!(!is_localhost(bad), "{bad}");
        }
    }
}
