//! The wire, spoken against a gateway in memory, over real connections of the edge.

mod fallbacks;
mod files;
mod fixtures;
mod identity;
mod metrics;
mod pages;
mod protocol;
mod raw;
mod resume;
mod shapes;
mod world;
