//! End-to-end tests: the real binary as a child process, with simulated providers and cores around it. One
//! module per promise; `scene` sets the stage for most of them.

mod admin;
mod bad_input;
mod chat;
mod cli;
mod clients;
mod command;
mod config;
mod cores;
mod demo;
mod faults;
mod files;
mod fixtures;
mod fixtures_expected;
mod node;
mod path;
mod raw_http;
mod raw_http2;
mod reach;
mod scene;
mod scopes;
mod sdk_bot;
mod secrets;
mod signatures;
mod slack;
mod ssrf;
mod telegram;
mod webchat;
mod webhook;
mod whatsapp;

/// The address in a media payload.
fn media_link(payload: &serde_json::Value, field: &str) -> String {
    payload[field].as_str().unwrap_or_else(|| panic!("no {field} in {payload}")).to_owned()
}
