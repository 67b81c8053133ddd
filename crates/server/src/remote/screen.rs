//! Standard output of the commands against a running server: tables, JSON, lines, names.

use super::RemoteError;
use crate::cli::remote::Form;
use procpool_client::table::Table;
use procpool_protocol::printable::printable_json;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};

/// Standard output, and the form in which answers go there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) form: Form,
    is_terminal: bool,
    colour: bool,
}

impl Screen {
    /// Looks at standard output and at the environment.
    pub(super) fn new(form: Form) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { form, is_terminal, colour: is_terminal && !forbidden }
    }

    /// Returns whether a person sees what is printed.
    pub(super) fn is_terminal(self) -> bool {
        self.is_terminal
    }

    /// Prints a list: the answer of the server has the things in the array `member`.
    pub(super) fn list<const N: usize>(
        self,
        body: &[u8],
        member: &str,
        names: impl Iterator<Item = String>,
        table: impl FnOnce() -> Table<N>,
    ) -> Result<(), RemoteError> {
        match self.form {
            Form::Table => self.table(&table(), true),
            Form::Json => self.json(body),
            Form::Jsonl => {
                elements(body, member).into_iter().try_for_each(|line| self.json(line.get().as_bytes()))
            }
            Form::Name => names.into_iter().try_for_each(|name| self.line(&name)),
        }
    }

    /// Prints one thing: the answer to the letter, its name, or `text`.
    pub(super) fn one(
        self,
        body: &[u8],
        name: &str,
        text: impl FnOnce() -> String,
    ) -> Result<(), RemoteError> {
        match self.form {
            Form::Table => self.line(text().trim_end()),
            Form::Json | Form::Jsonl => self.json(body),
            Form::Name => self.line(name),
        }
    }

    /// Prints a table, without its heading where it goes on from an earlier one.
    pub(super) fn table<const N: usize>(self, table: &Table<N>, heading: bool) -> Result<(), RemoteError> {
        self.bytes(table.render(heading, self.colour).as_bytes())
    }

    /// Prints a line.
    pub(super) fn line(self, text: &str) -> Result<(), RemoteError> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Prints JSON and a line break.
    pub(super) fn json(self, json: &[u8]) -> Result<(), RemoteError> {
        self.text(json.trim_ascii_end())?;
        self.bytes(b"\n")
    }

    /// Prints text of others that is JSON. On a terminal, nothing in it turns or drives that, and it means the same.
    pub(super) fn text(self, json: &[u8]) -> Result<(), RemoteError> {
        match std::str::from_utf8(json) {
            Ok(json) if self.is_terminal => self.bytes(printable_json(json).as_bytes()),
            _ => self.bytes(json),
        }
    }

    /// Prints bytes as they are.
    pub(super) fn bytes(self, bytes: &[u8]) -> Result<(), RemoteError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(RemoteError::of_output)
    }
}

/// Returns the elements of an array in an object, to the letter.
fn elements(body: &[u8], member: &str) -> Vec<Box<RawValue>> {
    let members: HashMap<String, Box<RawValue>> = serde_json::from_slice(body).unwrap_or_default();
    let array = members
        .get(member)
        .map(|array| Vec::deserialize(&mut serde_json::Deserializer::from_str(array.get())));
    array.and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_of_a_list_are_those_of_the_server_to_the_letter() {
        let body = br#"{"next":null,"jobs":[{"b":1.50,"a":"\u0041"},2]}"#;
        let lines: Vec<_> = elements(body, "jobs").iter().map(|line| line.get().to_owned()).collect();
        assert_eq!(lines, [r#"{"b":1.50,"a":"\u0041"}"#, "2"]);
        assert!(elements(body, "pools").is_empty() && elements(b"[]", "jobs").is_empty());
    }
}
