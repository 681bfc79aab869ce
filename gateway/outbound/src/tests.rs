//! The way out as a whole: a scripted provider on the loopback, a small connector, the driver, a store in memory.

mod accepting;
mod acting;
mod provider;
mod rendering;
mod sending;
mod storm;
mod timing;
mod world;
