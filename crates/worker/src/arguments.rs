//! Answers for a person who starts a worker executable by hand: an explanation, or its description.
//!
//! A coordinator passes a pool's own arguments on. Therefore a spawned worker leaves all arguments except the
//! few below to its author.

use crate::ending::BY_HAND;
use crate::identity::{Identity, SDK, executable};
use procpool_birth::was_spawned;
use procpool_protocol::handshake::Mode;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::PathBuf;

/// Returns the saved jobs that this process runs again: `--replay FILE`, the last arguments. Returns `None`
/// if a coordinator started the process, because the arguments are then the author's.
pub(crate) fn replay() -> Option<SavedJobs> {
    saved_jobs(std::env::args_os().skip(1), was_spawned())
}

/// Saved jobs that one process runs, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SavedJobs {
    /// At least one.
    pub(crate) files: Vec<PathBuf>,
    /// Whether the earlier jobs in a file are run, too.
    pub(crate) with_history: bool,
}

/// Returns the socket of a pool of attached workers: `--attach SOCKET`, the last two arguments. Returns
/// `None` if a coordinator started this process, because the arguments are then the author's.
pub(crate) fn attach() -> Option<PathBuf> {
    last_two("--attach", std::env::args_os().skip(1), was_spawned())
}

/// Reads all arguments after the last `--replay`; `--history` may stand anywhere among them.
fn saved_jobs(arguments: impl Iterator<Item = OsString>, was_spawned: bool) -> Option<SavedJobs> {
    let arguments: Vec<_> = arguments.collect();
    let begin = arguments.iter().rposition(|it| it == "--replay").filter(|_| !was_spawned)?;
    let is_flag = |it: &&OsString| *it == "--history";
    let (flags, files): (Vec<_>, Vec<_>) = arguments.iter().skip(begin + 1).partition(is_flag);
    let (files, with_history) = (files.iter().map(PathBuf::from).collect::<Vec<_>>(), !flags.is_empty());
    (!files.is_empty()).then_some(SavedJobs { files, with_history })
}

fn last_two(word: &str, arguments: impl Iterator<Item = OsString>, was_spawned: bool) -> Option<PathBuf> {
    let arguments: Vec<_> = arguments.collect();
    match arguments.as_slice() {
        [.., flag, file] if flag == word && !was_spawned => Some(file.into()),
        _ => None,
    }
}

/// Answers a person and returns the exit code. Returns `None` if this process was spawned to work.
pub(crate) fn answer(identities: &[&Identity]) -> Option<u8> {
    let argument = std::env::args_os().nth(1);
    let answer = Answer::to(argument.as_deref(), was_spawned() || attach().is_some())?;
    let text = answer.text(identities, &executable());
    // A reader that closed the pipe (`--describe | head -1`) has read what it needs.
    let _ = match answer {
        Answer::Explain => io::stderr().write_all(text.as_bytes()),
        _ => io::stdout().write_all(text.as_bytes()),
    };
    Some(answer.exit_code())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// `--describe`
    Describe,
    /// `--version`
    Version,
    /// `--help`
    Help,
    /// Started by hand without a question.
    Explain,
}

impl Answer {
    fn to(argument: Option<&OsStr>, was_spawned: bool) -> Option<Self> {
        match argument.and_then(OsStr::to_str) {
            Some("--describe") => Some(Self::Describe),
            _ if was_spawned => None,
            Some("--version" | "-V") => Some(Self::Version),
            Some("--help" | "-h") => Some(Self::Help),
            _ => Some(Self::Explain),
        }
    }

    fn exit_code(self) -> u8 {
        match self {
            Self::Explain => BY_HAND,
            _ => 0,
        }
    }

    fn text(self, identities: &[&Identity], program: &str) -> String {
        match self {
            Self::Describe => description(identities),
            Self::Version => format!("{}\n", headline(identities, program)),
            Self::Help | Self::Explain => explanation(identities, program),
        }
    }
}

fn description(identities: &[&Identity]) -> String {
    let text = match identities {
        [only] => serde_json::to_string_pretty(&only.description()),
        several => {
            let jobs: Vec<_> = several.iter().map(|it| it.description()).collect();
            serde_json::to_string_pretty(&BTreeMap::from([("jobs", jobs)]))
        }
    };
    // A description is strings, numbers and JSON values: it always serializes.
    format!("{}\n", text.unwrap_or_default())
}

fn headline(identities: &[&Identity], program: &str) -> String {
    let offer = |it: &&Identity| {
        let build = it.build.map(|build| format!(", build {build}")).unwrap_or_default();
        match takes_jobs(it) {
            true => format!("job `{}`, contract version {}{build}", it.job, it.contract),
            false => format!("free messages{build}"),
        }
    };
    let offers: Vec<_> = identities.iter().map(offer).collect();
    format!("{program}: a procpool worker for {} ({SDK})", offers.join("; "))
}

fn takes_jobs(identity: &Identity) -> bool {
    identity.modes.contains(&Mode::Jobs)
}

fn explanation(identities: &[&Identity], program: &str) -> String {
    let uses = match identities {
        [first, others @ ..] if takes_jobs(first) => uses_of_jobs(&first.job, !others.is_empty(), program),
        _ => format!(
            "    in a Rust service   Worker::<String, String>::builder(Executable::find(\"{program}\")?).spawn().await?\n"
        ),
    };
    format!(
        "{}\n\n\
         A procpool coordinator starts it, with its connections as descriptors 3 and 4.\n\
         Started by hand it has nobody to work for. How it is meant to be started:\n\n\
         {uses}\n\
         What it takes and gives: {program} --describe\n",
        headline(identities, program)
    )
}

fn uses_of_jobs(job: &str, is_named: bool, program: &str) -> String {
    let name =
        if is_named { format!("                            job = \"{job}\"\n") } else { String::new() };
    format!(
        "    over HTTP           procpool serve --config procpool.toml, and in that file\n\
        \x20                           [pools.{job}]\n\
        \x20                           command = [\"{program}\"]\n\
         {name}\
        \x20   for one job         procpool run {job} INPUT\n\
        \x20   in a Rust service   Pool::<J>::builder(Executable::find(\"{program}\")?).start().await?\n\
         \x20   for a saved job     {program} --replay FILE [--history]\n\
         \x20   attached            {program} --attach SOCKET\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::{Job, Schema};
    use serde_json::json;

    struct Echo;
    impl Job for Echo {
        const NAME: &'static str = "echo";
        const VERSION: u32 = 3;
        const BUILD: Option<&'static str> = Some("1.4.2");
        type Input = String;
        type Output = String;
        fn schema() -> Option<Schema> {
            Some(Schema::new(json!({"type": "string"}), json!({"type": "string"})))
        }
    }

    fn answer_to(argument: &str, was_spawned: bool) -> Option<Answer> {
        Answer::to(Some(OsStr::new(argument)), was_spawned)
    }

    #[test]
    fn a_spawned_worker_keeps_its_authors_arguments() {
        assert_eq!(Answer::to(None, true), None);
        assert_eq!(answer_to("--help", true), None);
        assert_eq!(answer_to("--describe", true), Some(Answer::Describe));
    }

    #[test]
    fn saved_jobs_are_named_by_the_last_arguments() {
        let saved = |line: &str, was_spawned| saved_jobs(line.split(' ').map(OsString::from), was_spawned);
        let jobs = |files: &[&str], with_history| {
            Some(SavedJobs { files: files.iter().map(PathBuf::from).collect(), with_history })
        };
        assert_eq!(saved("--replay a.job", false), jobs(&["a.job"], false));
        assert_eq!(saved("--quality 80 --replay a.job", false), jobs(&["a.job"], false));
        assert_eq!(saved("--replay a.job b.job", false), jobs(&["a.job", "b.job"], false));
        for line in ["--replay --history a.job", "--replay a.job --history"] {
            assert_eq!(saved(line, false), jobs(&["a.job"], true), "{line}");
        }
        assert_eq!(saved("--replay a.job", true), None, "a coordinator's arguments are the author's");
        for other in ["--replay", "--replay --history", "a.job --replay"] {
            assert_eq!(saved(other, false), None, "{other}");
        }
    }

    #[test]
    fn only_an_unasked_explanation_is_a_failure() {
        assert_eq!(Answer::to(None, false).map(Answer::exit_code), Some(2));
        assert_eq!(answer_to("40", false).map(Answer::exit_code), Some(2));
        assert_eq!(answer_to("--help", false).map(Answer::exit_code), Some(0));
        assert_eq!(answer_to("--version", false).map(Answer::exit_code), Some(0));
    }

    #[test]
    fn the_explanation_names_the_job_and_every_way_to_start_it() {
        let text = Answer::Explain.text(&[&Identity::of_job::<Echo>()], "my-echo");
        assert!(
            text.starts_with("my-echo: a procpool worker for job `echo`, contract version 3, build 1.4.2 ("),
            "{text}"
        );
        for way in [
            "procpool serve --config",
            "\n                            [pools.echo]\n",
            "command = [\"my-echo\"]",
            "procpool run echo INPUT",
            "Pool::<J>::builder(Executable::find(\"my-echo\")?)",
            "my-echo --replay FILE",
            "my-echo --describe",
        ] {
            assert!(text.contains(way), "{way} is missing in:\n{text}");
        }
    }

    #[test]
    fn several_jobs_are_all_described_and_explained() {
        struct Other;
        impl Job for Other {
            const NAME: &'static str = "other";
            type Input = u64;
            type Output = u64;
        }
        let jobs = [&Identity::of_job::<Echo>(), &Identity::of_job::<Other>()];
        let described = Answer::Describe.text(&jobs, "both");
        let described: serde_json::Value = serde_json::from_str(&described).unwrap();
        assert_eq!([&described["jobs"][0]["job"], &described["jobs"][1]["job"]], ["echo", "other"]);
        let text = Answer::Explain.text(&jobs, "both");
        let headline = "both: a procpool worker for job `echo`, contract version 3, build 1.4.2; job `other`, contract version 1 (";
        assert!(text.starts_with(headline), "{text}");
        assert!(text.contains("\n                            job = \"echo\"\n    for one job "), "{text}");
    }

    #[test]
    fn a_worker_of_messages_explains_itself_without_a_pool() {
        let text = Answer::Explain.text(&[&Identity::of_messages()], "talk");
        assert!(text.contains("Worker::<String, String>") && !text.contains("pools."), "{text}");
    }

    #[test]
    fn the_description_is_json_with_both_schemas() {
        let text = Answer::Describe.text(&[&Identity::of_job::<Echo>()], "my-echo");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["job"], "echo");
        assert_eq!(read["contract"], 3);
        assert_eq!(read["build"], "1.4.2");
        assert_eq!(read["input"], json!({"type": "string"}));
        assert_eq!(read["modes"], json!(["jobs", "messages"]));
    }
}
