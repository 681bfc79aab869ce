//! Values with a unit, as operators write them: sizes, rates, durations.

use std::time::Duration;

/// So many in so long, with room for a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
    /// How many may come at once after a pause.
    pub burst: u32,
}

/// `"64KiB"`, `"20 MiB"`, `"512"` to bytes. Units of 1,000 (`KB`) and of 1,024 (`KiB`).
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'_').count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.replace('_', "").parse().ok()?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Bytes as an operator would write them.
pub(crate) fn show_bytes(bytes: u64) -> String {
    for (unit, factor) in [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

/// `"15s"`, `"1h 30m"`, `"500ms"`, `"7days"` to a duration.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text.trim()).ok()
}

/// A duration as an operator would write it.
pub(crate) fn show_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// `"100/s"`, `"30/min"`, `"1000/h"`, or with a burst: `"1000/s burst 5000"`. Without one, the burst is the count.
pub(crate) fn rate(text: &str) -> Option<Rate> {
    let (rate, burst) = match text.split_once("burst") {
        Some((rate, burst)) => (rate, Some(burst.trim().parse::<u32>().ok()?)),
        None => (text, None),
    };
    let (count, per) = rate.split_once('/')?;
    let count: u32 = count.trim().parse().ok()?;
    let per = match per.trim() {
        "s" | "sec" | "second" => Duration::from_secs(1),
        "min" | "minute" => Duration::from_secs(60),
        "h" | "hour" => Duration::from_secs(3600),
        _ => return None,
    };
    (count > 0 && burst != Some(0)).then_some(Rate { count, per, burst: burst.unwrap_or(count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_know_both_kinds_of_unit() {
        for (text, size) in [
            ("0", Some(0)),
            ("512", Some(512)),
            ("1 KiB", Some(1024)),
            ("20MiB", Some(20 << 20)),
            ("20 mb", Some(20_000_000)),
            ("1_000B", Some(1000)),
            ("16384PiB", None),
            ("99999999999TiB", None),
            ("-1", None),
            ("KiB", None),
            ("1.5MiB", None),
            ("", None),
            ("½", None),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
        assert_eq!(show_bytes(20 << 20), "20MiB");
        assert_eq!(show_bytes(1500), "1500B");
    }

    #[test]
    fn rates_have_a_period_and_perhaps_a_burst() {
        let second = Duration::from_secs(1);
        assert_eq!(rate("1000/s burst 5000"), Some(Rate { count: 1000, per: second, burst: 5000 }));
        assert_eq!(rate("30 / min"), Some(Rate { count: 30, per: 60 * second, burst: 30 }));
        for text in ["", "30", "0/s", "5/day", "5/s burst 0", "5/s burst x", "-5/s", "/s"] {
            assert_eq!(rate(text), None, "{text}");
        }
    }

    #[test]
    fn durations_read_as_they_print() {
        let long = Duration::from_secs(90);
        assert_eq!(duration(&show_duration(long)), Some(long));
        assert_eq!(duration("72h"), Some(Duration::from_secs(72 * 3600)));
        assert_eq!(duration("soon"), None);
    }
}
