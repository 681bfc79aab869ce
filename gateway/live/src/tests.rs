//! What the crate promises, over a store in memory and over the one on disk.

mod conversations;
mod crowd;
mod drafts;
mod identity;
mod listening;
mod numbers;
mod people;
mod reading;
mod saying;
mod sessions;
mod world;
