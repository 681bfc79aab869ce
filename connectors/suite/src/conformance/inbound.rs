//! Inbound fixtures: what they turn into, twice the same.

use portico_contract::{Event, FaultCode};

use super::{Suite, no_panic};
use crate::run::{Job, Run, receive, run};
use crate::{InboundCase, TestHost};

/// Fixtures whose name begins so must give an `unreadable` fault.
const UNREADABLE: &str = "unreadable_";

impl Suite {
    /// Every inbound fixture, signed, is accepted; its events obey the manifest, and are known as repeats when
    /// the same request comes again later.
    pub fn inbound_fixtures(&self) {
        for case in self.inbound_cases() {
            no_panic(&format!("inbound/{}", case.name), || self.inbound_fixture(&case));
        }
    }

    fn inbound_fixture(&self, case: &InboundCase) {
        let host = self.host();
        let first = self.take_in(&host, case);
        if case.name.starts_with(UNREADABLE) {
            assert_eq!(first.fault().code, FaultCode::Unreadable, "{}", first.fault());
            return;
        }
        first.outcome.as_ref().unwrap_or_else(|fault| panic!("refused: {fault}"));
        // The repeat arrives an hour later, in another run.
        let later = self.host();
        let later_now = portico_contract::Host::now(&later) + 3_600_000;
        let later = later.at(later_now).seed(2);
        let second = self.take_in(&later, case);
        let keys = |run: &Run| -> Vec<Option<String>> {
            run.events()
                .into_iter()
                .map(Event::dedupe_key)
                .map(|key| key.map(|key| key.into_owned()))
                .collect()
        };
        let known = keys(&first);
        assert_eq!(known, keys(&second), "a repeat must have the same ids");
        for (index, key) in known.iter().enumerate() {
            assert!(
                key.is_none() || !known[..index].contains(key),
                "two events of one request share the id {key:?}"
            );
        }
        if let Some(reply) = &first.reply {
            assert!((200..600).contains(&reply.status), "reply status {}", reply.status);
        }
    }

    fn take_in(&self, host: &TestHost, case: &InboundCase) -> Run {
        let mut request = self.signed(host, case.request.clone());
        request.received_at = portico_contract::Host::now(host);
        run(self.connector(), host, &self.ctx(), Job::Webhook(request), |request| self.success(request))
    }

    /// The status that the caller of a webhook gets.
    pub(super) fn status(&self, host: &TestHost, request: &portico_contract::InboundRequest) -> u16 {
        match receive(self.connector(), host, &self.ctx(), request) {
            Ok(turn) => turn.reply.map_or(200, |reply| reply.status),
            Err(fault) => fault.webhook_status(),
        }
    }
}
