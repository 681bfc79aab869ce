//! The `portico-bench` command.
fn main() {}
