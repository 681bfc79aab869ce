use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn denied(policy: &Policy, text: &str, named: bool) -> String {
    match policy.check(&url(text), named) {
        Err(error) => {
            assert_eq!(error.kind, crate::NetErrorKind::Denied);
            error.message
        }
        Ok(reach) => panic!("{text} was let through as {reach:?}"),
    }
}

#[test]
fn strangers_addresses_are_https_at_443_without_credentials() {
    let policy = Policy::default();
    assert_eq!(policy.check(&url("https://example.com/a?b#c"), false), Ok(Reach::Public));
    assert_eq!(policy.check(&url("https://example.com:443/"), false), Ok(Reach::Public));
    assert_eq!(policy.check(&url("https://9.9.9.9/"), false), Ok(Reach::Public));
    assert_eq!(policy.check(&url("https://[2620:fe::fe]/"), false), Ok(Reach::Public));
    for text in [
        "http://example.com/",
        "https://example.com:8443/",
        "https://example.com:80/",
        "https://me@example.com/",
        "https://me:pw@example.com/",
        "https://:pw@example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "data:text/plain,x",
        "unix:/run/x.sock",
    ] {
        denied(&policy, text, false);
    }
    assert!(denied(&policy, "http://example.com/", false).contains("allowed_hosts"));
}

#[test]
fn a_named_target_may_be_private_plain_and_at_any_port() {
    let policy = Policy::default();
    for text in
        ["http://127.0.0.1:9000/", "http://core.internal/x", "https://10.0.0.1:8443/", "http://[::1]:1/"]
    {
        assert_eq!(policy.check(&url(text), true), Ok(Reach::Private), "{text}");
    }
}

#[test]
fn metadata_multicast_broadcast_and_unspecified_are_refused_even_to_named_targets() {
    let open = Policy::new(true, ["169.254.169.254"]);
    for text in [
        "http://169.254.169.254/latest/meta-data",
        "http://2852039166/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://0.0.0.0:9000/",
        "http://[::]:9000/",
        "http://224.0.0.1/",
        "http://[ff02::1]/",
        "http://255.255.255.255/",
        "http://[::ffff:0.0.0.0]/",
    ] {
        denied(&open, text, true);
        denied(&Policy::default(), text, true);
    }
    denied(&open, "ftp://10.0.0.1/", true);
}

#[test]
fn a_listed_host_counts_with_any_port_or_only_with_its_own() {
    let policy = Policy::new(
        false,
        [
            "Core.Internal.",
            "10.0.0.7:9000",
            "[::1]:9000",
            "plain.example:80",
            "0xa000009:1",
            "a.b:1",
            "a.b",
            "a.b:2",
            "c.d:1",
            "c.d:2",
        ],
    );
    for text in [
        "http://core.internal/",
        "http://CORE.internal.:1234/",
        "http://10.0.0.7:9000/",
        "http://0xa000007:9000/",
        "http://[0:0::1]:9000/",
        "http://plain.example/",
        "http://10.0.0.9:1/",
        "http://a.b:3/",
        "http://c.d:1/",
        "http://c.d:2/",
    ] {
        assert_eq!(policy.check(&url(text), false), Ok(Reach::Private), "{text}");
    }
    for text in [
        "http://10.0.0.7:9001/",
        "http://10.0.0.8:9000/",
        "http://[::1]:9001/",
        "http://plain.example:81/",
        "http://c.d:3/",
        "http://core.internal.example.com/",
        "http://acore.internal/",
    ] {
        denied(&policy, text, false);
    }
}

#[test]
fn public_addresses_beside_every_forbidden_range_stay_reachable() {
    for ip in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::",
        "2001:db7::1",
        "2001:db9::",
        "2003::1",
        "2a00:1450::1",
        "3fff:1000::1",
        "2606:4700::1111",
    ] {
        assert_eq!(forbidden(ip.parse().unwrap(), Reach::Public), None, "{ip}");
    }
}
