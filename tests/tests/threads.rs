//! F29: the kernel takes the thread that spawned a process for its parent, so that thread must not be one
//! of a runtime's, which may end.

use procpool_tests::eventually;
use procpool_tests::library::{echo, idle, verbs};
use procpool_tests::process;
use procpool_tests::verbs::Verb;
use rustix::process::Pid;
use rustix::thread::gettid;
use std::time::Duration;

/// Returns whether this process has such a thread.
fn is_there(thread: Pid) -> bool {
    std::fs::exists(format!("/proc/self/task/{}", thread.as_raw_nonzero())).expect("this process is there")
}

#[test]
fn workers_outlive_the_threads_of_the_runtime_that_started_them() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_keep_alive(Duration::from_millis(10))
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let handle = tokio::runtime::Handle::current();
        let start = move || (handle.block_on(verbs(4).start()).unwrap(), gettid());
        let (pool, thread) = tokio::task::spawn_blocking(start).await.unwrap();
        idle(&pool, 4).await;
        let workers: Vec<u32> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
        eventually("the idle thread's end", async || (!is_there(thread)).then_some(())).await;
        // sleep: the time for which nothing is to happen.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(workers.iter().all(|&pid| process::is_alive(pid)));
        assert_eq!(pool.status().deaths, 0);
        assert_eq!(pool.run(echo("still here")).await.unwrap(), "still here");
        let answered = pool.run(Verb::Pid).await.unwrap().parse().unwrap();
        assert!(workers.contains(&answered));
    });
}

/// From its first instruction to its being ready a worker is killed at once when its parent ends.
#[test]
fn a_worker_on_its_way_up_outlives_the_thread_that_asked_for_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let start = move || {
        let (pool, job, pid) = runtime.block_on(async {
            let pool = verbs(1).start_lazy().unwrap();
            let job = pool.try_submit(Verb::Pid).unwrap();
            // Looking again and again, for it must not come further than that.
            let pid = loop {
                match pool.workers().first().and_then(|worker| worker.pid) {
                    Some(pid) => break pid,
                    None => tokio::task::yield_now().await,
                }
            };
            (pool, job, pid)
        });
        // Nobody drives the runtime now: the worker waits for its welcome.
        let sockets = || process::open_files(pid).iter().filter(|it| it.starts_with("socket:")).count();
        let start = std::time::Instant::now();
        while sockets() < 2 {
            assert!(start.elapsed() < procpool_tests::PATIENCE, "the worker does not connect");
            std::thread::yield_now();
        }
        (runtime, pool, job, pid)
    };
    let (runtime, pool, job, pid) = std::thread::spawn(start).join().unwrap();
    assert_eq!(runtime.block_on(job).unwrap(), pid.to_string());
    assert_eq!(pool.status().deaths, 0);
}
