//! Which deaths are of one kind: those of one pool that ended in the same way, in the same functions, or, without a
//! stack, with the same last words but for numbers and addresses.

use super::weight::cut;
use procpool_protocol::crash::signal_name;
use procpool_protocol::deaths::Death;
use procpool_protocol::stack::StackFrame;
use procpool_protocol::{Exit, ExitReport};

/// Number of calls that must be the same.
const CALLS: usize = 3;

/// Number of calls among which those of the program are looked for.
const NEAR: usize = 16;

/// The beginnings of the names of a language's own functions, which a call of any program may be in.
const RUNTIME: &[&str] = &[
    "core::",
    "std::",
    "alloc::",
    "dyn core::",
    "dyn std::",
    "dyn alloc::",
    "__rust",
    "rust_",
    "_Unwind_",
    "_start",
];

/// Maximum length of a name and of last words, in bytes.
const LONGEST: usize = 200;

/// See the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signature {
    /// 16 hexadecimal digits.
    pub(super) id: String,
    /// How the worker ended.
    pub(super) end: String,
    /// How and where, in a few words.
    pub(super) text: String,
}

impl Signature {
    pub(super) fn of(death: &Death) -> Self {
        let report = &death.report;
        if let Some(error) = &death.error {
            let (end, words) = ("start failed".to_owned(), normalised(error));
            let id = [death.pool.as_str(), death.cause, &end, &words];
            let id = format!("{:016x}", hash(id.into_iter()));
            return Self { id, text: format!("{end}: {words}"), end };
        }
        let end = end(death.cause, report);
        let calls = calls(death.cause, report);
        let words = match calls.is_empty() {
            true => report.last_words().map(normalised),
            false => None,
        };
        let text = match (calls.first(), &words) {
            (Some(call), _) => format!("{end} in {call}"),
            (None, Some(words)) => format!("{end}: {words}"),
            (None, None) => end.clone(),
        };
        let parts = [death.pool.as_str(), death.cause, &end].into_iter();
        let parts = parts.chain(calls.iter().map(String::as_str)).chain(words.as_deref());
        let id = format!("{:016x}", hash(parts));
        Self { id, end, text }
    }
}

/// Returns how a worker ended.
fn end(cause: &str, report: &ExitReport) -> String {
    match (cause, report.limit) {
        (_, Some(limit)) => return format!("{} limit", limit.name().replace('_', " ")),
        _ if report.oom_killed => return "out of memory".into(),
        ("timed_out", _) => return "timed out".into(),
        ("cancelled", _) => return "cancelled".into(),
        ("ordered", _) => return "killed by order".into(),
        ("protocol", _) => return "broke the protocol".into(),
        ("panicked", _) => return "panicked".into(),
        ("hung_up", _) => return "hung up".into(),
        ("stopped", _) => return "stopped".into(),
        _ => {}
    }
    let how = match report.exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal { number, .. } => {
            signal_name(number).map_or_else(|| format!("signal {number}"), str::to_owned)
        }
        _ => "unknown end".into(),
    };
    if cause == "start" { format!("start, {how}") } else { how }
}

/// Returns the names of the calls that tell deaths apart, the innermost one first.
fn calls(cause: &str, report: &ExitReport) -> Vec<String> {
    let frames = report.stack.as_deref().map_or(&[][..], |stack| stack.telling_frames());
    // A job that is interrupted is somewhere in its loop, and the calls around that place are the same.
    let is_interrupted = matches!(cause, "timed_out" | "cancelled" | "stopped" | "hung_up" | "ordered");
    let number = if is_interrupted { 1 } else { CALLS };
    let near = &frames[..frames.len().min(NEAR)];
    let own: Vec<_> = near.iter().filter(|frame| is_of_program(frame)).collect();
    let telling = if own.is_empty() { near.iter().collect() } else { own };
    telling.into_iter().take(number).map(name).collect()
}

/// Returns whether a call has a name, and not that of a function of its language.
fn is_of_program(frame: &StackFrame) -> bool {
    frame.function.as_deref().is_some_and(|name| {
        let name = name.trim_start_matches(['<', '&', '*']);
        !RUNTIME.iter().any(|start| name.starts_with(start))
    })
}

/// Returns the name of a call, which is the same in every process of the executable.
fn name(frame: &StackFrame) -> String {
    let mut name = match (&frame.function, &frame.module) {
        (Some(function), _) => without_hash(function).to_owned(),
        (None, Some(module)) => format!("{module}+{:#x}", frame.offset),
        // An address is another one in each process.
        (None, None) => "?".into(),
    };
    cut(&mut name, LONGEST);
    name
}

/// Removes the hash that rustc adds to a name, which each build changes.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => name,
    }
}

/// Replaces numbers and addresses by `#`.
fn normalised(words: &str) -> String {
    let mut words = words.to_owned();
    cut(&mut words, LONGEST);
    let mut text = String::new();
    let mut rest = words.as_str();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (word, after) = rest.split_at(end);
        push_normalised(&mut text, word);
        rest = after;
    }
    text
}

fn push_normalised(text: &mut String, word: &str) {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    if word.contains(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return text.push('#');
    }
    let mut was_digit = false;
    for c in word.chars() {
        let is_digit = c.is_ascii_digit();
        match (is_digit, was_digit) {
            (true, true) => {}
            (true, false) => text.push('#'),
            (false, _) => text.push(c),
        }
        was_digit = is_digit;
    }
}

/// Returns the hash of these texts, the same in every process (FNV-1a).
fn hash<'a>(parts: impl Iterator<Item = &'a str>) -> u64 {
    let bytes = parts.flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::stack::{Stack, ThreadStack};
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    fn with_words(words: &str) -> Signature {
        let mut report = ExitReport::new("fib-0", 1, Exit::Code(101));
        report.stderr = vec![words.into()];
        Signature::of(&Death::new(1, UNIX_EPOCH, "fib", "crashed", report))
    }

    fn with_calls(cause: &'static str, names: &[&str]) -> Signature {
        let mut report = ExitReport::new("fib-0", 1, Exit::by_signal(11, false));
        report.stderr = vec!["row 7 has no price".into()];
        let frames = names.iter().map(|&name| {
            let mut frame = StackFrame::new(Some("fib".into()), 0x10);
            frame.function = (!name.is_empty()).then(|| name.to_owned());
            frame
        });
        report.stack = Some(Arc::new(Stack::new(vec![ThreadStack::new(1, "main", frames.collect())])));
        Signature::of(&Death::new(1, UNIX_EPOCH, "fib", cause, report))
    }

    #[test]
    fn last_words_are_the_same_whatever_numbers_and_addresses_are_in_them() {
        let one = with_words("row 7 of 0x7ffd9b4e5d10 (job 8f3a00d1, 3.5ms, fib3) has no price");
        assert_eq!(one.text, "exit code 101: row # of # (job #, #.#ms, fib#) has no price");
        assert_eq!(one, with_words("row 812 of 0x1 (job 0badc0de, 12.25ms, fib14) has no price"));
        assert_ne!(one.id, with_words("row 7 has no prices").id);
        assert!(with_words(&"ä".repeat(10_000)).text.len() < 300);
    }

    #[test]
    fn calls_tell_more_than_words_and_those_of_a_panic_are_passed_over() {
        let one =
            with_calls("crashed", &["raise", "abort", "core::panicking::panic", "parse", "job", "main"]);
        assert_eq!(one.text, "SIGSEGV in parse");
        assert_eq!(one, with_calls("crashed", &["parse::h0123456789abcdef", "job", "main", "start"]));
        assert_ne!(one.id, with_calls("crashed", &["parse", "other", "main"]).id);
        assert_eq!(with_calls("crashed", &["abort"]).text, "SIGSEGV in abort", "there is nothing better");
        assert_eq!(with_calls("crashed", &[""]).text, "SIGSEGV in fib+0x10");
        assert_eq!(with_calls("crashed", &[]).text, "SIGSEGV: row # has no price");
    }

    #[test]
    fn a_job_that_is_interrupted_is_known_by_its_innermost_call() {
        let one = with_calls("timed_out", &["spin", "inner", "main"]);
        assert_eq!(
            (one.text.as_str(), &one),
            ("timed out in spin", &with_calls("timed_out", &["spin", "main"]))
        );
    }

    #[test]
    fn calls_of_the_language_and_those_without_names_are_passed_over_for_those_of_the_program() {
        let of_language =
            ["core::hint::black_box", "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop", ""];
        let one = with_calls("timed_out", &[&of_language[..], &["spin", "main"]].concat());
        assert_eq!((one.text.as_str(), &one), ("timed out in spin", &with_calls("timed_out", &["spin"])));
        let one =
            with_calls("crashed", &["", "core::ptr::write", "<fib::Row as core::fmt::Display>::fmt", "job"]);
        assert_eq!(one.text, "SIGSEGV in <fib::Row as core::fmt::Display>::fmt");
        assert_eq!(with_calls("crashed", &["", "core::ptr::write"]).text, "SIGSEGV in fib+0x10");
    }

    #[test]
    fn pools_have_groups_of_their_own() {
        let of = |pool: &str| {
            let report = ExitReport::new("w-0", 1, Exit::Code(3));
            Signature::of(&Death::new(1, UNIX_EPOCH, pool, "crashed", report))
        };
        assert_eq!(of("fib").text, of("ping").text);
        assert_ne!(of("fib").id, of("ping").id);
    }
}
