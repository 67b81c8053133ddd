//! Every way for a worker to die, and the pool unharmed after each.

use procpool::JobError;
use procpool::error::{Exit, Stage};
use procpool::status::WorkerState;
use procpool_tests::library::{begin, echo, idle, verbs};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use rustix::process::Signal;

#[tokio::test]
async fn a_killed_worker_fails_only_its_own_job() {
    let pool = verbs(2).start().await.unwrap();
    idle(&pool, 2).await;
    let (victim, pid) = begin(&pool, Verb::Spin).await;
    let neighbours: Vec<_> = (0..100).map(|n| pool.try_submit(echo(&n.to_string())).unwrap()).collect();
    process::kill(pid);

    let error = victim.await.unwrap_err();
    let report = error.crash_report().expect("the worker was killed");
    assert_eq!(report.death.exit, Exit::by_signal(9, false));
    assert_eq!((report.death.pid, report.stage), (pid, Stage::Running));
    for (n, neighbour) in neighbours.into_iter().enumerate() {
        assert_eq!(neighbour.await.unwrap(), n.to_string());
    }
    idle(&pool, 2).await;
    assert!(!process::is_alive(pid));
}

#[tokio::test]
async fn an_idle_worker_that_is_killed_is_replaced() {
    let pool = verbs(1).start().await.unwrap();
    let pid = pool.workers()[0].pid.unwrap();
    process::kill(pid);
    eventually("another worker", async || {
        let workers = pool.workers();
        workers
            .iter()
            .any(|worker| worker.state == WorkerState::Idle && worker.pid != Some(pid))
            .then_some(())
    })
    .await;
    assert_eq!(pool.run(echo("on we go")).await.unwrap(), "on we go");
}

#[tokio::test]
async fn a_job_that_is_sent_to_a_worker_just_killed_is_given_to_the_next() {
    let pool = verbs(1).start().await.unwrap();
    for round in 0..100 {
        idle(&pool, 1).await;
        // The pool does not know yet, and may write the job to a socket that nobody will read.
        process::kill(pool.workers()[0].pid.unwrap());
        let text = format!("round {round}");
        assert_eq!(pool.run(echo(&text)).await.unwrap(), text);
    }
}

#[tokio::test]
async fn every_way_to_die_is_told_apart() {
    let pool = verbs(1).start().await.unwrap();
    let exit = async |verb| {
        let error = pool.run(verb).await.unwrap_err();
        error.crash_report().unwrap_or_else(|| panic!("not a crash: {error}")).death.exit
    };
    assert_eq!(exit(Verb::Abort).await.signal(), Some(6));
    assert_eq!(exit(Verb::Exit(1)).await, Exit::Code(1));
    assert_eq!(exit(Verb::Exit(0)).await, Exit::Code(0), "leaving a job behind is a crash, however politely");
    assert_eq!(pool.run(echo("still here")).await.unwrap(), "still here");
}

#[tokio::test]
async fn a_panic_is_reported_as_such_and_its_worker_replaced() {
    let pool = verbs(1).start().await.unwrap();
    let before = pool.workers()[0].pid;
    match pool.run(Verb::Panic("the sky is falling".into())).await.unwrap_err() {
        JobError::Panicked { message, location, .. } => {
            assert_eq!(message, "the sky is falling");
            assert!(location.is_some_and(|location| location.contains("verbs.rs")));
        }
        other => panic!("not a panic: {other}"),
    }
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
    eventually("the old worker to be gone", async || {
        pool.workers().iter().all(|worker| worker.pid != before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_dead_worker_explains_itself() {
    let pool = verbs(1).start().await.unwrap();
    let words = vec!["loading the model".into(), "out of cheese".into()];
    let error = pool.run(Verb::LastWords(words.clone())).await.unwrap_err();
    assert_eq!(error.crash_report().unwrap().death.stderr, words);

    let many: Vec<_> = (0..100).map(|number| format!("line {number}")).collect();
    let error = pool.run(Verb::LastWords(many.clone())).await.unwrap_err();
    let expected = [&many[..5], &many[85..]].concat();
    assert_eq!(error.crash_report().unwrap().death.stderr, expected, "how it began, and how it ended");
}

#[tokio::test]
async fn the_message_of_a_panic_that_aborts_outlasts_its_backtrace() {
    for backtrace in ["0", "1", "full"] {
        let pool = verbs(1).env("RUST_BACKTRACE", backtrace).start().await.unwrap();
        let error = pool.run(Verb::PanicThenAbort("row 7 has no price".into())).await.unwrap_err();
        let death = &error.crash_report().unwrap().death;
        let at = death.stderr.iter().position(|line| line.contains(" panicked at ")).unwrap();
        assert_eq!(death.stderr[at + 1], "row 7 has no price", "{death:?}");
        let words = death.to_string();
        assert!(words.ends_with("its last words: row 7 has no price"), "{words}");
    }
}

/// Whether the words end with a newline or not, and whether the next job follows at once or not.
#[tokio::test]
async fn a_job_that_copes_is_not_quoted_when_a_later_one_dies_and_is_no_evidence() {
    let pool = verbs(1).address_space_limit(4 << 30).poison_deaths(0).start().await.unwrap();
    for said in ["Out of memory\\n", "Out of memory"].into_iter().cycle().take(20) {
        idle(&pool, 1).await;
        let copes = pool.run(Verb::Shell(format!("printf '{said}' >&2"))).await.unwrap();
        assert_eq!(copes, "exit status: 0");
        let error = pool.run(Verb::Abort).await.unwrap_err();
        let death = &error.crash_report().unwrap().death;
        assert_eq!((death.limit, &death.stderr[..]), (None, &[][..]), "{error}");
        pool.run(Verb::Shell(format!("printf '{said}' >&2"))).await.unwrap();
        let error = pool.run(Verb::LastWords(vec!["out of cheese".into()])).await.unwrap_err();
        let death = &error.crash_report().unwrap().death;
        assert_eq!((death.limit, &death.stderr[..]), (None, &["out of cheese".to_owned()][..]), "{error}");
    }
}

#[tokio::test]
async fn a_job_that_may_not_be_repeated_is_handed_out_once() {
    let scratch = Scratch::new();
    let log = scratch.path().join("log");
    let pool = verbs(2).start().await.unwrap();
    let lines = || -> Vec<String> {
        std::fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    let mut crashed = 0;
    for n in 0..50 {
        // Of five jobs one is killed when it has begun, and one loses its worker at any time or not at all.
        let (is_hit, may_be_hit) = (n % 5 == 0, n % 5 == 1);
        let nap = if is_hit { 10_000_000 } else { 0 };
        let job = pool.try_submit(Verb::LogThenNap(log.display().to_string(), n.to_string(), nap)).unwrap();
        if is_hit {
            eventually("the job to begin", async || lines().contains(&n.to_string()).then_some(())).await;
        }
        if is_hit || may_be_hit {
            // It may be dead already, and the job may have no worker yet.
            let busy = pool.workers().into_iter().find(|worker| worker.state == WorkerState::Busy);
            let _ = busy.and_then(|worker| worker.pid).map(|pid| process::try_signal(pid, Signal::KILL));
        }
        match job.await {
            Ok(_) => assert!(!is_hit, "job {n} was begun again"),
            Err(JobError::Crashed(_)) => crashed += 1,
            Err(other) => panic!("unexpected outcome: {other}"),
        }
    }
    assert!(crashed >= 10, "only {crashed} of the kills hit a job");
    let mut lines = lines();
    let written = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), written, "a job ran twice");
    assert!(written + crashed >= 50, "a job that did not crash left no trace");
}

#[tokio::test]
async fn a_grandchild_goes_with_its_worker() {
    let pool = verbs(1).start().await.unwrap();
    let grandchild: u32 = pool.run(Verb::Grandchild).await.unwrap().parse().unwrap();
    assert!(process::is_alive(grandchild));
    let worker = pool.workers()[0].pid.unwrap();
    process::kill(worker);
    eventually("the grandchild's end", async || (!process::is_alive(grandchild)).then_some(())).await;
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
}
