//! Outbox to provider: fit, render, pace, deliver, settle.
