//! The prose of README, guide and ARCHITECTURE: length, width, and the turns of phrase that readers stumble over.
//! `comments` refuses the same turns of phrase in Rust files.

use crate::documents::{Document, is_table, without_code};
use crate::rules::Finding;

/// Maximum number of columns of a line of prose.
const COLUMNS: usize = 100;

/// Maximum number of words of a sentence.
const WORDS: usize = 25;

/// Maximum number of lines of the documents that must stay short.
const LENGTHS: &[(&str, usize)] = &[("README.md", 150), ("ARCHITECTURE.md", 250)];

/// Turns of phrase, in lower case, and the advice about each.
const PHRASES: &[(&str, &str)] = &[
    ("whoever", "name the component or the person"),
    ("whomever", "name the component or the person"),
    ("so many", "write `number of` or the number"),
    ("no more", "write `no longer` or `no further`"),
    ("any more", "write `no longer`"),
    ("is to be", "write `must be` or the present tense"),
    ("are to be", "write `must be` or the present tense"),
    ("be it", "write `even if` or `either`"),
    ("that which", "name the component"),
    ("fewest", "write `minimum number of`"),
    ("for so long", "write `time for which` or `time after which`"),
];

/// Turns of phrase that only users do not understand: tests have seeds of their own.
const USERS: &[(&str, &str)] = &[("the seed", "write `Node's worker-threads tutorial`")];

/// Words that begin no sentence but a question.
const OPENINGS: &[&str] = &["What", "Whatever", "Whoever", "Whichever"];

/// Checks the prose of a document, if it is README, ARCHITECTURE or a page of the guide.
pub(crate) fn check(document: &Document) -> Vec<Finding> {
    let is_short = LENGTHS.iter().any(|(path, _)| *path == document.path);
    let is_page = document.path.starts_with("docs/") && document.path != "docs/SUMMARY.md";
    if !is_short && !is_page {
        return Vec::new();
    }
    let mut findings = length(document);
    findings.extend(lines(document));
    findings.extend(sentences(document));
    findings
}

fn length(document: &Document) -> Vec<Finding> {
    let lines = document.text.lines().count();
    let limit = LENGTHS.iter().find(|(path, limit)| *path == document.path && lines > *limit);
    let advice =
        |limit| format!("{lines} lines, of at most {limit}: move details to a page of the guide in docs/");
    limit.map(|(path, limit)| Finding::in_file(path, &advice(limit))).into_iter().collect()
}

fn lines(document: &Document) -> Vec<Finding> {
    let at = |number: usize, advice: &str| Finding::in_file(&format!("{}:{number}", document.path), advice);
    let mut findings = Vec::new();
    for (number, line) in document.lines() {
        let columns = line.chars().count();
        if columns > COLUMNS && !is_table(line) {
            findings.push(at(number, &format!("{columns} columns: wrap prose at {COLUMNS}")));
        }
        let refused = phrases(PHRASES, line).into_iter().chain(phrases(USERS, line));
        findings.extend(refused.map(|advice| at(number, &advice)));
    }
    findings
}

/// Returns the advice about each of `refused` that a text has outside of code.
fn phrases(refused: &[(&str, &str)], text: &str) -> Vec<String> {
    let text = words(&without_code(text).to_lowercase());
    let found = refused.iter().filter(|(phrase, _)| text.contains(&words(phrase)));
    found.map(|(phrase, advice)| format!("says `{phrase}`: {advice}")).collect()
}

/// Returns the advice about a paragraph that is held by its words alone, and not by its length.
pub(crate) fn of_words(paragraph: &str) -> Vec<String> {
    let mut advice = phrases(PHRASES, paragraph);
    advice.extend(split(paragraph).iter().filter_map(|sentence| opening(sentence)));
    advice
}

/// Returns the words of a text, each between two spaces.
fn words(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
    words.fold(String::from(" "), |text, word| text + word + " ")
}

fn sentences(document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, paragraph) in document.paragraphs() {
        let place = format!("{}:{number}", document.path);
        for sentence in split(&paragraph) {
            // Records of decisions are long arguments; the guide is read by people at work.
            if sentence.len() > WORDS && !document.path.starts_with("docs/decisions/") {
                let advice = format!(
                    "{} has {} words: make two sentences of it",
                    beginning(&sentence),
                    sentence.len()
                );
                findings.push(Finding::in_file(&place, &advice));
            }
            findings.extend(opening(&sentence).map(|advice| Finding::in_file(&place, &advice)));
        }
    }
    findings
}

/// Returns the advice about a sentence that begins with a free relative.
fn opening(sentence: &[&str]) -> Option<String> {
    let is_question = sentence.last().is_some_and(|word| word.ends_with('?'));
    let is_refused = OPENINGS.contains(&sentence[0]) && !is_question;
    is_refused.then(|| format!("{}: begin the sentence with the component", beginning(sentence)))
}

fn beginning(sentence: &[&str]) -> String {
    format!("“{} …”", sentence.iter().take(6).copied().collect::<Vec<_>>().join(" "))
}

/// Splits a paragraph into sentences, as their words.
fn split(paragraph: &str) -> Vec<Vec<&str>> {
    let mut sentences: Vec<Vec<&str>> = Vec::new();
    let mut ended = true;
    for word in paragraph.split_whitespace() {
        let begins = word.starts_with(|c: char| c.is_uppercase() || "[*`“".contains(c));
        match sentences.last_mut() {
            Some(sentence) if !(ended && begins) => sentence.push(word),
            _ => sentences.push(vec![word]),
        }
        ended = word.trim_end_matches(['*', ')', '”', '"', ']']).ends_with(['.', '!', '?', ':']);
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let document = Document { path: path.into(), text: text.into() };
        check(&document).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn plain_prose_is_fine() {
        let none: [String; 0] = [];
        let text = "# What it is\n\nThe pool starts a worker. What does that cost? Nothing.\n\n| whatever is in | a table |\n";
        assert_eq!(findings("README.md", text), none);
        assert_eq!(findings("SURVIVAL.md", "Whoever reads this."), none);
    }

    #[test]
    fn a_readme_that_grows_is_found() {
        let text = "a\n\n".repeat(76);
        assert_eq!(findings("docs/a.md", &text), [""; 0]);
        assert!(findings("README.md", &text)[0].contains("152 lines, of at most 150"));
    }

    #[test]
    fn a_wide_line_is_found_unless_it_is_a_table_or_code() {
        let wide = "a".repeat(101);
        assert!(findings("docs/a.md", &wide)[0].starts_with("docs/a.md:1: 101 columns"));
        assert_eq!(findings("docs/a.md", &format!("| {wide} |\n```text\n{wide}\n```")), [""; 0]);
    }

    #[test]
    fn phrases_are_found_by_whole_words_and_not_in_code() {
        let found =
            findings("docs/a.md", "Jobs wait, whoever\nsent so many.\n\nIt is\n`no more` than no mores.");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("docs/a.md:1: says `whoever`"), "{found:?}");
        assert!(found[1].starts_with("docs/a.md:2: says `so many`"), "{found:?}");
    }

    #[test]
    fn a_sentence_that_is_too_long_is_found_outside_of_decisions() {
        let long = format!("The {}end.", "very\n".repeat(24));
        assert!(findings("docs/a.md", &format!("Short. {long}"))[0].contains("has 26 words"));
        assert_eq!(findings("docs/decisions/a.md", &long), [""; 0]);
        assert_eq!(findings("docs/a.md", &long.replacen("very\nvery", "very. Very", 1)), [""; 0]);
    }

    #[test]
    fn a_sentence_that_begins_with_a_free_relative_is_found() {
        assert!(
            findings("docs/a.md", "It stops.\nWhat it had is lost.")[0].contains("“What it had is lost.")
        );
    }
}
