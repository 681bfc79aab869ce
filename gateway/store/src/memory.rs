//! An adapter for tests: everything in memory, the same promises short of durability.
