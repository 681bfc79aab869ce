//! Forged and stale requests: none gets past the checks.

use bytes::Bytes;
use http::HeaderValue;
use portico_contract::{Check, CheckKind, Host, InboundRequest, SignedTimestamp};

use super::{Suite, no_panic};
use crate::TestHost;
use crate::checks::applies;
use crate::sign::set_header;

impl Suite {
    /// For each inbound fixture: the genuine request passes; the same request with one thing wrong does not.
    pub fn refusals(&self) {
        for case in self.inbound_cases() {
            no_panic(&format!("inbound/{}", case.name), || self.forgeries(&case.request));
        }
    }

    fn forgeries(&self, plain: &InboundRequest) {
        let host = self.host();
        let genuine = self.signed(&host, plain.clone());
        let status = self.status(&host, &genuine);
        assert!(!matches!(status, 401 | 403), "the genuine request is refused with {status}");
        let checks: Vec<&Check> =
            self.connector.manifest().webhook.checks.iter().filter(|check| applies(check, plain)).collect();
        if checks.is_empty() && self.options.sign.is_none() {
            return;
        }
        self.refused("other key", &self.foreign_host(), &genuine);
        self.refused("unsigned", &host, plain);
        for check in checks {
            self.refused("secret not configured", &self.host().without_secret(&check.secret), &genuine);
            match &check.kind {
                CheckKind::HeaderToken { header } => self.wrong_header(&host, &genuine, header),
                CheckKind::HmacSha256 { header, timestamp, .. } => {
                    self.wrong_header(&host, &genuine, header);
                    self.wrong_body(&host, &genuine);
                    if let Some(rule) = timestamp {
                        self.wrong_time(&host, plain, rule);
                    }
                }
            }
        }
    }

    fn wrong_header(&self, host: &TestHost, genuine: &InboundRequest, header: &str) {
        let value = genuine.header(header).expect("the signed request has the header").to_owned();
        let mut missing = genuine.clone();
        missing.headers.remove(header);
        self.refused("missing header", host, &missing);
        let mut twice = genuine.clone();
        twice.headers.append(
            http::HeaderName::from_bytes(header.as_bytes()).expect("a name"),
            HeaderValue::from_static("x"),
        );
        self.refused("header twice", host, &twice);
        // Hex digits stay hex digits, so that the comparison itself refuses.
        let last = if value.ends_with('0') { "1" } else { "0" };
        let shorter = value.get(..value.len() - 1).unwrap_or_default().to_owned();
        for (name, value) in [
            ("flipped end", format!("{shorter}{last}")),
            ("cut short", shorter),
            ("longer", format!("{value}0")),
            ("empty", String::new()),
        ] {
            let mut changed = genuine.clone();
            set_header(&mut changed, header, &value);
            self.refused(name, host, &changed);
        }
    }

    fn wrong_body(&self, host: &TestHost, genuine: &InboundRequest) {
        let with = |body: Vec<u8>| InboundRequest { body: Bytes::from(body), ..genuine.clone() };
        let body = genuine.body.to_vec();
        self.refused("2 MiB body", host, &with(vec![b' '; 2 * 1024 * 1024]));
        self.refused("body with a byte more", host, &with([body.as_slice(), b" "].concat()));
        if body.is_empty() {
            return;
        }
        self.refused("empty body", host, &with(Vec::new()));
        for place in [0, body.len() / 2, body.len() - 1] {
            let mut flipped = body.clone();
            if let Some(byte) = flipped.get_mut(place) {
                *byte ^= 1;
            }
            self.refused("flipped byte", host, &with(flipped));
        }
    }

    fn wrong_time(&self, host: &TestHost, plain: &InboundRequest, rule: &SignedTimestamp) {
        let tolerance = u64::from(rule.tolerance_s) * 1000;
        let now = host.now();
        for (name, then) in [("old", now - tolerance - 1000), ("future", now + tolerance + 1000)] {
            let other = self.signed(&self.host().at(then), plain.clone());
            self.refused(&format!("{name} timestamp"), host, &other);
        }
        for then in [now - tolerance, now + tolerance] {
            let other = self.signed(&self.host().at(then), plain.clone());
            let status = self.status(host, &other);
            assert!(
                !matches!(status, 401 | 403),
                "a timestamp within the tolerance is refused with {status}"
            );
        }
        for odd in ["", " ", "-1", "1e9", "99999999999999999999"] {
            let mut changed = self.signed(host, plain.clone());
            set_header(&mut changed, &rule.header, odd);
            self.refused("odd timestamp", host, &changed);
        }
    }

    fn refused(&self, name: &str, host: &TestHost, request: &InboundRequest) {
        let status = self.status(host, request);
        assert!((400..500).contains(&status), "{name}: answered {status}, must be refused");
    }
}
