//! Splits one text into words as a shell does: quotes and backslashes are honoured, nothing is expanded.

use std::str::{Chars, FromStr};

/// The words of a command, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

/// A text does not split into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidWords {
    /// There is no word in it.
    #[error("there is no word in it; write a command, such as \"gdb --args\"")]
    Empty,
    /// A quote is opened and not closed.
    #[error("a quote {0} is not closed")]
    OpenQuote(char),
    /// A backslash has nothing after it.
    #[error("it ends with a backslash, which quotes the next character")]
    Backslash,
}

impl FromStr for Words {
    type Err = InvalidWords;

    fn from_str(text: &str) -> Result<Self, InvalidWords> {
        let mut words = Vec::new();
        let mut rest = text.chars();
        while let Some(word) = next_word(&mut rest)? {
            words.push(word);
        }
        if words.is_empty() { Err(InvalidWords::Empty) } else { Ok(Self(words)) }
    }
}

/// Returns the next word, which may be empty where it is quoted, or `None` at the end.
fn next_word(rest: &mut Chars<'_>) -> Result<Option<String>, InvalidWords> {
    let mut word = None;
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => match word {
                Some(_) => break,
                None => continue,
            },
            '\'' => quoted(rest, word.get_or_insert_default())?,
            '"' => double_quoted(rest, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(rest.next().ok_or(InvalidWords::Backslash)?),
            c => word.get_or_insert_default().push(c),
        }
    }
    Ok(word)
}

/// Reads up to the closing quote. Everything stands for itself.
fn quoted(rest: &mut Chars<'_>, word: &mut String) -> Result<(), InvalidWords> {
    for c in rest {
        match c {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
    Err(InvalidWords::OpenQuote('\''))
}

/// Reads up to the closing quote. A backslash quotes a character that a shell would interpret, and stands for
/// itself otherwise.
fn double_quoted(rest: &mut Chars<'_>, word: &mut String) -> Result<(), InvalidWords> {
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match rest.next().ok_or(InvalidWords::OpenQuote('"'))? {
                c @ ('"' | '\\' | '$' | '`') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
    Err(InvalidWords::OpenQuote('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Result<Vec<String>, InvalidWords> {
        text.parse::<Words>().map(|words| words.0)
    }

    #[test]
    fn words_are_split_at_white_space_however_much() {
        assert_eq!(split("gdb --args").unwrap(), ["gdb", "--args"]);
        assert_eq!(split("  gdb\t\n--args  ").unwrap(), ["gdb", "--args"]);
    }

    #[test]
    fn quotes_hold_words_together_and_stand_anywhere() {
        assert_eq!(split("gdb -ex 'run now' --args").unwrap(), ["gdb", "-ex", "run now", "--args"]);
        assert_eq!(split(r#"sh -c "echo \"$HOME\"; \n""#).unwrap(), ["sh", "-c", r#"echo "$HOME"; \n"#]);
        assert_eq!(split("--log=a' b'\"c d\"e").unwrap(), ["--log=a bc de"]);
        assert_eq!(split("a '' \"\"").unwrap(), ["a", "", ""]);
        assert_eq!(split(r#"'"' "'" '\'"#).unwrap(), ["\"", "'", "\\"]);
    }

    #[test]
    fn a_backslash_quotes_one_character() {
        assert_eq!(split(r"my\ debugger \'x\\").unwrap(), ["my debugger", "'x\\"]);
    }

    #[test]
    fn nothing_is_expanded() {
        assert_eq!(split("echo $HOME *.rs ~ a|b #c").unwrap(), ["echo", "$HOME", "*.rs", "~", "a|b", "#c"]);
    }

    #[test]
    fn what_does_not_split_says_why() {
        assert_eq!(split(" "), Err(InvalidWords::Empty));
        assert_eq!(split("a 'b"), Err(InvalidWords::OpenQuote('\'')));
        assert_eq!(split("a \"b\\"), Err(InvalidWords::OpenQuote('"')));
        assert_eq!(split("a\\"), Err(InvalidWords::Backslash));
    }
}
