//! The journal's index in blocks: a run of ascending event ids, at most 8 KiB, under the first of them.
//!
//! One write to the engine for some hundred events is what makes the index cheap. Blocks never overlap: an
//! event goes into the block before it, which is split when it grows too large.

use std::collections::BTreeMap;

use portico_contract::EventId;
use portico_store::EventKind;

use crate::op::{put_place, take_place};
use crate::record::{EventRow, Names, put_lane, take_lane};
use crate::wire::{Bad, Put, Take};

/// Largest block, in bytes, and largest value of any row in the engine.
pub(crate) const MAX_VALUE: usize = 8 * 1024;

pub(crate) type Events = BTreeMap<EventId, EventRow>;

fn index_of<'a>(list: &mut Vec<&'a str>, name: &'a str) -> u16 {
    // Names repeat in runs; looking from the end finds them at once.
    let at = list.iter().rposition(|known| *known == name).unwrap_or_else(|| {
        list.push(name);
        list.len() - 1
    });
    at as u16
}

/// Encodes rows into as many blocks as they need: first id and bytes of each.
pub(crate) fn encode(events: &Events) -> Vec<(EventId, Vec<u8>)> {
    let mut blocks = Vec::new();
    let mut first = None;
    let mut names: Vec<&str> = Vec::new();
    let mut rows = Vec::new();
    let mut count = 0_u16;
    let mut names_size = 0;
    let mut finish = |first: Option<EventId>, names: &mut Vec<&str>, rows: &mut Vec<u8>, count: u16| {
        if let Some(first) = first {
            let mut out = Vec::with_capacity(rows.len() + 256);
            out.u16(names.len() as u16);
            for name in names.drain(..) {
                out.name(name);
            }
            out.u16(count);
            out.append(rows);
            blocks.push((first, out));
        }
    };
    for (id, row) in events {
        let worst = 90 + row.bot.as_str().len() + row.installation.as_str().len() + 2;
        if rows.len() + names_size + worst > MAX_VALUE - 64 {
            finish(first.take(), &mut names, &mut rows, count);
            count = 0;
            names_size = 0;
        }
        first.get_or_insert(*id);
        let known = names.len();
        let bot = index_of(&mut names, row.bot.as_str());
        let installation = index_of(&mut names, row.installation.as_str());
        names_size += names[known..].iter().map(|name| name.len() + 1).sum::<usize>();
        rows.raw(&id.0);
        put_place(&mut rows, row.place);
        put_lane(&mut rows, row.lane);
        rows.u64(row.seq);
        rows.u64(row.received_at);
        rows.u8(row.kind as u8 | if row.rescued { 0x80 } else { 0 });
        rows.u16(bot);
        rows.u16(installation);
        count += 1;
    }
    finish(first, &mut names, &mut rows, count);
    blocks
}

/// Reads a block.
pub(crate) fn decode(bytes: &[u8], names: &mut Names) -> Result<Events, Bad> {
    let mut take = Take(bytes);
    let texts = (0..take.u16()?).map(|_| take.name()).collect::<Result<Vec<_>, _>>()?;
    let count = take.u16()?;
    let mut events = Events::new();
    for _ in 0..count {
        let id = EventId(take.array()?);
        let place = take_place(&mut take)?;
        let lane = take_lane(&mut take)?;
        let seq = take.u64()?;
        let received_at = take.u64()?;
        let byte = take.u8()?;
        let kind = EventKind::from_byte(byte & 0x7f).ok_or(Bad)?;
        let bot = names.bot(texts.get(usize::from(take.u16()?)).ok_or(Bad)?)?;
        let installation = names.installation(texts.get(usize::from(take.u16()?)).ok_or(Bad)?)?;
        let rescued = byte & 0x80 != 0;
        events.insert(id, EventRow { place, lane, seq, kind, received_at, bot, installation, rescued });
    }
    if take.is_empty() { Ok(events) } else { Err(Bad) }
}
