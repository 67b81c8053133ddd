//! Makes foreign text safe for a log and a terminal. No character of it starts a line, controls a terminal,
//! is invisible, or changes the direction of the text around it.
//!
//! Text that a program reads (an outcome, a payload) is not changed: in Persian, Hindi and Hebrew some of
//! these characters belong to the words. If such text is JSON that a person may see, [`printable_json`]
//! escapes the characters, and a program reads the same.

use std::borrow::Cow;
use std::fmt;

/// Returns whether a character does not show as itself. These are control characters, line separators, and
/// invisible characters that may change the direction of others.
///
/// ```
/// use procpool_protocol::printable::is_unprintable;
///
/// assert!(['\n', '\u{1b}', '\u{85}', '\u{200b}', '\u{2028}', '\u{202e}'].into_iter().all(is_unprintable));
/// assert!(!"straße 東京 \u{1f600}".chars().any(is_unprintable));
/// ```
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Line and paragraph separator, and characters that change the direction of writing.
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}'
            // Characters without a width: the rest of Unicode's Default_Ignorable_Code_Point. The selectors
            // FE00 to FE0F, which choose between two pictures of a character, are excluded.
            | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns one line of text in which each such character, except a tab, is escaped as in Rust: `\r`,
/// `\u{202e}`.
///
/// ```
/// use procpool_protocol::printable::printable;
///
/// assert_eq!(printable("gpj.\u{202e}exe\n\u{1b}[2J"), r"gpj.\u{202e}exe\n\u{1b}[2J");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(needs_escape) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    // Writing to a `String` does not fail.
    let _ = fmt::Write::write_str(&mut Escaping(&mut escaped), text);
    escaped.into()
}

/// Returns text of several lines in the same way, without escaping line feeds.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Returns JSON with the same meaning that contains no such character, except line feeds and tabs between its
/// tokens.
///
/// ```
/// use procpool_protocol::printable::printable_json;
///
/// assert_eq!(printable_json("{\"a\":\n\"gpj.\u{202e}exe\"}"), "{\"a\":\n\"gpj.\\u202eexe\"}");
/// ```
pub fn printable_json(json: &str) -> Cow<'_, str> {
    let stays = |c| matches!(c, '\n' | '\t') || !is_unprintable(c);
    if json.chars().all(stays) {
        return json.into();
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        match c {
            // In JSON, it occurs only between tokens, where it has no meaning.
            '\r' => escaped.push(' '),
            c if stays(c) => escaped.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a `String` does not fail.
                    let _ = fmt::Write::write_fmt(&mut escaped, format_args!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped.into()
}

/// Passes text on as [`printable`] would return it.
#[derive(Debug)]
pub struct Escaping<W>(pub W);

impl<W: fmt::Write> fmt::Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| needs_escape(c)) {
            let (plain, other) = rest.split_at(at);
            self.0.write_str(plain)?;
            write!(self.0, "{}", c.escape_default())?;
            rest = &other[c.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

fn needs_escape(c: char) -> bool {
    c != '\t' && is_unprintable(c)
}
