use std::io;
use std::sync::Arc;

use tracing::{debug, error, info, info_span, warn};

use super::*;

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while `body` runs, line by line.
fn lines(format: LogFormat, filter_text: &str, body: impl FnOnce()) -> Vec<String> {
    let page = Page::default();
    let out: Box<dyn Write + Send> = Box::new(page.clone());
    let layer = LogLayer::new(format, Mutex::new(out)).with_filter(filter(filter_text).unwrap());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), body);
    let written = String::from_utf8(page.0.lock().clone()).unwrap();
    written.lines().map(str::to_owned).collect()
}

#[test]
fn a_text_line_has_time_level_place_sentence_and_fields() {
    let lines = lines(LogFormat::Text, "info", || {
        warn!(installation.id = "shop", attempt = 2, duration_ms = 1.5, late = true, "delivery waits");
        debug!("not shown");
    });
    assert_eq!(lines.len(), 1);
    let (time, rest) = lines[0].split_once(' ').unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    assert_eq!(
        rest,
        " WARN portico_telemetry::log::tests: delivery waits installation.id=shop attempt=2 duration_ms=1.5 late=true"
    );
}

#[test]
fn a_json_line_is_one_object_with_the_fields_of_its_spans() {
    let lines = lines(LogFormat::Json, "info", || {
        let outer = info_span!("dispatch", bot.id = "support", attempt = 1, event.id = tracing::field::Empty);
        outer.record("event.id", "evt_1");
        let _entered = outer.enter();
        error!(attempt = 3, error = %io::Error::other("no \"answer\"\nat all"), "dispatch failed");
    });
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["level"], "error");
    assert_eq!(line["message"], "dispatch failed");
    assert_eq!(line["bot.id"], "support");
    assert_eq!(line["event.id"], "evt_1");
    assert_eq!(line["attempt"], 3, "the event's own word wins");
    assert_eq!(line["error"], "no \"answer\"\nat all");
    assert_eq!(line["target"], "portico_telemetry::log::tests");
}

#[test]
fn no_secret_is_shown_whatever_carries_it() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let lines = lines(format, "trace", || {
            let _span =
                info_span!("call", bot_token = "CANARY1", url = "https://h/bot12:CANARY2/getMe").entered();
            info!(authorization = "Bearer CANARY3", core.secret = ?Some("CANARY4"), body = %"CANARY5", "sent");
            info!("to https://api.telegram.org/bot99:CANARY6/x with Bearer CANARY7CANARY7");
            info!(note = "xoxb-CANARY8-CANARY8", "said {}", "whsec_CANARY9CANARY9");
        });
        assert_eq!(lines.len(), 3);
        let all = lines.join("\n");
        assert!(!all.contains("CANARY"), "{all}");
        assert!(all.contains("bot12:***") && all.contains("***"), "{all}");
    }
}

#[test]
fn a_strangers_text_makes_no_second_line_and_steers_no_terminal() {
    let lines = lines(LogFormat::Text, "info", || {
        info!(name = "a\nERROR forged: \u{1b}[2J", "hello\r\n2026 INFO forged \u{1b}[31m");
    });
    assert_eq!(lines.len(), 1);
    assert!(!lines[0].contains('\u{1b}') && lines[0].contains("\\u{1b}[31m"), "{}", lines[0]);
}

#[test]
fn a_place_that_writes_too_much_is_held_back_and_counted() {
    let before = lines_dropped();
    let lines = lines(LogFormat::Text, "info", || {
        for number in 0..1000 {
            info!(number, "again");
        }
        info!("elsewhere");
    });
    // The loop may cross the border between two seconds once.
    assert!((101..=201).contains(&lines.len()), "{}", lines.len());
    assert!(lines.last().unwrap().contains("elsewhere"));
    assert!(lines_dropped() >= before + 800);
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let lines = lines(LogFormat::Json, "info", || info!(text = "ü".repeat(5000), "long"));
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["text"].as_str().unwrap().len(), 4096);
}

#[test]
fn a_filter_speaks_by_part_and_a_wrong_one_is_named() {
    let shown = lines(LogFormat::Text, "warn,portico_telemetry=debug", || debug!("shown"));
    assert_eq!(shown.len(), 1);
    let error = check_filter("info,portico=loud").unwrap_err().to_string();
    assert!(error.contains("portico=loud") && error.contains("write a level"), "{error}");
    assert!(check_filter("info,portico_dispatch=debug").is_ok());
}
