//! Which web pages may call from a browser: origins are compared as browsers write them.
//!
//! A call without `origin` comes from no page (a back end, an app, the page's own host) and passes: the rule
//! keeps strangers' pages out, not strangers.

use url::Url;

/// Whether an `origin` header is one of a list: exact, `https://*.example` for one or more labels before it,
/// or `*`. `null`, the origin of sandboxed pages, is nobody's.
pub fn is_listed<'a>(origin: &str, list: impl IntoIterator<Item = &'a str>) -> bool {
    origin != "null" && list.into_iter().any(|rule| fits(origin, rule))
}

fn fits(origin: &str, rule: &str) -> bool {
    if rule == "*" || rule == origin {
        return true;
    }
    let Some((scheme, domain)) = rule.split_once("://*.") else { return false };
    let Some(host) = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")) else {
        return false;
    };
    // What stands before the domain must be labels, and nothing that ends a host.
    host.strip_suffix(domain).and_then(|labels| labels.strip_suffix('.')).is_some_and(|labels| {
        !labels.is_empty()
            && labels.split('.').all(|label| {
                !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
    })
}

/// Whether an origin is a page on the visitor's own machine.
pub fn is_localhost(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.origin().ascii_serialization() == origin
            && match url.host() {
                Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact_or_below_a_domain() {
        let list = ["https://shop.example", "https://*.b.example", "http://*.c.example:8080"];
        let listed = |origin: &str| is_listed(origin, list);
        assert!(listed("https://shop.example"));
        assert!(listed("https://a.b.example") && listed("https://x.a.b.example"));
        assert!(listed("http://a.c.example:8080"));
        for stranger in [
            "http://shop.example",
            "https://shop.example:8443",
            "https://shop.example.evil",
            "https://b.example",
            "https://evilb.example",
            "https://evil/.b.example",
            "https://evil@a.b.example",
            "https://.b.example",
            "http://a.c.example",
            "null",
            "",
        ] {
            assert!(!listed(stranger), "{stranger}");
        }
        assert!(is_listed("https://any.where", ["*"]));
        assert!(!is_listed("null", ["*"]) && !is_listed("https://a.example", []));
    }

    #[test]
    fn localhost_is_this_machine() {
        for here in ["http://localhost:3000", "http://127.0.0.1", "https://[::1]:8443", "http://a.localhost"]
        {
            assert!(is_localhost(here), "{here}");
        }
        for away in
            ["http://localhost.evil.example", "http://notlocalhost", "file:///x", "http://localhost/a"]
        {
            assert!(!is_localhost(away), "{away}");
        }
    }
}
