//! What happens when things break: the process, the disk, the core, the provider, the network between them.
//!
//! The promises under test are that what was answered 2xx is kept, in order, and that doubt is visible. Each
//! test starts a gateway of its own (`stage`), mostly with load running against it (`load`), breaks one thing,
//! and compares what was acknowledged with what arrived.

mod core_down;
mod disk;
mod drain;
mod flipped_byte;
mod kill;
mod line;
mod load;
mod neighbours;
mod order;
mod outbound;
mod power_cut;
mod property;
mod race;
mod reload;
mod stage;
