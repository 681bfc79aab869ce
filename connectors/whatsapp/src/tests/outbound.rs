//! Messages out: what is sent, and what the answers make of it.

use portico_contract::{
    ActionKind, Card, CardAction, FaultCode, Media, Options as Choices, SelectOption, TransportFailure,
};
use portico_suite::script;
use serde_json::json;

use super::*;

#[test]
fn every_fixture_is_sent_as_its_snapshot_says() {
    for (name, message) in fixtures().outbound().into_iter().filter(|(name, _)| !name.starts_with("refused_"))
    {
        let run = run(&ctx(), Job::Deliver(message), well());
        run.delivered();
        let sent: Vec<Value> = run
            .requests
            .iter()
            .map(|request| {
                let body = match &request.body {
                    Payload::Text(text) => serde_json::from_str(text).unwrap_or_default(),
                    other => json!(other),
                };
                json!({ "label": request.label, "method": request.method, "url": request.url, "body": body })
            })
            .collect();
        insta::assert_json_snapshot!(name, sent);
    }
}

fn options(count: usize) -> Choices {
    let option =
        |number: usize| SelectOption { label: format!("Label {number}"), value: format!("v{number}") };
    Choices { text: "Which?".into(), options: (1..=count).map(option).collect() }
}

#[test]
fn a_choice_is_text_buttons_or_lists_by_its_size() {
    let shape = |count| -> Vec<String> {
        sent(vec![Content::Choice(options(count))])
            .iter()
            .map(|body| match body.pointer("/interactive/action/sections/0/rows").and_then(Value::as_array) {
                Some(rows) => format!("list of {}", rows.len()),
                None => match body.pointer("/interactive/action/buttons").and_then(Value::as_array) {
                    Some(buttons) => format!("{} buttons", buttons.len()),
                    None => body["type"].as_str().unwrap_or_default().to_owned(),
                },
            })
            .collect()
    };
    assert_eq!(shape(0), ["text"]);
    assert_eq!(shape(1), ["1 buttons"]);
    assert_eq!(shape(3), ["3 buttons"]);
    assert_eq!(shape(4), ["list of 4"]);
    assert_eq!(shape(10), ["list of 10"]);
    assert_eq!(shape(23), ["list of 10", "list of 10", "list of 3"]);
}

#[test]
fn labels_are_cut_and_values_that_do_not_fit_are_kept() {
    let long = "v".repeat(300);
    let choice = |value: &str, second: &str| {
        let option = |label: &str, value: &str| SelectOption { label: label.into(), value: value.into() };
        Content::Choice(Choices {
            text: "?".into(),
            options: vec![option("A label of twenty-one", value), option("A label of twenty-one", second)],
        })
    };
    let run = run(&ctx(), Job::Deliver(message(vec![choice(&long, " b ")])), well());
    let buttons = &bodies(&run)[0]["interactive"]["action"]["buttons"];
    assert_eq!(buttons[0]["reply"]["title"], "A label of twenty-o…");
    assert_eq!(buttons[1]["reply"]["title"], "A label of twenty… 2", "titles must differ");
    assert_eq!(buttons[1]["reply"]["id"], "b");
    let id = buttons[0]["reply"]["id"].as_str().expect("an id");
    let kept: Vec<_> = run
        .effects
        .iter()
        .filter_map(|effect| match effect {
            portico_contract::Effect::Write(write) if write.key.starts_with("value:") => Some(write),
            _ => None,
        })
        .collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(id.strip_prefix("portico:"), kept[0].key.strip_prefix("value:"));
    assert_eq!(kept[0].data.as_deref(), Some(long.as_bytes()));
    assert_eq!(kept[0].lifetime_s, Some(90 * 24 * 60 * 60));
    // Equal values must have different ids, and both must mean the same.
    let run = super::run(&ctx(), Job::Deliver(message(vec![choice("same", "same")])), well());
    let buttons = &bodies(&run)[0]["interactive"]["action"]["buttons"];
    assert_eq!(buttons[0]["reply"]["id"], "same");
    assert!(buttons[1]["reply"]["id"].as_str().is_some_and(|id| id.starts_with("portico:")));
}

#[test]
fn long_text_is_cut_at_words_and_never_inside_an_emoji() {
    let text = "👩‍👩‍👧‍👦 family ".repeat(900);
    let bodies = sent(vec![Content::text(&text)]);
    let pieces: Vec<&str> = bodies.iter().filter_map(|body| body["text"]["body"].as_str()).collect();
    assert!(pieces.len() > 1);
    for piece in &pieces {
        assert!(piece.encode_utf16().count() <= 4096);
        assert!(piece.starts_with("👩‍👩‍👧‍👦") || piece.starts_with("family"), "{piece:.40}");
    }
    assert_eq!(pieces.join(" ").split_whitespace().count(), text.split_whitespace().count());
}

#[test]
fn a_question_above_its_limit_goes_before_the_buttons() {
    let choice = Choices { text: "word ".repeat(300), ..options(2) };
    let bodies = sent(vec![Content::Choice(choice)]);
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0]["type"], "text");
    assert!(bodies[1]["interactive"]["body"]["text"].as_str().is_some_and(|body| body.len() <= 1024));
}

#[test]
fn blank_text_is_left_out() {
    let run = run(&ctx(), Job::Deliver(message(vec![Content::text(" \n")])), well());
    assert!(run.requests.is_empty() && run.delivered().external_ids.is_empty());
}

fn card(actions: &[(ActionKind, &str)]) -> Card {
    Card {
        title: "Title".into(),
        subtitle: Some("Subtitle".into()),
        image_url: Some("https://files.example/a.png".into()),
        actions: actions
            .iter()
            .map(|(action, value)| CardAction { action: *action, label: "Go".into(), value: (*value).into() })
            .collect(),
    }
}

#[test]
fn a_cards_buttons_are_grouped_in_their_order() {
    use ActionKind::{Postback, Say, Url};
    let actions = [
        (Url, "https://a.example/"),
        (Postback, "1"),
        (Say, "2"),
        (Say, "3"),
        (Postback, "4"),
        (Url, "tel:+1"),
    ];
    let bodies = sent(vec![Content::Card(card(&actions))]);
    let kinds: Vec<String> =
        bodies.iter().map(|body| format!("{} {}", body["type"], body["interactive"]["type"])).collect();
    assert_eq!(
        kinds,
        [
            r#""interactive" "cta_url""#,
            r#""interactive" "button""#,
            r#""interactive" "button""#,
            r#""text" null"#
        ]
    );
    let texts: Vec<&str> = bodies
        .iter()
        .filter_map(|body| body.pointer("/interactive/body/text").and_then(Value::as_str))
        .collect();
    assert_eq!(texts, ["*Title*\nSubtitle", "\u{200b}", "\u{200b}"]);
    let headers = bodies.iter().filter(|body| body.pointer("/interactive/header").is_some()).count();
    assert_eq!(headers, 1);
    assert_eq!(bodies[3]["text"]["body"], "Go: tel:+1");
}

#[test]
fn cards_stand_side_by_side_only_when_all_are_alike() {
    use ActionKind::{Postback, Url};
    let native = |items: Vec<Card>| {
        let bodies = sent(vec![Content::Carousel { items }]);
        bodies.iter().filter(|body| body["interactive"]["type"] == "carousel").count()
    };
    let reply = |number: usize| card(&[(Postback, &format!("v{number}"))]);
    let replies = |count: usize| (0..count).map(reply).collect::<Vec<_>>();
    assert_eq!(native(replies(1)), 0, "one card");
    assert_eq!(native(replies(2)), 1);
    assert_eq!(native(replies(10)), 1);
    assert_eq!(native(replies(11)), 0, "a last group of one");
    assert_eq!(native(replies(12)), 2);
    let link = card(&[(Url, "https://a.example/")]);
    assert_eq!(native(vec![link.clone(), link.clone()]), 1);
    assert_eq!(native(vec![link, reply(1)]), 0, "mixed");
    assert_eq!(native(vec![reply(1), reply(1)]), 0, "ids repeat");
    assert_eq!(native(vec![reply(1), card(&[(Postback, "a"), (Postback, "b")])]), 0, "different counts");
    assert_eq!(
        native(vec![card(&[(Postback, "a"), (Postback, "b"), (Postback, "c")]), reply(1)]),
        0,
        "three replies"
    );
    assert_eq!(native(vec![reply(1), Card { image_url: None, ..reply(2) }]), 0, "no picture");
    assert_eq!(native(vec![reply(1), Card { subtitle: Some("x".repeat(160)), ..reply(2) }]), 0, "long text");
}

#[test]
fn media_of_the_gateway_is_uploaded_and_sent_by_id() {
    let run = run(&ctx(), Job::Deliver(fixtures().outbound_case("own_media")), well());
    let labels: Vec<&str> = run.requests.iter().map(|request| request.label.as_str()).collect();
    assert_eq!(labels, ["fetch:0", "upload:0", "message"]);
    assert!(run.requests[0].slots.is_empty(), "no token to a public address");
    assert!(matches!(run.requests[1].body, Payload::Form(_)));
    assert_eq!(run.json(2)["image"], json!({ "caption": "From here", "id": "upload-1" }));
    // Fetching fails: the provider may still manage by itself.
    let run = super::run(&ctx(), Job::Deliver(fixtures().outbound_case("own_media")), |request| {
        if request.label == "fetch:0" { Err(TransportFailure::Denied) } else { well()(request) }
    });
    assert_eq!(run.json(1)["image"]["link"], "https://gateway.example/media/1.png");
}

#[test]
fn held_media_goes_from_the_provider_to_the_provider() {
    let run = run(&ctx(), Job::Deliver(fixtures().outbound_case("held_media")), well());
    let urls: Vec<&str> = run.requests.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://graph.facebook.com/v22.0/300000000000004",
            "https://lookaside.fbsbx.com/media/1?ext=2",
            "https://graph.facebook.com/v22.0/700100200300400/media",
            "https://graph.facebook.com/v22.0/700100200300400/messages",
        ]
    );
    assert_eq!(run.json(3)["document"]["id"], "upload-1");
}

#[test]
fn every_picture_of_a_carousel_is_uploaded_where_asked() {
    let ctx = with(json!({ "upload_media": true }));
    let run = run(&ctx, Job::Deliver(fixtures().outbound_case("carousel_native")), well());
    let labels: Vec<&str> = run.requests.iter().map(|request| request.label.as_str()).collect();
    assert_eq!(labels, ["fetch:0", "upload:0", "fetch:0", "upload:0", "fetch:0", "upload:0", "message"]);
    assert!(!run.json(6).to_string().contains("link"));
}

#[test]
fn media_refused_at_once_goes_out_as_text() {
    let refused = || Ok(fixtures().answer("media_refused"));
    let good = |id: &str| Ok(json_answer(200, json!({ "messages": [{ "id": id }] })));
    let outbound = |name: &str| Job::Deliver(fixtures().outbound_case(name));
    let run = run(&ctx(), outbound("image"), script([refused(), good("wamid.T")]));
    assert_eq!(run.delivered().external_ids, ["wamid.T"]);
    assert_eq!(bodies(&run)[1]["text"]["body"], "The part\nhttps://files.example/a.png");
    let answers = [refused(), good("wamid.1"), good("wamid.2"), good("wamid.3"), good("wamid.4")];
    let run = super::run(&ctx(), outbound("card_actions"), script(answers));
    let bodies = bodies(&run);
    assert_eq!(bodies[1]["text"]["body"], "https://files.example/a.png");
    assert_eq!(bodies[2]["interactive"]["type"], "button");
    assert!(bodies[2]["interactive"].get("header").is_none());
}

#[test]
fn refusals_become_faults_by_their_code() {
    let table = [
        ("window_closed", FaultCode::Unreachable),
        ("pair_rate", FaultCode::RateLimited),
        ("token_expired", FaultCode::Unauthenticated),
        ("no_such_template", FaultCode::NotFound),
    ];
    for (name, code) in table {
        let run =
            run(&ctx(), Job::Deliver(message(vec![Content::text("x")])), |_| Ok(fixtures().answer(name)));
        assert_eq!(run.fault().code, code, "{name}");
        assert!(!format!("{:?}", run.fault()).contains("EAAB"), "{name}");
    }
}

#[test]
fn parts_that_were_sent_are_not_sent_again() {
    let job = Job::Deliver(message(vec![Content::text("one"), Content::text("two")]));
    let first = run(
        &ctx(),
        job,
        script([
            Ok(json_answer(200, json!({ "messages": [{ "id": "wamid.1" }] }))),
            Err(TransportFailure::Connect),
        ]),
    );
    assert_eq!(first.fault().code, FaultCode::Unavailable);
    let memo = first.memo.expect("a memo");
    let answer = json_answer(200, json!({ "messages": [{ "id": "wamid.2" }] }));
    let answers = vec![portico_contract::HttpAnswer { label: "message".into(), outcome: Ok(answer) }];
    let second = portico_suite::resume(connector().as_ref(), &host(), &ctx(), &memo, answers, script([]));
    assert_eq!(second.delivered().external_ids, ["wamid.1", "wamid.2"]);
    assert_eq!(second.delivered().tags.get("id"), Some("wamid.1"));
}

#[test]
fn a_message_of_too_many_calls_is_refused_before_the_first() {
    let job = Job::Deliver(message(vec![Content::Choice(options(1000))]));
    let run = run(&ctx(), job, well());
    assert_eq!(run.fault().code, FaultCode::BadInput);
    assert!(run.requests.is_empty());
}

#[test]
fn options_of_the_configuration_change_texts() {
    let ctx = with(
        json!({ "link_previews": true, "markdown_in_text": true, "list_button": "Bitte wählen Sie etwas aus" }),
    );
    let parts = vec![Content::text("**See** https://a.example"), Content::Dropdown(options(1))];
    let run = run(&ctx, Job::Deliver(message(parts)), well());
    let bodies = bodies(&run);
    assert_eq!(bodies[0]["text"], json!({ "body": "*See* https://a.example", "preview_url": true }));
    assert_eq!(bodies[1]["interactive"]["action"]["button"], "Bitte wählen Sie et…");
}

#[test]
fn a_file_gets_a_name_that_is_safe_to_show() {
    let name = |media: Media| {
        sent(vec![Content::File(media)])[0]["document"]["filename"].as_str().unwrap_or_default().to_owned()
    };
    let at = |url: &str| Media::at(url);
    assert_eq!(name(at("https://f.example/a/b.pdf?x=1.zip")), "file.pdf");
    assert_eq!(name(Media { title: Some("Offer".into()), ..at("https://f.example/b.pdf") }), "Offer.pdf");
    assert_eq!(name(Media { filename: Some("../../x\n.txt".into()), ..at("https://f.example/") }), "x.txt");
}
