//! The Portico binary.
