//! What the API crates share: bodies under a cap, operations that are observed, files served in stretches, and the
//! store's refusals as answers.

pub mod body;
pub mod file;
pub mod observe;
mod problems;

pub use problems::store_problem;
