//! `memory_limit` counts memory in use: by a cgroup where one can be made, and by a look at the worker elsewhere.
//! Interpreters, which reserve much more than they use, live with it.

use procpool_needs::{Need, skip};
use procpool_tests::binaries::binary;
use procpool_tests::http::{self, Answer};
use procpool_tests::program::{Ended, finish};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use serde_json::json;
use std::path::{Path, PathBuf};
use tokio::process::Command;

const LIMIT: &str = "memory_limit = \"200 MiB\"\ntimeout = \"none\"\npoison_deaths = 0\n";

/// More than the limit, in bytes.
const TOO_MUCH: usize = 400 << 20;

/// Seconds for which a worker holds that, unless it is killed.
const HOLD: u32 = 600;

/// How the memory of workers is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Cgroup,
    Resident,
}

impl Count {
    /// Returns a command that runs the server where memory is counted like this. Root may make cgroups, unless it
    /// does not see them.
    fn command(self) -> Option<Command> {
        let procpool = binary("procpool");
        match (self, rustix::process::geteuid().is_root()) {
            (Self::Cgroup, true) => Some(Command::new(procpool)),
            (Self::Cgroup, false) => {
                skip(Need::Root, "only root may make cgroups here");
                None
            }
            (Self::Resident, true) => {
                let mut command = Command::new("unshare");
                let hide = "umount --recursive --lazy /sys/fs/cgroup 2>/dev/null; exec \"$0\" \"$@\"";
                command.args(["--mount", "sh", "-c", hide]).arg(procpool);
                Some(command)
            }
            (Self::Resident, false) => Some(Command::new(procpool)),
        }
    }

    /// Returns a server with this pool and the limit. `None` where its memory cannot be counted like this: then the
    /// test is skipped.
    async fn server(self, command: &[&str], environment: &str) -> Option<Server> {
        let config = format!("[pools.greedy]\ncommand = {command:?}\nmax_workers = 1\n{environment}{LIMIT}");
        let scratch = Scratch::new();
        let file = scratch.write("check.toml", &config);
        let mut check = self.command()?;
        let Ended { stdout, stderr, .. } = finish(check.args(["check", "--config"]).arg(file)).await;
        if !stdout.contains(self.words()) {
            assert!(stdout.contains("memory 200 MiB, counted by its "), "{stdout}{stderr}");
            skip(Need::Memory, format!("memory is not {}", self.words()));
            return None;
        }
        Some(Server::by_command(self.command()?, scratch, &config).await)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Cgroup => "counted by its cgroup",
            Self::Resident => "counted by its resident memory",
        }
    }

    /// Asserts that a job ended by the limit, and that its report says how the memory was counted.
    fn assert_hit(self, answer: &Answer) {
        let problem = answer.problem();
        assert_eq!((answer.status, &problem["crash"]["limit_hit"]), (502, &json!("memory")), "{problem}");
        assert_eq!(problem["crash"]["oom_killed"], false, "{problem}");
        let detail = problem["detail"].as_str().expect("a sentence");
        assert!(
            detail.contains(&format!("it hit its memory limit of 200 MiB ({})", self.words())),
            "{detail}"
        );
    }
}

async fn verbs(count: Count) -> Option<Server> {
    let worker = binary("verbs");
    count.server(&[worker.to_str().expect("a path in UTF-8")], "").await
}

async fn perform(server: &Server, verb: Verb) -> Answer {
    server.perform_in("greedy", &verb).await
}

#[tokio::test]
async fn a_worker_above_its_limit_of_memory_is_killed_and_the_next_one_works() {
    for count in [Count::Cgroup, Count::Resident] {
        let Some(server) = verbs(count).await else { continue };
        for verb in [Verb::Allocate, Verb::Hoard(TOO_MUCH), Verb::Allocate] {
            let answer = perform(&server, verb).await;
            // Memory that is there for a moment only may be gone before the next look.
            if answer.status != 200 || count == Count::Cgroup {
                count.assert_hit(&answer);
            }
            assert_eq!(perform(&server, Verb::Echo("next".into())).await.json(), "next");
        }
    }
}

#[tokio::test]
async fn address_space_that_nobody_touches_costs_nothing() {
    for count in [Count::Cgroup, Count::Resident] {
        let Some(server) = verbs(count).await else { continue };
        let limits = perform(&server, Verb::Limits).await.json();
        let line = limits.as_str().and_then(|text| text.lines().find(|line| line.contains("address space")));
        assert!(line.is_some_and(|line| line.contains("unlimited")), "{limits}");
    }
}

#[tokio::test]
async fn a_worker_that_leaks_is_replaced_between_two_jobs() {
    let Some(server) = verbs(Count::Resident).await else { return };
    let mut workers = std::collections::BTreeSet::new();
    for _ in 0..45 {
        let leaked = perform(&server, Verb::Hoard(10 << 20)).await;
        // A look at the very moment at which it exceeds the limit finds the right one.
        if leaked.status != 200 {
            Count::Resident.assert_hit(&leaked);
        }
        // Longer than the time between two looks at a worker that is close to its limit.
        assert_eq!(perform(&server, Verb::Nap(30_000)).await.status, 200, "the next job has leaked nothing");
        workers.insert(perform(&server, Verb::Pid).await.json().to_string());
    }
    assert!((3..10).contains(&workers.len()), "{workers:?}");
}

/// Returns the file of a worker in Python that allocates the number of bytes that it is given.
fn python(scratch: &Scratch) -> PathBuf {
    let script = format!(
        "import time\n\ndef hoard(size: int) -> int:\n    kept = b'x' * size\n    time.sleep({HOLD} if size >= {TOO_MUCH} else 0)\n    return len(kept)\n"
    );
    scratch.write("hoard.py", &script)
}

fn node(scratch: &Scratch, sdk: &Path) -> PathBuf {
    let sdk = sdk.join("node");
    let script = format!(
        "const {{ serve }} = require({sdk:?});\n\
         const {{ setTimeout: sleep }} = require('timers/promises');\n\
         const run = async (size) => {{\n  \
           const kept = Buffer.alloc(size, 'x');\n  \
           await sleep(size >= {TOO_MUCH} ? {HOLD}000 : 0);\n  \
           return kept.length;\n\
         }};\n\
         serve({{ name: 'hoard', run }});\n"
    );
    scratch.write("hoard.js", &script)
}

fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("sdk")
}

async fn interpreter_lives_with_its_limit(server: &Server, count: Count) {
    for _ in 0..2 {
        assert_eq!(hoard(server, 1 << 20).await.json(), 1 << 20);
        count.assert_hit(&hoard(server, TOO_MUCH).await);
    }
    assert_eq!(hoard(server, 1 << 20).await.json(), 1 << 20);
}

async fn hoard(server: &Server, size: usize) -> Answer {
    http::post(server.address(), "/v1/pools/greedy/jobs", &size.to_string()).await
}

#[tokio::test]
async fn python_lives_with_a_limit_of_memory() {
    for count in [Count::Cgroup, Count::Resident] {
        let scratch = Scratch::new();
        let dir = python(&scratch).parent().expect("its directory").to_owned();
        let places = format!("{}:{}", sdk().join("python").display(), dir.display());
        let environment = format!("env = {{ PYTHONPATH = {places:?} }}\n");
        let command = ["python3", "-m", "procpool", "hoard:hoard"];
        let Some(server) = count.server(&command, &environment).await else { continue };
        interpreter_lives_with_its_limit(&server, count).await;
    }
}

#[tokio::test]
async fn node_lives_with_a_limit_of_memory() {
    if std::process::Command::new("node").arg("--version").output().is_err() {
        return skip(Need::Node, "node is not installed");
    }
    for count in [Count::Cgroup, Count::Resident] {
        let scratch = Scratch::new();
        let script = node(&scratch, &sdk());
        let command = ["node", script.to_str().expect("a path in UTF-8")];
        let Some(server) = count.server(&command, "").await else { continue };
        interpreter_lives_with_its_limit(&server, count).await;
    }
}
