//! Stand-ins for what stands outside: three providers and the bot core, each on a port of 127.0.0.1.
//!
//! A provider cannot be reached from a test, so its simulator *enforces* what the provider enforces: what
//! Slack, Telegram or WhatsApp would refuse is refused here, with the same status and the same body. Each
//! records what it accepted, can be made to fail, and stops when it is dropped.

pub mod app;
pub mod client;
pub mod clock;
pub mod core;
mod multipart;
pub mod pace;
pub mod provider;
pub mod server;
pub mod sign;
pub mod slack;
pub mod telegram;
pub mod whatsapp;
