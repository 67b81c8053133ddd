//! The `command` of a pool: a program and its arguments. Refuses to split a string at spaces: there
//! is no shell here, and quoting rules would be one more thing to get wrong.

use procpool_coordinator::{Executable, ExecutableError};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::path::Path;

/// How the workers of a pool are started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    program: String,
    args: Vec<String>,
}

/// A command that names no program.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCommand {
    /// Nothing, or an empty name.
    #[error("a command names a program, such as [\"procpool-fib\"]")]
    Empty,
    /// One string that looks like several words.
    #[error("a command with arguments is a list of strings: [{0}]")]
    Spaces(String),
    /// A NUL, which the system cannot pass on.
    #[error("a command cannot hold a NUL character")]
    Nul,
}

impl Command {
    /// Returns the program alone, by name or path.
    pub(crate) fn program(program: &str) -> Self {
        Self { program: program.into(), args: Vec::new() }
    }

    /// Finds the executable. A name with a slash counts from `directory`; a bare one is searched for,
    /// see [`Executable::find`].
    pub(crate) fn resolve(&self, directory: &Path) -> Result<Executable, ExecutableError> {
        let found = if self.program.contains('/') {
            Executable::path(directory.join(&self.program))?
        } else {
            Executable::find(&self.program)?
        };
        Ok(found.with_args(&self.args))
    }

    fn checked(mut words: Vec<String>) -> Result<Self, InvalidCommand> {
        if words.first().is_none_or(String::is_empty) {
            return Err(InvalidCommand::Empty);
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err(InvalidCommand::Nul);
        }
        let args = words.split_off(1);
        Ok(Self { program: words.swap_remove(0), args })
    }

    fn one_word(text: &str) -> Result<Self, InvalidCommand> {
        if text.contains(char::is_whitespace) {
            let list: Vec<_> = text.split_whitespace().map(|word| format!("{word:?}")).collect();
            return Err(InvalidCommand::Spaces(list.join(", ")));
        }
        Self::checked(vec![text.into()])
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Command;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of strings such as [\"procpool-fib\"]")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Command, E> {
                Command::one_word(text).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Command, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = list.next_element()? {
                    words.push(word);
                }
                Command::checked(words).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn a_name_with_a_slash_counts_from_the_directory_and_a_bare_one_is_searched_for() {
        let listing = Command::checked(vec!["./sh".into(), "-c".into()]).unwrap();
        let found = listing.resolve(Path::new("/bin")).unwrap();
        assert_eq!(found.as_path(), Path::new("/bin/sh"));
        assert_eq!(found.args(), [OsString::from("-c")]);

        assert!(Command::program("sh").resolve(Path::new("/nowhere")).is_ok());
        assert!(Command::program("./sh").resolve(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn a_string_is_one_word_and_several_are_a_list() {
        assert_eq!(Command::one_word("procpool-fib"), Ok(Command::program("procpool-fib")));
        let error = Command::one_word("python3 worker.py").unwrap_err().to_string();
        assert!(error.ends_with("[\"python3\", \"worker.py\"]"), "{error}");
    }

    #[test]
    fn a_command_without_a_program_is_refused() {
        assert_eq!(Command::checked(vec![]), Err(InvalidCommand::Empty));
        assert_eq!(Command::one_word(""), Err(InvalidCommand::Empty));
        assert_eq!(Command::checked(vec!["a".into(), "b\0".into()]), Err(InvalidCommand::Nul));
    }
}
