//! Pure helpers that two connectors or more share: no socket, no clock, no state.
//!
//! On the way in: [`signature`] checks who speaks, [`json`] and [`query`] read what was said,
//! [`time`] reads when. On the way out: [`markup`] turns a bot's Markdown into what a channel
//! shows, [`split`] cuts it to the channel's limits, [`sequence`] makes several calls of one job.

pub mod json;
pub mod markup;
pub mod query;
pub mod sequence;
pub mod signature;
pub mod split;
pub mod time;
