//! Large payloads among small jobs: what a worker is sent ahead is bounded in bytes, so that nothing is sent twice and nobody
//! waits behind what is still on its way.

use procpool::Pool;
use procpool_tests::large::{ECHO, FILL, Large, PART, input};
use procpool_tests::library::executable;
use procpool_tests::process;
use rustix::process::Signal;
use std::fs;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// Returns the MiB that this process and its threads have written so far, to sockets among others.
fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse::<u64>().unwrap() >> 20
}

/// Returns a pool of one worker whose jobs have been so small that many are sent ahead.
async fn brisk() -> Pool<Large> {
    let builder = Pool::<Large>::builder(executable("large")).workers(1..=1);
    let pool = builder.queue(10_000).no_timeout().start().await.unwrap();
    small(&pool, 2_000).await;
    pool
}

async fn small(pool: &Pool<Large>, jobs: usize) {
    let jobs: Vec<_> = (0..jobs).map(|_| pool.try_submit(input(ECHO, 0, 10)).unwrap()).collect();
    for job in jobs {
        job.await.unwrap();
    }
}

/// In this time every job has ended on any machine, and none does if jobs are asked back without end.
async fn all_end(jobs: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(30), jobs).await.expect("every job ends");
}

#[tokio::test]
async fn large_jobs_after_small_ones_are_sent_once() {
    for (count, size) in [(2, 16 * MIB), (64, 4 * MIB), (64, MIB / 2), (64, 100 * 1024)] {
        let pool = brisk().await;
        let (before, payload) = (written(), input(PART, 1, size));
        all_end(async {
            let jobs: Vec<_> = (0..count).map(|_| pool.try_submit(payload.clone()).unwrap()).collect();
            for job in jobs {
                job.await.unwrap();
            }
        })
        .await;
        // Other tests of this process write, too.
        let written = written() - before;
        assert!(written < 1_000, "{count} jobs of {size} bytes took {written} MiB");
    }
}

#[tokio::test]
async fn a_worker_without_a_processor_for_a_while_gets_and_ends_its_jobs() {
    for size in [4 * MIB, 64 * 1024, 10] {
        let pool = brisk().await;
        let pid = pool.workers()[0].pid.unwrap();
        let payload = input(PART, 1, size);
        process::signal(pid, Signal::STOP);
        let jobs: Vec<_> = (0..64).map(|_| pool.try_submit(payload.clone()).unwrap()).collect();
        // sleep: ten times as long as a job may keep others waiting.
        tokio::time::sleep(Duration::from_millis(20)).await;
        // It may have been found stopped, which costs no job.
        let _ = process::try_signal(pid, Signal::CONT);
        all_end(async {
            for job in jobs {
                job.await.unwrap();
            }
        })
        .await;
    }
}

#[tokio::test]
async fn large_jobs_behind_small_ones_do_not_stand_still() {
    let pool = brisk().await;
    for _ in 0..30 {
        let before: Vec<_> = (0..1_000).map(|_| pool.try_submit(input(ECHO, 0, 10)).unwrap()).collect();
        let large = (0..20).map(|number| (number, if number % 2 == 0 { ECHO } else { FILL }));
        let large: Vec<_> =
            large.map(|(fill, what)| pool.try_submit(input(what, fill, MIB / 2)).unwrap()).collect();
        all_end(async {
            for job in before.into_iter().chain(large) {
                job.await.unwrap();
            }
        })
        .await;
    }
}
