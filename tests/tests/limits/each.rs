//! A verb for each limit: it holds, its owner is told, the pool goes on.

use procpool::error::{Exit, ExitReport, LimitHit, StartError};
use procpool::{Executable, JobError, Pool, PoolError, Worker};
use procpool::{PoolBuilder, WorkerLimits};
use procpool_tests::library::{echo, executable, idle, verbs};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::{Verb, Verbs};
use std::time::Duration;

const MEBIBYTE: u64 = 1 << 20;

/// Returns one worker without a deadline: only its limit may end its job.
fn greedy() -> PoolBuilder<Verbs> {
    verbs(1).no_timeout()
}

/// Runs a verb that its worker dies of, sees the pool come back, and gives the report.
async fn death_of(pool: &Pool<Verbs>, verb: Verb) -> ExitReport {
    let error = pool.run(verb).await.unwrap_err();
    let report = error.crash_report().unwrap_or_else(|| panic!("not a crash: {error}"));
    let death = report.death.clone();
    idle(pool, 1).await;
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
    death
}

#[tokio::test]
async fn an_allocation_loop_dies_of_the_address_space_limit() {
    let pool = greedy().address_space_limit(256 * MEBIBYTE).start().await.unwrap();
    let death = death_of(&pool, Verb::Allocate).await;
    assert_eq!(death.limit, Some(LimitHit::address_space(256 * MEBIBYTE)));
    assert!(death.to_string().contains("it hit its address space limit of 256 MiB"), "{death}");
    assert!(death.peak_memory.is_some_and(|peak| peak <= 256 * MEBIBYTE), "{death:?}");
    assert_eq!(pool.status().deaths, 1, "it was not tried again");
}

#[tokio::test]
async fn one_allocation_that_is_too_large_is_the_limit_too_however_long_the_backtrace() {
    let pool =
        greedy().address_space_limit(256 * MEBIBYTE).env("RUST_BACKTRACE", "full").start().await.unwrap();
    let death = death_of(&pool, Verb::Large(1 << 30)).await;
    assert!(death.peak_memory < Some(200 * MEBIBYTE), "{death:?}");
    assert_eq!(death.limit, Some(LimitHit::address_space(256 * MEBIBYTE)), "{death:?}");
    assert_eq!(death.stderr[0], "memory allocation of 1073741824 bytes failed");
}

#[tokio::test]
async fn what_an_earlier_job_wrote_is_no_evidence_against_a_later_one() {
    let pool = greedy().address_space_limit(4096 * MEBIBYTE).poison_deaths(0).start().await.unwrap();
    for words in ["Out of memory", "memory allocation of 64 bytes failed"].repeat(5) {
        pool.run(Verb::Shell(format!("echo '{words}' >&2"))).await.unwrap();
        let death = death_of(&pool, Verb::Abort).await;
        assert_eq!((death.limit, death.last_words()), (None, None), "{death:?}");
        let said = Verb::LastWords(vec![words.to_owned()]);
        let death = death_of(&pool, said).await;
        assert!(death.limit.is_some() && death.last_words() == Some(words), "{death:?}");
    }
}

#[tokio::test]
async fn http_tells_of_the_address_space_limit() {
    let server = Server::of_verbs(1, "address_space_limit = \"256 MiB\"\ntimeout = \"none\"").await;
    let problem = server.perform(&Verb::Allocate).await.problem();
    assert_eq!((&problem["status"], &problem["crash"]["limit_hit"]), (&502.into(), &"address_space".into()));
    assert!(
        problem["detail"].as_str().unwrap().contains("it hit its address space limit of 256 MiB"),
        "{problem}"
    );
    server.idle("verbs", 1).await;

    let problem = server.perform(&Verb::Abort).await.problem();
    assert!(problem["crash"]["limit_hit"].is_null(), "{problem}");
}

#[tokio::test]
async fn a_busy_loop_dies_of_the_cpu_limit() {
    let pool = greedy().cpu_limit(Duration::from_secs(1)).start().await.unwrap();
    let death = death_of(&pool, Verb::Spin).await;
    assert_eq!(death.exit.signal(), Some(24), "{death}");
    assert_eq!(death.limit, Some(LimitHit::cpu(Duration::from_secs(1))));
}

#[tokio::test]
async fn no_job_dies_of_the_processor_time_that_others_have_used() {
    let pool = verbs(1).cpu_limit(Duration::from_secs(1)).start().await.unwrap();
    for job in 0..6 {
        // Two of them together are more than one job may use.
        assert_eq!(pool.run(Verb::Burn(700)).await.unwrap(), "burnt", "job {job}");
    }
    assert!(pool.workers().iter().all(|worker| worker.jobs_done <= 2), "{:?}", pool.workers());
}

#[tokio::test]
async fn a_process_for_every_job_is_held_to_the_limit_exactly() {
    let pool = greedy().cpu_limit(Duration::from_secs(1)).process_per_job(true).start().await.unwrap();
    let death = death_of(&pool, Verb::Spin).await;
    assert_eq!(death.limit, Some(LimitHit::cpu(Duration::from_secs(1))));
    // The kernel's own count may lag behind by a tick of its clock.
    assert!(death.cpu_time < Duration::from_millis(1_500), "{death:?}");
}

#[tokio::test]
async fn memory_of_a_child_is_no_evidence_against_its_parent() {
    let pool = greedy().address_space_limit(256 * MEBIBYTE).start().await.unwrap();
    let hoard = "head -c 250000000 /dev/zero | tail > /dev/null";
    pool.run(Verb::Shell(hoard.into())).await.unwrap();
    let death = death_of(&pool, Verb::Die(11)).await;
    assert!(death.peak_memory > Some(224 * MEBIBYTE), "the child's: {death:?}");
    assert_eq!(death.limit, None);
}

#[tokio::test]
async fn a_kill_at_the_deadline_is_no_limit() {
    let pool = verbs(1)
        .cpu_limit(Duration::from_secs(60))
        .address_space_limit(256 * MEBIBYTE)
        .start()
        .await
        .unwrap();
    let error = pool.job(Verb::Spin).timeout(Duration::from_millis(100)).run().await.unwrap_err();
    assert!(matches!(error, JobError::TimedOut { .. }), "{error}");
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
}

#[tokio::test]
async fn a_file_without_end_dies_of_the_file_size_limit() {
    let scratch = Scratch::new();
    let path = scratch.path().join("endless.txt");
    let pool = greedy().file_size_limit(3 * MEBIBYTE).start().await.unwrap();
    let death = death_of(&pool, Verb::Fill(path.display().to_string())).await;
    assert_eq!(death.exit.signal(), Some(25), "{death}");
    assert_eq!(death.limit, Some(LimitHit::file_size(3 * MEBIBYTE)));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 * MEBIBYTE);
}

#[tokio::test]
async fn files_are_opened_up_to_the_limit() {
    let pool = verbs(1).open_files_limit(40).start().await.unwrap();
    let opened: u64 = pool.run(Verb::OpenFiles).await.unwrap().parse().unwrap();
    // Standard input, output and error, jobs and control are the worker's own.
    assert!((25..40).contains(&opened), "{opened}");
    assert_eq!(pool.run(Verb::OpenFiles).await.unwrap(), opened.to_string());
}

#[tokio::test]
async fn workers_give_way_by_their_nice_level() {
    let own = rustix::process::getpriority_process(None).unwrap();
    let level = async |nice: i32, forks: bool| {
        let pool = verbs(1).nice(nice).fork(forks).start().await.unwrap();
        pool.run(Verb::NiceLevel).await.unwrap().parse::<i32>().unwrap()
    };
    for forks in [false, true] {
        assert_eq!(level(0, forks).await, own);
        assert_eq!(level(5, forks).await, (own + 5).min(19));
    }
}

#[tokio::test]
async fn a_worker_that_is_forked_has_the_limits_of_one_that_is_spawned() {
    let mut limits = Vec::new();
    for forks in [false, true] {
        let pool = greedy().address_space_limit(256 * MEBIBYTE).cpu_limit(Duration::from_secs(7)).fork(forks);
        let pool = pool.open_files_limit(40).file_size_limit(12_288).start().await.unwrap();
        limits.push(pool.run(Verb::Limits).await.unwrap());
        let death = death_of(&pool, Verb::Allocate).await;
        assert_eq!(death.limit, Some(LimitHit::address_space(256 * MEBIBYTE)), "{death:?}");
    }
    assert_eq!(limits[0], limits[1]);
}

/// Returns the soft and hard value of one line of `/proc/<pid>/limits`.
fn limit(limits: &str, name: &str) -> [String; 2] {
    let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{limits}"));
    let mut values = line.split_whitespace().map(str::to_owned);
    [values.next().unwrap(), values.next().unwrap()]
}

#[tokio::test]
async fn the_limits_are_there_before_the_worker_is_told_anything() {
    // A worker whose first act is to read what it is told behind the preamble, and whose second is to tell
    // its limits.
    let shell = Executable::path("/bin/sh").unwrap();
    let tell = "head -c 17 <&3 >/dev/null; cat /proc/$$/limits >&2; exit 7";
    let pool = Pool::<Verbs>::builder(shell.with_args(["-c", tell]))
        .address_space_limit(300_000_000)
        .cpu_limit(Duration::from_secs(7))
        .open_files_limit(77)
        .file_size_limit(7_000_000);
    let error = pool.start().await.unwrap_err();
    let PoolError::Start(StartError::Died { report, .. }) = error else { panic!("not a death: {error}") };
    assert_eq!(report.exit, Exit::Code(7));
    let limits = report.stderr.join("\n");
    let exactly = |value: &str| [value.to_owned(), value.to_owned()];
    assert_eq!(limit(&limits, "Max address space"), exactly("300000000"));
    assert_eq!(limit(&limits, "Max cpu time"), ["14", "15"]);
    assert_eq!(limit(&limits, "Max open files"), exactly("77"));
    assert_eq!(limit(&limits, "Max file size"), exactly("7000000"));
    assert_eq!(limit(&limits, "Max core file size"), exactly("0"));
}

#[tokio::test]
async fn no_worker_dumps_core_and_nothing_else_is_limited_unasked() {
    let pool = verbs(1).start().await.unwrap();
    let limits = pool.run(Verb::Limits).await.unwrap();
    let own = std::fs::read_to_string("/proc/self/limits").unwrap();
    assert_eq!(limit(&limits, "Max core file size"), ["0", "0"]);
    for name in ["Max address space", "Max cpu time", "Max open files", "Max processes", "Max file size"] {
        assert_eq!(limit(&limits, name), limit(&own, name), "{name}");
    }
    let death = death_of(&pool, Verb::Abort).await;
    assert_eq!(death.exit, Exit::by_signal(6, false));
    assert_eq!(death.limit, None);
}

#[tokio::test]
async fn a_limit_that_the_system_refuses_fails_the_start_by_name() {
    let error = verbs(1).open_files_limit(1 << 40).start().await.unwrap_err().to_string();
    assert!(error.contains("open_files_limit = 1099511627776 is more than this process has"), "{error}");
    let error = verbs(1).memory_limit(0).start().await.unwrap_err().to_string();
    assert!(error.contains("failed to start pool `verbs`: memory_limit is zero"), "{error}");
    let error = verbs(1).memory_limit(512).start().await.unwrap_err().to_string();
    assert!(error.contains("failed to start pool `verbs`: memory_limit is 512 bytes"), "{error}");
}

#[tokio::test]
async fn a_death_before_it_is_ready_names_the_memory_limit() {
    for end in ["exit 9", "kill -SEGV $$"] {
        let shell = Executable::path("/bin/sh").unwrap().with_args(["-c", end]);
        let started = Pool::<Verbs>::builder(shell).memory_limit(60 * MEBIBYTE).start().await;
        let error = started.unwrap_err().to_string();
        assert!(error.contains("its memory_limit was 60 MiB: try without, or with more"), "{error}");
    }
}

#[tokio::test]
async fn one_worker_with_messages_has_limits_too() {
    let mut limits = WorkerLimits::default();
    limits.memory_limit = Some(0);
    let spawn = async |limits| {
        Worker::<String, String>::builder(executable("procpool-ping")).worker_limits(limits).spawn().await
    };
    let error = spawn(limits).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to spawn a worker: memory_limit is zero, which no worker can live with; leave it out for no limit"
    );
    limits.memory_limit = None;
    limits.cpu_limit = Some(Duration::from_secs(77));
    let mut worker = spawn(limits).await.unwrap();
    let told = std::fs::read_to_string(format!("/proc/{}/limits", worker.pid())).unwrap();
    assert_eq!(limit(&told, "Max cpu time"), ["77", "78"]);
    let report = worker.terminate().await;
    assert_eq!((report.exit.signal(), report.limit), (Some(9), None));
}
