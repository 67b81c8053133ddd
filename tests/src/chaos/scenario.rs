//! The pools that are served and the jobs that are sent: the pools with their settings, and for each the jobs
//! that its clients choose from. A new setting is a line here, a new kind of job one in `task.rs` and its
//! weight here.

use super::outcome::Outcome;
use super::task::Kind;

/// A pool and its clients.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    /// The worker executable, beside the server's, and its arguments.
    pub(crate) command: &'static [&'static str],
    pub(crate) workers: usize,
    /// Maximum number of times that a job may be handed to a worker.
    pub(crate) attempts: u8,
    /// Further keys of its table.
    pub(crate) keys: &'static str,
    /// Each sends one job at a time.
    pub(crate) clients: usize,
    /// Number of jobs of a thousand whose clients hang up.
    pub(crate) hang_ups: u64,
    /// Number of jobs of a thousand that are sent under a key, and whose results are asked for later.
    pub(crate) keyed: u64,
    /// The outcomes that any job may meet with.
    pub(crate) weather: &'static [Outcome],
    /// The jobs that they send, with weights.
    pub(crate) jobs: &'static [(u32, Kind)],
}

/// The pool of [`gate`](super::gate): one worker, and clients that know where each job is.
pub(crate) const GATE: &str = "gate";

/// The errors that any job may meet while workers are being killed and stopped.
pub(crate) const STORM: &[Outcome] = &[Outcome::Crashed, Outcome::TimedOut, Outcome::Refused];

/// And where nobody but the jobs kills any.
pub(crate) const CALM: &[Outcome] = &[Outcome::TimedOut, Outcome::Refused];

/// The pool of [`attack`](super::attack).
pub(crate) const ATTACKED: &str = "attacked";

/// The pool of [`batches`](super::batches).
pub(crate) const BATCHED: &str = "batched";

/// Deaths that a payload of that pool may cause before it is no longer run.
pub(crate) const POISON_DEATHS: u64 = 3;

/// An environment variable of workers that nobody is to kill or stop from outside.
pub(crate) const SPARED: &str = "PROCPOOL_CHAOS_SPARED";

/// An environment variable of workers that are forked, and of the templates from which they are.
pub(crate) const FORKS: &str = "PROCPOOL_CHAOS_FORKS";

/// All bodies and all answers together, in bytes: several times what these clients have under way at a time.
pub(crate) const BUDGET: usize = 16 << 20;

/// The pool whose echoes are the measure of what jobs that survive notice.
pub(crate) const MEASURED: &str = "plain";

/// Every pool.
pub(crate) const PLANS: &[Plan] = &[
    Plan {
        name: MEASURED,
        command: &["verbs"],
        workers: 4,
        attempts: 1,
        keys: "queue = 64\nrecycle_jobs = 500",
        clients: 8,
        hang_ups: 20,
        keyed: 0,
        weather: STORM,
        jobs: &[
            (400, Kind::Echo),
            (150, Kind::Log),
            (100, Kind::Nap),
            (20, Kind::Count),
            (20, Kind::Large),
            (20, Kind::LargeEcho),
            (20, Kind::BadInput),
            (20, Kind::Failed),
            (20, Kind::Break),
            (8, Kind::Flood),
            (3, Kind::Abort),
            (3, Kind::LogAndAbort),
            (3, Kind::Exit),
            (3, Kind::Panic),
            (3, Kind::Grandchild),
        ],
    },
    Plan {
        name: "again",
        command: &["verbs"],
        workers: 3,
        attempts: 3,
        keys: "idempotent = true\nmax_attempts = 3\nrecycle_jobs = 200\nspares = 1",
        clients: 5,
        hang_ups: 15,
        keyed: 300,
        weather: STORM,
        jobs: &[(400, Kind::Echo), (150, Kind::Log), (100, Kind::Nap), (5, Kind::Abort), (3, Kind::Panic)],
    },
    // Nobody takes over while its worker is replaced: a job that is tried again waits.
    Plan {
        name: "alone",
        command: &["verbs"],
        workers: 1,
        attempts: 2,
        keys: "idempotent = true\nmax_attempts = 2",
        clients: 2,
        hang_ups: 30,
        keyed: 300,
        weather: STORM,
        jobs: &[(60, Kind::Echo), (20, Kind::Log), (10, Kind::Nap), (10, Kind::LogAndAbort)],
    },
    Plan {
        name: "tight",
        command: &["verbs"],
        workers: 2,
        attempts: 1,
        keys: "queue = 2\ngrace = \"20ms\"\nmax_payload = \"64 KiB\"",
        clients: 6,
        hang_ups: 100,
        keyed: 150,
        weather: STORM,
        jobs: &[
            (200, Kind::Echo),
            (100, Kind::Log),
            (100, Kind::Nap),
            (60, Kind::Obey),
            (20, Kind::TooLarge),
            (10, Kind::Spin),
            (5, Kind::Flood),
            // Always the same payload: one that a pool may come to know.
            (2, Kind::SameAbort),
        ],
    },
    // A worker that dies here has died of a job.
    Plan {
        name: ATTACKED,
        command: &["verbs"],
        workers: 2,
        attempts: 1,
        keys: "queue = 64\npoison_deaths = 3\nenv = { PROCPOOL_CHAOS_SPARED = \"yes\" }",
        clients: 4,
        hang_ups: 20,
        keyed: 0,
        weather: CALM,
        jobs: &[
            (30, Kind::Echo),
            (10, Kind::SameEcho),
            (10, Kind::Log),
            (10, Kind::Abort),
            (15, Kind::SameAbort),
            (5, Kind::LogAndAbort),
        ],
    },
    Plan {
        name: "forked",
        command: &["verbs"],
        workers: 3,
        attempts: 1,
        keys: "fork = true\nqueue = 64\nrecycle_jobs = 100\nenv = { PROCPOOL_CHAOS_FORKS = \"yes\" }",
        clients: 5,
        hang_ups: 20,
        keyed: 200,
        weather: STORM,
        jobs: &[
            (300, Kind::Echo),
            (100, Kind::Log),
            (60, Kind::Nap),
            (20, Kind::Count),
            (20, Kind::Large),
            (20, Kind::LargeEcho),
            (5, Kind::Flood),
            (3, Kind::Abort),
            (3, Kind::LogAndAbort),
            (3, Kind::Exit),
            (3, Kind::Panic),
            (3, Kind::Grandchild),
        ],
    },
    // Each job has a process that was forked for it.
    Plan {
        name: "fresh",
        command: &["verbs"],
        workers: 2,
        attempts: 1,
        keys: "fork = true\nprocess_per_job = true\nqueue = 64\nenv = { PROCPOOL_CHAOS_FORKS = \"yes\" }",
        clients: 3,
        hang_ups: 20,
        keyed: 200,
        weather: STORM,
        jobs: &[
            (200, Kind::Echo),
            (60, Kind::Log),
            (30, Kind::Nap),
            (10, Kind::LargeEcho),
            (3, Kind::Abort),
            (3, Kind::LogAndAbort),
            (3, Kind::Exit),
            (3, Kind::Panic),
        ],
    },
    // A batch waits for a place in the queue.
    Plan {
        name: BATCHED,
        command: &["verbs"],
        workers: 2,
        attempts: 1,
        keys: "queue = 16",
        clients: 0,
        hang_ups: 0,
        keyed: 0,
        weather: STORM,
        jobs: &[
            (300, Kind::Echo),
            (100, Kind::Log),
            (30, Kind::Nap),
            (10, Kind::BadInput),
            (10, Kind::Failed),
            (3, Kind::Abort),
            (3, Kind::LogAndAbort),
        ],
    },
    Plan {
        name: GATE,
        command: &["verbs"],
        workers: 1,
        attempts: 1,
        keys: "",
        clients: 0,
        hang_ups: 0,
        keyed: 0,
        weather: STORM,
        jobs: &[],
    },
    Plan {
        name: "fib",
        command: &["procpool-fib"],
        workers: 2,
        attempts: 1,
        keys: "",
        clients: 3,
        hang_ups: 40,
        keyed: 300,
        weather: STORM,
        jobs: &[(100, Kind::Fib), (5, Kind::FibTooLarge)],
    },
];

/// How many templates there are when all is well.
pub(crate) fn templates() -> usize {
    PLANS.iter().filter(|plan| plan.keys.contains("fork = true")).count()
}

/// How many workers there are when all is well.
pub(crate) fn workers() -> usize {
    PLANS.iter().map(|plan| plan.workers).sum()
}

/// Returns the server's configuration.
pub(crate) fn config() -> String {
    // Long enough for a client that comes back for its result, and short beside the run.
    let jobs = "[jobs]\nkeep_results = \"5s\"\nkeep_records = \"5s\"\nkeep_keys = \"5s\"\n";
    // Few deaths are remembered, so that memory can be compared: there are as many soon. A slower client is given up. A
    // client that waits for its next job is not.
    let server = format!(
        "[server]\nmax_deaths = 100\nheader_timeout = \"5s\"\nbody_timeout = \"5s\"\nwrite_timeout = \"5s\"\n\
         keep_alive_timeout = \"10s\"\nmax_body = {BUDGET}\nmax_bodies = {BUDGET}\nmax_answers = {BUDGET}\n{jobs}"
    );
    PLANS.iter().fold(server, |config, plan| config + &plan.table())
}

impl Plan {
    fn table(&self) -> String {
        let Self { name, command, workers, keys, .. } = self;
        format!(
            "[pools.{name}]\ncommand = {command:?}\nmin_workers = {workers}\nmax_workers = {workers}\n\
             start_timeout = \"5s\"\n{keys}\n"
        )
    }
}
