//! The webchat through the real binary: what a visitor's client is promised, seen from the visitor's side of a plain
//! WebSocket, from plain HTTP, and from the client that Portico ships, with the connection dying under it.

mod bot;
mod chaos;
mod crash;
mod fallbacks;
mod files;
mod identity;
mod stage;
mod visitor;
mod wire;
