//! Several calls for one job, one after the other: what most connectors' `deliver`, `act` and `register` are.
//!
//! The calls still to be made wait in the memo, so a run that stops half-way goes on with the call that
//! failed, and parts that were sent are never sent again.

use portico_contract::{
    Ask, Delivered, Fault, FaultCode, HttpAnswer, Next, OutboundRequest, Outcome, Tags, Turn,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The memo of a sequence.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sequence {
    /// The connector's name for the job, so that `resume` knows how to end it: `deliver`, or an action's name.
    pub job: String,
    /// Whatever else the connector wants to remember; it may be changed between calls.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub note: Value,
    /// Calls still to be made; the first of them is under way.
    queue: Vec<OutboundRequest>,
    /// What earlier calls of this run brought.
    #[serde(default)]
    sent: Delivered,
}

/// What one answer meant.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Provider's message ids that this answer brought.
    pub external_ids: Vec<String>,
    /// Tags that this answer brought.
    pub tags: Tags,
    /// Calls to make before the ones that wait.
    pub then: Vec<OutboundRequest>,
}

impl Step {
    /// An answer that brought one message id.
    pub fn sent(external_id: impl Into<String>) -> Self {
        Self { external_ids: vec![external_id.into()], ..Self::default() }
    }

    /// An answer that brought nothing but success.
    pub fn ok() -> Self {
        Self::default()
    }
}

impl Sequence {
    /// A sequence of calls for a job.
    pub fn new(job: &str, calls: Vec<OutboundRequest>) -> Self {
        Self { job: job.to_owned(), queue: calls, ..Self::default() }
    }

    /// Remembers something beside the calls.
    #[must_use]
    pub fn with_note(mut self, note: Value) -> Self {
        self.note = note;
        self
    }

    /// The first turn: asks for the first call, or is done when there is none.
    ///
    /// # Errors
    /// `bad-input` when the calls are too large to be remembered together.
    pub fn start(self) -> Result<Turn, Fault> {
        self.turn(|sequence| Outcome::Delivered(sequence.sent))
    }

    /// Reads the memo that a sequence left.
    ///
    /// # Errors
    /// `bug` when the memo is not of this form.
    pub fn from_memo(memo: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(memo).map_err(|error| Fault::new(FaultCode::Bug, format!("memo: {error}")))
    }

    /// Takes the answer of the call under way: `read` says what it meant, then the next call is asked for.
    /// At the end the outcome is [`Outcome::Delivered`] with all that was collected.
    ///
    /// # Errors
    /// What `read` returns: the run stops, and a later attempt makes the same call again.
    pub fn resume(
        self,
        answers: &[HttpAnswer],
        read: impl FnOnce(&OutboundRequest, &HttpAnswer) -> Result<Step, Fault>,
    ) -> Result<Turn, Fault> {
        self.resume_to(answers, read, |sequence| Outcome::Delivered(sequence.sent))
    }

    /// As [`Sequence::resume`], with an outcome of the caller's choice.
    ///
    /// # Errors
    /// As [`Sequence::resume`].
    pub fn resume_to(
        mut self,
        answers: &[HttpAnswer],
        read: impl FnOnce(&OutboundRequest, &HttpAnswer) -> Result<Step, Fault>,
        end: impl FnOnce(Self) -> Outcome,
    ) -> Result<Turn, Fault> {
        let (Some(answer), false) = (answers.first(), self.queue.is_empty()) else {
            return Err(Fault::new(FaultCode::Bug, "resumed without an answer"));
        };
        let asked = self.queue.remove(0);
        let step = read(&asked, answer)?;
        self.sent.external_ids.extend(step.external_ids);
        for (name, value) in step.tags.iter() {
            self.sent.tags.set(name.to_owned(), value);
        }
        self.queue.splice(0..0, step.then);
        self.turn(end)
    }

    /// What was collected so far.
    pub fn sent(&self) -> &Delivered {
        &self.sent
    }

    fn turn(self, end: impl FnOnce(Self) -> Outcome) -> Result<Turn, Fault> {
        let Some(first) = self.queue.first().cloned() else { return Ok(Turn::done(end(self))) };
        let memo = serde_json::to_vec(&self)
            .map_err(|error| Fault::new(FaultCode::Bug, format!("memo: {error}")))?;
        if memo.len() > 256 * 1024 {
            return Err(Fault::new(
                FaultCode::BadInput,
                "the message needs more calls than can be remembered (256 KiB)",
            ));
        }
        Ok(Turn {
            effects: Vec::new(),
            reply: None,
            next: Next::Ask(Ask { requests: vec![first], memo: memo.into() }),
        })
    }
}

#[cfg(test)]
mod tests {
    use portico_contract::InboundResponse;

    use super::*;

    fn answer(status: u16) -> Vec<HttpAnswer> {
        let response = InboundResponse { status, headers: Vec::new(), body: Default::default() };
        vec![HttpAnswer { label: "x".into(), outcome: Ok(response) }]
    }

    fn memo(turn: &Turn) -> (String, Vec<u8>) {
        match &turn.next {
            Next::Ask(ask) => (ask.requests[0].url.clone(), ask.memo.to_vec()),
            Next::Done(_) => panic!("expected another call"),
        }
    }

    #[test]
    fn calls_go_out_one_by_one_and_follow_ups_come_first() {
        let calls = vec![OutboundRequest::get("a", "https://h/1"), OutboundRequest::get("b", "https://h/2")];
        let (url, kept) = memo(&Sequence::new("deliver", calls).start().unwrap());
        assert_eq!(url, "https://h/1");
        let turn = Sequence::from_memo(&kept)
            .unwrap()
            .resume(&answer(200), |_, _| {
                Ok(Step { then: vec![OutboundRequest::get("c", "https://h/1b")], ..Step::sent("m1") })
            })
            .unwrap();
        let (url, kept) = memo(&turn);
        assert_eq!(url, "https://h/1b");
        // A failed call leaves the memo as it was; the next attempt asks for the same call again.
        let failed = Sequence::from_memo(&kept)
            .unwrap()
            .resume(&answer(500), |_, _| Err(Fault::new(FaultCode::Unavailable, "500")));
        assert_eq!(failed.unwrap_err().code, FaultCode::Unavailable);
        let turn = Sequence::from_memo(&kept).unwrap().resume(&answer(200), |_, _| Ok(Step::ok())).unwrap();
        let (url, kept) = memo(&turn);
        assert_eq!(url, "https://h/2");
        let turn =
            Sequence::from_memo(&kept).unwrap().resume(&answer(200), |_, _| Ok(Step::sent("m2"))).unwrap();
        assert_eq!(
            turn.next,
            Next::Done(Outcome::Delivered(Delivered {
                external_ids: vec!["m1".into(), "m2".into()],
                tags: Tags::new()
            }))
        );
    }
}
