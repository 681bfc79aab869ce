//! What comes of each payload of the shared folder, after the channels' documents.

/// The events of one payload.
pub(crate) struct Expected {
    pub(crate) file: &'static str,
    /// Their kinds; a kind of the connector's own begins with the colon behind its alias.
    pub(crate) kinds: &'static [&'static str],
    /// What is at some places of the first one.
    pub(crate) places: &'static [(&'static str, &'static str)],
}

const fn is(
    file: &'static str,
    kinds: &'static [&'static str],
    places: &'static [(&'static str, &'static str)],
) -> Expected {
    Expected { file, kinds, places }
}

const MESSAGE: &[&str] = &["message_created"];

pub(crate) const SLACK: &[Expected] = &[
    is(
        "app_mention.json",
        MESSAGE,
        &[
            ("/message/type", "text"),
            ("/message/tags/mentionsBot", "true"),
            ("/message/tags/ts", "1767326125.870439"),
            ("/user/tags/id", "U00FAKEUSER1"),
            ("/conversation/tags/id", "C00FAKECHAN1"),
        ],
    ),
    is(
        "block_actions_button.json",
        MESSAGE,
        &[("/message/type", "text"), ("/channel", "thread"), ("/user/tags/id", "U00FAKEUSER1")],
    ),
    is("block_actions_static_select.json", MESSAGE, &[("/message/type", "text"), ("/channel", "thread")]),
    is(
        "member_joined_channel.json",
        &[":memberJoinedChannel"],
        &[("/payload/channelId", "C00FAKECHAN1"), ("/payload/isSelf", "true")],
    ),
    // Edited by the bot itself.
    is("message_changed.json", &[], &[]),
    is(
        "message_im.json",
        MESSAGE,
        &[
            ("/message/payload/text", "hello hello"),
            ("/channel", "dm"),
            ("/conversation/tags/id", "D0ACX51K95H"),
        ],
    ),
    is("message_own_bot.json", &[], &[]),
    is(
        "message_thread_reply.json",
        MESSAGE,
        &[
            ("/message/payload/text", "2"),
            ("/channel", "thread"),
            ("/conversation/tags/thread", "1766458026.240809"),
        ],
    ),
    is(
        "message_with_file.json",
        MESSAGE,
        &[("/message/type", "bloc"), ("/message/payload/items/1/type", "image")],
    ),
    is("reaction_added.json", &["reaction_added"], &[("/reaction", "+1"), ("/user/tags/id", "U00FAKEUSER1")]),
    is(
        "slash_command.json",
        MESSAGE,
        &[
            ("/message/payload/text", "/test-feedback some arguments here"),
            ("/message/tags/command", "/test-feedback"),
        ],
    ),
    is("view_submission.json", &[":viewSubmission"], &[]),
];

pub(crate) const TELEGRAM: &[Expected] = &[
    is(
        "callback_query.json",
        MESSAGE,
        &[("/message/type", "text"), ("/conversation/tags/chatId", "222222222")],
    ),
    is("callback_query_inaccessible_message.json", MESSAGE, &[("/message/payload/value", "thedata")]),
    is(
        "command_with_parameters.json",
        MESSAGE,
        &[("/message/payload/text", "/register HR John Doe"), ("/conversation/tags/chatId", "456")],
    ),
    is("contact.json", MESSAGE, &[("/message/type", "contact"), ("/message/payload/phoneNumber", "911")]),
    is("document.json", MESSAGE, &[("/message/type", "file")]),
    is("edited_message.json", &["message_updated"], &[]),
    is(
        "location.json",
        MESSAGE,
        &[("/message/payload/latitude", "41.899977"), ("/message/payload/longitude", "12.501028")],
    ),
    is("message_reaction.json", &["reaction_added", "reaction_added"], &[]),
    is(
        "message_topic.json",
        MESSAGE,
        &[("/conversation/tags/chatId", "-1001234567489"), ("/conversation/tags/threadId", "33")],
    ),
    is("my_chat_member.json", &[":botStatusChanged"], &[]),
    is("new_chat_members.json", &[":memberJoined"], &[]),
    is("photo.json", MESSAGE, &[("/message/type", "image")]),
    is(
        "private_text.json",
        MESSAGE,
        &[("/message/payload/text", "how are you"), ("/user/name", "Test User")],
    ),
    is("private_text_mention.json", MESSAGE, &[("/message/payload/text", "@vercelchatsdkbot hi")]),
];

pub(crate) const WHATSAPP: &[Expected] = &[
    is(
        "button_reply.json",
        MESSAGE,
        &[("/message/payload/value", "callback_data"), ("/conversation/tags/userPhone", "+972987654321")],
    ),
    is("contacts.json", MESSAGE, &[("/message/type", "contacts")]),
    is("image.json", MESSAGE, &[("/message/type", "image")]),
    is(
        "list_reply.json",
        MESSAGE,
        &[("/message/payload/text", "title"), ("/message/payload/value", "callback_data")],
    ),
    is(
        "location.json",
        MESSAGE,
        &[("/message/payload/latitude", "37.4611978"), ("/message/payload/title", "Facebook HQ")],
    ),
    is("reaction_add.json", &["reaction_added"], &[("/reaction", "😮")]),
    is("reaction_remove.json", &["reaction_removed"], &[]),
    is("referral_ad.json", MESSAGE, &[("/message/tags/referralSourceId", "ADID")]),
    is(
        "reply_context.json",
        MESSAGE,
        &[("/message/payload/text", "replied text"), ("/message/tags/replyTo", "wamid.xyzxyz==")],
    ),
    is("status.json", &["message_sent"], &[("/payload/externalId", "wamid.FAKE_MSG_SENT_001")]),
    is("status_failed.json", &["message_failed"], &[]),
    is(
        "text.json",
        MESSAGE,
        &[
            ("/message/payload/text", "What is Vercel?"),
            ("/user/name", "Test User"),
            ("/conversation/tags/botPhoneNumberId", "100000000000001"),
        ],
    ),
    is("text_bsuid.json", MESSAGE, &[("/message/type", "text"), ("/user/tags/username", "testuser")]),
    is("unsupported.json", &[":unsupported"], &[]),
    is("user_id_update.json", &[":identity_changed"], &[("/payload/person/now", "US.24817305912873645029")]),
    is("voice.json", MESSAGE, &[("/message/type", "audio"), ("/message/tags/voice", "true")]),
];
