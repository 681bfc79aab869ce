//! The conformance suite that every connector passes, and the small gateway that tests run it in.
//!
//! A connector's `tests.rs` has one line for everything that all connectors promise:
//!
//! ```ignore
//! portico_suite::conformance!(crate::connector(), Options::new(env!("CARGO_MANIFEST_DIR"))
//!     .config(json!({ "api_url": "https://api.example" }))
//!     .answer(|_request| json_answer(200, json!({ "id": "m1" }))));
//! ```
//!
//! and uses the parts for what is its own: [`TestHost`] (state, keyring, clock, blobs, log lines),
//! [`TestContext`], [`sign`] (makes a request that passes the manifest's checks), [`receive`] and [`run`]
//! (drive a job through all its turns as the gateway would, and refuse what the gateway would refuse).
//!
//! `answer` plays the provider in all of these tests: it must answer every request that went well, also those
//! of `register`, by label or address. A fixture named `unreadable_…` must give an `unreadable` fault, an
//! outbound one named `refused_…` any fault but `bug`; all others must be accepted and delivered.
//!
//! Fixtures lie beside the connector (see [`Fixtures`]):
//! `fixtures/inbound/<case>.json|form|txt` with an optional `<case>.headers`,
//! `fixtures/outbound/<case>.json` (an `OutboundMessage`), `fixtures/answers/<case>.json` (an `InboundResponse`).
#![expect(
    clippy::missing_panics_doc,
    reason = "everything here is an assertion, and panics with what it found"
)]

pub mod checks;
mod conformance;
mod context;
mod fixtures;
mod host;
pub mod rules;
mod run;
pub mod samples;
mod sign;
#[cfg(test)]
mod tests;

pub use conformance::{Options, Suite};
pub use context::TestContext;
pub use fixtures::{Fixtures, InboundCase};
pub use host::{LogLine, TestHost};
pub use run::{
    Answer, Job, MAX_REQUESTS, MAX_TURNS, Run, json_answer, receive, resume, run, script, text_answer,
};
pub use sign::{mac_hex, post, sign};

/// Makes the tests that every connector passes, in a module `conformance`.
///
/// Takes an expression of type `Arc<dyn Connector>` and one of type [`Options`]; both are evaluated in every
/// test, with `Options` and `json_answer` in scope besides what the calling module has.
#[macro_export]
macro_rules! conformance {
    ($connector:expr, $options:expr $(,)?) => {
        mod conformance {
            #[allow(unused_imports, reason = "what the two expressions need")]
            use super::*;
            #[allow(unused_imports, reason = "what the two expressions need")]
            use $crate::{Options, json_answer};

            fn suite() -> $crate::Suite {
                $crate::Suite::new($connector, $options)
            }

            #[test]
            fn the_manifest_is_well_formed() {
                suite().manifest();
            }

            #[test]
            fn every_inbound_fixture_normalizes_twice_the_same() {
                suite().inbound_fixtures();
            }

            #[test]
            fn forged_requests_are_refused() {
                suite().refusals();
            }

            #[test]
            fn broken_bodies_give_a_fault_and_never_a_panic() {
                suite().broken_bodies();
            }

            #[test]
            fn every_outbound_fixture_renders() {
                suite().outbound_fixtures();
            }

            #[test]
            fn every_declared_kind_renders_small_large_and_odd() {
                suite().declared_kinds();
            }

            #[test]
            fn answers_of_the_provider_become_the_right_faults() {
                suite().answers();
            }

            #[test]
            fn unknown_jobs_give_a_fault() {
                suite().unknown_jobs();
            }
        }
    };
}
