//! The conversations that a connection shows, each from the place where the visitor stopped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use portico_contract::ConversationId;
use portico_live::{Bounds, Heard, Listener, LiveError};

use crate::channel::Channel;
use crate::frame::ServerFrame;
use crate::shared::Api;

/// Most items that a resume brings; beyond that the visitor reads the history.
const MOST_MISSED: u64 = 500;
/// Most conversations that one connection shows.
const MOST: usize = 64;

/// Where the showing of a conversation begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) conversation: ConversationId,
    /// Items after this one are shown.
    pub(crate) after: u64,
    /// Number of the newest item when this was found.
    pub(crate) last: u64,
    /// Whether too much was missed for a resume.
    pub(crate) reset: bool,
}

impl Start {
    /// The frame that says that a resume is not possible.
    pub(crate) fn reset_frame(&self) -> Option<ServerFrame> {
        let conv = self.conversation.to_string();
        self.reset.then(|| ServerFrame::Reset { conv, from: self.after.saturating_add(1) })
    }
}

/// Finds where to begin for somebody who has seen `seen`; `None`: with what comes from now on.
///
/// # Errors
/// The store's.
pub(crate) async fn start(
    api: &Api,
    channel: &Channel,
    conversation: ConversationId,
    seen: Option<u64>,
) -> Result<Start, LiveError> {
    let head = api.live.head(&channel.at, conversation).await?;
    let (after, reset) = match seen {
        // A cursor ahead of the stream is of another life of the store.
        Some(seen)
            if seen > head.last || head.last - seen > MOST_MISSED || seen.saturating_add(1) < head.first =>
        {
            (head.last, true)
        }
        Some(seen) => (seen, false),
        None => (head.last, false),
    };
    Ok(Start { conversation, after, last: head.last, reset })
}

type Next = Pin<Box<dyn Future<Output = (Listener, Heard)> + Send>>;

/// Conversations that are listened to.
#[derive(Default)]
pub(crate) struct Following {
    waiting: Vec<(ConversationId, Next)>,
    /// Where the last look around stopped, so that a busy conversation does not hide the others.
    turn: usize,
}

fn next(mut listener: Listener) -> Next {
    Box::pin(async move {
        let heard = listener.next().await;
        (listener, heard)
    })
}

impl Following {
    /// Shows a conversation, from a place. One that is shown already begins there again.
    pub(crate) fn begin(&mut self, api: &Api, channel: &Arc<Channel>, start: &Start) {
        let listener = api.live.listen(&channel.at, start.conversation, Bounds::default()).after(start.after);
        self.end(start.conversation);
        if self.waiting.len() >= MOST {
            // The one that was begun first has been left longest ago.
            drop(self.waiting.remove(0));
        }
        self.waiting.push((start.conversation, next(listener)));
    }

    /// Stops showing a conversation.
    pub(crate) fn end(&mut self, conversation: ConversationId) {
        self.waiting.retain(|(one, _)| *one != conversation);
    }

    /// Stops showing all.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Whether a conversation is shown.
    pub(crate) fn has(&self, conversation: ConversationId) -> bool {
        self.waiting.iter().any(|(one, _)| *one == conversation)
    }

    /// What was heard next in any of them.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(ConversationId, Heard)> {
        let count = self.waiting.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some((conversation, waiting)) = self.waiting.get_mut(index) else { continue };
            if let Poll::Ready((listener, heard)) = waiting.as_mut().poll(cx) {
                let conversation = *conversation;
                self.turn = index + 1;
                match heard {
                    Heard::Ended => drop(self.waiting.remove(index)),
                    _ => *waiting = next(listener),
                }
                return Poll::Ready((conversation, heard));
            }
        }
        Poll::Pending
    }
}
