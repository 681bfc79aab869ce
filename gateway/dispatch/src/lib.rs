//! Journal to mailbox to bot core, in order inside a conversation.
