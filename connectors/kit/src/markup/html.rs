//! HTML inside Markdown: its tags go, its text stays.
//!
//! Only what is an element of HTML counts as a tag. `<name>` and `<!channel>` are words that
//! somebody wrote, and are shown.

const ELEMENTS: &str = " a abbr acronym address area article aside audio b base bdi bdo big blockquote \
    body br button canvas caption center cite code col colgroup data datalist dd del details dfn dialog \
    dir div dl dt em embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 \
    head header hgroup hr html i iframe img input ins kbd label legend li link main map mark menu meta \
    meter nav noscript object ol optgroup option output p param picture pre progress q rp rt ruby s samp \
    script search section select slot small source span strike strong style sub summary sup svg table \
    tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr \
    tg-spoiler tg-emoji ";

/// The name of a tag such as `</B>`, in lower case; empty for a comment, `None` for what is no HTML.
pub(super) fn name(tag: &str) -> Option<String> {
    let inside = tag.strip_prefix('<')?;
    let lower = |text: &str| text.to_ascii_lowercase();
    if inside.starts_with("!--") || inside.starts_with('?') || lower(inside).starts_with("!doctype") {
        return Some(String::new());
    }
    let inside = inside.strip_prefix('/').unwrap_or(inside);
    let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(inside.len());
    let name = lower(inside.get(..end)?);
    (!name.is_empty() && ELEMENTS.contains(&format!(" {name} "))).then_some(name)
}

/// HTML without its tags and comments; entities stay as they are. A tag that goes on in the next
/// line of the source loses what it has in this one.
pub(super) fn strip(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, from)) = rest.find('<').and_then(|at| rest.split_at_checked(at)) {
        out.push_str(before);
        let Some(name) = name(from) else {
            out.push('<');
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        let close = if from.starts_with("<!--") { "-->" } else { ">" };
        let Some(end) = from.find(close) else { return out };
        if name == "br" {
            out.push('\n');
        }
        rest = from.get(end + close.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}
