//! HTML as text that a model can read: headings, lists and preformatted parts keep their shape, scripts and styles go. It is no
//! browser: it reads tags as they come and never fails. Pure.

use reqwest::Url;

/// Elements whose content is nobody's to read.
const SILENT: [&str; 8] = ["script", "style", "noscript", "template", "svg", "iframe", "head", "canvas"];
/// Elements that are around the main part of a page.
const AROUND: [&str; 5] = ["nav", "footer", "aside", "form", "header"];
/// Elements that begin a line.
const LINES: [&str; 22] = [
    "p",
    "div",
    "section",
    "article",
    "main",
    "ul",
    "ol",
    "table",
    "tr",
    "br",
    "hr",
    "blockquote",
    "dl",
    "dt",
    "dd",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
];

/// A piece of a page.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'h> {
    Text(&'h str),
    Open { name: String, attributes: &'h str },
    Close(String),
}

/// The text of a page.
pub fn text(html: &str) -> String {
    let mut writer = Writer::default();
    writer.write(html, &SILENT);
    // The title stands in the head, which is not shown otherwise.
    format!("{}{}", title(html), writer.done())
}

/// The text of what a page is about: of its `main` or `article` when there is one, else without what usually is around it.
pub fn main_part(html: &str) -> String {
    let part = inside(html, "main").or_else(|| inside(html, "article"));
    let mut writer = Writer::default();
    match part {
        Some(part) => writer.write(part, &SILENT),
        None => writer.write(html, &[&SILENT[..], &AROUND[..]].concat()),
    }
    format!("{}{}", title(html), writer.done())
}

fn title(html: &str) -> String {
    inside(html, "title").map(|title| format!("{}\n\n", entities(title).trim())).unwrap_or_default()
}

/// Where the links of a page lead, in their order, without what is behind `#`.
pub fn links(html: &str, base: &Url) -> Vec<Url> {
    let mut links: Vec<Url> = Vec::new();
    for piece in pieces(html) {
        if let Piece::Open { name, attributes } = piece
            && name == "a"
            && let Some(mut link) = attribute(attributes, "href").and_then(|to| base.join(&entities(to)).ok())
        {
            link.set_fragment(None);
            if matches!(link.scheme(), "http" | "https") && !links.contains(&link) {
                links.push(link);
            }
        }
    }
    links
}

/// What is between the first `<name ...>` and the last `</name>`.
fn inside<'h>(html: &'h str, name: &str) -> Option<&'h str> {
    let lower = html.to_ascii_lowercase();
    let mut from = 0;
    let begin = loop {
        let at = from + lower[from..].find(&format!("<{name}"))?;
        let behind = at + 1 + name.len();
        if lower[behind..].starts_with(|c: char| c == '>' || c == '/' || c.is_ascii_whitespace()) {
            break behind + lower[behind..].find('>')? + 1;
        }
        from = behind;
    };
    let end = begin
        + if name == "title" { lower[begin..].find("</title") } else { lower[begin..].rfind(&format!("</{name}")) }?;
    Some(&html[begin..end])
}

#[derive(Default)]
struct Writer {
    out: String,
    /// How deep in preformatted text.
    preformatted: usize,
}

impl Writer {
    fn write(&mut self, html: &str, left_out: &[&str]) {
        let mut silent: Option<(String, usize)> = None;
        for piece in pieces(html) {
            if let Some((name, depth)) = &mut silent {
                match piece {
                    Piece::Open { name: other, attributes } if other == *name && !attributes.ends_with('/') => {
                        *depth += 1
                    }
                    Piece::Close(other) if other == *name => *depth -= 1,
                    _ => {}
                }
                if *depth == 0 {
                    silent = None;
                }
                continue;
            }
            match piece {
                Piece::Text(text) => self.text(&entities(text)),
                Piece::Open { name, attributes } if left_out.contains(&name.as_str()) => {
                    silent = (!attributes.ends_with('/')).then_some((name, 1));
                }
                Piece::Open { name, .. } => self.open(&name),
                Piece::Close(name) => self.close(&name),
            }
        }
    }

    fn open(&mut self, name: &str) {
        match name {
            "pre" => {
                self.line("");
                self.preformatted += 1;
            }
            "li" => self.line("- "),
            "td" | "th" => self.out.push(' '),
            _ => {
                if let Some(level) =
                    name.strip_prefix('h').and_then(|level| level.parse::<usize>().ok()).filter(|level| *level < 7)
                {
                    self.line("");
                    self.line(&format!("{} ", "#".repeat(level)));
                } else if LINES.contains(&name) {
                    self.line("");
                }
            }
        }
    }

    fn close(&mut self, name: &str) {
        if name == "pre" {
            self.preformatted = self.preformatted.saturating_sub(1);
        }
        if name == "pre" || name == "p" || LINES[16..].contains(&name) {
            self.line("");
            self.out.push('\n');
        } else if LINES.contains(&name) || name == "li" {
            self.line("");
        }
    }

    fn line(&mut self, start: &str) {
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out.push_str(start);
    }

    fn text(&mut self, text: &str) {
        if self.preformatted > 0 {
            self.out.push_str(text);
            return;
        }
        for word in text.split_inclusive(char::is_whitespace) {
            let bare = word.trim();
            let begins = self.out.is_empty() || self.out.ends_with(char::is_whitespace);
            self.out.push_str(bare);
            if word.len() > bare.len() && !(bare.is_empty() && begins) {
                self.out.push(' ');
            }
        }
    }

    /// The text with at most one empty line in a row.
    fn done(self) -> String {
        let mut out = String::with_capacity(self.out.len());
        let mut empty = 0;
        for line in self.out.lines() {
            empty = if line.trim().is_empty() { empty + 1 } else { 0 };
            if empty < 2 {
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
        out.trim().to_owned() + "\n"
    }
}

/// A page taken apart. What begins like a tag and has no end is text.
fn pieces(html: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest) = (Vec::new(), html);
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        let is_tag = tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        let end = match tag.strip_prefix("<!--") {
            Some(comment) => comment.find("-->").map(|end| 4 + end + 2),
            None => end_of_tag(tag),
        };
        let (true, Some(end)) = (is_tag, end) else {
            let (text, behind) = rest.split_at(at + 1);
            pieces.push(Piece::Text(text));
            rest = behind;
            continue;
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        rest = &tag[end + 1..];
        let inner = &tag[1..end];
        if let Some(name) = inner.strip_prefix('/') {
            pieces.push(Piece::Close(name.trim().to_ascii_lowercase()));
        } else if !inner.starts_with(['!', '?']) {
            let length = inner.find(|c: char| c.is_ascii_whitespace() || c == '/').unwrap_or(inner.len());
            let (name, attributes) = inner.split_at(length);
            let name = name.to_ascii_lowercase();
            // The content of these is no HTML: a `<` in it begins nothing.
            let raw = matches!(name.as_str(), "script" | "style");
            pieces.push(Piece::Open { name: name.clone(), attributes });
            if raw && !attributes.ends_with('/') {
                let close = rest.to_ascii_lowercase().find(&format!("</{name}")).unwrap_or(rest.len());
                rest = &rest[close..];
            }
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Where the `>` of a tag is, not the one in a value.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    // A quote that never ends: the first `>` has to do.
    tag.find('>')
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace())?;
        let (key, behind) = rest.split_at(end);
        let Some(value) = behind.trim_start().strip_prefix('=') else {
            rest = behind;
            continue;
        };
        let value = value.trim_start();
        let (value, behind) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote)?,
            _ => value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len())),
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = behind;
    }
}

/// `text` with its entities as characters; those that are not known stay.
fn entities(text: &str) -> String {
    const NAMED: [(&str, &str); 18] = [
        ("amp", "&"),
        ("lt", "<"),
        ("gt", ">"),
        ("quot", "\""),
        ("apos", "'"),
        ("nbsp", " "),
        ("ndash", "–"),
        ("mdash", "—"),
        ("hellip", "…"),
        ("copy", "©"),
        ("rarr", "→"),
        ("larr", "←"),
        ("laquo", "«"),
        ("raquo", "»"),
        ("ldquo", "“"),
        ("rdquo", "”"),
        ("lsquo", "‘"),
        ("rsquo", "’"),
    ];
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let name = behind.find(';').filter(|end| *end <= 10).map(|end| &behind[..end]);
        let known = name.and_then(|name| match name.strip_prefix('#') {
            Some(number) => {
                let number = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                number.ok().and_then(char::from_u32).map(String::from)
            }
            None => NAMED.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()),
        });
        match (known, name) {
            (Some(text), Some(name)) => {
                out.push_str(&text);
                rest = &behind[name.len() + 1..];
            }
            _ => {
                out.push('&');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = "<!doctype html><html><head><title>The &lt;API&gt;</title><style>p > a {}</style></head><body>\
        <nav><a href=\"/menu\">Menu</a></nav><script>if (a < b) { document.write('<p>no</p>') }</script>\
        <main><h1>Log in</h1><p>Send a <b>token</b>,\n  or <a href='a.html#top'>read on</a>.</p><ul><li>one<li>two</ul>\
        <pre>let x = 1;\n  let y = 2;</pre><!-- <p>hidden</p> --></main><footer>© us &#169; &#xe9; &unknown;</footer></body></html>";

    #[test]
    fn a_page_is_text_with_its_shape() {
        assert_eq!(
            text(PAGE),
            "The <API>\n\nMenu\n\n# Log in\n\nSend a token, or read on.\n\n- one\n- two\nlet x = 1;\n  let y = 2;\n\n© us © é &unknown;\n"
                .replacen("Menu\n\n", "Menu\n", 1)
        );
        let main = main_part(PAGE);
        assert!(main.starts_with("The <API>\n\n# Log in") && !main.contains("Menu") && !main.contains("us"), "{main}");
        let around = main_part("<header>top</header><p>in the middle</p><footer>bottom</footer>");
        assert_eq!(around, "in the middle\n");
    }

    #[test]
    fn links_are_whole_addresses() {
        let base = Url::parse("http://h.example/docs/").unwrap();
        let found: Vec<String> = links(PAGE, &base).into_iter().map(String::from).collect();
        assert_eq!(found, ["http://h.example/menu", "http://h.example/docs/a.html"]);
        assert!(links("<a name=x><a href='mailto:a@b'><a href=\"http://[\">", &base).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(html in "[<>/a-z\"'=&;#é! -]{0,200}") {
            let base = Url::parse("http://h.example/").unwrap();
            let _ = (text(&html), main_part(&html), links(&html, &base));
        }
    }
}
