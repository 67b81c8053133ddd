//! A crash comes back with its stack: recorded by the worker as it died, unwound by the pool, and named by a
//! process of its own.

use procpool::{CallNames, CrashReport, Executable, JobError, Pool, PoolBuilder};
use procpool_protocol::Exit;
use procpool_protocol::stack::{MOST_FRAMES, StackFrame};
use procpool_tests::binaries::binary;
use procpool_tests::crashes::{Crash, SOURCE, Way, has_lines};
use procpool_tests::server::Server;
use procpool_tests::{eventually, http};

const SIGILL: i32 = 4;
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

fn pool(arguments: &[&str]) -> PoolBuilder<Crash> {
    let names = CallNames::by_process(Executable::path(binary("procpool-symbolize")).unwrap());
    unnamed(arguments).names(names)
}

fn unnamed(arguments: &[&str]) -> PoolBuilder<Crash> {
    let executable = Executable::path(binary("crashes")).unwrap().with_args(arguments);
    Pool::builder(executable).workers(1..=1).poison_deaths(0)
}

/// Crashes a worker, again if the machine was too busy to name its calls in time: the next time they are known.
async fn crash_in(pool: &Pool<Crash>, way: Way) -> CrashReport {
    eventually("a crash whose calls are named", async || match pool.run(way).await {
        Err(JobError::Crashed(report)) => Some(*report).filter(|report| !is_late(report)),
        other => panic!("{way:?}: {other:?}"),
    })
    .await
}

fn is_late(report: &CrashReport) -> bool {
    note(report).is_some_and(|note| note.contains("in time"))
}

fn note(report: &CrashReport) -> Option<&str> {
    report.death.stack.as_ref()?.note.as_deref()
}

async fn crash(way: Way) -> CrashReport {
    crash_in(&pool(&[]).start().await.unwrap(), way).await
}

fn frames(report: &CrashReport) -> &[StackFrame] {
    report.death.stack.as_ref().unwrap_or_else(|| panic!("no stack: {report}")).frames()
}

/// Returns the index of the call in this function.
fn call_in(report: &CrashReport, function: &str) -> usize {
    let found = frames(report).iter().position(|frame| frame.function.as_deref() == Some(function));
    found.unwrap_or_else(|| panic!("no {function} in {:#?}", report.death.stack))
}

/// Returns the line of the source in C that has this text. `None` if the worker has no lines.
fn line_of(text: &str) -> Option<u32> {
    if !has_lines() {
        return None;
    }
    (1..).zip(SOURCE.lines()).find(|(_, line)| line.contains(text)).map(|(number, _)| number)
}

#[tokio::test]
async fn a_null_write_in_c_names_its_function_and_line_and_the_way_there() {
    let report = crash(Way::Null).await;
    assert_eq!((report.death.exit.signal(), report.death.fault), (Some(SIGSEGV), Some(0)));
    assert!(report.to_string().contains("SIGSEGV) at address 0x0 (null) after"), "{report}");
    let frame = &frames(&report)[0];
    assert_eq!(frame.function.as_deref(), Some("crash_writes_null"), "{:#?}", report.death.stack);
    assert_eq!(frame.line, line_of("/* null */"));
    let is_in_file = frame.file.as_ref().is_some_and(|file| file.ends_with("crash.c"));
    assert_eq!(is_in_file, has_lines(), "{frame:?}");
    assert_eq!(frame.module.as_deref(), Some("crashes"));
    let (caller, job) =
        (call_in(&report, "crash_calls_writer"), call_in(&report, "procpool_tests::crashes::crash"));
    let main = call_in(&report, "main");
    assert!(0 < caller && caller < job && job < main, "{:#?}", report.death.stack);
    let stack = report.death.stack.as_ref().unwrap();
    assert!(!stack.threads[0].truncated && stack.note.is_none(), "{stack:#?}");
    assert!(report.to_string().contains("crash_writes_null"), "{report}");
}

#[tokio::test]
async fn an_abort_names_who_called_it() {
    let report = crash(Way::Abort).await;
    assert_eq!((report.death.exit.signal(), report.death.fault), (Some(SIGABRT), None));
    call_in(&report, "crash_aborts");
}

#[tokio::test]
async fn a_full_stack_is_a_stack_and_has_the_message_of_the_standard_library() {
    let report = crash(Way::Stack).await;
    assert_eq!(report.death.exit.signal(), Some(SIGABRT), "as the standard library has it");
    assert!(report.death.stderr.iter().any(|line| line.contains("overflowed its stack")), "{report}");
    let frames = frames(&report);
    assert_eq!(frames.len(), MOST_FRAMES);
    assert!(frames.iter().all(|frame| frame.function.as_deref() == Some("crash_fills_stack")));
    assert!(report.death.stack.as_ref().unwrap().threads[0].truncated);
}

#[tokio::test]
async fn a_trap_and_a_call_of_nothing_have_stacks() {
    let report = crash(Way::Trap).await;
    assert_eq!(report.death.exit.signal(), Some(SIGILL));
    assert_eq!(call_in(&report, "crash_traps"), 0);
    let report = crash(Way::Call).await;
    assert_eq!((call_in(&report, "crash_calls_nothing"), frames(&report)[0].offset), (1, 0));
    assert_eq!(report.death.fault, Some(0));
}

#[tokio::test]
async fn a_crash_in_the_record_of_a_crash_ends_the_worker_by_the_signal() {
    let report = crash(Way::Twice).await;
    assert_eq!(report.death.exit.signal(), Some(SIGSEGV));
    assert_eq!(report.death.stack, None);
}

#[tokio::test]
async fn a_crash_of_another_thread_is_its_stack() {
    let report = crash(Way::Thread).await;
    let thread = &report.death.stack.as_ref().unwrap().threads[0];
    assert_eq!((&*thread.name, thread.id == report.death.pid), ("foreign", false), "{thread:?}");
    assert_eq!(call_in(&report, "crash_writes_null"), 0);
}

#[tokio::test]
async fn a_signal_that_the_worker_survives_is_not_what_it_dies_of_later() {
    let pool = unnamed(&[]).start().await.unwrap();
    pool.run(Way::Not).await.unwrap();
    let id = pool.workers()[0].pid.expect("a worker");
    let pid = rustix::process::Pid::from_raw(id.cast_signed()).expect("a process");
    let catches = || {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let set = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        u64::from_str_radix(&set, 16).unwrap() & (1 << (SIGSEGV - 1)) != 0
    };
    assert!(catches());
    // The first thread receives it, which runs the jobs.
    rustix::process::kill_process(pid, rustix::process::Signal::SEGV).unwrap();
    eventually("the handler of the standard library", async || (!catches()).then_some(())).await;
    pool.run(Way::Not).await.expect("it goes on");
    let Err(JobError::Crashed(report)) = pool.run(Way::Null).await else { panic!("it crashes") };
    assert_eq!(report.death.exit.signal(), Some(SIGSEGV));
    assert!(report.death.stack.is_none(), "that of the first signal: {report}");
}

#[tokio::test]
async fn a_crash_of_a_child_is_not_the_workers() {
    let report = crash(Way::Child).await;
    assert_eq!(report.death.exit.signal(), Some(SIGABRT));
    call_in(&report, "crash_aborts");
}

#[tokio::test]
async fn a_worker_that_is_killed_has_no_stack() {
    let report = crash(Way::Killed).await;
    assert_eq!(report.death.stack, None);
}

#[tokio::test]
async fn a_handler_of_the_programs_own_stays() {
    let pool = pool(&["own-handler"]).start().await.unwrap();
    let report = crash_in(&pool, Way::Null).await;
    assert_eq!(report.death.exit, Exit::Code(41));
    assert!(report.death.stderr.iter().any(|line| line.contains("own handler")), "{report}");
    assert_eq!(report.death.stack, None);
    let report = crash_in(&pool, Way::Abort).await;
    call_in(&report, "crash_aborts");
}

#[tokio::test]
async fn both_sides_can_turn_records_off() {
    for pool in [pool(&[]).crash_stacks(false), pool(&["quiet"])] {
        let pool = pool.start().await.unwrap();
        let report = crash_in(&pool, Way::Null).await;
        assert_eq!((report.death.exit.signal(), &report.death.stack), (Some(SIGSEGV), &None));
    }
}

#[tokio::test]
async fn workers_of_one_job_and_forked_ones_record_their_crashes() {
    for pool in [pool(&[]).process_per_job(true), pool(&[]).fork(true)] {
        let pool = pool.start().await.unwrap();
        for _ in 0..2 {
            let report = crash_in(&pool, Way::Null).await;
            assert_eq!(call_in(&report, "crash_writes_null"), 0);
            assert_eq!(pool.run(Way::Not).await.unwrap(), "well");
        }
    }
}

#[tokio::test]
async fn without_names_there_are_positions() {
    let report = crash_in(&unnamed(&[]).start().await.unwrap(), Way::Null).await;
    let frame = &frames(&report)[0];
    assert_eq!((frame.module.as_deref(), &frame.function), (Some("crashes"), &None));
    assert!(frame.offset > 0);
    let missing = CallNames::missing("nobody knows them");
    let report = crash_in(&unnamed(&[]).names(missing).start().await.unwrap(), Way::Null).await;
    assert_eq!(note(&report), Some("the functions have no names: nobody knows them"));
}

#[tokio::test]
async fn a_process_of_names_that_fails_or_hangs_costs_the_names() {
    for (program, word) in [("false", "the functions have no names: "), ("sleep", "not found in time")] {
        let names = Executable::path(format!("/bin/{program}")).unwrap().with_args(["1000"]);
        let pool = unnamed(&[]).names(CallNames::by_process(names)).start().await.unwrap();
        let has_note = async || match pool.run(Way::Null).await {
            Err(JobError::Crashed(report)) => {
                Some(report).filter(|it| note(it).is_some_and(|it| it.contains(word)))
            }
            other => panic!("{other:?}"),
        };
        let report = eventually("a note", has_note).await;
        assert_eq!(frames(&report)[0].module.as_deref(), Some("crashes"));
        assert_eq!(pool.run(Way::Not).await.unwrap(), "well");
    }
}

#[tokio::test]
async fn the_problem_document_names_function_and_line_and_no_route_lists_the_process_that_names_them() {
    let config =
        format!("[pools.crashes]\ncommand = [{:?}]\nmax_workers = 1\npoison_deaths = 0\n", binary("crashes"));
    let server = Server::with_config(&config).await;
    let json = [("Content-Type", "application/json")];
    let innermost = async || {
        let answer =
            http::request(server.address(), "POST", "/v1/pools/crashes/jobs", &json, b"\"null\"").await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        let problem = answer.problem();
        let stack = &problem["crash"]["stack"];
        let is_late = stack["note"].as_str().is_some_and(|note| note.contains("in time"));
        (!is_late).then(|| stack["threads"][0]["frames"][0].clone())
    };
    let frame = eventually("a crash whose calls are named", innermost).await;
    assert_eq!(
        (frame["function"].as_str(), frame["line"].as_u64()),
        (Some("crash_writes_null"), line_of("/* null */").map(u64::from))
    );
    let pools = http::get(server.address(), "/v1/pools").await;
    let pools = pools.text();
    assert!(pools.contains("crashes") && !pools.contains("symbolize"), "{pools}");
}
