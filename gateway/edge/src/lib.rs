//! Listeners, limits and routes.
