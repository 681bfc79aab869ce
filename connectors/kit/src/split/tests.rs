use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::{Measure, ellipsize, split, split_markdown};
use crate::markup::{Dialect, render};

const MEASURES: [Measure; 3] = [Measure::Chars, Measure::Utf16, Measure::Bytes];
const DIALECTS: [Dialect; 4] =
    [Dialect::Plain, Dialect::TelegramHtml, Dialect::SlackMrkdwn, Dialect::WhatsApp];

#[track_caller]
fn check(text: &str, limit: usize, expected: &[&str]) {
    assert_eq!(split(text, limit, Measure::Chars), expected);
}

#[test]
fn a_text_that_fits_stays_and_a_blank_one_goes() {
    check("hello", 5, &["hello"]);
    check(" hello ", 7, &[" hello "]);
    check("", 5, &[]);
    check(" \n ", 5, &[]);
    check(" \n ", 1, &[]);
}

#[test]
fn cuts_fall_on_the_largest_border_that_is_near() {
    check("One two.\n\nThree four. Five\nsix.", 25, &["One two.", "Three four. Five\nsix."]);
    check("One two\nthree four five", 16, &["One two", "three four five"]);
    check("One two. Three four", 14, &["One two.", "Three four"]);
    check("one two three", 9, &["one two", "three"]);
    check("one two three", 7, &["one two", "three"]);
    check("abcdefghij", 4, &["abcd", "efgh", "ij"]);
    check("a\r\n\r\nbcdefg", 7, &["a", "bcdefg"]);
    check("  indented\n  second", 12, &["  indented", "  second"]);
}

#[test]
fn a_short_beginning_is_no_piece_of_its_own() {
    check("Hi.\n\nsome more words that go on", 20, &["Hi.\n\nsome more words", "that go on"]);
}

#[test]
fn graphemes_stay_whole_unless_they_cannot() {
    let family = "👨‍👩‍👧‍👦";
    check(&format!("ab{family}c"), 8, &["ab", &format!("{family}c")]);
    check("🇩🇪🇫🇷🇮🇹", 3, &["🇩🇪", "🇫🇷", "🇮🇹"]);
    check("🇩🇪🇫🇷", 1, &["🇩", "🇪", "🇫", "🇷"]);
    check("e\u{301}e\u{301}", 3, &["e\u{301}", "e\u{301}"]);
    assert_eq!(split("😀😀", 3, Measure::Utf16), ["😀", "😀"]);
    assert_eq!(split("😀x", 1, Measure::Bytes), ["😀", "x"]);
    assert_eq!(split("ab", 0, Measure::Chars), ["a", "b"]);
}

#[test]
fn lengths_are_counted_as_the_channel_does() {
    assert_eq!(MEASURES.map(|measure| measure.of("é😀")), [2, 3, 6]);
}

#[test]
fn ellipsize_leaves_room_for_the_dots() {
    assert_eq!(ellipsize("hello", 5, Measure::Chars), "hello");
    assert_eq!(ellipsize("hello!", 5, Measure::Chars), "hell…");
    assert_eq!(ellipsize("hello!", 5, Measure::Bytes), "he…");
    assert_eq!(ellipsize("a👨‍👩‍👧‍👦b", 4, Measure::Chars), "a…");
    assert_eq!(ellipsize("ab", 1, Measure::Chars), "…");
    assert_eq!(ellipsize("ab", 0, Measure::Chars), "");
}

#[test]
fn markdown_is_cut_between_blocks_first() {
    let pieces =
        split_markdown("# Title\n\nOne two three.\n\nFour five.", 30, Measure::Chars, Dialect::SlackMrkdwn);
    assert_eq!(pieces, ["*Title*\n\nOne two three.", "Four five."]);
}

#[test]
fn marks_links_and_fences_are_closed_and_opened_again() {
    let bold = split_markdown("**one two three four**", 16, Measure::Chars, Dialect::TelegramHtml);
    assert_eq!(bold, ["<b>one two</b>", "<b>three</b>", "<b>four</b>"]);
    let link = split_markdown("[one two three](https://a.b)", 30, Measure::Chars, Dialect::SlackMrkdwn);
    assert_eq!(link, ["<https://a.b|one two three>"]);
    let link = split_markdown("[one two three](https://a.b)", 22, Measure::Chars, Dialect::SlackMrkdwn);
    assert_eq!(link, ["<https://a.b|one two>", "<https://a.b|three>"]);
    let code =
        split_markdown("```rust\nlet a = 1;\n  let b = 2;\n```", 24, Measure::Chars, Dialect::WhatsApp);
    assert_eq!(code, ["```\nlet a = 1;\n```", "```\n  let b = 2;\n```"]);
    let code = split_markdown("```c\nint aa;\nint bb;\n```", 55, Measure::Chars, Dialect::TelegramHtml);
    let open = "<pre><code class=\"language-c\">";
    assert_eq!(code, [format!("{open}int aa;</code></pre>"), format!("{open}int bb;</code></pre>")]);
}

#[test]
fn lists_are_cut_between_items_and_go_on_counting() {
    let pieces = split_markdown("3. one one\n4. two two\n5. three", 22, Measure::Chars, Dialect::Plain);
    assert_eq!(pieces, ["3. one one\n4. two two", "5. three"]);
    let pieces = split_markdown("- one two three four\n- five", 16, Measure::Chars, Dialect::Plain);
    assert_eq!(pieces, ["- one two three", "  four\n- five"]);
}

#[test]
fn an_address_longer_than_the_limit_becomes_text() {
    let url = format!("https://example.com/{}", "x".repeat(50));
    let pieces = split_markdown(&format!("see [this]({url})"), 40, Measure::Chars, Dialect::TelegramHtml);
    assert!(pieces.iter().all(|piece| piece.chars().count() <= 40), "{pieces:?}");
    assert!(pieces.concat().replace(' ', "").contains(&url), "{pieces:?}");
}

#[test]
fn long_documents_are_cut_in_reasonable_time() {
    let text = "A *paragraph* with `code` and words & more. ".repeat(10_000);
    let pieces = split_markdown(&text, 4096, Measure::Utf16, Dialect::TelegramHtml);
    assert!(pieces.len() > 100);
    let lost: usize = pieces.iter().map(|piece| piece.matches("<code>").count()).sum();
    assert_eq!(lost, 10_000);
}

fn texts() -> impl Strategy<Value = String> {
    "([a-z]{1,6}|[ \n]|\r\n|\n\n|[.!?] |👨‍👩‍👧|🇩🇪|e\u{301}|漢字|.){0,80}"
}

pub(crate) fn markdowns() -> impl Strategy<Value = String> {
    "([a-z]{1,5}|[ \n]|\n\n|\\*\\*|[*_~`<>&|#!]|~~|```|\n- |\n1\\. |\n> |# |\\[x\\]\\(https://a\\.b/c\\)|<b>|</b>|<u>|<!channel>|<@U1>|\\]\\(|\n\\| a \\| b \\|\n\\|---\\|---\\|\n|é|👨‍👩‍👧){0,60}"
}

fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

proptest! {
    #[test]
    fn split_loses_only_white_space_at_cuts_that_are_grapheme_borders(text in texts(), limit in 1_usize..40) {
        for measure in MEASURES {
            let pieces = split(&text, limit, measure);
            prop_assert_eq!(bare(&pieces.concat()), bare(&text));
            let mut rest = text.as_str();
            let borders: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).chain([text.len()]).collect();
            for piece in &pieces {
                prop_assert!(!piece.trim().is_empty());
                let single = piece.chars().count() == 1;
                prop_assert!(measure.of(piece) <= limit || single, "{:?} over {} {:?}", piece, limit, measure);
                let at = rest.find(piece.as_str());
                prop_assert!(at.is_some_and(|at| rest[..at].trim().is_empty()), "{:?} not next in {:?}", piece, rest);
                rest = &rest[at.unwrap() + piece.len()..];
                let cut = text.len() - rest.len();
                let too_long = piece.graphemes(true).count() <= 2;
                prop_assert!(borders.contains(&cut) || too_long && limit < 26, "cut at {} of {:?}", cut, text);
            }
        }
    }

    #[test]
    fn split_within_wide_limits_never_cuts_a_grapheme(text in texts(), limit in 40_usize..90) {
        for measure in MEASURES {
            let mut rest = text.as_str();
            let borders: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).chain([text.len()]).collect();
            for piece in split(&text, limit, measure) {
                let at = rest.find(piece.as_str()).unwrap();
                rest = &rest[at + piece.len()..];
                prop_assert!(measure.of(&piece) <= limit);
                prop_assert!(borders.contains(&(text.len() - rest.len())));
            }
        }
    }

    #[test]
    fn rendered_pieces_keep_the_limit_and_every_letter(text in markdowns(), limit in 16_usize..120) {
        for dialect in DIALECTS {
            for measure in MEASURES {
                let pieces = split_markdown(&text, limit, measure, dialect);
                for piece in &pieces {
                    prop_assert!(measure.of(piece) <= limit, "{:?} over {}", piece, limit);
                    prop_assert!(!piece.trim().is_empty());
                    if dialect == Dialect::TelegramHtml {
                        crate::markup::tests::check_telegram(piece)?;
                    }
                }
                // A link cut in two repeats its address, so there may be more letters, never fewer.
                let letters = |text: &str| text.matches('é').count();
                prop_assert!(pieces.iter().map(|piece| letters(piece)).sum::<usize>() >= letters(&render(&text, Dialect::Plain)));
            }
        }
    }

    #[test]
    fn ellipsized_text_keeps_the_limit(text in texts(), limit in 0_usize..30) {
        for measure in MEASURES {
            prop_assert!(measure.of(&ellipsize(&text, limit, measure)) <= limit);
        }
    }
}
