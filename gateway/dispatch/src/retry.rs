//! What an answer means, and what becomes of the event: the one place where both are decided.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use portico_contract::Millis;
use portico_lanes::Verdict;
use portico_net::{NetError, NetErrorKind, Response, backoff};
use portico_store::{Attempt, DeadReason, EventOutcome};

use crate::core::{Answer, Failure};

/// Longest pause that a core may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Most of an answer that is kept for operators.
const DETAIL: usize = 500;

/// What happens to an event that is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDead {
    /// It becomes a dead letter and its conversation goes on.
    #[default]
    Continue,
    /// Its conversation waits until an operator releases it.
    Hold,
}

/// Judges everything but a 2xx, for which the answer is handed back.
pub(crate) fn judge(result: Result<Response, NetError>) -> Result<Response, Answer> {
    let response = match result {
        Ok(response) => response,
        Err(error) => {
            let code = error.kind.as_str().to_owned();
            let failure = Failure { status: None, code, detail: error.message };
            return Err(match error.kind {
                NetErrorKind::TooLarge => Answer::Failed(failure),
                _ => Answer::Down(failure),
            });
        }
    };
    let failure = |response: &Response| Failure {
        status: Some(response.status),
        code: format!("http_{}", response.status),
        detail: excerpt(&response.body),
    };
    Err(match response.status {
        200..=299 => return Ok(response),
        502..=504 => Answer::Down(failure(&response)),
        408 | 425 | 429 => Answer::Later(failure(&response), pause(&response.headers)),
        409 if asks_for_retry(&response) => Answer::Later(failure(&response), pause(&response.headers)),
        410 => Answer::Gone(failure(&response)),
        400..=499 => Answer::Refused(failure(&response)),
        // Redirects are never followed; 1xx and 5xx are failures of this event.
        _ => Answer::Failed(failure(&response)),
    })
}

/// A 409 is retried only when the core asks for it, by header or by `"retry": true`.
fn asks_for_retry(response: &Response) -> bool {
    response.headers.contains_key(RETRY_AFTER)
        || serde_json::from_slice::<serde_json::Value>(&response.body)
            .is_ok_and(|body| body.get("retry").and_then(serde_json::Value::as_bool) == Some(true))
}

/// `Retry-After` in seconds or as an HTTP date, at most an hour.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let left = date.duration_since(jiff::Timestamp::now());
            Duration::try_from(left).unwrap_or_default()
        }
    };
    Some(pause.min(LONGEST_PAUSE))
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..DETAIL).unwrap_or(body));
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// What a verdict is made from.
pub(crate) struct Case {
    /// Attempts made before this one.
    pub(crate) before: u32,
    pub(crate) now: Millis,
    pub(crate) took: Duration,
    pub(crate) on_dead: OnDead,
    /// Evenly spread over 0 to 1.
    pub(crate) random: f64,
}

impl Case {
    fn attempt(&self, failure: Failure) -> Attempt {
        Attempt {
            number: self.before.saturating_add(1),
            at: self.now,
            duration_ms: u32::try_from(self.took.as_millis()).unwrap_or(u32::MAX),
            status: failure.status,
            code: failure.code,
            detail: failure.detail,
        }
    }

    fn after(&self, pause: Duration) -> Millis {
        self.now.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
    }

    /// The event failed: tried again by the short schedule, given up at its end.
    pub(crate) fn failed(&self, failure: Failure) -> Verdict {
        match backoff::CORE.delay(self.before.saturating_add(1), self.random) {
            Some(pause) => {
                Verdict::Defer { due: self.after(pause), attempt: self.attempt(failure), counts: true }
            }
            None => self.given_up(DeadReason::Exhausted, failure),
        }
    }

    /// Whether the next failure ends the schedule.
    pub(crate) fn is_last(&self) -> bool {
        backoff::CORE.attempts().is_some_and(|attempts| self.before.saturating_add(1) >= attempts)
    }

    /// The core asks for it later.
    pub(crate) fn later(&self, failure: Failure, pause: Option<Duration>) -> Verdict {
        match pause {
            Some(pause) => {
                Verdict::Defer { due: self.after(pause), attempt: self.attempt(failure), counts: false }
            }
            None => self.failed(failure),
        }
    }

    /// No further attempt.
    pub(crate) fn given_up(&self, reason: DeadReason, failure: Failure) -> Verdict {
        let attempt = self.attempt(failure);
        match self.on_dead {
            OnDead::Continue => Verdict::Bury { reason, attempt: Some(attempt) },
            OnDead::Hold => Verdict::Hold { attempt },
        }
    }

    /// The same event again in a moment, for a reason that is not the core's.
    pub(crate) fn again(&self, code: &str, detail: String, pause: Duration, counts: bool) -> Verdict {
        let failure = Failure { status: None, code: code.into(), detail };
        Verdict::Defer { due: self.after(pause), attempt: self.attempt(failure), counts }
    }

    pub(crate) fn done() -> Verdict {
        Verdict::Settle(EventOutcome::Done)
    }

    pub(crate) fn ignored() -> Verdict {
        Verdict::Settle(EventOutcome::Ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, header: Option<&str>, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        judge(Ok(Response { status, headers, body: body.to_owned().into() })).unwrap_err()
    }

    fn case(before: u32) -> Case {
        Case {
            before,
            now: 1_000_000,
            took: Duration::from_millis(7),
            on_dead: OnDead::Continue,
            random: 0.5,
        }
    }

    #[test]
    fn statuses_are_judged_as_the_table_says() {
        for status in [502, 503, 504] {
            assert!(matches!(answer(status, None, ""), Answer::Down(_)), "{status}");
        }
        for status in [301, 302, 307, 308, 500, 501, 505, 599] {
            assert!(matches!(answer(status, None, ""), Answer::Failed(_)), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 409, 413, 422, 451] {
            assert!(matches!(answer(status, None, ""), Answer::Refused(_)), "{status}");
        }
        assert!(matches!(answer(410, None, ""), Answer::Gone(_)));
        assert!(matches!(answer(429, None, ""), Answer::Later(_, None)));
        assert!(matches!(answer(408, Some("7"), ""), Answer::Later(_, Some(pause)) if pause.as_secs() == 7));
        assert!(matches!(answer(425, Some("999999"), ""), Answer::Later(_, Some(LONGEST_PAUSE))));
        assert!(matches!(answer(409, None, r#"{"retry":true}"#), Answer::Later(_, None)));
        assert!(matches!(answer(409, Some("1"), ""), Answer::Later(_, Some(_))));
        let past = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert!(matches!(answer(429, Some(past), ""), Answer::Later(_, Some(Duration::ZERO))));
    }

    #[test]
    fn a_stated_pause_is_kept_to_the_second_and_costs_no_attempt() {
        let Verdict::Defer { due, counts, attempt } =
            case(3).later(Failure { status: Some(429), ..Failure::default() }, Some(Duration::from_secs(42)))
        else {
            panic!("not deferred")
        };
        assert_eq!((due, counts, attempt.number), (1_042_000, false, 4));
    }

    #[test]
    fn the_ninth_failure_gives_up() {
        let failure = || Failure { status: Some(500), ..Failure::default() };
        let pauses: Vec<u64> = (0..8)
            .map(|before| match case(before).failed(failure()) {
                Verdict::Defer { due, counts: true, .. } => (due - 1_000_000) / 1000,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(pauses, [1, 5, 15, 30, 60, 120, 180, 300]);
        assert!(matches!(case(8).failed(failure()), Verdict::Bury { reason: DeadReason::Exhausted, .. }));
        assert!(case(8).is_last() && !case(7).is_last());
        let held = Case { on_dead: OnDead::Hold, ..case(8) };
        assert!(matches!(held.failed(failure()), Verdict::Hold { .. }));
    }

    #[test]
    fn details_are_cut_and_hold_no_control_characters() {
        let long = "x\r\n".repeat(1000);
        assert_eq!(excerpt(long.as_bytes()).len(), DETAIL);
        assert!(!excerpt(long.as_bytes()).contains('\n'));
    }
}
