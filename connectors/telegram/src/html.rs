//! Telegram's HTML as this crate writes it: escaping, and the way back to plain text.

/// A text as HTML that shows it.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// HTML without its tags, for the case that Telegram can't read it. Every `<` in it is a tag's, since texts
/// were escaped when it was made; addresses of links are kept in brackets.
pub(crate) fn plain(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut links: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        out.push_str(&unescape(&rest[..start]));
        let Some(length) = rest[start..].find('>') else {
            out.push_str(&unescape(&rest[start..]));
            return out;
        };
        let tag = &rest[start + 1..start + length];
        if let Some(address) = tag.strip_prefix("a href=\"").and_then(|tag| tag.strip_suffix('"')) {
            links.push(unescape(address));
        } else if tag == "/a"
            && let Some(address) = links.pop()
            && !out.ends_with(&address)
        {
            out.push_str(" (");
            out.push_str(&address);
            out.push(')');
        }
        rest = &rest[start + length + 1..];
    }
    out.push_str(&unescape(rest));
    out
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_what_was_escaped() {
        assert_eq!(plain(&escape("a < b && c > \"d\" &lt;")), "a < b && c > \"d\" &lt;");
        assert_eq!(plain("<b>x</b> <a href=\"https://e/?a=1&amp;b\">y</a>"), "x y (https://e/?a=1&b)");
        assert_eq!(plain("<a href=\"https://e\">https://e</a>"), "https://e");
        assert_eq!(plain("broken <b"), "broken <b");
    }
}
