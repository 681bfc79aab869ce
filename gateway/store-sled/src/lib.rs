//! The embedded store: a redo log as the truth, sled as index.
