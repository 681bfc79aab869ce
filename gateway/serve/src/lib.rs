//! What the API crates share: bodies under a cap, operations that are observed and described, files served in
//! stretches, which pages may call, and the store's refusals as answers.

pub mod address;
pub mod body;
pub mod describe;
pub mod file;
pub mod observe;
pub mod origin;
mod problems;

pub use problems::store_problem;
