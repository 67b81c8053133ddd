//! Reads a Markdown document as the rules need it: its lines and paragraphs without blocks of code.

/// A Markdown file.
pub(crate) struct Document {
    /// Its path from the root, with `/` between the parts.
    pub(crate) path: String,
    /// Its whole text.
    pub(crate) text: String,
}

/// Stands for a code span, and counts as one word.
const CODE: &str = "`…`";

impl Document {
    /// Returns the lines outside of fenced blocks, with their numbers.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut is_code = false;
        self.text.lines().zip(1..).filter_map(move |(line, number)| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            (!is_code && !is_fence).then_some((number, line))
        })
    }

    /// Returns paragraphs and items of lists, each with the number of its first line, without code and the targets of links.
    pub(crate) fn paragraphs(&self) -> Vec<(usize, String)> {
        let mut paragraphs: Vec<(usize, String)> = Vec::new();
        let mut last = 0;
        for (number, line) in self.lines() {
            let line = line.trim();
            if line.is_empty() || is_table(line) || line.starts_with('#') {
                continue;
            }
            let text = without_targets(&without_code(item(line).unwrap_or(line)));
            match paragraphs.last_mut() {
                Some((_, paragraph)) if last + 1 == number && item(line).is_none() => {
                    paragraph.push(' ');
                    paragraph.push_str(&text);
                }
                _ => paragraphs.push((number, text)),
            }
            last = number;
        }
        paragraphs
    }
}

/// Returns whether a line belongs to a table.
pub(crate) fn is_table(line: &str) -> bool {
    line.trim_start().starts_with('|')
}

/// Replaces each code span by [`CODE`].
pub(crate) fn without_code(line: &str) -> String {
    let parts: Vec<_> = line.split('`').collect();
    let parts = parts.iter().enumerate().map(|(at, part)| if at % 2 == 0 { part } else { CODE });
    parts.collect()
}

/// Returns the code spans of a line.
pub(crate) fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Returns the text after the mark of a list's item.
fn item(line: &str) -> Option<&str> {
    let bullet = line.strip_prefix("- ").or_else(|| line.strip_prefix("* "));
    bullet.or_else(|| {
        let (number, rest) = line.split_once(". ")?;
        number.bytes().all(|digit| digit.is_ascii_digit()).then_some(rest)
    })
}

fn without_targets(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("](") {
        text.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document { path: "docs/a.md".into(), text: text.into() }
    }

    #[test]
    fn blocks_of_code_have_no_lines() {
        let document = document("one\n```rust\ntwo\n```\nthree");
        assert_eq!(document.lines().collect::<Vec<_>>(), [(1, "one"), (5, "three")]);
    }

    #[test]
    fn paragraphs_and_items_are_joined_and_headings_and_tables_left_out() {
        let document =
            document("# a\none `two\n| three |\n\nfour\n[five](six) `seven` x\n- eight\n  nine\n1. ten");
        let texts: Vec<_> = document.paragraphs().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["one `…`", "four [five `…` x", "eight nine", "ten"]);
    }
}
