//! The rules that a single file has to keep, each a pure function from the file to findings.

use std::fmt;

use crate::code::is_word;
use crate::workspace::Source;

/// Maximum number of lines of a file.
const MOST_LINES: usize = 400;

/// The only file that names bincode.
const CODEC: &str = "crates/protocol/src/codec.rs";

/// The files that ask for what no safe wrapper offers: a pidfd in tokio's reactor (its safe constructors
/// are deprecated as unsound), noticing a fork, spawning with exact descriptors, a table of descriptors for
/// one thread, reaping with the bill (`wait4`), a peer's pidfd, limits where a sandbox may refuse to tell them,
/// the signal mask, writing memory that was sealed meanwhile, forking a sibling, a setting of the allocator, the descriptors that a worker is born with, the handlers of signals,
/// and the registers and memory of another process (`ptrace`, `process_vm_readv`).
const MAY_BE_UNSAFE: &[&str] = &[
    "crates/birth/src/inherited.rs",
    "crates/conform/src/os/mapping.rs",
    "crates/conform/src/os/spawn.rs",
    "crates/process/src/os/alive.rs",
    "crates/process/src/os/allocator.rs",
    "crates/process/src/os/fork.rs",
    "crates/process/src/os/group.rs",
    "crates/process/src/os/own_table.rs",
    "crates/process/src/os/peer.rs",
    "crates/process/src/os/posix_spawn.rs",
    "crates/process/src/os/signals.rs",
    "crates/process/src/os/trace.rs",
    "crates/process/src/os/wait.rs",
    "crates/process/src/snapshot/tests/uninterruptible.rs",
    "crates/worker/src/os/fatal_signals.rs",
    "crates/worker/src/os/sibling.rs",
    "crates/worker/src/os/stop_signals.rs",
    // Mapped memory as slices, for the whole of its crate.
    "crates/memory/src/map.rs",
    "crates/memory/src/rlimit.rs",
    // An example that calls a library in C.
    "crates/procpool/examples/hostile_files/libpng.rs",
    // One number of a connection to SQLite.
    "crates/store/src/system.rs",
    // A test program that crashes in C.
    "tests/src/crashes.rs",
    // A test program that forks.
    "tests/src/fork.rs",
];

/// The files of the product that name the wall clock. All of them mean a date: people read it, or it is compared with
/// another date, such as that of a file. None of them waits by it.
const WALL_CLOCK: &[&str] = &[
    // Read once: the seconds count from then by `Instant`.
    "crates/coordinator/src/history/mod.rs",
    // The date at which a profile began. Its samples are measured by `Instant`.
    "crates/coordinator/src/pool/stacks/profile.rs",
    "crates/frontend/src/profile/firefox.rs",
    "crates/frontend/src/profile/mod.rs",
    "crates/protocol/src/inspection.rs",
    // The date of a death.
    "crates/coordinator/src/pool/workers/obituary.rs",
    "crates/frontend/src/board/deaths.rs",
    "crates/frontend/src/death_view.rs",
    "crates/protocol/src/deaths.rs",
    // How old a kept file is, by its own date.
    "crates/coordinator/src/recorder/shelf.rs",
    // Viewers of the stream compare its times with those of deaths.
    "crates/frontend/src/board/sampler.rs",
    // The time of day at which a job is to run.
    "crates/frontend/src/params.rs",
    "crates/server/src/config/schedules.rs",
    // Ids of jobs in a cluster begin with it, on whichever host.
    "crates/server/src/cluster/mod.rs",
    // Read once: the dates of jobs count from then by `Instant`.
    "crates/jobs/src/clock.rs",
    // Read at each commit: over a restart of the machine only dates are left, and the time of a store never goes back.
    "crates/store/src/clock.rs",
    // The date of a line that a worker wrote.
    "crates/process/src/lines/mod.rs",
    "crates/process/src/lines/ring.rs",
    "crates/protocol/src/worker_output.rs",
    // The date of a line of the log.
    "crates/server/src/logs/json.rs",
    "crates/server/src/spans/mod.rs",
];

/// Something to mend.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    place: String,
    advice: String,
}

impl Finding {
    pub(crate) fn package(name: &str, advice: String) -> Self {
        Self { place: format!("package {name}"), advice }
    }

    pub(crate) fn in_file(place: &str, advice: &str) -> Self {
        Self { place: place.to_owned(), advice: advice.to_owned() }
    }

    fn line(source: &Source, line: usize, advice: &str) -> Self {
        Self { place: format!("{}:{line}", source.path), advice: advice.to_owned() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.advice)
    }
}

/// A file opens with `//!`.
pub(crate) fn opening(source: &Source) -> Vec<Finding> {
    let advice = "open the file with `//!`: what it is for, what it refuses to know";
    let opens = source.text.starts_with("//!");
    (!opens).then(|| Finding::line(source, 1, advice)).into_iter().collect()
}

/// A file has at most [`MOST_LINES`] lines.
pub(crate) fn length(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let advice =
        format!("{lines} lines, of at most {MOST_LINES}: give the second idea in it a file of its own");
    (lines > MOST_LINES).then(|| Finding::line(source, lines, &advice)).into_iter().collect()
}

/// bincode is used in [`CODEC`] alone; comments may speak of it.
pub(crate) fn bincode(source: &Source) -> Vec<Finding> {
    let named = |line: &str| {
        words(line, "bincode").any(|(before, after)| {
            let before = before.trim_end();
            after.trim_start().starts_with("::") || before.ends_with("use") || before.ends_with("crate")
        })
    };
    let advice = format!("bincode is named in {CODEC} alone: add what you need there, and call that");
    if source.path == CODEC { Vec::new() } else { in_code(source, named, &advice) }
}

/// `unsafe` stands in [`MAY_BE_UNSAFE`] alone.
pub(crate) fn unsafe_code(source: &Source) -> Vec<Finding> {
    let advice = "use a safe wrapper (rustix has most), or argue for this file in xtask/tests/tidy/rules.rs";
    if MAY_BE_UNSAFE.contains(&source.path.as_str()) {
        Vec::new()
    } else {
        in_code(source, is_unsafe, advice)
    }
}

/// A permission for `unsafe` that nobody uses is taken back.
pub(crate) fn idle_permissions(sources: &[Source]) -> Vec<Finding> {
    let needs = |path: &&str| sources.iter().any(|it| it.path == **path && it.code.lines().any(is_unsafe));
    let idle = MAY_BE_UNSAFE.iter().filter(|path| !needs(path));
    let advice = "holds no `unsafe` any more: take it off the list in xtask/tests/tidy/rules.rs";
    idle.map(|path| Finding { place: (*path).to_owned(), advice: advice.to_owned() }).collect()
}

fn is_unsafe(line: &str) -> bool {
    words(line, "unsafe").next().is_some()
}

/// No deadline, grace or pause is measured by a clock that somebody can set.
pub(crate) fn wall_clock(source: &Source) -> Vec<Finding> {
    let is_product = source.path.starts_with("crates/") && !source.path.contains("/tests/");
    if !is_product || WALL_CLOCK.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let told = |line: &str| words(line, "SystemTime").next().is_some();
    in_code(
        source,
        told,
        "measure by `Instant`; where a date is meant, argue for it in xtask/tests/tidy/rules.rs",
    )
}

/// The variants with named fields of an enum that is `#[non_exhaustive]` are so, too: fields are added more often than
/// variants.
pub(crate) fn closed_variants(source: &Source) -> Vec<Finding> {
    const OPEN: &str = "#[non_exhaustive]";
    let advice =
        "put `#[non_exhaustive]` before this variant, and give it a constructor where other crates make one";
    let is_public_enum = |line: &str| line.starts_with("pub enum ");
    let mut findings = Vec::new();
    let (mut is_in_enum, mut is_open) = (false, false);
    for (line, number) in source.code.lines().zip(1..) {
        match line.trim() {
            OPEN => is_open = true,
            _ if is_public_enum(line) => (is_in_enum, is_open) = (is_open, false),
            "}" if line.starts_with('}') => (is_in_enum, is_open) = (false, false),
            variant if variant.starts_with(char::is_uppercase) => {
                if is_in_enum && !is_open && variant.contains('{') {
                    findings.push(Finding::line(source, number, advice));
                }
                is_open = false;
            }
            item if item.starts_with("pub ") => is_open = false,
            _ => {}
        }
    }
    findings
}

/// Nothing is left for later by a macro that panics.
pub(crate) fn undone(source: &Source) -> Vec<Finding> {
    let undone = |line: &str| {
        let calls = |name| words(line, name).any(|(_, after)| after.starts_with('!'));
        calls("todo") || calls("unimplemented")
    };
    in_code(source, undone, "finish it, or refuse the case with an error that says so")
}

/// `#[ignore]` has a reason.
pub(crate) fn ignored(source: &Source) -> Vec<Finding> {
    let ignored = |line: &str| {
        words(line, "ignore").any(|(before, after)| before.ends_with("#[") && after.starts_with(']'))
    };
    in_code(source, ignored, "say why: `#[ignore = \"needs …\"]`")
}

/// A test that sleeps says for what, on the same line or the one before.
pub(crate) fn sleep(source: &Source) -> Vec<Finding> {
    if !source.path.split('/').any(|part| part == "tests") {
        return Vec::new();
    }
    let sleeps = |line: &str| {
        words(line, "sleep")
            .any(|(before, after)| after.starts_with('(') && !before.trim_end().ends_with("fn"))
    };
    let advice =
        "wait for the event; or, where the time itself is the subject, write `// sleep: <reason>` above";
    let lines: Vec<_> = source.text.lines().collect();
    let excused = |at: usize| lines[at.saturating_sub(1)..=at].iter().any(|line| has_reason(line));
    let code = source.code.lines().enumerate();
    code.filter(|&(at, line)| sleeps(line) && !excused(at))
        .map(|(at, _)| Finding::line(source, at + 1, advice))
        .collect()
}

/// A test that cannot run says so to `procpool_needs::skip`, not to nobody.
pub(crate) fn silent_skip(source: &Source) -> Vec<Finding> {
    if source.path.starts_with("tests/needs/") || source.path.starts_with("xtask/") {
        return Vec::new();
    }
    let is_silent = |line: &str| {
        let told = line.split_once("eprintln!(\"").map(|(_, told)| told.to_lowercase());
        told.is_some_and(|told| ["not run", "not tried", "skip"].iter().any(|word| told.starts_with(word)))
    };
    let advice = "call `procpool_needs::skip`, so that the skip is counted and can be forbidden";
    let lines = source.text.lines().zip(1..).filter(|(line, _)| is_silent(line));
    lines.map(|(_, number)| Finding::line(source, number, advice)).collect()
}

/// An error's text is whole, so its source is nothing that it says: `source` goes with `transparent` alone.
pub(crate) fn told_twice(source: &Source) -> Vec<Finding> {
    const ATTRIBUTE: &str = "#[error(";
    let advice = "an error's text holds its cause: call the field `reason`, leave `#[source]` and `#[from]` out and write \
                  the `From`, or have it `transparent`, so that a chain of errors says nothing twice";
    let found = |(at, _): (usize, &str)| {
        let rest = &source.code[at + ATTRIBUTE.len()..];
        let variant = &rest[..rest.find(ATTRIBUTE).or(rest.find("\n}")).unwrap_or(rest.len())];
        let has_field = words(variant, "source").any(|(_, after)| after.starts_with(':'));
        let is_told = has_field || variant.contains("#[source]") || variant.contains("#[from]");
        let line = source.code[..at].lines().count();
        (is_told && !variant.starts_with("transparent")).then(|| Finding::line(source, line, advice))
    };
    source.code.match_indices(ATTRIBUTE).filter_map(found).collect()
}

fn has_reason(line: &str) -> bool {
    line.split_once("// sleep:").is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// Returns a finding for every line of code that `is_wrong`.
fn in_code(source: &Source, is_wrong: impl Fn(&str) -> bool, advice: &str) -> Vec<Finding> {
    let lines = source.code.lines().zip(1..);
    lines
        .filter(|(line, _)| is_wrong(line))
        .map(|(_, number)| Finding::line(source, number, advice))
        .collect()
}

/// Each place where `line` has `word` as a whole word: what stands before it and after.
fn words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    line.match_indices(word)
        .map(move |(at, _)| (&line[..at], &line[at + word.len()..]))
        .filter(|(before, after)| !before.ends_with(is_word) && !after.starts_with(is_word))
}

#[cfg(test)]
mod tests;
