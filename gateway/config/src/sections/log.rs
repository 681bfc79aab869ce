//! `[log]`.

use crate::section::Section;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, to standard error.
    #[default]
    Text,
    /// One JSON object per line, to standard output.
    Json,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// Levels, by part of Portico; its grammar is checked by whoever sets up logging.
    pub filter: String,
}

pub(crate) fn read(section: &Section<'_>) -> Log {
    let log = Log {
        format: section
            .choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
            .unwrap_or_default(),
        filter: section.or("filter", section.text("filter"), String::new()),
    };
    section.finish();
    log
}
