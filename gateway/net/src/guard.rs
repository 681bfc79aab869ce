//! Which addresses may be reached. Asked twice: for the request's URL, and for each IP address before connecting.
//!
//! Strangers choose addresses (media that a bot names, a provider's file URL), so nothing inside the
//! operator's network may be reached unless the operator named it.
//!
//! Source: IANA special-purpose address registries (IPv4 and IPv6), read with the cloud providers' pages on
//! their metadata addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, Url};

use crate::NetError;

/// How far a request may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Public addresses only.
    Public,
    /// Also loopback and private ones: the operator named the target.
    Private,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, d: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// Refused however the target was named: no core or provider can be there.
const NEVER_V4: &[(Ipv4Net, &str)] = &[
    (v4(169, 254, 169, 254, 32), "a cloud metadata address"),
    (v4(169, 254, 170, 2, 32), "a cloud metadata address"),
    (v4(100, 100, 100, 200, 32), "a cloud metadata address"),
    (v4(168, 63, 129, 16, 32), "a cloud metadata address"),
    (v4(192, 0, 0, 192, 32), "a cloud metadata address"),
    (v4(0, 0, 0, 0, 8), "an unspecified address"),
    (v4(255, 255, 255, 255, 32), "the broadcast address"),
    (v4(224, 0, 0, 0, 4), "a multicast address"),
];

const NEVER_V6: &[(Ipv6Net, &str)] = &[
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "the unspecified address"),
    (
        Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128),
        "a cloud metadata address",
    ),
    (v6(0xff00, 0, 0, 0, 8), "a multicast address"),
];

/// Refused unless the operator named the target.
const INNER_V4: &[(Ipv4Net, &str)] = &[
    (v4(10, 0, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 0, 10), "a carrier's shared address"),
    (v4(127, 0, 0, 0, 8), "a loopback address"),
    (v4(169, 254, 0, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 0, 12), "a private address"),
    (v4(192, 0, 0, 0, 24), "a protocol-assignment address"),
    (v4(192, 0, 2, 0, 24), "a documentation address"),
    (v4(192, 88, 99, 0, 24), "a 6to4 relay address"),
    (v4(192, 168, 0, 0, 16), "a private address"),
    (v4(198, 18, 0, 0, 15), "a benchmarking address"),
    (v4(198, 51, 100, 0, 24), "a documentation address"),
    (v4(203, 0, 113, 0, 24), "a documentation address"),
    (v4(240, 0, 0, 0, 4), "a reserved address"),
];

const INNER_V6: &[(Ipv6Net, &str)] = &[
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "the loopback address"),
    (v6(0, 0, 0, 0, 96), "an IPv4-compatible address"),
    (Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96), "an IPv4-mapped address"),
    (v6(0x64, 0xff9b, 0, 0, 96), "a NAT64 address"),
    (v6(0x64, 0xff9b, 1, 0, 48), "a local NAT64 address"),
    (v6(0x2001, 0, 0, 0, 32), "a Teredo address"),
    (v6(0x2001, 0, 0, 0, 23), "a protocol-assignment address"),
    (v6(0x2001, 0xdb8, 0, 0, 32), "a documentation address"),
    (v6(0x3fff, 0, 0, 0, 20), "a documentation address"),
    (v6(0x2002, 0, 0, 0, 16), "a 6to4 address"),
    (v6(0xfc00, 0, 0, 0, 7), "a unique local address"),
    (v6(0xfe80, 0, 0, 0, 10), "a link-local address"),
    (v6(0xfec0, 0, 0, 0, 10), "a site-local address"),
];

/// What of IPv6 is public at all.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 0, 3);

fn listed_v4(ip: Ipv4Addr, list: &[(Ipv4Net, &'static str)]) -> Option<&'static str> {
    list.iter().find(|(net, _)| net.contains(&ip)).map(|(_, what)| *what)
}

fn listed_v6(ip: Ipv6Addr, list: &[(Ipv6Net, &'static str)]) -> Option<&'static str> {
    list.iter().find(|(net, _)| net.contains(&ip)).map(|(_, what)| *what)
}

/// Why an address must not be connected to, such as `a loopback address`; `None` when it may be.
///
/// With [`Reach::Private`] only metadata, multicast, broadcast and unspecified addresses are refused.
pub fn forbidden(ip: IpAddr, reach: Reach) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => listed_v4(ip, NEVER_V4)
            .or_else(|| if reach == Reach::Public { listed_v4(ip, INNER_V4) } else { None }),
        IpAddr::V6(ip) => {
            if let Some(what) = listed_v6(ip, NEVER_V6) {
                return Some(what);
            }
            if let Some(inner) = ip.to_ipv4_mapped().and_then(|inner| listed_v4(inner, NEVER_V4)) {
                return Some(inner);
            }
            if reach == Reach::Private {
                return None;
            }
            listed_v6(ip, INNER_V6).or_else(|| (!GLOBAL_V6.contains(&ip)).then_some("not a public address"))
        }
    }
}

/// The operator's word on what may be reached.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    allow_private: bool,
    /// Ports by host as the URL parser spells it, without a dot at the end; no port: any.
    allowed: HashMap<String, Vec<u16>>,
}

impl Policy {
    /// A policy.
    ///
    /// - `allow_private`: everything may be reached but the addresses that are never right.
    /// - `allowed`: `host` (any port) or `host:port`; such a target may be private, plain HTTP and at any port.
    pub fn new<S: AsRef<str>>(allow_private: bool, allowed: impl IntoIterator<Item = S>) -> Self {
        let mut ports: HashMap<String, Vec<u16>> = HashMap::new();
        for entry in allowed {
            let (host, port) = split(entry.as_ref());
            match (ports.get_mut(&host), port) {
                (Some(any), None) => any.clear(),
                (Some(some), Some(port)) if !some.is_empty() => some.push(port),
                (Some(_), Some(_)) => {}
                (None, port) => drop(ports.insert(host, port.into_iter().collect())),
            }
        }
        Self { allow_private, allowed: ports }
    }

    fn lists(&self, host: &str, port: u16) -> bool {
        let ports = self.allowed.get(host.trim_end_matches('.'));
        ports.is_some_and(|ports| ports.is_empty() || ports.contains(&port))
    }

    /// Checks an address before anything is looked up, and says how far the connection may reach.
    ///
    /// `named`: the operator configured this very target (a bot core, say).
    ///
    /// # Errors
    /// `Denied`, with the rule and what would allow it.
    pub fn check(&self, url: &Url, named: bool) -> Result<Reach, NetError> {
        let Some(host) = url.host() else { return Err(NetError::denied("the address has no host")) };
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            other => return Err(NetError::denied(format!("scheme '{other}' is not http or https"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NetError::denied("the address holds a user name or password; use a header"));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        let name = url.host_str().unwrap_or_default();
        let reach = if named || self.allow_private || self.lists(name, port) {
            Reach::Private
        } else {
            Reach::Public
        };
        if reach == Reach::Public {
            if plain {
                return Err(NetError::denied(format!("'{name}' may only be reached over https{HOW}")));
            }
            if port != 443 {
                return Err(NetError::denied(format!("port {port} of '{name}' is not 443{HOW}")));
            }
        }
        let ip = match host {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            Host::Domain(_) => None,
        };
        if let Some(what) = ip.and_then(|ip| forbidden(ip, reach)) {
            return Err(refused(name, what));
        }
        Ok(reach)
    }
}

/// What an operator can do about a refusal.
const HOW: &str = "; list the host in [server] allowed_hosts if this is meant";

pub(crate) fn refused(host: &str, what: &str) -> NetError {
    NetError::denied(format!("'{host}' is {what}{HOW}"))
}

/// `Host`, `host:port`, `0x7f.1:80`, `[::1]` to the host in the URL parser's spelling, and the port.
fn split(entry: &str) -> (String, Option<u16>) {
    let entry = entry.trim();
    let (host, port) = match entry.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host, Some(port)),
        _ => (entry, None),
    };
    let host = host.trim_end_matches('.');
    (Host::parse(host).map_or_else(|_| host.to_ascii_lowercase(), |host| host.to_string()), port)
}

#[cfg(test)]
mod tests;
