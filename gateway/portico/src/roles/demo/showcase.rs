//! The demo's bot: says back what it is told, and shows a message of a kind when it is asked for it by name.

use std::time::Duration;

use async_trait::async_trait;
use portico_contract::UserId;
use portico_dispatch::{Answer, Core, Offer, Reply};
use portico_live::Live;
use serde_json::{Value, json};

/// Pause between two pieces of the streamed sample.
const PAUSE: Duration = Duration::from_millis(45);

/// The bot.
pub(super) struct Showcase {
    /// Lets the streamed sample grow.
    pub(super) live: Live,
    /// Address below which the sample media are.
    pub(super) media: String,
}

#[async_trait]
impl Core for Showcase {
    fn kind(&self) -> &'static str {
        "echo"
    }

    async fn offer(&self, offer: &Offer) -> Answer {
        let (true, Some(message)) = (offer.kind == "message_created", &offer.message) else {
            return Answer::NotForIt;
        };
        let text = message.payload.get("text").and_then(Value::as_str);
        let reply = |kind: &str, payload, draft| Reply { index: 0, kind: kind.to_owned(), payload, draft };
        let reply = match (text, text.and_then(|text| sample(text, &self.media))) {
            (_, Some(sample)) => {
                let draft = match (sample.stream, sample.payload.get("text").and_then(Value::as_str)) {
                    (true, Some(text)) => Some(self.grow(offer, text).await),
                    _ => None,
                };
                reply(sample.kind, sample.payload, draft)
            }
            // The value of a pressed button is not for people.
            (Some(text), None) => reply("text", json!({ "text": text }), None),
            (None, None) => reply(&message.kind, message.payload.clone(), None),
        };
        Answer::Accepted { replies: vec![reply], complaint: None }
    }
}

impl Showcase {
    /// Writes a text as a model would: piece by piece. Where the channel shows no drafts, nobody sees it.
    async fn grow(&self, offer: &Offer, text: &str) -> String {
        let draft = format!("demo-{}", offer.id);
        let conversation = offer.conversation.as_ref().map_or(offer.lane, |conversation| conversation.id);
        let bot = UserId::of_bot(&offer.bot);
        for piece in text.split_inclusive(' ') {
            if self.live.drafts().append(conversation, &draft, &bot, piece).is_err() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        draft
    }
}

/// One sample message.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    kind: &'static str,
    payload: Value,
    /// Shown growing, where the channel can.
    stream: bool,
}

/// Words that get a sample.
const WORDS: [&str; 14] = [
    "text", "markdown", "image", "audio", "video", "file", "location", "card", "carousel", "choice",
    "dropdown", "bloc", "stream", "help",
];

fn one(kind: &'static str, payload: Value) -> Option<Sample> {
    Some(Sample { kind, payload, stream: false })
}

fn card(title: &str, subtitle: &str, picture: String, value: &str) -> Value {
    json!({
        "title": title,
        "subtitle": subtitle,
        "imageUrl": picture,
        "actions": [
            { "action": "say", "label": format!("Tell me about the {title}"), "value": format!("Tell me about the {title}") },
            { "action": "postback", "label": "Reserve it", "value": value },
            { "action": "url", "label": "See the plans", "value": "https://example.com/plans" },
        ],
    })
}

/// The sample for a word, with its media below an address; `None` for any other text.
fn sample(word: &str, media: &str) -> Option<Sample> {
    let at = |name: &str| format!("{media}/{name}");
    match word.trim().to_lowercase().as_str() {
        "text" => one(
            "text",
            json!({ "text": "A plain text. Lines\nbreak where I break them, and https://example.com is a link." }),
        ),
        "markdown" => one("markdown", json!({ "markdown": MARKDOWN })),
        "image" => one(
            "image",
            json!({ "imageUrl": at("lake.png"), "title": "A canoe on a calm lake in front of hills" }),
        ),
        "audio" => one("audio", json!({ "audioUrl": at("bell.wav"), "title": "The bell at the boathouse" })),
        "video" => one("video", json!({ "videoUrl": at("drift.webm"), "title": "Drifting" })),
        "file" => one("file", json!({ "fileUrl": at("plans.pdf"), "title": "Plans of the Heron 14.pdf" })),
        "location" => one(
            "location",
            json!({ "latitude": 47.6505, "longitude": 9.1778, "title": "The boathouse", "address": "Seestraße 4, Konstanz" }),
        ),
        "card" => one(
            "card",
            card("Heron 14", "Cedar strip, 19 kg, for one and a dog.", at("lake.png"), "reserve:heron-14"),
        ),
        "carousel" => one(
            "carousel",
            json!({ "items": [
                card("Heron 14", "Cedar strip, 19 kg, for one and a dog.", at("lake.png"), "reserve:heron-14"),
                card("Otter 16", "Spruce and ash, steady with two and a tent.", at("lake.png"), "reserve:otter-16"),
                card("Rill paddle", "One piece of ash, oiled eleven times.", at("lake.png"), "reserve:rill"),
            ] }),
        ),
        "choice" => one(
            "choice",
            json!({ "text": "Who is coming along?", "options": [
                { "label": "Just me", "value": "one" },
                { "label": "Two of us", "value": "two" },
                { "label": "The whole family", "value": "family" },
            ] }),
        ),
        "dropdown" => one(
            "dropdown",
            json!({ "text": "Where will you paddle?", "options": [
                { "label": "A lake", "value": "lake" },
                { "label": "A slow river", "value": "river" },
                { "label": "The coast", "value": "coast" },
                { "label": "I can't decide", "value": "any" },
            ] }),
        ),
        "bloc" => one(
            "bloc",
            json!({ "items": [
                { "type": "text", "payload": { "text": "Several things in one message:" } },
                { "type": "image", "payload": { "imageUrl": at("lake.png"), "title": "The lake" } },
                { "type": "file", "payload": { "fileUrl": at("plans.pdf"), "title": "Plans.pdf" } },
            ] }),
        ),
        "stream" => Some(Sample { kind: "text", payload: json!({ "text": STREAMED }), stream: true }),
        "help" => one("text", json!({ "text": format!("Ask me for: {}.", WORDS.join(", ")) })),
        _ => None,
    }
}

const MARKDOWN: &str = "## What to pack\n\nFor a day on the water:\n\n1. A **dry bag**, rolled *three* times\n2. Rope, \
                        about `10 m`\n3. Something warm\n\n> Wind turns after four.\n\n| item | weight |\n|---|---:|\n| \
                        bag | 0.4 kg |\n| rope | 0.6 kg |\n\nMore in the [guide](https://example.com/guide).";

const STREAMED: &str = "Here is how a canoe is built. First the **forms** are set on the strongback, one every thirty \
                        centimetres. Then cedar strips are glued edge to edge:\n\n- the sheer first,\n- then the \
                        sides,\n- and the *football* in the middle last.\n\nThe hull is faired, glassed on both \
                        sides, and gets its gunwales, seats and thwart. It takes about **two hundred hours**, and \
                        most of them are sanding.";

#[cfg(test)]
mod tests {
    use portico_contract::Content;

    use super::*;

    #[test]
    fn every_word_has_a_sample_that_is_what_it_says() {
        for word in WORDS {
            let sample = sample(word, "https://bot.example/demo").unwrap();
            Content::from_parts(sample.kind, sample.payload).unwrap();
            if !matches!(word, "stream" | "help") {
                assert_eq!(sample.kind, word);
            }
        }
    }

    #[test]
    fn any_other_text_has_none() {
        assert_eq!(sample("hello", "https://bot.example/demo"), None);
        assert_eq!(sample("a card, please", "https://bot.example/demo"), None);
    }

    #[test]
    fn case_and_spaces_around_do_not_matter() {
        assert_eq!(sample(" Card\n", "x").unwrap().kind, "card");
    }
}
