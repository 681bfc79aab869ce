//! What fits passes; what does not keeps its words.

use std::collections::BTreeMap;

use portico_contract::{CardAction, KindLimits, SelectOption};
use proptest::prelude::*;

use super::*;

const KINDS: [&str; 12] = [
    "text", "markdown", "image", "audio", "video", "file", "location", "card", "carousel", "choice",
    "dropdown", "bloc",
];

fn channel(kinds: &[&str]) -> ChannelSpec {
    let sends: BTreeMap<_, _> =
        kinds.iter().map(|kind| ((*kind).to_owned(), KindLimits::default())).collect();
    ChannelSpec { sends, ..ChannelSpec::default() }
}

fn card() -> Card {
    Card {
        title: "Tea".into(),
        subtitle: Some("Green".into()),
        image_url: Some("https://x.example/tea.png".into()),
        actions: vec![
            CardAction { action: ActionKind::Say, label: "Buy".into(), value: "buy tea".into() },
            CardAction {
                action: ActionKind::Url,
                label: "Shop".into(),
                value: "https://x.example/shop".into(),
            },
        ],
    }
}

#[test]
fn a_card_becomes_a_picture_and_numbered_words() {
    let parts = fit(Content::Card(card()), &channel(&["text", "image"])).unwrap();
    assert_eq!(
        parts,
        [
            Content::Image(Media::at("https://x.example/tea.png")),
            Content::text("Tea\nGreen\n1. Buy\n2. Shop: https://x.example/shop"),
        ]
    );
    let parts = fit(Content::Carousel { items: vec![card()] }, &channel(&["text"])).unwrap();
    assert_eq!(parts.first(), Some(&Content::text("https://x.example/tea.png")));
}

#[test]
fn a_cards_buttons_stay_pressable_where_choices_are_carried() {
    let parts =
        fit(Content::Card(Card { image_url: None, ..card() }), &channel(&["text", "choice"])).unwrap();
    let options = vec![SelectOption { label: "Buy".into(), value: "buy tea".into() }];
    assert_eq!(
        parts,
        [Content::Choice(Options { text: "Tea\nGreen\nShop: https://x.example/shop".into(), options })]
    );
}

#[test]
fn choices_and_dropdowns_stand_in_for_each_other() {
    let options = Options {
        text: "Size?".into(),
        options: vec![SelectOption { label: "S".into(), value: "s".into() }],
    };
    let dropdown = Content::Dropdown(options.clone());
    assert_eq!(fit(dropdown.clone(), &channel(&["text", "choice"])).unwrap(), [Content::Choice(options)]);
    assert_eq!(fit(dropdown, &channel(&["text"])).unwrap(), [Content::text("Size?\n1. S")]);
}

#[test]
fn unknown_kinds_are_refused_by_name_unless_declared() {
    let custom = Content::Custom { kind: "sticker".into(), data: serde_json::json!({ "id": 1 }) };
    let refused = fit(custom.clone(), &channel(&["text"])).unwrap_err();
    assert_eq!(refused.to_string(), "the channel can't carry messages of type 'sticker'");
    assert_eq!(fit(custom.clone(), &channel(&["sticker"])).unwrap(), [custom]);
    assert_eq!(fit(Content::text("x"), &channel(&["image"])).unwrap_err().kind, "text");
}

#[test]
fn markdown_becomes_readable_text() {
    let source = "# Hi *you*\n\nSee [docs](https://d.example) and <https://e.example>:\n\n1. one\n2. **two**\n   - deep\n\n`code`";
    assert_eq!(
        plain(source),
        "Hi you\n\nSee docs (https://d.example) and https://e.example:\n\n1. one\n2. two\n  • deep\n\ncode"
    );
    assert_eq!(plain("---"), "---");
}

#[test]
fn places_and_media_keep_their_address() {
    let place = Location {
        latitude: 1.5,
        longitude: -2.0,
        address: Some("Road 1".into()),
        title: Some("Home".into()),
    };
    let text = fit(Content::Location(place), &channel(&["text"])).unwrap();
    assert_eq!(text, [Content::text("Home\nRoad 1\nhttps://maps.google.com/?q=1.5,-2")]);
    let file = Media { title: Some("Bill".into()), ..Media::at("https://x.example/b.pdf") };
    assert_eq!(
        fit(Content::File(file), &channel(&["text"])).unwrap(),
        [Content::text("Bill\nhttps://x.example/b.pdf")]
    );
}

fn word() -> impl Strategy<Value = String> {
    "[a-z]{4,9}( [a-z]{4,9}){0,2}"
}

fn address() -> impl Strategy<Value = String> {
    "https://[a-z]{5}\\.example/[a-z0-9]{6}"
}

fn media() -> impl Strategy<Value = Media> {
    (address(), prop::option::of(word())).prop_map(|(url, title)| Media { title, ..Media::at(url) })
}

fn cards() -> impl Strategy<Value = Card> {
    let action = (0..3_usize, word(), address()).prop_map(|(kind, label, value)| CardAction {
        action: [ActionKind::Postback, ActionKind::Url, ActionKind::Say][kind],
        label,
        value,
    });
    (word(), prop::option::of(word()), prop::option::of(address()), prop::collection::vec(action, 0..4))
        .prop_map(|(title, subtitle, image_url, actions)| Card { title, subtitle, image_url, actions })
}

fn options() -> impl Strategy<Value = Options> {
    let option = (word(), word()).prop_map(|(label, value)| SelectOption { label, value });
    (word(), prop::collection::vec(option, 0..5)).prop_map(|(text, options)| Options { text, options })
}

fn simple() -> impl Strategy<Value = Content> {
    prop_oneof![
        word().prop_map(Content::text),
        word().prop_map(|markdown| Content::Markdown { markdown: format!("**{markdown}**") }),
        media().prop_map(Content::Image),
        media().prop_map(Content::Audio),
        media().prop_map(Content::Video),
        media().prop_map(Content::File),
        (word(), word()).prop_map(|(title, address)| Content::Location(Location {
            latitude: 1.25,
            longitude: 7.5,
            address: Some(address),
            title: Some(title),
        })),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        simple(),
        cards().prop_map(Content::Card),
        prop::collection::vec(cards(), 0..3).prop_map(|items| Content::Carousel { items }),
        options().prop_map(Content::Choice),
        options().prop_map(Content::Dropdown),
        prop::collection::vec(simple(), 1..4).prop_map(|items| Content::Bloc { items }),
    ]
}

/// Everything that a person must be able to read or open.
fn readable(content: &Content, found: &mut Vec<String>) {
    let mut media = |media: &Media| {
        found.push(media.url.clone());
        found.extend(media.title.clone());
    };
    match content {
        Content::Text { text, .. } => found.push(text.clone()),
        Content::Markdown { markdown } => found.push(markdown.trim_matches('*').to_owned()),
        Content::Image(it) | Content::Audio(it) | Content::Video(it) | Content::File(it) => media(it),
        Content::Location(place) => {
            found.extend(place.title.clone());
            found.extend(place.address.clone());
            found.extend([place.latitude.to_string(), place.longitude.to_string()]);
        }
        Content::Card(card) => {
            found.push(card.title.clone());
            found.extend(card.subtitle.clone());
            found.extend(card.image_url.clone());
            for action in &card.actions {
                found.push(action.label.clone());
                if action.action == ActionKind::Url {
                    found.push(action.value.clone());
                }
            }
        }
        Content::Carousel { items } => {
            items.iter().for_each(|card| readable(&Content::Card(card.clone()), found))
        }
        Content::Choice(options) | Content::Dropdown(options) => {
            found.push(options.text.clone());
            found.extend(options.options.iter().map(|option| option.label.clone()));
        }
        Content::Bloc { items } => items.iter().for_each(|item| readable(item, found)),
        Content::Custom { .. } => {}
    }
}

proptest! {
    #[test]
    fn what_is_declared_passes_untouched(content in content()) {
        let all = channel(&KINDS);
        prop_assert_eq!(fit(content.clone(), &all).unwrap(), vec![content]);
    }

    #[test]
    fn nothing_readable_is_lost_and_only_declared_kinds_come_out(
        content in content(),
        declared in prop::collection::btree_set(prop::sample::select(&KINDS[..]), 0..12),
    ) {
        let mut declared: Vec<&str> = declared.into_iter().collect();
        declared.push("text");
        let parts = fit(content.clone(), &channel(&declared)).unwrap();
        let mut wanted = Vec::new();
        readable(&content, &mut wanted);
        let mut said = String::new();
        for part in parts {
            prop_assert!(declared.contains(&part.kind()), "{}", part.kind());
            let (_, payload) = part.into_parts();
            said.push_str(&payload.to_string().replace("\\n", "\n"));
        }
        for text in wanted {
            prop_assert!(said.contains(&text), "{text} is not in {said}");
        }
    }
}
