//! The turn processor: the one place where built-in, sandboxed and remote connectors meet.
//!
//! A job goes in, turns come back; each is checked, its effects become changes of one commit, its requests
//! are checked, completed with secrets, sent and answered, until the run is done. Built-ins get no shortcut
//! around the rules for hosts, secrets and sizes.
//!
//! ```text
//! Installation ─ checks ─▶ verified request ─▶ Connector::webhook ─▶ Turn ─ changes ─▶ Commit
//!                                                            └─ Ask ─ send ─▶ answers ─▶ resume …
//! ```

mod blobs;
mod changes;
mod checks;
mod deliver;
mod guard;
mod host;
mod installation;
mod job;
mod outlet;
mod remembered;
mod run;
mod secrets;
mod send;

pub use blobs::BlobStore;
pub use changes::{Emitted, webhook_changes};
pub use checks::{CheckRefusal, PreparedChecks};
pub use deliver::{Delivery, DeliveryFault};
pub use installation::{Attention, Installation, InstallationSpec, Installations, OnUnknown};
pub use job::{Finished, Job};
pub use outlet::{DRAFT_TAG, DraftRefused, DraftStep, NoOutlet, Outlet, ShownItem, Signal};
pub use run::{Turns, now};
pub use secrets::Secrets;
pub use send::ExchangeLimits;
