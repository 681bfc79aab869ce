//! `[store]`: where things are kept and how long.

use std::path::PathBuf;
use std::time::Duration;

use crate::section::Section;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Files on this machine.
    Embedded,
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Which store.
    pub kind: StoreKind,
    /// Folder of all data.
    pub path: PathBuf,
    /// How long things are kept.
    pub retention: Retention,
    /// What happens as the disk fills.
    pub disk: Disk,
    /// When the index is brought up to the log.
    pub checkpoint: Checkpoint,
}

/// `[store.retention]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Settled events with their bodies.
    pub events: Duration,
    /// Messages and conversations, from their last change.
    pub messages: Duration,
    /// Attempts.
    pub attempts: Duration,
    /// Dead letters.
    pub dead_letters: Duration,
    /// Dead letters of one bot, at most.
    pub dead_letters_per_bot: u64,
    /// Files, from their last use.
    pub files: Duration,
}

/// `[store.disk]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Percent in use from which settled bodies are kept half as long.
    pub warn_percent: u8,
    /// Percent in use from which webhooks are refused.
    pub refuse_percent: u8,
    /// Free bytes below which webhooks are refused.
    pub refuse_free: u64,
    /// Percent in use from which all but settling is refused.
    pub critical_percent: u8,
    /// Free bytes below which all but settling is refused.
    pub critical_free: u64,
    /// Bytes of the file that is given up for settling.
    pub reserve: u64,
}

/// `[store.checkpoint]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// At least so often.
    pub every: Duration,
    /// After so many bytes of log.
    pub log: u64,
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const CENTURY: Duration = Duration::from_secs(36_525 * 24 * 3600);

pub(crate) fn read(section: &Section<'_>) -> Store {
    let path = section.text("path");
    let store = Store {
        kind: kind(section),
        path: section.loader.file_path(&section.required("path", path, "name a folder").unwrap_or_default()),
        retention: retention(&section.section("retention")),
        disk: disk(&section.section("disk")),
        checkpoint: checkpoint(&section.section("checkpoint")),
    };
    section.finish();
    store
}

fn kind(section: &Section<'_>) -> StoreKind {
    section.or("kind", section.choice("kind", &[("embedded", StoreKind::Embedded)]), StoreKind::Embedded)
}

fn retention(section: &Section<'_>) -> Retention {
    let kept = |key: &str, least: Duration| section.or(key, section.duration(key, least, CENTURY), least);
    let retention = Retention {
        events: kept("events", HOUR),
        messages: kept("messages", HOUR),
        attempts: kept("attempts", HOUR),
        dead_letters: kept("dead_letters", DAY),
        dead_letters_per_bot: section.or(
            "dead_letters_per_bot",
            section.number("dead_letters_per_bot", 100, 100_000_000),
            0,
        ),
        files: kept("files", HOUR),
    };
    section.finish();
    retention
}

fn disk(section: &Section<'_>) -> Disk {
    let percent =
        |key: &str| section.number(key, 1, 100).and_then(|n| u8::try_from(n).ok()).unwrap_or_default();
    let size = |key: &str| section.or(key, section.size(key, 0, 1 << 50), 0);
    let disk = Disk {
        warn_percent: percent("warn_percent"),
        refuse_percent: percent("refuse_percent"),
        refuse_free: size("refuse_free"),
        critical_percent: percent("critical_percent"),
        critical_free: size("critical_free"),
        reserve: size("reserve"),
    };
    if !section.loader.faulty(&section.path) {
        if disk.warn_percent > disk.refuse_percent {
            section.fault("warn_percent", "is above refuse_percent", "warn before refusing");
        }
        if disk.refuse_percent > disk.critical_percent {
            section.fault("refuse_percent", "is above critical_percent", "refuse webhooks before all else");
        }
        if disk.refuse_free < disk.critical_free {
            section.fault("refuse_free", "is below critical_free", "refuse webhooks before all else");
        }
    }
    section.finish();
    disk
}

fn checkpoint(section: &Section<'_>) -> Checkpoint {
    let second = Duration::from_secs(1);
    let checkpoint = Checkpoint {
        every: section.or("every", section.duration("every", second, HOUR), HOUR),
        log: section.or("log", section.size("log", 1 << 20, 16 << 30), 1 << 20),
    };
    section.finish();
    checkpoint
}
