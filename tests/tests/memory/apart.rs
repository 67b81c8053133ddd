//! Long outputs: they are read where the runtime's thread is not held up, and answers keep their order.

use procpool::{Bytes, Pool};
use procpool_tests::eventually;
use procpool_tests::large::{ECHO, FILL, LAST, Large, WHERE, input};
use procpool_tests::library::executable;
use procpool_tests::process;

const MIB: usize = 1 << 20;

/// Returns a pool of one worker whose outputs of this length lie in an arena.
async fn sharing(length: usize) -> Pool<Large> {
    let pool = Pool::<Large>::builder(executable("large")).workers(1..=1).start().await.unwrap();
    shares(&pool, length).await;
    pool
}

/// Waits until outputs of this length lie in an arena.
async fn shares(pool: &Pool<Large>, length: usize) {
    let question = async || {
        pool.run(input(ECHO, 0, length)).await.unwrap();
        let told = pool.run(input(WHERE, 0, length)).await.unwrap();
        String::from_utf8_lossy(&told).contains("procpool-output").then_some(())
    };
    eventually("outputs to lie in an arena", question).await;
}

/// Returns bytes that this thread has had the kernel read.
fn read_here() -> usize {
    let io = std::fs::read_to_string("/proc/thread-self/io").expect("a thread knows what it has read");
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("a number of bytes");
    line.parse().expect("a number")
}

// The runtime is this thread.
#[tokio::test]
async fn a_long_output_is_read_by_another_thread_than_the_runtimes() {
    let pool = sharing(8 * MIB).await;
    let before = read_here();
    for fill in 1..5 {
        let output = pool.run(input(FILL, fill, 8 * MIB)).await.unwrap();
        assert!(output.len() == 8 * MIB && output.iter().all(|&byte| byte == fill));
    }
    let read = read_here() - before;
    // Where no other thread gets going, an output is read here.
    assert!(read < 4 * 8 * MIB, "{read} bytes");
}

#[tokio::test]
async fn a_long_output_of_a_dead_worker_is_read_by_another_thread_than_the_runtimes() {
    let (pool, length) = (sharing(2 * MIB).await, 2 * MIB);
    let mut read = 0;
    for fill in 1..5 {
        shares(&pool, length).await;
        let pid = pool.workers()[0].pid.unwrap();
        let before = read_here();
        let job = pool.try_submit(input(LAST, fill, length)).unwrap();
        // The runtime hears of nothing before the worker is dead.
        while process::is_alive(pid) {
            std::thread::yield_now();
        }
        // Not what looking for the process has read.
        let looking = read_here() - before;
        let Bytes(output) = job.await.unwrap();
        assert!(output.len() == length && output.iter().all(|&byte| byte == fill));
        read += read_here() - before - looking;
    }
    assert!(read < 4 * length, "{read} bytes");
}

#[tokio::test]
async fn answers_behind_a_long_output_are_those_of_their_jobs() {
    let pool = sharing(2 * MIB).await;
    let jobs: Vec<_> = (0..120_u8)
        .map(|number| {
            let length = if number % 5 == 0 { 2 * MIB } else { 100 + usize::from(number) };
            (number, length, pool.try_submit(input(FILL, number, length)).unwrap())
        })
        .collect();
    for (number, length, job) in jobs {
        let Bytes(output) = job.await.unwrap();
        assert!(output.len() == length && output.iter().all(|&byte| byte == number), "{number}");
    }
}
