//! Finds the line of a dead process's output that explains its death. It is the last one that is neither a
//! frame of a backtrace nor a note about one.

/// Lines that follow the cause, or say less than the line before them. The whole line is compared.
const HOLLOW: &[&str] = &[
    "stack backtrace:",
    "panic in a function that cannot unwind",
    "panic in a destructor during cleanup",
    "thread caused non-unwinding panic. aborting.",
    "thread panicked while processing panic. aborting.",
];

/// The beginnings of such lines.
const HOLLOW_STARTS: &[&str] =
    &["note: ", "-----", "Node.js v", "(Use `node ", "Aborted", "Stack trace:", "#FailureMessage Object: "];

/// The lines of `assert_eq!` after its message.
const OPERANDS: &[&str] = &["left: ", "right: "];

/// Returns the line of `lines`, oldest first, that best explains the death.
pub(crate) fn of(lines: &[String]) -> Option<&str> {
    let telling = |line: &&String| !is_hollow(line);
    // After its summary, a sanitizer lists memory byte by byte.
    let summary = lines.iter().rfind(|line| line.starts_with("SUMMARY: ") && line.contains("Sanitizer: "));
    let found = summary.or_else(|| thrown_in_node(lines)).or_else(|| lines.iter().rfind(telling));
    found.or(lines.last()).map(String::as_str)
}

/// Returns the line of the error that ended Node, which prints the error's members after its trace.
fn thrown_in_node(lines: &[String]) -> Option<&String> {
    let end = lines.iter().rposition(|line| line.starts_with("Node.js v"))?;
    lines[..end].iter().rfind(|line| names_an_error(line))
}

/// `TypeError: boom`, or `Error [ERR_CODE]: boom`.
fn names_an_error(line: &str) -> bool {
    let Some((name, _)) = line.split_once(": ") else { return false };
    let name = name.split_once(" [").map_or(name, |(name, _)| name);
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
}

fn is_hollow(line: &str) -> bool {
    let trimmed = line.trim();
    // The line before these operands describes the failed comparison.
    let is_operand = trimmed.len() < line.len() && OPERANDS.iter().any(|it| trimmed.starts_with(it));
    let is_place = trimmed.len() < line.len() && trimmed.starts_with("at ");
    // The line about the panic itself is followed by a better one, its message.
    let is_second_panic = trimmed.contains(" panicked at ") && trimmed.contains("core/src/panicking.rs:");
    // A frame around a message has no letters: V8 draws one of `#`.
    !trimmed.contains(char::is_alphabetic)
        || HOLLOW.contains(&trimmed)
        || HOLLOW_STARTS.iter().any(|start| trimmed.starts_with(start))
        || is_place
        || is_operand
        || is_second_panic
        || is_frame(trimmed)
}

/// `12: name` of Rust and Node, `#3 0x… in name` of the sanitizers and debuggers.
fn is_frame(line: &str) -> bool {
    let number = line.strip_prefix('#').unwrap_or(line);
    let rest = number.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered = rest.len() < number.len();
    match line.starts_with('#') {
        true => is_numbered && rest.trim_start().starts_with("0x"),
        false => is_numbered && rest.starts_with(": "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(lines: &[&str]) -> Option<String> {
        let lines: Vec<_> = lines.iter().map(|&line| line.to_owned()).collect();
        of(&lines).map(str::to_owned)
    }

    #[test]
    fn a_panics_last_words_are_its_message() {
        let head = "thread 'main' (7) panicked at src/main.rs:3:5:";
        let note = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
        let full = "note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.";
        let frames =
            ["stack backtrace:", "   0: rust_begin_unwind", "             at /rustc/lib.rs:5:1", "   1: f"];
        assert_eq!(last(&[head, "row 7 has no price", note]).as_deref(), Some("row 7 has no price"));
        let unequal = [head, "assertion `left == right` failed: rows", "  left: 1", " right: 2", note];
        assert_eq!(last(&unequal).as_deref(), Some("assertion `left == right` failed: rows"));
        let long = [&[head, "row 7 has no price"][..], &frames, &[full]].concat();
        assert_eq!(last(&long).as_deref(), Some("row 7 has no price"));
        let second = [
            "thread 'main' (7) panicked at library/core/src/panicking.rs:230:5:",
            "panic in a function that cannot unwind",
        ];
        let end = ["thread caused non-unwinding panic. aborting."];
        let double = [&long[..], &second, &frames, &end].concat();
        assert_eq!(last(&double).as_deref(), Some("row 7 has no price"));
    }

    #[test]
    fn a_sanitizers_last_words_are_its_summary() {
        let lines = [
            "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010",
            "    #0 0x55d in main /src/a.c:5",
            "SUMMARY: AddressSanitizer: heap-use-after-free /src/a.c:5 in main",
            "Shadow bytes around the buggy address:",
            "==7==ABORTING",
        ];
        assert_eq!(last(&lines).as_deref(), Some(lines[2]));
    }

    #[test]
    fn words_that_only_look_like_frames_are_words_if_there_are_no_others() {
        assert_eq!(last(&["out of cheese", "#7 is bad", "12 of 13"]).as_deref(), Some("12 of 13"));
        assert_eq!(last(&["out of cheese", "#7 is bad"]).as_deref(), Some("#7 is bad"));
        assert_eq!(last(&["0: only", "1: frames"]).as_deref(), Some("1: frames"));
        assert_eq!(last(&[]), None);
    }

    #[test]
    fn a_line_without_a_letter_is_no_word_if_there_is_another() {
        let v8 = [
            "",
            "",
            "#",
            "# Fatal process OOM in Failed to reserve virtual memory for CodeRange",
            "#",
            "#",
            "#FailureMessage Object: 0x7ffd9b4e5d10",
            "----- Native stack trace -----",
            "",
        ];
        assert_eq!(last(&v8).as_deref(), Some(v8[3]));
        assert_eq!(
            last(&["value out of range", "=====", "42", "^~~~"]).as_deref(),
            Some("value out of range")
        );
        assert_eq!(last(&["42"]).as_deref(), Some("42"));
        assert_eq!(last(&["speicher läuft über", "内存不足"]).as_deref(), Some("内存不足"));
    }

    #[test]
    fn other_languages_frames_are_passed_over_too() {
        let node = [
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            "----- Native stack trace -----",
            " 1: 0xb76db1 node::OOMErrorHandler [node]",
            "",
        ];
        assert_eq!(last(&node).as_deref(), Some(node[0]));
        let thrown = ["Error: boom", "    at run (/w.js:1:7)", "    at main (/w.js:9:1)", "Node.js v20.1.0"];
        assert_eq!(last(&thrown).as_deref(), Some("Error: boom"));
    }

    #[test]
    fn the_members_of_an_error_of_node_are_not_its_words() {
        let missing = [
            "node:internal/modules/cjs/loader:1210",
            "  throw err;",
            "  ^",
            "",
            "Error: Cannot find module 'sharp'",
            "Require stack:",
            "- /srv/worker.js",
            "    at Module._load (node:internal/modules/cjs/loader:1038:27) {",
            "  code: 'MODULE_NOT_FOUND',",
            "  requireStack: [ '/srv/worker.js' ]",
            "}",
            "",
            "Node.js v20.20.2",
        ];
        assert_eq!(last(&missing).as_deref(), Some(missing[4]));
        let coded =
            ["TypeError [ERR_X]: no", "    at f (/w.js:1:1) {", "  code: 'ERR_X'", "}", "Node.js v18.0.0"];
        assert_eq!(last(&coded).as_deref(), Some(coded[0]));
        let text =
            ["Uncaught:", "'just a text'", "(Use `node --trace-uncaught` for more)", "", "Node.js v20.1.0"];
        assert_eq!(last(&text).as_deref(), Some(text[1]));
    }
}
