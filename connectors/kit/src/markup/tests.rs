use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::slack_mrkdwn::{decode, escape};
use super::{Dialect, MarkdownPart, parts, render};
use crate::split::tests::markdowns;

const ALL: [Dialect; 4] = [Dialect::Plain, Dialect::TelegramHtml, Dialect::SlackMrkdwn, Dialect::WhatsApp];

const SAMPLE: &str = "\
# A **bold** title

Some **bold**, *italic*, ~~old~~ and `code <b>`; 1 < 2 & 3.
Next line, [a *link*](https://a.b/?x=1&y=\"2\") and <https://c.d>.

- one
  - two
    - three
      - four
- [x] done
- [ ] open

3. third
4. fourth

> quoted
>
> > inner

```rust
if a < b { \"x\" }
```

| Name | N |
|------|---|
| Ä | 1 |
| Bob | 22 |

---

![Cat](https://a.b/cat.png)
";

#[test]
fn plain_keeps_words_and_addresses() {
    insta::assert_snapshot!(render(SAMPLE, Dialect::Plain), @r#"
    A bold title

    Some bold, italic, old and code <b>; 1 < 2 & 3.
    Next line, a link (https://a.b/?x=1&y="2") and https://c.d.

    - one
      - two
        - three
          - four
    ☑ done
    ☐ open

    3. third
    4. fourth

    > quoted
    >
    > > inner

    if a < b { "x" }

    Name | N
    Ä | 1
    Bob | 22

    ---

    Cat (https://a.b/cat.png)
    "#);
}

#[test]
fn telegram_html_has_its_few_tags() {
    insta::assert_snapshot!(render(SAMPLE, Dialect::TelegramHtml), @r#"
    <b>A bold title</b>

    Some <b>bold</b>, <i>italic</i>, <s>old</s> and <code>code &lt;b&gt;</code>; 1 &lt; 2 &amp; 3.
    Next line, <a href="https://a.b/?x=1&amp;y=&quot;2&quot;">a <i>link</i></a> and <a href="https://c.d">https://c.d</a>.

    • one
      ◦ two
        ▪ three
          ▪ four
    ☑ done
    ☐ open

    3. third
    4. fourth

    <blockquote>quoted

    » inner</blockquote>

    <pre><code class="language-rust">if a &lt; b { "x" }</code></pre>

    <pre>Name | N
    -----+---
    Ä    | 1
    Bob  | 22</pre>

    ---

    <a href="https://a.b/cat.png">Cat</a>
    "#);
}

#[test]
fn slack_mrkdwn_has_its_marks() {
    insta::assert_snapshot!(render(SAMPLE, Dialect::SlackMrkdwn).replace('\u{2002}', "+"), @r#"
    *A bold title*

    Some *bold*, _italic_, ~old~ and `code &lt;b&gt;`; 1 &lt; 2 &amp; 3.
    Next line, <https://a.b/?x=1&amp;y="2"|a link> and <https://c.d>.

    - one
    ++- two
    ++++- three
    ++++++- four
    ☑ done
    ☐ open

    3. third
    4. fourth

    > quoted
    >
    > » inner

    ```
    if a &lt; b { "x" }
    ```

    ```
    Name | N
    -----+---
    Ä    | 1
    Bob  | 22
    ```

    ---

    <https://a.b/cat.png|Cat>
    "#);
}

#[test]
fn whatsapp_has_its_marks() {
    insta::assert_snapshot!(render(SAMPLE, Dialect::WhatsApp).replace('\u{2002}', "+"), @r#"
    *A bold title*

    Some *bold*, _italic_, ~old~ and `code <b>`; 1 < 2 & 3.
    Next line, a _link_ (https://a.b/?x=1&y="2") and https://c.d.

    - one
    ++◦ two
    ++++➤ three
    ++++++✦ four
    ☑ done
    ☐ open

    3. third
    4. fourth

    > quoted
    >
    > » inner

    ```
    if a < b { "x" }
    ```

    | Name | N |
    |------|---|
    | Ä | 1 |
    | Bob | 22 |

    ---

    Image: Cat (https://a.b/cat.png)
    "#);
}

#[track_caller]
fn check(markdown: &str, dialect: Dialect, expected: &str) {
    assert_eq!(render(markdown, dialect), expected, "{markdown:?} as {dialect:?}");
}

#[test]
fn slack_marks_that_touch_letters_get_room() {
    check("un**believ**able", Dialect::SlackMrkdwn, "un\u{200B}*believ*\u{200B}able");
    check("a `b`c", Dialect::SlackMrkdwn, "a `b`\u{200B}c");
    check("**a** b", Dialect::SlackMrkdwn, "*a* b");
    check("(**a**)", Dialect::SlackMrkdwn, "(*a*)");
}

#[test]
fn slack_text_never_calls_anybody() {
    check(
        "Hi <!channel> <@U1> &lt;!here&gt;",
        Dialect::SlackMrkdwn,
        "Hi &lt;!channel&gt; &lt;@U1&gt; &lt;!here&gt;",
    );
    check("[x](!channel) [y](@U1)", Dialect::SlackMrkdwn, "x (!channel) y (@U1)");
    check("[x](<javascript:a>)", Dialect::SlackMrkdwn, "x (javascript:a)");
    check("[a|b<c>](https://x.y/a|b)", Dialect::SlackMrkdwn, "<https://x.y/a%7Cb|a¦b‹c›>");
    check("```\n<!here>\n```", Dialect::SlackMrkdwn, "```\n&lt;!here&gt;\n```");
    check("`<!here>`", Dialect::SlackMrkdwn, "`&lt;!here&gt;`");
    assert_eq!(escape("<!channel> & \"x\""), "&lt;!channel&gt; &amp; \"x\"");
}

#[test]
fn slack_fences_cannot_be_ended_from_inside() {
    check("````\na\n```\nb\n````", Dialect::SlackMrkdwn, "```\na\n`\u{200B}`\u{200B}`\nb\n```");
    check("``a`b``", Dialect::SlackMrkdwn, "`aˋb`");
}

#[test]
fn marks_of_a_chat_stay_within_their_lines() {
    check("**a\nb**", Dialect::WhatsApp, "*a*\n*b*");
    check("**a\nb**", Dialect::SlackMrkdwn, "*a*\n*b*");
    check("**a\nb**", Dialect::TelegramHtml, "<b>a\nb</b>");
    check("<b> a </b>.", Dialect::WhatsApp, "*a* .");
    check("**a <b>b</b>**", Dialect::WhatsApp, "*a b*");
}

#[test]
fn html_is_read_where_telegram_has_it_and_dropped_elsewhere() {
    check(
        "<u>a</u> <tg-spoiler>b</tg-spoiler>",
        Dialect::TelegramHtml,
        "<u>a</u> <tg-spoiler>b</tg-spoiler>",
    );
    check("<u>a <b>b</u> c", Dialect::TelegramHtml, "a b c");
    check("a <span class=\"x\">b</span><br>c", Dialect::WhatsApp, "a b\nc");
    check("<div>\na &amp; <i>b</i>\n</div>", Dialect::WhatsApp, "a &amp; b");
    check("a <!-- note --> b", Dialect::Plain, "a  b");
    check("call <name> or\n<!channel>", Dialect::SlackMrkdwn, "call &lt;name&gt; or\n\n&lt;!channel&gt;");
    check("<!channel> x", Dialect::SlackMrkdwn, "&lt;!channel&gt; x");
    check("<name>\n<p>x</p>", Dialect::TelegramHtml, "&lt;name&gt;\nx");
}

#[test]
fn telegram_attributes_are_escaped_and_odd_addresses_are_text() {
    check("[a](https://x.y/%22\\\")", Dialect::TelegramHtml, "<a href=\"https://x.y/%22&quot;\">a</a>");
    check("[a](javascript:x)", Dialect::TelegramHtml, "a (javascript:x)");
    check("[a](/path)", Dialect::TelegramHtml, "a (/path)");
    check("```a\"b\nx\n```", Dialect::TelegramHtml, "<pre><code class=\"language-a&quot;b\">x</code></pre>");
    check("> a\n> > b", Dialect::TelegramHtml, "<blockquote>a\n\n» b</blockquote>");
    check("[![alt](https://i.j)](https://x.y)", Dialect::TelegramHtml, "<a href=\"https://x.y\">alt</a>");
}

#[test]
fn whatsapp_links_and_images_show_their_address() {
    check("[t](https://u.v)", Dialect::WhatsApp, "t (https://u.v)");
    check("[https://u.v](https://u.v) <a@b.c>", Dialect::WhatsApp, "https://u.v a@b.c");
    check("[**t**](https://u.v)", Dialect::WhatsApp, "*t* (https://u.v)");
    check(
        "![alt](https://u.v) ![](https://u.v)",
        Dialect::WhatsApp,
        "Image: alt (https://u.v) Image: https://u.v",
    );
    check("## a **b**", Dialect::WhatsApp, "*a b*");
    check("|a|b|\n|-|-|\n|1|2|", Dialect::WhatsApp, "|a|b|\n|-|-|\n|1|2|");
    check(
        "- |a|b|\n  |-|-|\n  |1|2|",
        Dialect::WhatsApp,
        "- | a | b |\n\u{2002}\u{2002}| --- | --- |\n\u{2002}\u{2002}| 1 | 2 |",
    );
}

#[test]
fn nothing_visible_is_nothing() {
    for dialect in ALL {
        for blank in ["", " \n ", "<!-- x -->", "[a]: https://b.c", "****", "#", ">", "```\n```"] {
            let text = render(blank, dialect);
            assert!(text.trim().is_empty() || blank == "****", "{blank:?} as {dialect:?}: {text:?}");
        }
    }
}

#[test]
fn deep_nesting_is_flattened() {
    for deep in
        [">".repeat(5000), "- ".repeat(2000), "*a ".repeat(3000), "**a".repeat(3000), "[".repeat(5000)]
    {
        for dialect in ALL {
            render(&format!("{deep} end"), dialect);
        }
    }
    for levels in 15..40 {
        for tail in ["end", "- end", "**end**", "| end |\n|---|", "- [x] end", "```\nend\n```", "# end"] {
            let lead = "> ".repeat(levels);
            let quoted: Vec<String> = tail.lines().map(|line| format!("{lead}{line}")).collect();
            for text in
                [quoted.join("\n"), format!("{}{}", "- ".repeat(levels), tail.lines().next().unwrap())]
            {
                for dialect in ALL {
                    // A fence that begins in a list item goes on to its end, empty.
                    let shown = render(&text, dialect).contains("end") || text.ends_with("```");
                    assert!(shown, "{text:?} as {dialect:?}");
                }
            }
        }
    }
}

fn text(markdown: &str) -> MarkdownPart {
    MarkdownPart::Text(markdown.to_owned())
}

fn image(url: &str, alt: &str) -> MarkdownPart {
    MarkdownPart::Image { url: url.to_owned(), alt: alt.to_owned() }
}

#[test]
fn images_are_split_out_in_order() {
    assert_eq!(parts("just *text*"), [text("just *text*")]);
    assert_eq!(parts(" \n"), []);
    assert_eq!(
        parts("Look:\n\n![A **cat**](https://a.b/c.png \"t\")\n\nand ![](<x y.png>) more"),
        [text("Look:"), image("https://a.b/c.png", "A cat"), text("and"), image("x y.png", ""), text("more")]
    );
    assert_eq!(parts("![a](1)     x"), [image("1", "a"), text("x")]);
    assert_eq!(parts("![a](1)\n\n    code"), [image("1", "a"), text("    code")]);
    assert_eq!(parts("![a](1)![b](2)"), [image("1", "a"), image("2", "b")]);
}

#[test]
fn images_inside_other_things_stay_there() {
    for kept in ["- ![a](1)", "> ![a](1)", "[![a](1)](https://x.y)", "`![a](1)`", "**![a](1)**", "# ![a](1)"]
    {
        assert_eq!(parts(kept), [text(kept)]);
    }
}

#[test]
fn links_by_reference_keep_their_definition() {
    assert_eq!(
        parts("[x][r] ![i][p] [y][r]\n\n[r]: https://a.b\n[p]: https://p.q"),
        [
            text("[x][r]\n\n[r]: https://a.b"),
            image("https://p.q", "i"),
            text("[y][r]\n\n[r]: https://a.b\n[p]: https://p.q"),
        ]
    );
}

#[test]
fn slack_tokens_are_read_as_a_person_reads_them() {
    for (slack, expected) in [
        ("hi <@U1>, <@U1|ann>", "hi @U1, @ann"),
        ("<#C1|general> <#C1> <#C1|>", "#general #C1 #C1"),
        ("<!here> <!channel> <!everyone|all>", "@here @channel all"),
        ("<!subteam^S1|@team> <!subteam^S1|team> <!subteam^S1>", "@team @team @S1"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("<https://a.b|A &amp; B> <https://a.b/?x=1&amp;y=2>", "A & B (https://a.b) https://a.b/?x=1&y=2"),
        ("<http://example.com|example.com>", "example.com"),
        ("<mailto:a@b.c|a@b.c> <mailto:a@b.c|Ann>", "a@b.c Ann (mailto:a@b.c)"),
        ("1 &lt; 2 &amp;&amp; &lt;@U1&gt; &amp;lt;", "1 < 2 && <@U1> &lt;"),
        ("a < b <", "a < b <"),
        ("<> <<@U1>", "<> <@U1"),
    ] {
        assert_eq!(decode(slack), expected, "{slack}");
    }
}

/// Every tag known, closed and in order; no other `<` and no bare `&`.
pub(crate) fn check_telegram(html: &str) -> Result<(), TestCaseError> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        rest = &rest[at..];
        if let Some(entity) = rest.strip_prefix('&') {
            let known = ["amp;", "lt;", "gt;", "quot;"].iter().any(|name| entity.starts_with(name));
            prop_assert!(known, "bare & in {}", html);
            rest = entity;
            continue;
        }
        let end = rest.find('>');
        prop_assert!(end.is_some(), "open tag in {}", html);
        let tag = &rest[1..end.unwrap()];
        rest = &rest[end.unwrap() + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            prop_assert_eq!(open.pop(), Some(name), "{}", html);
        } else {
            let name = tag.split(' ').next().unwrap_or_default();
            let known = ["b", "i", "u", "s", "a", "code", "pre", "tg-spoiler", "blockquote"].contains(&name);
            prop_assert!(known, "tag {} in {}", name, html);
            prop_assert!(name != "blockquote" || !open.contains(&name), "nested quote in {}", html);
            open.push(name);
        }
    }
    prop_assert!(open.is_empty(), "{:?} left open in {}", open, html);
    Ok(())
}

fn check_slack(text: &str) -> Result<(), TestCaseError> {
    for sign in ["<!", "<@", "<#"] {
        prop_assert!(!text.contains(sign), "{}", text);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_markdown_is_written_well_formed(text in markdowns()) {
        for dialect in ALL {
            let written = render(&text, dialect);
            match dialect {
                Dialect::TelegramHtml => check_telegram(&written)?,
                Dialect::SlackMrkdwn => check_slack(&written)?,
                Dialect::Plain | Dialect::WhatsApp => {}
            }
        }
        parts(&text);
    }

    #[test]
    fn any_text_is_written_well_formed(text in "(?s).{0,100}") {
        check_telegram(&render(&text, Dialect::TelegramHtml))?;
        check_slack(&render(&text, Dialect::SlackMrkdwn))?;
        render(&text, Dialect::WhatsApp);
        parts(&text);
        decode(&text);
    }

    #[test]
    fn slack_links_never_carry_commands(url in "[!@#a-z:|<>^ ]{0,12}", label in "[!@#a-z|<>*\\\\]{0,12}") {
        check_slack(&render(&format!("[{label}](<{url}>) [{label}]({url}) ![{label}]({url}) <{url}>"), Dialect::SlackMrkdwn))?;
    }

    #[test]
    fn escaped_text_is_read_back(text in "[a-z<>&;!@#| ]{0,40}") {
        prop_assert_eq!(decode(&escape(&text)), text);
    }
}
