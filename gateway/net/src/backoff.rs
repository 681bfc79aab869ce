//! Attempt to delay: pure arithmetic, with the randomness handed in.
//!
//! Two schedules, because one bad event must not hold its conversation for days, and a provider's bad hour
//! must not bury an outbox. A core or provider that is down altogether is the breaker's affair: no attempt
//! is counted while it is open.

use std::time::Duration;

/// How often an open breaker lets one probe through.
pub const PROBE_EVERY: Duration = Duration::from_secs(5);

/// Share by which a delay is made shorter or longer.
const SPREAD: f64 = 0.2;

/// Delays after the first, second… failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    seconds: &'static [u64],
    /// Whether the last delay repeats for ever; the item's age ends it then.
    repeats: bool,
}

/// For one event that its core fails while others succeed: 9 attempts in about 12 minutes.
pub const CORE: Schedule = Schedule { seconds: &[1, 5, 15, 30, 60, 120, 180, 300], repeats: false };

/// For one message that a provider fails: up to 5 minutes apart, until the message is too old.
pub const PROVIDER: Schedule = Schedule { seconds: &[1, 2, 5, 15, 30, 60, 120, 300], repeats: true };

impl Schedule {
    /// Pause after `failed` failed attempts (1 is the first), spread by ±20 %.
    ///
    /// `random` is evenly spread over 0 to 1; values outside are cut. `None`: no attempt is left.
    /// Nought failed attempts give no pause.
    pub fn delay(&self, failed: u32, random: f64) -> Option<Duration> {
        let Some(index) = failed.checked_sub(1) else { return Some(Duration::ZERO) };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let seconds = match self.seconds.get(index) {
            Some(seconds) => *seconds,
            None if self.repeats => *self.seconds.last()?,
            None => return None,
        };
        let random = if random.is_finite() { random.clamp(0.0, 1.0) } else { 0.5 };
        Some(Duration::from_secs(seconds).mul_f64(1.0 - SPREAD + 2.0 * SPREAD * random))
    }

    /// How many attempts there are in all; `None` when only age ends them.
    pub fn attempts(&self) -> Option<u32> {
        (!self.repeats).then(|| u32::try_from(self.seconds.len()).unwrap_or(u32::MAX).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(schedule: Schedule, random: f64) -> Duration {
        (1..).map_while(|failed| schedule.delay(failed, random)).sum()
    }

    #[test]
    fn a_poison_event_is_given_up_after_nine_attempts_in_ten_to_fourteen_minutes() {
        assert_eq!(CORE.attempts(), Some(9));
        assert_eq!((1..).take_while(|failed| CORE.delay(*failed, 0.5).is_some()).count(), 8);
        assert_eq!(total(CORE, 0.5), Duration::from_secs(711));
        assert!(total(CORE, 0.0) > Duration::from_secs(9 * 60));
        assert!(total(CORE, 1.0) <= Duration::from_secs(15 * 60));
    }

    #[test]
    fn a_provider_is_tried_every_five_minutes_for_ever() {
        assert_eq!(PROVIDER.attempts(), None);
        let whole: Vec<u64> =
            (1..=10).filter_map(|failed| PROVIDER.delay(failed, 0.5)).map(|delay| delay.as_secs()).collect();
        assert_eq!(whole, [1, 2, 5, 15, 30, 60, 120, 300, 300, 300]);
        assert_eq!(PROVIDER.delay(u32::MAX, 0.5), Some(Duration::from_secs(300)));
    }

    #[test]
    fn jitter_stays_within_a_fifth_whatever_the_random_number() {
        for random in [f64::NAN, f64::INFINITY, -4.0, 0.0, 0.3, 1.0, 9.0] {
            let delay = CORE.delay(5, random).unwrap();
            assert!((48.0..=72.0).contains(&delay.as_secs_f64()), "{random}: {delay:?}");
        }
        assert_eq!(CORE.delay(0, 1.0), Some(Duration::ZERO));
    }
}
