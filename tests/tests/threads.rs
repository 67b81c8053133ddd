//! F29: the kernel takes the thread that spawned a process for its parent, so that thread must not be one
//! of a runtime, which lets idle ones end. A file of its own, as the first pool of a process decides.

use procpool_tests::eventually;
use procpool_tests::library::{echo, idle, verbs};
use procpool_tests::process;
use procpool_tests::verbs::Verb;
use std::time::Duration;

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("this process").count()
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
        // Each of them started by a thread that has nothing else to do, and ends.
        let start = move || {
            let pool = handle.block_on(verbs(4).start()).unwrap();
            (pool, threads())
        };
        let (pool, before) = tokio::task::spawn_blocking(start).await.unwrap();
        idle(&pool, 4).await;
        let workers: Vec<u32> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
        eventually("the idle thread's end", async || (threads() < before).then_some(())).await;
        // sleep: the time for which nothing is to happen.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(workers.iter().all(|&pid| process::is_alive(pid)));
        assert_eq!(pool.status().deaths, 0);
        assert_eq!(pool.run(echo("still here")).await.unwrap(), "still here");
        let answered = pool.run(Verb::Pid).await.unwrap().parse().unwrap();
        assert!(workers.contains(&answered));
    });
}
