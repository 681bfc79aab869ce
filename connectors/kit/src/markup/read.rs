//! Markdown into a tree, from the events of pulldown-cmark.
//!
//! The tree is shallow by force: below [`MAX_DEPTH`] containers are opened no more and their
//! content joins the parent. Blocks and marks with nothing in them are left out.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::html;
use super::table::Table;
use super::tree::{Block, Inline, Item, List, Mark, one_line, plain_text};

/// More levels than a chat can show.
const MAX_DEPTH: usize = 24;

/// Longer words after a fence, in bytes, name no language.
const MAX_LANGUAGE: usize = 32;

pub(super) fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// Reads a document; `lower` says what a table becomes.
pub(super) fn parse(markdown: &str, lower: &dyn Fn(&Table) -> Block) -> Vec<Block> {
    let mut builder = Builder { source: markdown, stack: vec![Frame::new(Kind::Root)], skipped: 0, lower };
    for (event, range) in Parser::new_ext(markdown, options()).into_offset_iter() {
        builder.event(event, range);
    }
    builder.finish()
}

/// The children of a container: `inlines` gather until a block closes or begins.
struct Frame {
    kind: Kind,
    blocks: Vec<Block>,
    inlines: Vec<Inline>,
    items: Vec<Item>,
    checked: Option<bool>,
}

impl Frame {
    fn new(kind: Kind) -> Self {
        Self { kind, blocks: Vec::new(), inlines: Vec::new(), items: Vec::new(), checked: None }
    }

    /// A tight list item has text without a paragraph around it: this makes one.
    fn settle(&mut self) {
        if self.inlines.iter().any(|inline| !is_blank(inline)) {
            self.blocks.push(Block::Paragraph(std::mem::take(&mut self.inlines)));
        }
        self.inlines.clear();
    }
}

enum Kind {
    Root,
    Paragraph,
    Heading,
    Quote,
    List(Option<u64>),
    Item,
    Mark(Mark),
    /// A mark opened by inline HTML, closed by the same name or by the end of its parent.
    HtmlMark(Mark),
    Link(String),
    Image(String),
    Code(String),
    Html,
    Table(Range<usize>, Vec<Vec<String>>),
    Row(Vec<String>),
    Cell,
}

struct Builder<'a> {
    source: &'a str,
    stack: Vec<Frame>,
    /// Containers that were too deep to open and still wait for their end.
    skipped: usize,
    lower: &'a dyn Fn(&Table) -> Block,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(end) => self.end(end),
            Event::Text(text) => self.text(&text),
            Event::Code(code) if !code.is_empty() => self.inline(Inline::Code(code.into_string())),
            Event::InlineHtml(html) => self.inline_html(&html),
            Event::Html(html) => self.text(&html),
            Event::SoftBreak | Event::HardBreak => self.inline(Inline::Break),
            Event::Rule => self.block(Block::Rule),
            Event::TaskListMarker(done) => self.top().checked = Some(done),
            // Empty code, and footnotes and formulas, which are not switched on.
            _ => {}
        }
    }

    fn top(&mut self) -> &mut Frame {
        if self.stack.is_empty() {
            self.stack.push(Frame::new(Kind::Root));
        }
        let last = self.stack.len() - 1;
        &mut self.stack[last]
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        if self.skipped > 0 || self.stack.len() >= MAX_DEPTH {
            self.skipped += 1;
            return;
        }
        let kind = match tag {
            Tag::Paragraph => Kind::Paragraph,
            Tag::Heading { .. } => Kind::Heading,
            Tag::BlockQuote(_) => Kind::Quote,
            Tag::List(start) => Kind::List(start),
            Tag::Item => Kind::Item,
            Tag::Emphasis => Kind::Mark(Mark::Italic),
            Tag::Strong => Kind::Mark(Mark::Bold),
            Tag::Strikethrough => Kind::Mark(Mark::Strike),
            Tag::Link { dest_url, .. } => Kind::Link(dest_url.into_string()),
            Tag::Image { dest_url, .. } => Kind::Image(dest_url.into_string()),
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => {
                let language = info.split_whitespace().next().unwrap_or_default();
                Kind::Code(if language.len() <= MAX_LANGUAGE { language.to_owned() } else { String::new() })
            }
            Tag::CodeBlock(CodeBlockKind::Indented) => Kind::Code(String::new()),
            Tag::HtmlBlock => Kind::Html,
            Tag::Table(_) => Kind::Table(range, Vec::new()),
            Tag::TableHead | Tag::TableRow => Kind::Row(Vec::new()),
            Tag::TableCell => Kind::Cell,
            // Footnotes, definitions, metadata: not switched on.
            _ => Kind::Paragraph,
        };
        let is_block = matches!(
            kind,
            Kind::Paragraph
                | Kind::Heading
                | Kind::Quote
                | Kind::List(_)
                | Kind::Code(_)
                | Kind::Html
                | Kind::Table(..)
        );
        if is_block {
            self.close_html_marks();
            self.top().settle();
        }
        self.stack.push(Frame::new(kind));
    }

    fn end(&mut self, end: TagEnd) {
        if self.skipped > 0 {
            self.skipped -= 1;
            // What was flattened still ends a line.
            if matches!(end, TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item | TagEnd::CodeBlock) {
                self.inline(Inline::Break);
            }
            return;
        }
        self.close_html_marks();
        if self.stack.len() > 1
            && let Some(frame) = self.stack.pop()
        {
            self.close(frame);
        }
    }

    fn close(&mut self, mut frame: Frame) {
        match frame.kind {
            Kind::Paragraph | Kind::Html => {
                trim_breaks(&mut frame.inlines);
                if frame.inlines.iter().any(|inline| !is_blank(inline)) {
                    self.block(Block::Paragraph(frame.inlines));
                }
            }
            Kind::Heading => {
                if frame.inlines.iter().any(|inline| !is_blank(inline)) {
                    self.block(Block::Heading(frame.inlines));
                }
            }
            Kind::Quote | Kind::Root => {
                frame.settle();
                if !frame.blocks.is_empty() {
                    self.block(Block::Quote(frame.blocks));
                }
            }
            Kind::List(start) => {
                // Items that were too deep to open left their text here.
                frame.settle();
                if !frame.items.is_empty() {
                    self.block(Block::List(List { start, items: frame.items }));
                }
                for block in frame.blocks {
                    self.block(block);
                }
            }
            Kind::Item => {
                trim_breaks(&mut frame.inlines);
                frame.settle();
                self.top().items.push(Item {
                    checked: frame.checked,
                    continued: false,
                    blocks: frame.blocks,
                });
            }
            Kind::Mark(mark) | Kind::HtmlMark(mark) => {
                if !frame.inlines.is_empty() {
                    self.inline(Inline::Marked(mark, frame.inlines));
                }
            }
            Kind::Link(url) => {
                let label =
                    if frame.inlines.is_empty() { vec![Inline::Text(url.clone())] } else { frame.inlines };
                if !label.iter().all(is_empty_text) {
                    self.inline(Inline::Link { url, label });
                }
            }
            Kind::Image(url) => {
                let alt = one_line(&plain_text(&frame.inlines));
                self.inline(Inline::Image { url, alt });
            }
            Kind::Code(language) => {
                let text = plain_text(&frame.inlines).trim_end_matches(['\n', '\r']).to_owned();
                if !text.trim().is_empty() {
                    self.block(Block::Code { language, text });
                }
            }
            // Rows and cells that were too deep to open.
            Kind::Table(_, rows) if rows.is_empty() => {
                if !frame.inlines.is_empty() {
                    self.block(Block::Paragraph(frame.inlines));
                }
            }
            Kind::Table(range, rows) => {
                // In a quote or a list the source has foreign prefixes on each line.
                let source = (self.stack.len() == 1).then(|| self.source.get(range)).flatten();
                let block = (self.lower)(&Table { source, rows });
                self.block(block);
            }
            Kind::Row(mut cells) => {
                if !frame.inlines.is_empty() {
                    cells.push(one_line(&plain_text(&frame.inlines)));
                }
                if let Kind::Table(_, rows) = &mut self.top().kind {
                    rows.push(cells);
                }
            }
            Kind::Cell => {
                if let Kind::Row(cells) = &mut self.top().kind {
                    cells.push(one_line(&plain_text(&frame.inlines)));
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        let frame = self.top();
        let stripped;
        let text = if matches!(frame.kind, Kind::Html) {
            stripped = html::strip(text);
            &stripped
        } else {
            text
        };
        if text.is_empty() {
            return;
        }
        if matches!(frame.kind, Kind::Code(_)) {
            if let Some(Inline::Text(last)) = frame.inlines.last_mut() {
                last.push_str(text);
            } else {
                frame.inlines.push(Inline::Text(text.to_owned()));
            }
            return;
        }
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                frame.inlines.push(Inline::Break);
            }
            if line.is_empty() {
                continue;
            }
            if let Some(Inline::Text(last)) = frame.inlines.last_mut() {
                last.push_str(line);
            } else {
                frame.inlines.push(Inline::Text(line.to_owned()));
            }
        }
    }

    fn inline(&mut self, inline: Inline) {
        self.top().inlines.push(inline);
    }

    fn block(&mut self, block: Block) {
        self.close_html_marks();
        let frame = self.top();
        frame.settle();
        frame.blocks.push(block);
    }

    fn inline_html(&mut self, html: &str) {
        let Some(name) = html::name(html) else { return self.text(html) };
        let mark = match name.as_str() {
            "br" => return self.inline(Inline::Break),
            "b" | "strong" => Mark::Bold,
            "i" | "em" => Mark::Italic,
            "s" | "strike" | "del" => Mark::Strike,
            "u" | "ins" => Mark::Underline,
            "tg-spoiler" => Mark::Spoiler,
            _ => return,
        };
        if !html.starts_with("</") {
            if self.stack.len() < MAX_DEPTH {
                self.stack.push(Frame::new(Kind::HtmlMark(mark)));
            }
        } else if matches!(&self.top().kind, Kind::HtmlMark(open) if *open == mark)
            && let Some(frame) = self.stack.pop()
        {
            self.close(frame);
        }
    }

    /// HTML that its author forgot to close: the text stays, the mark goes.
    fn close_html_marks(&mut self) {
        while self.stack.len() > 1 && matches!(self.top().kind, Kind::HtmlMark(_)) {
            if let Some(frame) = self.stack.pop() {
                self.top().inlines.extend(frame.inlines);
            }
        }
    }

    fn finish(mut self) -> Vec<Block> {
        while self.stack.len() > 1 {
            self.close_html_marks();
            if self.stack.len() > 1
                && let Some(frame) = self.stack.pop()
            {
                self.close(frame);
            }
        }
        let root = self.top();
        root.settle();
        std::mem::take(&mut root.blocks)
    }
}

fn is_blank(inline: &Inline) -> bool {
    match inline {
        Inline::Text(text) => text.trim().is_empty(),
        Inline::Break => true,
        _ => false,
    }
}

fn is_empty_text(inline: &Inline) -> bool {
    matches!(inline, Inline::Text(text) if text.is_empty())
}

fn trim_breaks(inlines: &mut Vec<Inline>) {
    while inlines.last().is_some_and(is_blank) {
        inlines.pop();
    }
    let lead = inlines.iter().take_while(|inline| is_blank(inline)).count();
    inlines.drain(..lead);
}
