//! What a bot calls: the runtime API.
