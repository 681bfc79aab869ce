//! Jobs and how their runs end.

use portico_contract::{ActionCall, ConversationId, Delivered, OutboundMessage, Outcome, TimerTick};
use serde_json::Value;

/// A job for a connector. Webhooks have a path of their own, since their first turn is answered at once.
#[derive(Clone, Debug)]
pub enum Job {
    /// The installation was enabled or changed.
    Register,
    /// The installation is going away.
    Unregister,
    /// A message waits in the outbox.
    Deliver(Box<OutboundMessage>),
    /// A bot or operator calls an action.
    Act(Box<ActionCall>),
    /// A timer is due.
    Tick(TimerTick),
}

impl Job {
    /// The job's name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Unregister => "unregister",
            Self::Deliver(_) => "deliver",
            Self::Act(_) => "act",
            Self::Tick(_) => "tick",
        }
    }
}

/// A run that ended well.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    /// The outcome of the last turn.
    pub outcome: Outcome,
    /// Conversations that the run opened.
    pub opened: Vec<ConversationId>,
}

impl Finished {
    /// What was delivered; nothing when the outcome is of another kind.
    pub fn delivered(self) -> Delivered {
        match self.outcome {
            Outcome::Delivered(delivered) => delivered,
            Outcome::Nothing | Outcome::Output(_) => Delivered::default(),
        }
    }

    /// An action's output, with the first opened conversation as `conversationId`.
    pub fn output(self) -> Value {
        let mut output = match self.outcome {
            Outcome::Output(output) => output,
            Outcome::Nothing | Outcome::Delivered(_) => Value::Object(serde_json::Map::new()),
        };
        if let (Value::Object(fields), Some(id)) = (&mut output, self.opened.first()) {
            fields.entry("conversationId").or_insert_with(|| id.to_string().into());
        }
        output
    }
}
