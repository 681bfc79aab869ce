//! Messages to calls, kind by kind, and what Slack's answers bring.

use insta::assert_json_snapshot;
use portico_contract::{
    Card, CardAction, Content, Delivered, Effect, Fault, FaultCode, InboundResponse, Keep, Media, Options,
    OutboundMessage, OutboundRequest, Payload, Scope, SelectOption, Tags, TransportFailure,
};
use portico_suite::{Answer, Fixtures, Job, Run, TestContext, json_answer, resume, run};
use serde_json::{Value, json};

use super::{DIR, host, slack};

fn outbound(name: &str) -> OutboundMessage {
    Fixtures::of(DIR).outbound_case(name)
}

fn send(message: OutboundMessage, config: Value, answer: impl FnMut(&OutboundRequest) -> Answer) -> Run {
    run(&*crate::connector(), &host(), &TestContext::with(config), Job::Deliver(message), answer)
}

fn sent(name: &str) -> Run {
    send(outbound(name), json!({}), well)
}

/// Everything goes well, and media addresses hand out a small file.
fn well(request: &OutboundRequest) -> Answer {
    if request.keep == Keep::Stored {
        return Ok(InboundResponse {
            status: 200,
            headers: Vec::new(),
            body: Payload::Bytes("bytes".into()),
        });
    }
    Ok(slack(request))
}

fn with_parts(parts: Vec<Content>) -> OutboundMessage {
    OutboundMessage { parts, ..outbound("text_dm") }
}

fn labels(run: &Run) -> Vec<&str> {
    run.requests.iter().map(|request| request.label.split(':').next().unwrap()).collect()
}

#[test]
fn a_text_is_escaped_and_posted_with_the_token() {
    let run = sent("text_dm");
    assert_json_snapshot!(run.requests[0], @r#"
    {
      "label": "chat.postMessage",
      "method": "POST",
      "url": "https://slack.com/api/chat.postMessage",
      "headers": [
        {
          "name": "content-type",
          "value": "application/json; charset=utf-8"
        },
        {
          "name": "authorization",
          "value": "Bearer {bearer}"
        }
      ],
      "body": {
        "kind": "text",
        "value": "{\"channel\":\"D0ADA\",\"text\":\"Your order &lt;42&gt; is on its way &amp; paid\"}"
      },
      "slots": [
        {
          "place": "header",
          "marker": "{bearer}",
          "secret": "bot_token"
        }
      ],
      "repeatable": false,
      "keep": "bytes"
    }
    "#);
    let tags = Tags::new().with("ts", "1750000500.000100").with("channelId", "D0ADA");
    assert_eq!(run.delivered(), &Delivered { external_ids: vec!["1750000500.000100".into()], tags });
}

#[test]
fn places_and_looks_follow_the_conversation_the_tags_and_the_configuration() {
    assert_eq!(
        sent("text_thread").json(0),
        json!({ "channel": "C0ORDERS", "text": "Here", "thread_ts": "1750000050.000200" })
    );
    assert_eq!(
        sent("text_reply").json(0),
        json!({ "channel": "C0ORDERS", "text": "Here", "thread_ts": "1750000100.000100", "reply_broadcast": true })
    );
    let whisper = sent("text_ephemeral");
    assert_eq!(labels(&whisper), ["chat.postEphemeral"]);
    assert_eq!(whisper.json(0)["user"], "U0ADA");
    assert_eq!(whisper.delivered().external_ids, ["1750000501.000100"]);
    let press = OutboundMessage { reply_to: Some("press-1750000210.000900".into()), ..outbound("text_dm") };
    assert_eq!(
        send(press, json!({}), well).json(0).get("thread_ts"),
        None,
        "a press is no message to reply to"
    );
    let dressed = json!({ "api_url": "http://127.0.0.1:9100", "username": "Shop", "icon_emoji": ":shop:" });
    let run = send(outbound("text_dm"), dressed, well);
    assert_eq!(run.requests[0].url, "http://127.0.0.1:9100/api/chat.postMessage");
    assert_eq!((&run.json(0)["username"], &run.json(0)["icon_emoji"]), (&json!("Shop"), &json!(":shop:")));
}

#[test]
fn texts_above_the_limit_are_split_and_nothing_is_lost() {
    let long = "A sentence of some length, with <brackets> & more. ".repeat(300);
    let run = send(with_parts(vec![Content::text(long.clone())]), json!({}), well);
    let texts: Vec<String> =
        (0..run.requests.len()).map(|index| run.json(index)["text"].as_str().unwrap().to_owned()).collect();
    assert!(texts.len() > 3 && texts.iter().all(|text| text.chars().count() <= 4000));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let joined = texts.join(" ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    assert_eq!(words(&joined), words(&long));
    assert_eq!(run.delivered().external_ids.len(), texts.len());
}

#[test]
fn markdown_becomes_mrkdwn() {
    let text = sent("markdown").json(0)["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("*Hello*") && text.contains("*bold*") && text.contains("~gone~"), "{text}");
    assert!(text.contains("<https://shop.example|link>"), "{text}");
    let shout =
        send(with_parts(vec![Content::Markdown { markdown: "<!channel> hi".into() }]), json!({}), well);
    assert!(!shout.json(0)["text"].as_str().unwrap().contains("<!channel>"));
}

#[test]
fn a_picture_is_a_block() {
    assert_json_snapshot!(sent("image").json(0), @r#"
    {
      "blocks": [
        {
          "alt_text": "A cat",
          "image_url": "https://shop.example/cat.png",
          "title": {
            "emoji": true,
            "text": "A cat",
            "type": "plain_text"
          },
          "type": "image"
        }
      ],
      "channel": "D0ADA",
      "text": "A cat"
    }
    "#);
}

#[test]
fn a_picture_that_slack_can_not_reach_is_uploaded() {
    let refused = |request: &OutboundRequest| match request.label.as_str() {
        "chat.postMessage:0" => Ok(json_answer(200, json!({ "ok": false, "error": "invalid_blocks" }))),
        _ => well(request),
    };
    let run = send(outbound("image"), json!({}), refused);
    let expected = [
        "chat.postMessage",
        "media",
        "files.getUploadURLExternal",
        "upload",
        "files.completeUploadExternal",
        "files.info",
    ];
    assert_eq!(labels(&run), expected);
    assert_eq!(labels(&sent("image_webp")), &expected[1..], "a kind that Slack does not show");
    run.delivered();
}

#[test]
fn a_file_is_fetched_and_uploaded_in_three_steps() {
    let run = sent("file");
    assert_eq!(
        labels(&run),
        ["media", "files.getUploadURLExternal", "upload", "files.completeUploadExternal", "files.info"]
    );
    let [media, slot, upload, _, info] = run.requests.as_slice() else { panic!() };
    assert_eq!(
        (media.url.as_str(), media.keep, media.slots.len()),
        ("https://shop.example/i.pdf", Keep::Stored, 0)
    );
    assert_eq!(slot.body, Payload::Text("filename=i.pdf&length=5".into()));
    assert_eq!((upload.url.as_str(), upload.slots.len()), ("https://files.slack.com/upload/v1/invented", 0));
    assert!(matches!(&upload.body, Payload::Stored(_)));
    let share = json!({ "files": [{ "id": "F0NEW", "title": "Invoice" }], "channel_id": "C0ORDERS", "thread_ts": "1750000050.000200" });
    assert_eq!(run.json(3), share);
    assert_eq!(info.url, "https://slack.com/api/files.info?file=F0NEW");
    assert_eq!(run.delivered().external_ids, ["1750000502.000100"]);
    assert_eq!(run.delivered().tags.get("fileId"), Some("F0NEW"));
    for kind in ["audio", "video"] {
        assert_eq!(labels(&sent(kind)).len(), 5, "{kind}");
    }
    let mixed = sent("several_parts");
    assert_eq!(
        (labels(&mixed).first(), labels(&mixed).last()),
        (Some(&"chat.postMessage"), Some(&"chat.postMessage"))
    );
    assert_eq!(mixed.delivered().external_ids.len(), 3);
}

#[test]
fn a_file_that_is_out_counts_even_without_a_message_id() {
    let silent = |request: &OutboundRequest| match request.label.split(':').next() {
        Some("files.info") => Err(TransportFailure::TimedOut),
        _ => well(request),
    };
    let run = send(outbound("file"), json!({}), silent);
    assert_eq!(run.delivered().external_ids, Vec::<String>::new());
    let told = |request: &OutboundRequest| match request.label.split(':').next() {
        Some("files.completeUploadExternal") => Ok(json_answer(
            200,
            json!({ "ok": true, "files": [{ "id": "F0NEW", "shares": { "public": { "C0ORDERS": [{ "ts": "7.000001" }] } } }] }),
        )),
        _ => well(request),
    };
    assert_eq!(send(outbound("file"), json!({}), told).delivered().external_ids, ["7.000001"]);
}

#[test]
fn media_that_can_not_be_fetched_is_the_bots_mistake_or_a_pause() {
    let fault = |answer: Answer| send(outbound("file"), json!({}), move |_| answer.clone()).fault().clone();
    let status = |status: u16| Ok(InboundResponse { status, headers: Vec::new(), body: Payload::Empty });
    for (answer, code) in [
        (status(404), FaultCode::BadInput),
        (status(302), FaultCode::BadInput),
        (status(503), FaultCode::Unavailable),
        (Err(TransportFailure::TooLarge), FaultCode::BadInput),
        (Err(TransportFailure::Denied), FaultCode::BadInput),
        (Err(TransportFailure::Connect), FaultCode::Unavailable),
    ] {
        assert_eq!(fault(answer.clone()).code, code, "{answer:?}");
    }
    let empty =
        Ok(InboundResponse { status: 200, headers: Vec::new(), body: Payload::Bytes(Default::default()) });
    assert_eq!(fault(empty).code, FaultCode::BadInput);
}

#[test]
fn a_later_attempt_goes_on_where_the_first_stopped() {
    let failing = |request: &OutboundRequest| match request.label.split(':').next() {
        Some("files.completeUploadExternal") => Ok(json_answer(500, json!({}))),
        _ => well(request),
    };
    let host = host();
    let ctx = TestContext::with(json!({}));
    let failed = run(&*crate::connector(), &host, &ctx, Job::Deliver(outbound("several_parts")), failing);
    assert_eq!(failed.fault().code, FaultCode::Unavailable);
    let again = failed.requests.last().unwrap();
    let answer = portico_contract::HttpAnswer { label: again.label.clone(), outcome: well(again) };
    let rest = resume(&*crate::connector(), &host, &ctx, &failed.memo.unwrap(), vec![answer], well);
    assert_eq!(labels(&rest), ["files.info", "chat.postMessage"], "nothing is posted or uploaded twice");
    assert_eq!(rest.delivered().external_ids.len(), 3);
}

#[test]
fn a_place_is_a_link_to_a_map() {
    assert_eq!(
        sent("location").json(0)["text"],
        "Shop\nMain St 1\n<https://www.google.com/maps/search/?api=1&amp;query=48.2,16.37|48.2, 16.37>"
    );
}

#[test]
fn a_card_is_a_section_with_buttons() {
    assert_json_snapshot!(sent("card").json(0)["blocks"], @r#"
    [
      {
        "accessory": {
          "alt_text": "Shoes",
          "image_url": "https://shop.example/c.png",
          "type": "image"
        },
        "text": {
          "text": "*Shoes*\nFrom 9 €",
          "type": "mrkdwn"
        },
        "type": "section"
      },
      {
        "elements": [
          {
            "action_id": "postback_0",
            "text": {
              "emoji": true,
              "text": "Buy",
              "type": "plain_text"
            },
            "type": "button",
            "value": "buy"
          },
          {
            "action_id": "url_1",
            "text": {
              "emoji": true,
              "text": "Look",
              "type": "plain_text"
            },
            "type": "button",
            "url": "https://shop.example/1"
          },
          {
            "action_id": "say_2",
            "text": {
              "emoji": true,
              "text": "Hours",
              "type": "plain_text"
            },
            "type": "button",
            "value": "When are you open?"
          }
        ],
        "type": "actions"
      }
    ]
    "#);
    let carousel = sent("carousel").json(0);
    assert_eq!(
        (carousel["blocks"].as_array().unwrap().len(), carousel["text"].as_str()),
        (4, Some("Shoes\nHats"))
    );
}

#[test]
fn choices_and_dropdowns_are_blocks() {
    assert_json_snapshot!(sent("choice").json(0), @r#"
    {
      "blocks": [
        {
          "text": {
            "text": "Which size?",
            "type": "mrkdwn"
          },
          "type": "section"
        },
        {
          "elements": [
            {
              "action_id": "choice_0",
              "text": {
                "emoji": true,
                "text": "Small",
                "type": "plain_text"
              },
              "type": "button",
              "value": "s"
            },
            {
              "action_id": "choice_1",
              "text": {
                "emoji": true,
                "text": "Large",
                "type": "plain_text"
              },
              "type": "button",
              "value": "l"
            }
          ],
          "type": "actions"
        }
      ],
      "channel": "D0ADA",
      "text": "Which size?"
    }
    "#);
    assert_json_snapshot!(sent("dropdown").json(0)["blocks"][1], @r#"
    {
      "elements": [
        {
          "action_id": "dropdown_0",
          "options": [
            {
              "text": {
                "emoji": true,
                "text": "Small",
                "type": "plain_text"
              },
              "value": "s"
            },
            {
              "text": {
                "emoji": true,
                "text": "Large",
                "type": "plain_text"
              },
              "value": "l"
            }
          ],
          "type": "static_select"
        }
      ],
      "type": "actions"
    }
    "#);
    assert_eq!(sent("blocks").json(0)["blocks"], json!([{ "type": "divider" }]));
}

/// All blocks that were posted, after a check of the limits that Slack sets for them.
fn checked_blocks(run: &Run) -> Vec<Value> {
    let mut all = Vec::new();
    for index in 0..run.requests.len() {
        let body = run.json(index);
        let blocks = body["blocks"].as_array().unwrap();
        assert!((1..=50).contains(&blocks.len()), "{} blocks", blocks.len());
        assert!(
            body["blocks"].to_string().len() <= 13_000,
            "blocks of {} bytes",
            body["blocks"].to_string().len()
        );
        assert!(!body["text"].as_str().unwrap().is_empty() || index > 0, "notifications show something");
        for block in blocks {
            let elements = block["elements"].as_array().cloned().unwrap_or_default();
            assert!(elements.len() <= 25);
            for element in &elements {
                assert!(element["text"]["text"].as_str().unwrap_or_default().chars().count() <= 75);
                assert!(element["value"].as_str().unwrap_or_default().len() <= 2000);
                for option in element["options"].as_array().into_iter().flatten() {
                    assert!(
                        option["value"].as_str().unwrap().len() <= 150
                            && option["text"]["text"].as_str().unwrap().chars().count() <= 75
                    );
                }
                assert!(
                    element["options"].as_array().is_none_or(|options| (1..=100).contains(&options.len()))
                );
            }
            let mut ids: Vec<&Value> = elements.iter().map(|element| &element["action_id"]).collect();
            ids.dedup();
            assert_eq!(ids.len(), elements.len(), "action_id must be unique in a block");
            assert!(block["text"]["text"].as_str().unwrap_or_default().chars().count() <= 3000);
            all.push(block.clone());
        }
    }
    all
}

fn options(count: usize, value: &str) -> Options {
    let option = |number| SelectOption {
        label: format!("Option {number} {}", "x".repeat(80)),
        value: format!("{number}{value}"),
    };
    Options { text: "Pick <one>".into(), options: (0..count).map(option).collect() }
}

#[test]
fn many_options_and_cards_stay_within_every_limit() {
    for count in [1, 25, 26, 100, 101, 700] {
        let buttons =
            checked_blocks(&send(with_parts(vec![Content::Choice(options(count, "v"))]), json!({}), well));
        assert_eq!(
            buttons.iter().map(|block| block["elements"].as_array().map_or(0, Vec::len)).sum::<usize>(),
            count
        );
        let lists =
            checked_blocks(&send(with_parts(vec![Content::Dropdown(options(count, "v"))]), json!({}), well));
        let listed: usize = lists
            .iter()
            .flat_map(|block| block["elements"].as_array().into_iter().flatten())
            .map(|select| select["options"].as_array().unwrap().len())
            .sum();
        assert_eq!(listed, count);
    }
    let card = Card {
        title: "A *title* <here> ".repeat(300),
        subtitle: Some("And a subtitle. ".repeat(300)),
        image_url: Some("https://shop.example/c.png".into()),
        actions: vec![
            CardAction {
                action: portico_contract::ActionKind::Postback,
                label: "Buy".into(),
                value: "b".into()
            };
            30
        ],
    };
    let blocks =
        checked_blocks(&send(with_parts(vec![Content::Carousel { items: vec![card; 12] }]), json!({}), well));
    assert_eq!(
        blocks.iter().map(|block| block["elements"].as_array().map_or(0, Vec::len)).sum::<usize>(),
        360
    );
    let empty = checked_blocks(&send(with_parts(vec![Content::Choice(options(0, ""))]), json!({}), well));
    assert_eq!(empty.len(), 1, "a question without options is a text");
}

#[test]
fn values_longer_than_slack_takes_come_back_whole() {
    let value = format!("{{\"order\":\"{}\"}}", "ü".repeat(1500));
    let option = SelectOption { label: "One".into(), value: value.clone() };
    let pick = Content::Dropdown(Options { text: "?".into(), options: vec![option.clone(), option] });
    let run = send(with_parts(vec![pick]), json!({}), well);
    let sent = run.json(0)["blocks"][1]["elements"][0]["options"][0]["value"].as_str().unwrap().to_owned();
    let writes: Vec<_> = run
        .effects
        .iter()
        .filter_map(|effect| if let Effect::Write(write) = effect { Some(write) } else { None })
        .collect();
    assert_eq!((writes.len(), writes[0].lifetime_s), (1, Some(7_776_000)));
    let knowing = host().state(Scope::Installation, &writes[0].key, writes[0].data.clone().unwrap());
    assert_eq!(crate::values::look_up(&knowing, sent), value);
    let sly = Content::Choice(Options {
        text: "?".into(),
        options: vec![SelectOption { label: "x".into(), value: "portico:x".into() }],
    });
    assert_eq!(
        send(with_parts(vec![sly]), json!({}), well).effects.len(),
        1,
        "what looks like a key is stored, too"
    );
}

#[test]
fn refusals_name_the_field() {
    let field = |parts: Vec<Content>| {
        let run = send(with_parts(parts), json!({}), well);
        (run.fault().code, run.fault().field.clone().unwrap_or_default())
    };
    assert_eq!(
        field(outbound("refused_url_button").parts),
        (FaultCode::BadInput, "/payload/actions/0/value".into())
    );
    assert_eq!(field(outbound("refused_scheme").parts), (FaultCode::BadInput, "/payload/imageUrl".into()));
    assert_eq!(field(outbound("refused_blocks").parts), (FaultCode::BadInput, "/payload/blocks".into()));
    assert_eq!(field(outbound("refused_kind").parts), (FaultCode::Unsupported, "/type".into()));
    assert_eq!(
        field(vec![Content::Video(Media::at("x"))]),
        (FaultCode::BadInput, "/payload/videoUrl".into())
    );
    assert_eq!(
        send(outbound("refused_ephemeral_file"), json!({}), well).fault().field.as_deref(),
        Some("/tags/ephemeralTo")
    );
}

#[test]
fn slacks_errors_choose_what_the_outbox_does() {
    use FaultCode::{BadInput, Forbidden, NotFound, RateLimited, Unauthenticated, Unavailable, Unreachable};
    let fault = |name: &str| -> Fault {
        let answer = Fixtures::of(DIR).answer(name);
        send(outbound("text_dm"), json!({}), move |_| Ok(answer.clone())).fault().clone()
    };
    for (name, code) in [
        ("429", RateLimited),
        ("channel_not_found", NotFound),
        ("not_in_channel", Unreachable),
        ("is_archived", Unreachable),
        ("invalid_auth", Unauthenticated),
        ("missing_scope", Forbidden),
        ("internal_error", Unavailable),
        ("msg_too_long", BadInput),
        ("invalid_blocks", BadInput),
        ("restricted_action", Forbidden),
    ] {
        assert_eq!(fault(name).code, code, "{name}");
    }
    assert_eq!(fault("429").retry_after_ms, Some(7000));
    let dead = host().state(Scope::Installation, "revoked", "app_uninstalled");
    let run = run(
        &*crate::connector(),
        &dead,
        &TestContext::with(json!({})),
        Job::Deliver(outbound("text_dm")),
        well,
    );
    assert_eq!((run.fault().code, run.requests.len()), (Unauthenticated, 0));
}
