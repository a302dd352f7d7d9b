//! Markdown of answers: headings, lists, paragraphs, and nothing when there is nothing.

use std::fmt::Display;

/// A Markdown document that is put together part by part.
#[derive(Debug, Default)]
pub(super) struct Markdown(String);

impl Markdown {
    pub(super) fn titled(title: &str) -> Self {
        Self(format!("# {}\n", one_line(title)))
    }

    pub(super) fn heading(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&format!("\n## {}\n", one_line(text)));
        self
    }

    pub(super) fn paragraph(&mut self, text: &str) -> &mut Self {
        let text = text.trim();
        if !text.is_empty() {
            self.0.push_str(&format!("\n{text}\n"));
        }
        self
    }

    /// A heading and a list, unless the list is empty.
    pub(super) fn list<T: Display>(&mut self, heading: &str, items: impl IntoIterator<Item = T>) -> &mut Self {
        let items: Vec<String> = items.into_iter().map(|item| format!("- {}\n", indented(&item.to_string()))).collect();
        if !items.is_empty() {
            self.heading(heading);
            self.0.push('\n');
            self.0.push_str(&items.concat());
        }
        self
    }

    pub(super) fn done(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines after the first belong to the same list item.
fn indented(text: &str) -> String {
    text.trim().replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parts_leave_nothing_behind() {
        let text = Markdown::titled("A\ntitle").paragraph(" ").list("Nothing", [""; 0]).list("Some", ["a\nb"]).done();
        assert_eq!(text, "# A title\n\n## Some\n\n- a\n  b\n");
    }
}
