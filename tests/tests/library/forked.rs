//! Pools whose workers are forked from a template.

use procpool::error::InvalidLimits;
use procpool::{AttachSocket, JobError, Pool, PoolBuilder, PoolError};
use procpool_tests::eventually;
use procpool_tests::library::{begin, echo, executable, idle, misbehaving, verbs};
use procpool_tests::rooted::Rooted;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;

fn rooted(workers: usize) -> PoolBuilder<Rooted> {
    Pool::builder(executable("rooted")).workers(workers..=workers).fork(true)
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// Returns the children of this process that are of this name, dead ones among them.
fn children(name: &str) -> Vec<u32> {
    let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let parent_and_name = |stat: &str| {
        let (head, tail) = stat.rsplit_once(") ")?;
        let parent = tail.split(' ').nth(1)?.parse::<u32>().ok()?;
        Some((parent, head.split_once('(')?.1.to_owned()))
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let ours = (std::process::id(), name.to_owned());
    pids.filter(|&pid| stat(pid).is_some_and(|stat| parent_and_name(&stat) == Some(ours.clone()))).collect()
}

#[tokio::test]
async fn workers_share_the_state_of_one_process_and_are_children_of_the_pool() {
    let pool = rooted(3).start().await.unwrap();
    idle(&pool, 3).await;
    let workers: BTreeSet<_> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
    assert_eq!(workers.len(), 3);
    let (template, worker, parent) = pool.run("file".into()).await.unwrap();
    assert!(workers.contains(&worker) && !workers.contains(&template));
    assert_eq!(parent, std::process::id());
}

#[tokio::test]
async fn a_worker_that_dies_fails_its_own_job_and_the_next_fork_has_the_same_state() {
    let pool = rooted(1).start().await.unwrap();
    let (template, first, _) = pool.run(String::new()).await.unwrap();
    let Err(JobError::Crashed(report)) = pool.run("abort".into()).await else { panic!("it crashes") };
    assert_eq!(report.death.exit.signal(), Some(6), "SIGABRT: {report}");
    let (same, second, _) = pool.run("file".into()).await.unwrap();
    assert_eq!(same, template);
    assert_ne!(second, first);
}

#[tokio::test]
async fn a_template_that_dies_is_replaced_and_its_workers_go_on() {
    let pool = rooted(1).start().await.unwrap();
    let (template, first, _) = pool.run(String::new()).await.unwrap();
    signal(template, Signal::KILL);
    let (same, worker, _) = pool.run(String::new()).await.unwrap();
    assert_eq!((same, worker), (template, first), "it is not disturbed");
    signal(first, Signal::KILL);
    let (other, ..) =
        eventually("a worker of a new template", async || pool.run(String::new()).await.ok()).await;
    assert_ne!(other, template);
}

#[tokio::test]
async fn a_process_for_each_job_is_a_fork_for_each_job_and_leaves_none_behind() {
    let pool = Pool::<Rooted>::builder(executable("rooted")).workers(0..=2).fork(true).process_per_job(true);
    let pool = pool.start().await.unwrap();
    let mut templates = BTreeSet::new();
    let mut workers = BTreeSet::new();
    for _ in 0..50 {
        let (template, worker, _) = pool.run(String::new()).await.unwrap();
        templates.insert(template);
        workers.insert(worker);
    }
    assert_eq!((templates.len(), workers.len()), (1, 50));
    pool.shutdown(std::time::Duration::from_secs(10)).await;
    let own = |pid: &u32| workers.contains(pid) || templates.contains(pid);
    drop(pool);
    eventually("all of them to be reaped", async || (!children("rooted").iter().any(own)).then_some(()))
        .await;
}

#[tokio::test]
async fn a_fork_has_the_descriptors_that_a_spawned_worker_has() {
    let mut lists = Vec::new();
    for forks in [true, false] {
        let pool = verbs(1).fork(forks).start().await.unwrap();
        // The first worker has more: nobody knows yet how it takes large payloads.
        let first = pool.run(Verb::Pid).await.unwrap();
        pool.run(Verb::Abort).await.unwrap_err();
        assert_ne!(pool.run(Verb::Pid).await.unwrap(), first);
        let open = pool.run(Verb::Descriptors).await.unwrap();
        // The numbers of sockets and pipes differ, and so does the process in the name of the list itself.
        let kind = |line: &str| {
            line.split([':', '1', '2', '3', '4', '5', '6', '7', '8', '9']).next().map(str::to_owned)
        };
        lists.push(open.lines().map(kind).collect::<Vec<_>>());
    }
    assert_eq!(lists[0], lists[1]);
}

#[tokio::test]
async fn a_fork_is_killed_cancelled_and_recycled_like_any_worker() {
    let pool = verbs(1).fork(true).recycle_jobs(3).start().await.unwrap();
    let (job, pid) = begin(&pool, Verb::Spin).await;
    drop(job);
    idle(&pool, 1).await;
    assert_ne!(pool.workers()[0].pid, Some(pid), "a job that does not look is killed");
    let first = pool.run(Verb::Pid).await.unwrap();
    eventually("a worker to be replaced after three jobs", async || {
        (pool.run(Verb::Pid).await.unwrap() != first).then_some(())
    })
    .await;
    assert_eq!(pool.run(echo("well")).await.unwrap(), "well");
}

#[tokio::test]
async fn a_reload_has_a_template_of_its_own() {
    let pool = rooted(1).start().await.unwrap();
    let (before, ..) = pool.run(String::new()).await.unwrap();
    pool.reload().await.unwrap();
    let (after, ..) = pool.run(String::new()).await.unwrap();
    assert_ne!(before, after);
    eventually("the old template to go", async || (!children("rooted").contains(&before)).then_some(()))
        .await;
}

#[tokio::test]
async fn threads_of_a_template_are_named_in_the_error() {
    let executable = executable("rooted").with_args(["thread"]);
    let error = Pool::<Rooted>::builder(executable).fork(true).start().await.unwrap_err().to_string();
    for part in ["it has 2 threads (`a-helper`, `rooted`)", "set `fork = false`"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_template_that_loads_no_state_says_why() {
    let executable = executable("rooted").with_args(["fail"]);
    let error = Pool::<Rooted>::builder(executable).fork(true).start().await.unwrap_err().to_string();
    assert!(error.contains("its initialisation failed: there is no model"), "{error}");
}

#[tokio::test]
async fn workers_that_cannot_fork_are_refused() {
    let error = misbehaving("well").fork(true).start().await.unwrap_err().to_string();
    assert!(error.contains("this worker cannot fork") && error.contains("set `fork = false`"), "{error}");
    let socket = AttachSocket::at(Scratch::new().path().join("pool.sock"));
    let error = Pool::<Verbs>::attached(socket).fork(true).start().await.unwrap_err();
    assert!(matches!(error, PoolError::Limits { reason: InvalidLimits::ForkOfAttached, .. }), "{error}");
}
