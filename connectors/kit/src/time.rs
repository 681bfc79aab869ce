//! Times as providers write them: text in, integers out, never a float on the way.
//!
//! Used by verifiers (a signature's age) and normalizers (when a message was written).

/// The last second of the year 9999, the latest time that RFC 3339 can write.
const LAST_SECOND: u64 = 253_402_300_799;

/// Epoch seconds given as text, such as `"1531420618"`, as milliseconds.
///
/// `None` unless the text is 1 to 12 ASCII digits and no later than the year 9999: no sign, no
/// space, no fraction.
pub fn epoch_millis(seconds: &str) -> Option<i64> {
    let millis = epoch_seconds(seconds)?.checked_mul(1000)?;
    i64::try_from(millis).ok()
}

/// Epoch seconds given as text, under the same rule as [`epoch_millis`].
pub fn epoch_seconds(seconds: &str) -> Option<u64> {
    let fits = (1..=12).contains(&seconds.len()) && seconds.bytes().all(|b| b.is_ascii_digit());
    if !fits {
        return None;
    }
    seconds.parse().ok().filter(|second| *second <= LAST_SECOND)
}

/// Slack's `ts`, such as `"1360782804.083113"`, as (seconds, microseconds).
///
/// The pair sorts as the messages do, which a float does not: it loses the last digits. A missing
/// or shorter fraction is read as a decimal fraction (`".5"` is 500,000 microseconds); more than
/// six digits, or anything but digits, is `None`.
pub fn slack_ts(ts: &str) -> Option<(u64, u32)> {
    let (whole, fraction) = ts.split_once('.').unwrap_or((ts, "0"));
    let fits = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    if !fits {
        return None;
    }
    let missing = u32::try_from(6 - fraction.len()).ok()?;
    Some((epoch_seconds(whole)?, fraction.parse::<u32>().ok()? * 10_u32.pow(missing)))
}

/// Slack's `ts` as milliseconds, the microseconds cut off.
pub fn slack_ts_millis(ts: &str) -> Option<i64> {
    let (seconds, micros) = slack_ts(ts)?;
    i64::try_from(seconds.checked_mul(1000)?.checked_add(u64::from(micros / 1000))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_text_is_digits_only_and_bounded() {
        assert_eq!(epoch_millis("1531420618"), Some(1_531_420_618_000));
        assert_eq!(epoch_millis("0"), Some(0));
        assert_eq!(epoch_millis("253402300799"), Some(253_402_300_799_000));
        for bad in ["", "-1", "+1", " 1", "1.0", "1e3", "253402300800", "9999999999999999999999", "١"] {
            assert_eq!(epoch_millis(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn slack_ts_keeps_every_digit() {
        assert_eq!(slack_ts("1360782804.083113"), Some((1_360_782_804, 83_113)));
        assert_eq!(slack_ts("1360782804"), Some((1_360_782_804, 0)));
        assert_eq!(slack_ts("1360782804.5"), Some((1_360_782_804, 500_000)));
        assert_eq!(slack_ts_millis("1360782804.083913"), Some(1_360_782_804_083));
        assert!(slack_ts("1360782804.083113") < slack_ts("1360782804.083114"));
        for bad in ["", ".", "1.", ".1", "1.0000001", "1.-1", "a.b", "1.1.1"] {
            assert_eq!(slack_ts(bad), None, "{bad:?}");
        }
    }
}
