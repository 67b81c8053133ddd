//! Tables for people, in the style of kubectl: columns by blanks alone, so that every line can be cut and searched.

use procpool_protocol::printable::printable;
use std::borrow::Cow;

/// Blanks between two columns.
const GAP: usize = 3;

/// The meaning of a cell, which is its colour where there is colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tint {
    /// Nothing of note.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Somebody has to know.
    Odd,
    /// Something went wrong.
    Bad,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tint: Tint,
}

impl Cell {
    /// Returns a cell with a tint. Text of others cannot leave its cell or drive the terminal.
    #[must_use]
    pub fn tinted(text: impl AsRef<str>, tint: Tint) -> Self {
        let text = match text.as_ref() {
            "" => Cow::Borrowed("-"),
            text => printable(text),
        };
        Self { text: text.replace('\t', " "), tint }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::tinted(text, Tint::Plain)
    }
}

/// Returns the tint of a state or an outcome.
#[must_use]
pub fn tint_of(word: &str) -> Tint {
    match word {
        "ok" | "ready" | "idle" | "busy" | "running" => Tint::Good,
        "paused" | "draining" | "reloading" | "starting" | "stopping" | "retiring" | "cancelled"
        | "shut_down" => Tint::Odd,
        "broken" | "failed" | "broke" | "panicked" | "crashed" | "timed_out" | "poisoned"
        | "protocol_error" | "output_too_large" | "bad_input" => Tint::Bad,
        _ => Tint::Plain,
    }
}

/// Returns a cell with a state or an outcome.
#[must_use]
pub fn word(word: &str) -> Cell {
    Cell::tinted(word, tint_of(word))
}

/// Rows below a heading.
#[derive(Clone, Debug)]
pub struct Table<const N: usize> {
    heading: [&'static str; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    /// Returns a table without rows.
    #[must_use]
    pub fn new(heading: [&'static str; N]) -> Self {
        Self { heading, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, row: [Cell; N]) {
        self.rows.push(row);
    }

    /// Returns whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the lines, with a heading or without, in colour or without.
    #[must_use]
    pub fn render(&self, heading: bool, colour: bool) -> String {
        let mut widths = self.heading.map(str::len);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let mut text = String::new();
        if heading {
            line(&mut text, &widths, &self.heading.map(Cell::from), false);
        }
        self.rows.iter().for_each(|row| line(&mut text, &widths, row, colour));
        text
    }
}

fn line<const N: usize>(text: &mut String, widths: &[usize; N], cells: &[Cell; N], colour: bool) {
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        match (colour, cell.tint) {
            (true, Tint::Good) => painted(text, "32", &cell.text),
            (true, Tint::Odd) => painted(text, "33", &cell.text),
            (true, Tint::Bad) => painted(text, "31", &cell.text),
            _ => text.push_str(&cell.text),
        }
        if index + 1 < N {
            let blanks = width + GAP - cell.text.chars().count();
            text.extend(std::iter::repeat_n(' ', blanks));
        }
    }
    text.push('\n');
}

fn painted(text: &mut String, code: &str, word: &str) {
    text.extend(["\x1b[", code, "m", word, "\x1b[0m"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new(["NAME", "STATE", "QUEUED"]);
        table.row(["fib".into(), word("ready"), "0".into()]);
        table.row(["word-count".into(), word("paused"), "".into()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_nothing_trails() {
        assert_eq!(
            table().render(true, false),
            "NAME         STATE    QUEUED\nfib          ready    0\nword-count   paused   -\n"
        );
    }

    #[test]
    fn colour_changes_no_width() {
        let text = table().render(false, true);
        assert_eq!(text, "fib          \x1b[32mready\x1b[0m    0\nword-count   \x1b[33mpaused\x1b[0m   -\n");
    }

    #[test]
    fn text_of_others_stays_in_its_cell() {
        let mut table = Table::new(["A", "B"]);
        table.row(["\x1b[2Jevil\nline\ttab".into(), "b".into()]);
        let text = table.render(false, true);
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains(r"\u{1b}[2Jevil\nline tab"), "{text}");
    }
}
