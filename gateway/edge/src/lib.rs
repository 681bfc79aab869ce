//! Listeners, limits and routes: everything between the wire and the first step of the inbound path.
//!
//! A request to `/webhooks/<installation>/…` goes straight to the inbound path; all others go to the router
//! that the binary hands over (runtime API, health, metrics). Each worker is a thread with a runtime of its
//! own, so a request never moves between threads.
//!
//! ```text
//! accept ─ connection caps ─ TLS ─▶ worker ─ time limits ─▶ hooks (webhooks) ─▶ inbound
//!                                                     └───▶ router (the rest)
//! ```

mod answer;
mod body;
mod client_address;
mod connection;
mod gate;
mod hooks;
mod limits;
mod line_ends;
mod listener;
mod options;
mod watch;

pub use client_address::ClientAddress;
pub use listener::{Edge, Hooks};
pub use options::{EdgeOptions, Http2, Limits, Quota};
