//! Splits one text into words as a shell does: quotes and backslashes are honoured, nothing is expanded.

use std::str::FromStr;

/// The words of a command, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

/// A text does not split into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidWords {
    /// There is no word in it.
    #[error("there is no word in it; write a command, such as \"gdb --args\"")]
    Empty,
    /// A quote is opened and not closed, or a backslash has nothing after it.
    #[error("a quote in it is not closed, or it ends with a backslash, which quotes the next character")]
    Open,
}

impl FromStr for Words {
    type Err = InvalidWords;

    fn from_str(text: &str) -> Result<Self, InvalidWords> {
        let words = shlex::split(text).ok_or(InvalidWords::Open)?;
        if words.is_empty() { Err(InvalidWords::Empty) } else { Ok(Self(words)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Result<Vec<String>, InvalidWords> {
        text.parse::<Words>().map(|words| words.0)
    }

    #[test]
    fn quotes_hold_words_together_and_nothing_is_expanded() {
        assert_eq!(split(" gdb\t-ex 'run now' --args ").unwrap(), ["gdb", "-ex", "run now", "--args"]);
        assert_eq!(
            split(r#"sh -c "echo \"$HOME\"; \n" ''"#).unwrap(),
            ["sh", "-c", r#"echo "$HOME"; \n"#, ""]
        );
        assert_eq!(split(r"my\ debugger $HOME *.rs ~ a|b").unwrap()[..2], ["my debugger", "$HOME"]);
    }

    #[test]
    fn a_text_that_does_not_split_says_why() {
        assert_eq!(split(" "), Err(InvalidWords::Empty));
        for text in ["a 'b", "a \"b\\", "a\\"] {
            assert_eq!(split(text), Err(InvalidWords::Open), "{text}");
        }
    }
}
