//! Drives lanes: in order inside one, in parallel across.
