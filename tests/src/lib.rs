//! End-to-end tests, the provider simulator and the tidy checks.

pub mod gateway;
pub mod sim;
