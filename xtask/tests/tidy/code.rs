//! Splits Rust text into code, comments and literals. The parts that a rule does not read become spaces.
//!
//! Lines and columns stay where they are, so that a finding can name its line. This knows just enough
//! of Rust's lexer to tell a quote from a lifetime and a raw string from a raw identifier.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Literal,
}

/// Returns `text` with every character of a comment or a literal replaced by a space.
pub(crate) fn only(text: &str) -> String {
    keep(Part::Code, text)
}

/// Returns `text` with every character outside of comments replaced by a space.
pub(crate) fn comments(text: &str) -> String {
    keep(Part::Comment, text)
}

fn keep(kept: Part, text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let comment = comment(rest).map(|length| (Part::Comment, length));
        let skipped = comment.or_else(|| literal(rest).map(|length| (Part::Literal, length)));
        let (part, length) = skipped.unwrap_or_else(|| (Part::Code, word(rest)));
        let (now, later) = rest.split_at(length);
        if part == kept {
            result.push_str(now);
        } else {
            result.extend(now.chars().map(|c| if c == '\n' { c } else { ' ' }));
        }
        rest = later;
    }
    result
}

/// Returns whether `c` can be part of an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the length of the identifier or number that `rest` starts with, or of its first character. Whole
/// words are taken so that the `r` of `for"x"` does not open a raw string.
fn word(rest: &str) -> usize {
    let first = rest.chars().next().map_or(0, char::len_utf8);
    rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(first)
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    rest.starts_with("/*").then(|| block_comment(rest))
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        match here {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn literal(rest: &str) -> Option<usize> {
    let start = prefix(rest);
    let raw = rest[..start].ends_with('r');
    let body = &rest[start..];
    if raw {
        return raw_string(body).map(|len| start + len);
    }
    match body.chars().next()? {
        '"' => Some(start + closed(body, '"')),
        '\'' if start > 0 || is_character(body) => Some(start + closed(body, '\'')),
        _ => None,
    }
}

/// Returns the length of `b`, `c`, `r`, `br` or `cr` right before a quote (or a raw string's hashes).
fn prefix(rest: &str) -> usize {
    let found = ["br", "cr", "b", "c", "r"].into_iter().find(|it| {
        let after = rest.strip_prefix(it);
        after.is_some_and(|after| {
            after.starts_with(['"', '\'']) || it.ends_with('r') && after.starts_with('#')
        })
    });
    found.map_or(0, str::len)
}

/// `#"…"#` with any number of hashes; nothing for the raw identifier `r#type`.
fn raw_string(body: &str) -> Option<usize> {
    let hashes = body.bytes().take_while(|&b| b == b'#').count();
    let inside = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(hashes + 1 + len)
}

/// A quote opens a character (`'a'`, `'\n'`) unless it is a lifetime's (`'a`).
fn is_character(body: &str) -> bool {
    let mut chars = body.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

/// Returns the length of a literal that opens with `quote`, up to the same quote, unless escaped.
fn closed(body: &str, quote: char) -> usize {
    let mut chars = body.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::{comments, only};

    #[track_caller]
    fn gone(text: &str) {
        let code = only(text);
        assert!(!code.contains("HIT"), "{text:?} became {code:?}");
        assert!(code.ends_with("kept"), "{text:?} became {code:?}");
        assert_eq!(code.matches('\n').count(), text.matches('\n').count(), "{text:?} became {code:?}");
    }

    #[test]
    fn comments_are_not_code() {
        gone("a // HIT\n kept");
        gone("/// HIT \" ' \nkept");
        gone("/* HIT /* HIT */ HIT\n */ kept");
    }

    #[test]
    fn the_contents_of_literals_are_not_code() {
        gone(r#"x("HIT \" HIT \\") kept"#);
        gone("x(\"HIT\n HIT\") kept");
        gone(r##"x(r#"HIT " HIT"#, br"HIT\", c"HIT", b"HIT") kept"##);
        gone(r#"x('"', '\'', b'\'', '\u{22}', "HIT") kept"#);
    }

    #[test]
    fn code_is_left_alone() {
        let code =
            "fn r#type<'a>(x: &'a str) -> for<'b> fn(&'b u8) { HIT / 2 * 3; 'out: loop { break 'out } }";
        assert_eq!(only(code), code);
    }

    #[test]
    fn comments_are_found_beside_code_and_not_in_literals() {
        let text = "f(\"// no\"); // yes\nlet c = '/'; /* a\n b */ /// doc";
        assert_eq!(
            comments(text),
            format!("{}// yes\n{}/* a\n b */ /// doc", " ".repeat(12), " ".repeat(13))
        );
    }

    #[test]
    fn an_open_end_is_the_end_of_the_text() {
        for open in ["/* HIT", "\"HIT", "r#\"HIT\"", "// HIT", "'\\"] {
            assert!(!only(open).contains("HIT"), "{open}");
        }
    }

    #[test]
    fn letters_beyond_ascii_are_letters() {
        assert_eq!(
            only("let größe = 'ß'; // …\n"),
            format!("let größe = {};{}\n", " ".repeat(3), " ".repeat(5))
        );
    }
}
