//! Faults: crashes, order, retries, drain, reload.
