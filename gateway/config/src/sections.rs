//! One section of the file, one module, one struct (or a few).

pub(crate) mod admin;
pub(crate) mod bots;
pub(crate) mod installations;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod server;
pub(crate) mod store;
