//! The survival matrix against the tests that it names: no fault is left out, and no test is only a name.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::is_word;
use crate::rules::Finding;
use crate::workspace::Source;

/// The faults are numbered from 1 to this.
const FAULTS: u32 = 52;

/// The columns: number, fault, what happens, tests, notes.
const NUMBER: usize = 1;
const TESTS: usize = 4;

/// Returns findings about the matrix.
pub(crate) fn check(matrix: &str, sources: &[Source]) -> Vec<Finding> {
    let tests: BTreeSet<_> = sources.iter().flat_map(|source| tests_in(&source.code)).collect();
    let rows: Vec<_> = matrix.lines().zip(1..).filter_map(|(line, number)| row(line, number)).collect();
    let mut seen = BTreeMap::<_, u32>::new();
    rows.iter().for_each(|row| *seen.entry(row.name).or_default() += 1);
    let faults = (1..=FAULTS).map(|number| format!("F{number:02}"));
    let miscounted = faults.filter(|fault| seen.get(fault.as_str()) != Some(&1));
    let miscounted =
        miscounted.map(|fault| Finding::in_file("SURVIVAL.md", &format!("give {fault} one row")));
    miscounted.chain(rows.iter().flat_map(|row| row.findings(&tests))).collect()
}

struct Row<'a> {
    name: &'a str,
    line: usize,
    tests: Vec<&'a str>,
}

/// Returns a row of a table whose first column is a letter and digits.
fn row(line: &str, number: usize) -> Option<Row<'_>> {
    let columns: Vec<_> = line.split('|').map(str::trim).collect();
    let name = columns.get(NUMBER).copied().filter(|name| {
        let digits = name.strip_prefix(['F', 'S']);
        digits.is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
    })?;
    let tests = columns.get(TESTS).map(|tests| tests.split('`').skip(1).step_by(2).collect());
    Some(Row { name, line: number, tests: tests.unwrap_or_default() })
}

impl Row<'_> {
    fn findings(&self, tests: &BTreeSet<&str>) -> Vec<Finding> {
        let place = format!("SURVIVAL.md:{}", self.line);
        if self.tests.is_empty() {
            return vec![Finding::in_file(&place, &format!("name the test of {}", self.name))];
        }
        let unknown = self.tests.iter().filter(|test| !tests.contains(*test));
        let advice =
            |test| format!("{} names `{test}`, which is no test: mend the name, or write it", self.name);
        unknown.map(|test| Finding::in_file(&place, &advice(test))).collect()
    }
}

/// Returns the functions that stand under a test attribute.
pub(crate) fn tests_in(code: &str) -> Vec<&str> {
    let mut tests = Vec::new();
    let mut is_test = false;
    for line in code.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some((_, after)) = line.split_once("fn ").filter(|_| !line.starts_with('#')) {
            let name = &after[..after.find(|c| !is_word(c)).unwrap_or(after.len())];
            tests.extend(Some(name).filter(|_| std::mem::take(&mut is_test)));
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "#[test]\nfn a_sync_one() {}\n#[tokio::test(flavor = \"x\")]\n#[cfg(unix)]\nasync fn an_async_one() {}\n\
                        fn no_test() {}\n// #[test]\nfn nor_this() {}";

    /// Returns a matrix with every fault, of which `special` is another row.
    fn findings(special: &str) -> Vec<String> {
        let row = |number| format!("| F{number:02} | fault | happens | `a_sync_one` | |\n");
        let matrix: String = (2..=FAULTS).map(row).collect();
        let sources = [Source::new("a.rs", CODE)];
        check(&(matrix + special), &sources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_row_with_tests_that_exist_is_fine() {
        let none: [String; 0] = [];
        assert_eq!(findings("| F01 | a `word` | b | `a_sync_one`, `an_async_one` | `no_test` |"), none);
    }

    #[test]
    fn a_fault_that_is_left_out_or_told_twice_is_found() {
        assert_eq!(findings(""), ["SURVIVAL.md: give F01 one row"]);
        let twice = "| F01 | a | b | `a_sync_one` | |\n| F01 | a | b | `a_sync_one` | |";
        assert_eq!(findings(twice), ["SURVIVAL.md: give F01 one row"]);
    }

    #[test]
    fn a_row_without_a_test_is_found() {
        let expected = format!("SURVIVAL.md:{FAULTS}: name the test of F01");
        assert_eq!(findings("| F01 | a | b | (to come) | |"), [expected]);
    }

    #[test]
    fn a_name_that_is_no_test_is_found() {
        for name in ["no_test", "nor_this", "nowhere"] {
            let found = findings(&format!("| F01 | a | b | `{name}` | |"));
            assert!(found.len() == 1 && found[0].contains(&format!("names `{name}`")), "{found:?}");
        }
    }

    #[test]
    fn threats_are_held_to_the_same() {
        let found = findings("| F01 | a | b | `a_sync_one` | |\n| S1 | a | b | `nowhere` | |");
        assert!(found.len() == 1 && found[0].contains("S1 names `nowhere`"), "{found:?}");
    }
}
