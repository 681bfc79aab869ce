//! The one way out: every request of the gateway to a core or a provider goes through [`Client`].
//!
//! ```text
//! Request ─▶ guard (address, scheme, port) ─▶ pool ─▶ resolve once ─▶ guard (each IP) ─▶ connect ─▶ TLS ─▶ Answer
//! ```
//!
//! A connection is made only to an address that was checked, out of the one lookup that was checked, so a
//! name that changes its address between two lookups gains nothing. Redirects are answers, never followed;
//! proxies of the environment are not used. A connection without TLS is driven by the task whose request is on it
//! (`plain`), since most cores stand beside the gateway; TLS goes through pools with tasks of their own.
//! Beside it stand the arithmetic of retries ([`backoff`]) and the TLS set-up of both sides ([`tls`]).

mod answer;
pub mod backoff;
mod body;
mod client;
mod connect;
mod error;
pub mod guard;
mod plain;
mod resolve;
pub mod tls;

pub use answer::{Answer, Response, ResponseHead};
pub use body::{Body, Segment};
pub use client::{Call, Client, ClientOptions, Request, Target};
pub use error::{NetError, NetErrorKind};
pub use resolve::{Resolve, SystemResolver};

#[cfg(test)]
mod tests;
