//! Markdown split at its images, for channels that send an image as a message of its own.

use std::collections::BTreeMap;
use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd};

use super::read::options;
use super::tree::one_line;
use super::{Dialect, render};

/// A piece of a document, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkdownPart {
    /// Markdown without top-level images; never blank once rendered.
    Text(String),
    /// An image that stood in a paragraph of its own level, between texts.
    Image {
        /// The address as written, entities and escapes decoded; not checked.
        url: String,
        /// The alternative text, on one line; empty when there is none.
        alt: String,
    },
}

/// Longer definitions are not carried along with each text that refers to them.
const MAX_DEFINITION: usize = 4096;

/// Splits out the images of top-level paragraphs. Images in lists, quotes, tables, links and
/// emphasis stay in their text, where a dialect writes them as links.
pub fn parts(markdown: &str) -> Vec<MarkdownPart> {
    let images = images(markdown);
    if images.is_empty() {
        return text(markdown.to_owned()).into_iter().collect();
    }
    let definitions = Definitions::read(markdown);
    let mut parts = Vec::new();
    let mut from = 0;
    for image in images {
        parts.extend(text(definitions.complete(markdown, from..image.range.start)));
        parts.push(MarkdownPart::Image { url: image.url, alt: image.alt });
        from = image.range.end;
    }
    parts.extend(text(definitions.complete(markdown, from..markdown.len())));
    parts
}

fn text(markdown: String) -> Option<MarkdownPart> {
    let blank = render(&markdown, Dialect::Plain).trim().is_empty();
    (!blank).then_some(MarkdownPart::Text(markdown))
}

struct Image {
    url: String,
    alt: String,
    range: Range<usize>,
}

fn images(markdown: &str) -> Vec<Image> {
    let mut found: Vec<Image> = Vec::new();
    let mut depth = 0_usize;
    let mut in_paragraph = false;
    let mut open = false;
    for (event, range) in Parser::new_ext(markdown, options()).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    in_paragraph = matches!(tag, Tag::Paragraph);
                }
                if let (1, true, Tag::Image { dest_url, .. }) = (depth, in_paragraph, &tag) {
                    found.push(Image { url: dest_url.to_string(), alt: String::new(), range });
                    open = true;
                }
                depth += 1;
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                if depth == 1 && matches!(end, TagEnd::Image) {
                    open = false;
                }
            }
            Event::Text(text) | Event::Code(text) if open => {
                if let Some(image) = found.last_mut() {
                    image.alt.push_str(&text);
                }
            }
            Event::SoftBreak | Event::HardBreak if open => {
                if let Some(image) = found.last_mut() {
                    image.alt.push(' ');
                }
            }
            _ => {}
        }
    }
    for image in &mut found {
        image.alt = one_line(&image.alt);
    }
    found
}

/// Reference definitions, which may stand in another part than the links that name them.
struct Definitions {
    /// Start of each reference link, and the span of its definition.
    uses: BTreeMap<usize, Range<usize>>,
}

impl Definitions {
    fn read(markdown: &str) -> Self {
        let parser = Parser::new_ext(markdown, options());
        let spans: Vec<(String, Range<usize>)> = parser
            .reference_definitions()
            .iter()
            .map(|(name, definition)| (name.to_lowercase(), definition.span.clone()))
            .filter(|(_, span)| span.len() <= MAX_DEFINITION)
            .collect();
        let spans: BTreeMap<String, Range<usize>> = spans.into_iter().collect();
        let mut uses = BTreeMap::new();
        if spans.is_empty() {
            return Self { uses };
        }
        for (event, range) in parser.into_offset_iter() {
            if let Event::Start(Tag::Link { link_type, id, .. } | Tag::Image { link_type, id, .. }) = event
                && matches!(link_type, LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut)
                && let Some(span) = spans.get(&id.to_lowercase())
            {
                uses.insert(range.start, span.clone());
            }
        }
        Self { uses }
    }

    /// The text of a range, with the definitions it needs from outside.
    fn complete(&self, markdown: &str, range: Range<usize>) -> String {
        let text = markdown.get(range.clone()).unwrap_or_default();
        // Spaces next to an image, which at the start of a text would be an indent.
        let text = if range.start > 0 { text.trim_start_matches([' ', '\t']) } else { text };
        let mut out = text.trim_start_matches(['\n', '\r']).trim_end().to_owned();
        let mut missing: Vec<&Range<usize>> = self
            .uses
            .range(range.clone())
            .map(|(_, span)| span)
            .filter(|span| span.start < range.start || span.end > range.end)
            .collect();
        missing.sort_by_key(|span| span.start);
        missing.dedup();
        for (index, span) in missing.into_iter().enumerate() {
            out.push_str(if index == 0 { "\n\n" } else { "\n" });
            out.push_str(markdown.get(span.clone()).unwrap_or_default().trim());
        }
        out
    }
}
