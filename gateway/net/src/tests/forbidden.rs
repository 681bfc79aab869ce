//! Addresses that a stranger may write, in every spelling, with a canary behind whatever passes.

use super::*;
use crate::NetErrorKind;

const LITERALS: &[&str] = &[
    // loopback
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0x0.0.1",
    "127.000.000.001",
    "127.255.255.255",
    "127.0.0.1.",
    "127.65535",
    "127.0.65535",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "１２７.0.0.1",
    "127。0。0。1",
    "127．0．0．1",
    "①②⑦.0.0.1",
    // unspecified
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    "0.1",
    "0.0.0.1",
    "0x00000000",
    // private
    "10.0.0.1",
    "10.1",
    "0xa.1",
    "012.0.0.1",
    "167772161",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "0xac100001",
    "2886729729",
    "172.1048577",
    "192.168.0.1",
    "192.168.1",
    "3232235521",
    "0xc0a80001",
    "0300.0250.0.1",
    "192.11010049",
    "192.168.255.255",
    // metadata and link-local
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "0xa9.0xfe.0xa9.0xfe",
    "025177524776",
    "169.254.0.1",
    "169.254.170.2",
    "168.63.129.16",
    "192.0.0.192",
    // carrier, documentation, benchmarking, protocol, reserved
    "100.64.0.1",
    "100.127.255.255",
    "100.100.100.200",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
    "198.18.0.1",
    "198.19.255.255",
    "192.0.0.1",
    "192.88.99.1",
    "240.0.0.1",
    "254.255.255.255",
    // multicast and broadcast
    "224.0.0.1",
    "239.255.255.255",
    "0xe0000001",
    "255.255.255.255",
    "4294967295",
    "0xffffffff",
    "037777777777",
    // IPv6
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::0.0.0.1]",
    "[::]",
    "[0::0]",
    "[::0.0.0.0]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::FFFF:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:8.8.8.8]",
    "[::ffff:0.0.0.0]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::10.0.0.1]",
    "[::8.8.8.8]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::1]",
    "[64:ff9b:1:ffff::a00:1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2002:c0a8:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:db8::1]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[3fff::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fdff:ffff::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[ff05::1:3]",
    "[100::1]",
    "[5f00::1]",
    "[4000::1]",
    "[e000::1]",
    "[200::1]",
    "[::ffff:0:127.0.0.1]",
    "[::2:3:4]",
];

/// Addresses that a name may turn out to have.
const ADDRESSES: &[&str] = &[
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.20.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.9.9",
    "100.64.1.1",
    "192.0.0.8",
    "192.0.2.9",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.5.5",
    "192.88.99.7",
    "224.0.0.251",
    "240.9.9.9",
    "255.255.255.255",
    "168.63.129.16",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::5",
    "2001::5",
    "2001:db8::5",
    "2002:7f00:1::5",
    "3fff::5",
    "fc00::5",
    "fd00:ec2::254",
    "fe80::5",
    "fec0::5",
    "ff02::fb",
    "100::5",
    "5f00::5",
];

#[tokio::test]
async fn no_spelling_of_a_forbidden_address_reaches_the_canary() {
    let mut asked = 0;
    let canary = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client =
        client_to(Some(canary.address), ClientOptions::default(), Names::answering(&[&["127.0.0.1"]]));
    for literal in LITERALS {
        // A spelling that is no address at all can't be asked for.
        let Ok(url) = Url::parse(&format!("https://{literal}/")) else { continue };
        assert!(
            !matches!(url.host(), Some(url::Host::Domain(_))),
            "{literal} is a name, not an address: {url}"
        );
        let error = client.send(Request::new(Method::GET, url)).await.unwrap_err();
        assert_eq!(error.kind, NetErrorKind::Denied, "{literal}: {error}");
        asked += 1;
    }
    assert!(asked >= 100, "only {asked} spellings were addresses");
    assert_eq!(canary.accepted(), 0);
}

#[tokio::test]
async fn no_name_with_a_forbidden_address_reaches_the_canary() {
    let canary = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    for address in ADDRESSES {
        let client =
            client_to(Some(canary.address), ClientOptions::default(), Names::answering(&[&[address]]));
        for name in ["localhost", "rebound.example", "127.0.0.1.nip.example", "metadata.google.internal"] {
            let url = Url::parse(&format!("https://{name}/")).unwrap();
            let error = client.send(Request::new(Method::GET, url)).await.unwrap_err();
            assert_eq!(error.kind, NetErrorKind::Denied, "{name} at {address}: {error}");
        }
    }
    assert_eq!(canary.accepted(), 0);
}

#[tokio::test]
async fn of_a_names_addresses_only_the_public_ones_are_tried() {
    let canary = Server::start(|_, _| async {}).await;
    let options = ClientOptions { connect_timeout: Duration::from_millis(300), ..ClientOptions::default() };
    let names = Names::answering(&[&["10.0.0.1", "64:ff9b::1", "9.9.9.9"]]);
    let client = client_to(Some(canary.address), options, names);
    let url = Url::parse("https://mixed.example/").unwrap();
    // The canary speaks no TLS: that the handshake fails shows that it was tried, once.
    assert_eq!(client.send(Request::new(Method::GET, url)).await.unwrap_err().kind, NetErrorKind::Tls);
    assert_eq!(canary.accepted(), 1);
}

#[tokio::test]
async fn a_name_without_addresses_is_unresolved() {
    let url = Url::parse("https://nowhere.example/").unwrap();
    for names in [Names::answering(&[]), Names::answering(&[&[]])] {
        let client = client_to(None, ClientOptions::default(), names);
        let error = client.send(Request::new(Method::GET, url.clone())).await.unwrap_err();
        assert_eq!(error.kind, NetErrorKind::Unresolved);
        assert!(error.kind.before_sending());
    }
}
