//! The way out: what a bot says is kept, fitted to its channel, sent at the provider's pace, and its end told.
//!
//! ```text
//! runtime API, core's replies ─▶ Outbox::accept ─▶ message row + outbox lane (one synced commit)
//! outbox lane ─▶ Sender ─ render, fit, pace ─▶ turn processor ─▶ provider ─▶ settle ─▶ row, lane, inbound event
//! schedule ─▶ Scheduler ─▶ accept, lanes, ticks        runtime API ─▶ Actions ─▶ turn processor ─▶ output
//! ```
//!
//! Guarantees O1 to O5 are kept here: accepted means synced, one message per conversation in flight, doubt
//! visible, provider limits obeyed, and the end of each message told to the core.

mod accept;
mod actions;
mod check;
mod claim;
mod deliver;
mod draft;
mod entry;
mod error;
mod fit;
mod follow;
mod gates;
mod live;
mod media;
mod overdue;
mod pace;
mod reached;
mod render;
mod replies;
mod revise;
mod schedule;
mod schema;
mod settle;
mod show;
mod signals;
mod stream;
mod verdict;
mod visitors;

pub use accept::{MAX_LANE, MAX_MAILBOX, NewMessage, OnceKey, Outbox};
pub use actions::{ActionError, Actions};
pub use deliver::{Sender, SenderOptions};
pub use entry::{bot_lane, no_installation};
pub use error::AcceptError;
pub use fit::{Unfit, as_text, fit};
pub use media::MediaLinks;
pub use pace::{Go, Pacer, Paces, Stopped};
pub use reached::reached;
pub use replies::ReplyMessage;
pub use revise::MessageChange;
pub use schedule::{Bots, Scheduler};
pub use settle::UNREACHABLE;
pub use signals::Signals;
pub use stream::{StreamWrite, is_live};
pub use visitors::{ClientId, NewEventOf, SaidOnce, ToldOnce};

use portico_turns::now;

#[cfg(test)]
mod tests;
