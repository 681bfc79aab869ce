//! Where something was said: Slack's channel and thread as Portico's.
//!
//! - `dm`: a direct message, by its id (`D…`).
//! - `channel`: a public or private channel, or a group message, by its id (`C…`, `G…`).
//! - `thread`: a thread in any of them, by the id and the `ts` of the thread's first message.

use portico_contract::{Fault, FaultCode, Tags, Thread};

use crate::config::{ReplyPlace, SlackConfig};

/// The identity tags of a thread, as the manifest declares them.
const THREAD: [&str; 2] = ["id", "thread"];
/// The identity tag of a channel or direct message.
const ROOM: [&str; 1] = ["id"];

/// A place at Slack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Id of the channel, direct message or group.
    pub(crate) channel: &'a str,
    /// `im` where the provider says that it is a direct message; may be empty.
    pub(crate) channel_type: &'a str,
    /// `ts` of the thread's first message; empty outside of threads.
    pub(crate) thread_ts: &'a str,
    /// `ts` of the message itself.
    pub(crate) ts: &'a str,
}

impl Place<'_> {
    /// Whether it is a direct message, threads in it included.
    pub(crate) fn is_dm(&self) -> bool {
        self.channel_type == "im" || (self.channel_type.is_empty() && self.channel.starts_with('D'))
    }

    /// Whether the message stands in a thread below another message.
    fn in_thread(&self) -> bool {
        !self.thread_ts.is_empty() && self.thread_ts != self.ts
    }

    /// The thread of something that the bot posted, or that belongs to no message: nothing is forked.
    pub(crate) fn plain(&self) -> Thread {
        if self.in_thread() { thread(self.channel, self.thread_ts) } else { room(self.channel, self.is_dm()) }
    }

    /// The thread of a person's message, and the second one where the bot gets it twice.
    pub(crate) fn of_person(&self, config: &SlackConfig) -> (Thread, Option<Thread>) {
        if self.in_thread() || self.is_dm() {
            return (self.plain(), None);
        }
        let fork = || {
            let mut thread = thread(self.channel, self.ts);
            thread.tags.set("isBotReplyThread", "true");
            thread
        };
        match config.reply_place {
            ReplyPlace::Channel => (self.plain(), None),
            ReplyPlace::Thread => (fork(), None),
            ReplyPlace::ChannelAndThread => (self.plain(), Some(fork())),
        }
    }
}

/// A channel or direct message as a whole.
pub(crate) fn room(id: &str, is_dm: bool) -> Thread {
    Thread::new(if is_dm { "dm" } else { "channel" }, &ROOM, Tags::new().with("id", id))
}

/// A thread in a channel or direct message.
pub(crate) fn thread(id: &str, thread_ts: &str) -> Thread {
    Thread::new("thread", &THREAD, Tags::new().with("id", id).with("thread", thread_ts))
}

/// Where to post for a thread: the channel's id, and the `thread_ts` for threads.
///
/// # Errors
/// `bad-input` when the conversation lacks an identity tag.
pub(crate) fn target(thread: &Thread) -> Result<(&str, Option<&str>), Fault> {
    let tag = |name: &'static str| {
        thread.tags.get(name).ok_or_else(|| {
            let kind = &thread.channel;
            Fault::new(
                FaultCode::BadInput,
                format!("the conversation of channel '{kind}' has no tag '{name}'; create it with one"),
            )
            .at(format!("/conversation/tags/{name}"))
        })
    };
    let id = tag("id")?;
    Ok((id, if thread.channel == "thread" { Some(tag("thread")?) } else { None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(reply_place: ReplyPlace, channel: &str, thread_ts: &str, ts: &str) -> Vec<String> {
        let config = SlackConfig { reply_place, ..Default::default() };
        let (first, second) = Place { channel, channel_type: "", thread_ts, ts }.of_person(&config);
        [Some(first), second]
            .into_iter()
            .flatten()
            .map(|thread| format!("{} {}", thread.channel, thread.key))
            .collect()
    }

    #[test]
    fn a_channel_message_goes_where_the_operator_wants_the_reply() {
        assert_eq!(keys(ReplyPlace::Channel, "C1", "", "5.1"), ["channel C1"]);
        assert_eq!(keys(ReplyPlace::Thread, "C1", "", "5.1"), ["thread C1/5.1"]);
        assert_eq!(keys(ReplyPlace::ChannelAndThread, "C1", "", "5.1"), ["channel C1", "thread C1/5.1"]);
    }

    #[test]
    fn threads_and_direct_messages_stay_where_they_are() {
        for place in [ReplyPlace::Channel, ReplyPlace::Thread, ReplyPlace::ChannelAndThread] {
            assert_eq!(keys(place, "C1", "5.1", "5.2"), ["thread C1/5.1"]);
            assert_eq!(keys(place, "D1", "", "5.1"), ["dm D1"]);
            assert_eq!(keys(place, "D1", "5.1", "5.2"), ["thread D1/5.1"]);
        }
        assert_eq!(
            keys(ReplyPlace::Thread, "C1", "5.1", "5.1"),
            ["thread C1/5.1"],
            "a root that has replies"
        );
    }

    #[test]
    fn a_conversation_without_identity_can_not_be_posted_to() {
        assert_eq!(target(&thread("C1", "5.1")), Ok(("C1", Some("5.1"))));
        assert_eq!(target(&room("D1", true)), Ok(("D1", None)));
        let fault = target(&thread("C1", "")).unwrap_err();
        assert_eq!(
            (fault.code, fault.field.as_deref()),
            (FaultCode::BadInput, Some("/conversation/tags/thread"))
        );
    }
}
