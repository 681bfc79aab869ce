//! What a bot may ask for.

use portico_contract::{Effect, FaultCode};
use serde_json::json;

use super::*;

fn act(ctx: &Context, call: ActionCall) -> Run {
    run(ctx, Job::Act(call), well())
}

fn opened(run: &Run) -> Vec<&Thread> {
    run.effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Open(thread) => Some(thread),
            _ => None,
        })
        .collect()
}

#[test]
fn a_conversation_starts_with_a_template_and_its_number_is_made_whole() {
    let input = json!({ "userPhone": "+54 11 2345 6789", "templateName": "hello", "templateVariablesJson": "[\"Ada\"]" });
    let run = act(&ctx(), call("startConversation", input));
    assert_eq!(run.json(0)["to"], "5491123456789");
    assert_eq!(
        run.json(0)["template"],
        json!({ "name": "hello", "language": { "code": "en_US" },
            "components": [{ "type": "body", "parameters": [{ "type": "text", "text": "Ada" }] }] })
    );
    assert_eq!(opened(&run)[0].key, format!("{BOT}/+5491123456789/"));
    assert_eq!(run.output(), &json!({ "externalId": "wamid.1" }));
}

#[test]
fn the_thread_of_a_started_conversation_is_that_of_the_answer() {
    let run =
        act(&ctx(), call("startConversation", json!({ "conversation": { "userPhone": "4915100000001" } })));
    assert!(run.requests.is_empty());
    let portico_contract::Event::Message(answer) = event("text") else { panic!("no message") };
    assert_eq!(opened(&run)[0], &answer.thread);
    let run = act(&ctx(), call("startConversation", json!({ "userId": "DE.5550001112223334445" })));
    let portico_contract::Event::Message(answer) = event("text_username_only") else { panic!("no message") };
    assert_eq!(opened(&run)[0], &answer.thread);
}

#[test]
fn a_refused_template_opens_nothing() {
    let input = json!({ "userPhone": "+4915100000001", "templateName": "gone" });
    let run =
        run(
            &ctx(),
            Job::Act(call("startConversation", input)),
            |_| Ok(fixtures().answer("no_such_template")),
        );
    assert_eq!(run.fault().code, FaultCode::NotFound);
    assert!(opened(&run).is_empty());
}

#[test]
fn wrong_input_is_named_by_its_field() {
    let field = |name: &str, input| {
        let run = act(&ctx(), call(name, input));
        assert_eq!(run.fault().code, FaultCode::BadInput);
        run.fault().field.clone().unwrap_or_default()
    };
    assert_eq!(field("startConversation", json!({ "templateName": "t" })), "/userPhone");
    assert_eq!(field("startConversation", json!({ "userPhone": "0171 1" })), "/userPhone");
    assert_eq!(
        field("startConversation", json!({ "conversation": { "userPhone": "x" } })),
        "/conversation/userPhone"
    );
    assert_eq!(
        field("startConversation", json!({ "userPhone": "+49151234567", "botPhoneNumberId": "1" })),
        "/botPhoneNumberId"
    );
    assert_eq!(field("sendTemplate", json!({})), "/templateName");
    assert_eq!(field("addReaction", json!({ "reaction": " " })), "/reaction");
    assert_eq!(field("media", json!({})), "/handle");
    let mut about_nothing = call("markAsRead", json!({}));
    about_nothing.message = None;
    assert_eq!(act(&ctx(), about_nothing).fault().field.as_deref(), Some("/messageId"));
}

#[test]
fn typing_is_one_call_that_also_marks_as_read() {
    let run = act(&ctx(), call("startTypingIndicator", json!({})));
    assert_eq!(run.requests.len(), 1);
    assert_eq!(
        run.json(0),
        json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.IN0001",
            "typing_indicator": { "type": "text" } })
    );
    assert_eq!(run.output(), &json!({}));
    let run = act(&ctx(), call("markAsRead", json!({})));
    assert_eq!(
        run.json(0),
        json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.IN0001" })
    );
    assert!(act(&ctx(), call("stopTypingIndicator", json!({}))).requests.is_empty());
    let shown = with(json!({ "typing_emoji": true }));
    assert_eq!(bodies(&act(&shown, call("startTypingIndicator", json!({}))))[1]["reaction"]["emoji"], "👀");
    assert_eq!(bodies(&act(&shown, call("stopTypingIndicator", json!({}))))[0]["reaction"]["emoji"], "");
}

#[test]
fn reactions_are_put_on_and_taken_off() {
    let run = act(&ctx(), call("addReaction", json!({ "reaction": "🎉" })));
    assert_eq!(
        bodies(&run)[0],
        json!({ "type": "reaction", "reaction": { "message_id": "wamid.IN0001", "emoji": "🎉" } })
    );
    assert_eq!(
        bodies(&act(&ctx(), call("removeReaction", json!({ "reaction": "🎉" }))))[0]["reaction"]["emoji"],
        ""
    );
}

#[test]
fn media_is_fetched_with_the_token_at_the_address_that_the_provider_names() {
    let run = act(&ctx(), call("media", json!({ "handle": "300000000000002" })));
    let asked: Vec<(&str, usize)> =
        run.requests.iter().map(|request| (request.url.as_str(), request.slots.len())).collect();
    assert_eq!(
        asked,
        [
            ("https://graph.facebook.com/v22.0/300000000000002", 1),
            ("https://lookaside.fbsbx.com/media/1?ext=2", 1)
        ]
    );
    assert_eq!(run.output(), &json!({ "blob": "blob-2" }));
    let odd = act(&ctx(), call("media", json!({ "handle": "../me/accounts?x" })));
    assert_eq!(odd.requests[0].url, "https://graph.facebook.com/v22.0/..%2Fme%2Faccounts%3Fx");
    let gone = super::run(&ctx(), Job::Act(call("media", json!({ "handle": "1" }))), |_| {
        Ok(json_answer(400, json!({ "error": { "code": 100, "error_subcode": 33 } })))
    });
    assert_eq!(gone.fault().code, FaultCode::NotFound);
}

#[test]
fn templates_are_listed_page_by_page() {
    let ctx = with(json!({ "waba_id": "900" }));
    let run = run(&ctx, Job::Act(call("listTemplates", json!({ "status": "APPROVED" }))), |_| {
        Ok(json_answer(
            200,
            json!({ "data": [{ "name": "a" }], "paging": { "cursors": { "after": "c" }, "next": "n" } }),
        ))
    });
    assert_eq!(
        run.requests[0].url,
        "https://graph.facebook.com/v22.0/900/message_templates?limit=100&status=APPROVED"
    );
    assert_eq!(run.output(), &json!({ "templates": [{ "name": "a" }], "after": "c" }));
}

#[test]
fn what_the_provider_does_not_have_is_unsupported() {
    for name in ["editMessage", "deleteMessage", "dance"] {
        assert_eq!(act(&ctx(), call(name, json!({}))).fault().code, FaultCode::Unsupported, "{name}");
    }
}
