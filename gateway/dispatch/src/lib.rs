//! Journal to mailbox to bot core, in order inside a conversation.
//!
//! ```text
//! lane(in) ─ portico-lanes ─▶ records (conversation, user, message) ─▶ envelope ─▶ Core ─▶ Answer ─▶ Verdict
//!                                                                       │            └ replies ─▶ Replies (outbox)
//!                                                                    Breaker, one per bot
//! ```
//!
//! An event is offered until the core takes it, refuses it for good, or its budget ends (reliability,
//! sections 1 and 2). A core that is down spends no attempts: its breaker opens and its events wait. An event
//! that its core fails while others pass is tried nine times in about twelve minutes, then it is a dead letter.
//! No lock is held while a core works, because cores call the runtime API before they answer.

mod bot;
mod breaker;
mod caller;
mod core;
mod core_botpress;
mod core_echo;
mod core_http;
mod core_rasa;
mod dispatch;
mod envelope;
mod handler;
mod outcomes;
mod records;
mod replies;
mod retry;
mod sign;

pub use bot::{BotCore, CoreKind, Endpoint};
pub use breaker::BreakerView;
pub use core::{Answer, Core, Failure, Offer};
pub use dispatch::{BotStatus, Dispatch, DispatchError, Parts, Random};
pub use outcomes::{Ended, Outcomes};
pub use replies::{Aliases, MediaLinks, MediaMeta, Replies, Reply, ReplyError};
pub use retry::OnDead;
pub use sign::{BadSecret, Signer};

#[cfg(test)]
mod tests;
