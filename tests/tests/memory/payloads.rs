//! Large payloads: they lie in arenas, nobody sees another job's bytes, and a worker that dies leaves
//! nothing.

use procpool::{Bytes, JobError, Pool, PoolBuilder};
use procpool_tests::eventually;
use procpool_tests::large::{DIE, ECHO, FILL, KEEP, KEPT, Large, PART, WHERE, input};
use procpool_tests::library::{executable, idle, misbehaving};
use procpool_tests::verbs::Verb;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

const MIB: usize = 1 << 20;

fn large(workers: usize) -> PoolBuilder<Large> {
    Pool::builder(executable("large")).workers(workers..=workers)
}

/// Where input and output of a job of this length lie.
async fn places(pool: &Pool<Large>, length: usize) -> String {
    let told = pool.run(input(WHERE, 0, length)).await.unwrap();
    String::from_utf8_lossy(&told).into_owned()
}

/// Waits until payloads of this length lie in arenas both ways: the first ones ask for them.
async fn shares(pool: &Pool<Large>, length: usize) {
    let question = async || {
        pool.run(input(ECHO, 0, length)).await.unwrap();
        let places = places(pool, length).await;
        (places.contains("procpool-input") && places.contains("procpool-output")).then_some(())
    };
    eventually("input and output to lie in arenas", question).await;
}

#[tokio::test]
async fn large_payloads_lie_in_arenas_and_come_back_as_they_were() {
    let pool = large(1).start().await.unwrap();
    for length in [256 * 1024, MIB, 16 * MIB, 3 * MIB, 64 * MIB] {
        shares(&pool, length).await;
        let mut bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        bytes[0] = ECHO;
        let bytes = Bytes::from(bytes);
        assert!(pool.run(bytes.clone()).await.unwrap() == bytes, "{length}");
        let filled = pool.run(input(FILL, 9, length)).await.unwrap();
        assert!(filled.len() == length && filled.iter().all(|&byte| byte == 9), "{length}");
        assert_eq!(pool.run(input(PART, 7, length)).await.unwrap()[1..], [7; 9]);
    }
    assert!(!places(&pool, 256 * 1024 - 1).await.contains("procpool"), "which is not worth it");
}

#[tokio::test]
async fn an_output_stays_what_it_is_while_later_jobs_run() {
    let pool = large(1).start().await.unwrap();
    shares(&pool, MIB).await;
    let mut outputs = Vec::new();
    for number in 0..20 {
        outputs.push(pool.run(input(FILL, number, MIB)).await.unwrap());
        pool.run(input(ECHO, 99, MIB)).await.unwrap();
    }
    for (number, output) in outputs.iter().enumerate() {
        assert!(output.iter().all(|&byte| usize::from(byte) == number), "{number}");
    }
}

#[tokio::test]
async fn what_a_job_s_code_keeps_of_an_input_stays_what_it_is() {
    let pool = large(1).start().await.unwrap();
    shares(&pool, MIB).await;
    pool.run(input(KEEP, 5, MIB)).await.unwrap();
    for _ in 0..5 {
        pool.run(input(ECHO, 99, MIB)).await.unwrap();
        let kept = pool.run(input(KEPT, 0, 1)).await.unwrap();
        assert!(kept.len() == MIB && kept[1..].iter().all(|&byte| byte == 5));
    }
    // And there is another arena by then.
    shares(&pool, MIB).await;
}

#[tokio::test]
async fn many_at_once_are_not_mixed_up() {
    let pool = large(2).start().await.unwrap();
    shares(&pool, MIB).await;
    let jobs: Vec<_> = (0..200_u8)
        .map(|number| (number, pool.try_submit(input(ECHO, number, MIB + usize::from(number))).unwrap()))
        .collect();
    for (number, job) in jobs {
        let output = job.await.unwrap();
        assert!(output.len() == MIB + usize::from(number), "{number}");
        assert!(output[1..].iter().all(|&byte| byte == number), "{number}");
    }
}

#[tokio::test]
async fn large_payloads_that_are_sent_ahead_are_not_mixed_up() {
    let pool = large(1).queue(10_000).start().await.unwrap();
    shares(&pool, MIB).await;
    for round in 0..10_u8 {
        // Small ones first, so that the large ones are taken for small.
        let small: Vec<_> = (0..1_000).map(|_| pool.try_submit(input(ECHO, 0, 10)).unwrap()).collect();
        let large: Vec<_> = (0..20)
            .map(|number| (round * 20 + number, if number % 2 == 0 { ECHO } else { FILL }))
            .map(|(fill, what)| (fill, pool.try_submit(input(what, fill, MIB / 2)).unwrap()))
            .collect();
        for job in small {
            job.await.unwrap();
        }
        for (fill, job) in large {
            let output = job.await.unwrap();
            assert!(output.len() == MIB / 2 && output[1..].iter().all(|&byte| byte == fill), "{fill}");
        }
    }
}

#[tokio::test]
async fn a_worker_that_dies_with_a_large_input_costs_that_job_and_leaves_no_memory() {
    // The tests beside this one are in the same process: what is counted has this pool's name.
    let pool = large(1).name("mourned").start().await.unwrap();
    let owners = || -> Vec<String> {
        let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let names = fds.filter_map(|fd| std::fs::read_link(fd.path()).ok());
        let owner = |name: PathBuf| Some(name.to_str()?.split_once("put mourned-")?.1.to_owned());
        names.filter_map(owner).collect()
    };
    shares(&pool, 4 * MIB).await;
    for number in 0..3 {
        let dead = owners();
        assert_eq!(dead.len(), 2, "an arena each way: {dead:?}");
        let error = pool.run(input(DIE, number, 4 * MIB)).await.unwrap_err();
        assert!(matches!(error, JobError::Crashed(_)), "{error}");
        idle(&pool, 1).await;
        shares(&pool, 4 * MIB).await;
        let gone = async || owners().iter().all(|owner| !dead.contains(owner)).then_some(());
        eventually("the dead worker's arenas to be gone", gone).await;
    }
    pool.shutdown(std::time::Duration::from_secs(5)).await;
    eventually("the last one's to be gone, too", async || owners().is_empty().then_some(())).await;
}

#[tokio::test]
async fn arenas_that_nothing_goes_through_are_taken_back_and_the_worker_goes_on() {
    for worker in ["large", "born"] {
        let name = format!("resting-{worker}");
        let pool =
            Pool::<Large>::builder(executable(worker)).name(&name).workers(1..=1).start().await.unwrap();
        let pid = pool.workers()[0].pid;
        let memory = || -> u64 {
            let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            let is_arena = |path: &std::path::Path| {
                let target = std::fs::read_link(path).unwrap_or_default();
                let target = target.to_string_lossy();
                target.contains(&format!("put {name}-"))
            };
            let arenas = fds.map(|fd| fd.path()).filter(|path| is_arena(path));
            arenas.filter_map(|path| std::fs::metadata(path).ok()).map(|it| it.blocks() * 512).sum()
        };
        let used = async || {
            pool.run(input(ECHO, 0, MIB)).await.unwrap();
            (memory() >= 2 * MIB as u64).then_some(())
        };
        eventually("arenas for inputs and outputs", used).await;
        eventually("the arenas to be taken back", async || (memory() == 0).then_some(())).await;
        eventually("other arenas", used).await;
        assert_eq!(pool.workers()[0].pid, pid, "{worker}");
    }
}

#[tokio::test]
async fn a_pool_without_memory_to_spare_shares_none() {
    let pool = large(1).memory_limit(512 << 20).start().await.unwrap();
    shares(&pool, 64 * MIB).await;
    let pool = large(1).memory_limit(256 << 20).start().await.unwrap();
    for _ in 0..5 {
        assert!(!places(&pool, 40 * MIB).await.contains("procpool"));
    }
}

#[tokio::test]
async fn a_worker_that_refers_to_memory_that_it_has_not_is_killed() {
    let pool = misbehaving("refer_to_nowhere").start().await.unwrap();
    match pool.run(Verb::Pid).await {
        Err(JobError::Protocol { violation, .. }) => {
            assert_eq!(violation, "its output lies in arena 7, which it has not");
        }
        other => panic!("{other:?}"),
    }
    let pool = misbehaving("accept_what_was_not_offered").start().await.unwrap();
    match pool.run(Verb::Pid).await {
        Err(JobError::Protocol { violation, .. }) => {
            assert_eq!(violation, "it answered arena 7, which it was not offered");
        }
        other => panic!("{other:?}"),
    }
}
