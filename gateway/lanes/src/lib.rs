//! Drives lanes: in order inside one, in parallel across, fair between groups, and never more in memory
//! than a bounded part of the backlog.
//!
//! One [`Driver`] works one direction. Dispatch runs one over the mailboxes, outbound one over the outboxes;
//! what is done with an entry is the [`Handler`]'s affair, what becomes of it its [`Verdict`].
//!
//! ```text
//! signals ┐
//! due     ├─▶ State: lanes waiting by group ─▶ workers, one lane each ─▶ Handler ─▶ Verdict ─▶ Commit
//! scan    ┘          (limit, gate, pause)        peek ≤ 64 ahead           Settle · Defer · Bury
//! ```
//!
//! A *group* is what may fail as a whole: the bot that a mailbox is for, the installation that an outbox goes
//! to. A group that is down holds no more than its own workers, and after it recovers it is worked with four
//! lanes at a time, doubled every five seconds, so that no herd meets a core that has just come back.

mod clock;
mod driver;
mod group;
mod handle;
mod handler;
mod leases;
mod scan;
mod state;
mod timers;
mod worker;

pub use clock::{Clock, SystemClock};
pub use driver::{Driver, Options};
pub use group::GateKind;
pub use handle::{Drained, DriverHandle};
pub use handler::{Carried, GroupKey, Handler, LaneCtx, Verdict};
pub use state::{DriverStats, GroupStats};

#[cfg(test)]
mod tests;
