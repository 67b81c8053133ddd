//! Where in a configuration file something stands, and quoting that line. Knows TOML's keys and no
//! meaning of any.

use procpool_protocol::printable::is_unprintable;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The text of a configuration file, with its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

/// A line of a configuration file, and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    path: PathBuf,
    /// Counted from 1, as is `column`; columns are characters.
    line: usize,
    column: usize,
    /// How many characters are meant, at least one.
    width: usize,
    quote: String,
}

impl Source<'_> {
    /// Returns the place of these bytes, or of the file's beginning.
    pub(crate) fn place(&self, span: Option<Range<usize>>) -> Place {
        let span = span.unwrap_or(0..0);
        let start = (0..=span.start.min(self.text.len())).rev().find(|&at| self.text.is_char_boundary(at));
        let (before, rest) = self.text.split_at(start.unwrap_or(0));
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = rest.find('\n').map_or(self.text.len(), |newline| before.len() + newline);
        let end = span.end.clamp(before.len(), line_end);
        let meant = self.text.get(before.len()..end).unwrap_or_default();
        Place {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            width: meant.chars().count().max(1),
            quote: printable(self.text[line_start..line_end].trim_end()),
        }
    }

    /// Returns the place of the value at this path of keys; of the innermost key on the way that exists, if
    /// it does not.
    pub(crate) fn place_of(&self, keys: &[&str]) -> Place {
        let document = DeTable::parse(self.text);
        let mut span = None;
        let mut table = document.as_ref().ok().map(Spanned::get_ref);
        for key in keys {
            let Some((name, value)) = table.and_then(|table| table.get_key_value(*key)) else {
                break;
            };
            table = value.get_ref().as_table();
            // A table's own span is where its header or its first key stands; its name says more.
            span =
                Some(if matches!(value.get_ref(), DeValue::Table(_)) { name.span() } else { value.span() });
        }
        self.place(span)
    }

    /// Returns the place of a key itself.
    pub(crate) fn place_of_key(&self, table: &[&str], key: &str) -> Place {
        let document = DeTable::parse(self.text);
        let root = document.as_ref().ok().map(Spanned::get_ref);
        let inner = table.iter().fold(root, |table, key| table?.get(*key)?.get_ref().as_table());
        self.place(inner.and_then(|table| table.get_key_value(key)).map(|(name, _)| name.span()))
    }
}

impl Place {
    /// Marks one character of the place.
    pub(crate) fn first_character(self) -> Self {
        Self { width: 1, ..self }
    }

    /// Returns the beginning of the line.
    pub(crate) fn line_start(self) -> Self {
        Self { column: 1, width: 1, ..self }
    }

    /// Returns the line with the meant part underlined, on lines of its own, starting with a newline.
    pub(crate) fn quoted(&self) -> String {
        let Self { line, quote, .. } = self;
        let gutter = " ".repeat(line.to_string().len());
        let marks = " ".repeat(self.column - 1) + &"^".repeat(self.width);
        format!("\n{gutter} |\n{line} | {quote}\n{gutter} | {marks}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// Replaces each character that is not one on a terminal by a space: a tab or what has no width would move the marks, and others
/// the terminal.
pub(crate) fn printable(line: &str) -> String {
    line.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[server]\nlisten = \"x\"\n\n[pools.\"ä\"]\n\tcommand = [\"a\"]\nqueue=1";

    fn source() -> Source<'static> {
        Source { path: Path::new("p.toml"), text: TEXT }
    }

    #[test]
    fn a_value_is_found_by_its_keys() {
        let place = source().place_of(&["server", "listen"]);
        assert_eq!(place.to_string(), "p.toml:2:10");
        assert_eq!(place.quoted(), "\n  |\n2 | listen = \"x\"\n  |          ^^^");
        assert_eq!(source().place_of(&["pools", "ä", "queue"]).to_string(), "p.toml:6:7");
    }

    #[test]
    fn a_missing_key_is_looked_for_where_it_should_stand() {
        assert_eq!(source().place_of(&["pools", "ä", "grace"]).to_string(), "p.toml:4:8");
        assert_eq!(source().place_of(&["nothing"]).to_string(), "p.toml:1:1");
        assert_eq!(source().place_of_key(&["pools"], "ä").to_string(), "p.toml:4:8");
    }

    #[test]
    fn tabs_do_not_move_the_marks() {
        let place = source().place_of(&["pools", "ä", "command"]);
        assert_eq!(place.to_string(), "p.toml:5:12");
        assert_eq!(place.quoted(), "\n  |\n5 |  command = [\"a\"]\n  |            ^^^^^");
    }

    #[test]
    fn what_is_quoted_shows_as_it_is() {
        let source = Source { path: Path::new("p.toml"), text: "x = \"\u{202e}\u{2028}\u{200b}\u{1b}\"" };
        assert_eq!(source.place(Some(0..1)).quoted(), "\n  |\n1 | x = \"    \"\n  | ^");
    }

    #[test]
    fn any_span_has_a_place() {
        for start in 0..=TEXT.len() + 2 {
            for end in [0, start, start + 1, TEXT.len() + 9] {
                let place = source().place(Some(start..end));
                assert!(place.quoted().contains('^'));
            }
        }
        assert_eq!(Source { path: Path::new("e"), text: "" }.place(Some(0..0)).to_string(), "e:1:1");
    }
}
