//! End-to-end tests: the real binary as a child process, with simulated providers and cores around it. One
//! module per promise; `scene` sets the stage for most of them.

mod faults;
mod path;
mod scene;
