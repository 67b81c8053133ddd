//! Workers that die with answers that nobody has read yet: these count, what came with them arrives, and the death is held
//! against the job that was running and against no other.

use crate::ahead::{brisk, warm};
use procpool::{JobError, JobEvent, Pool};
use procpool_tests::library::{echo, idle};
use procpool_tests::process;
use procpool_tests::verbs::{Verb, Verbs};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal};

/// Submits jobs to workers that stand still, has these run them, and hears nothing until they are dead: all that they say is
/// read after their death. `false` if the machine was too slow for that.
async fn hear_the_dead<T>(pool: &Pool<Verbs>, submit: impl FnOnce() -> T) -> (T, bool) {
    let pids: Vec<u32> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
    let pidfd = |pid: &u32| {
        let process = Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
        rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty()).unwrap()
    };
    let pidfds: Vec<_> = pids.iter().map(pidfd).collect();
    pids.iter().for_each(|&pid| process::signal(pid, Signal::STOP));
    let jobs = submit();
    for _ in 0..3 {
        // The writer has its turn.
        tokio::task::yield_now().await;
    }
    pids.iter().for_each(|&pid| process::signal(pid, Signal::CONT));
    // This thread does something else until the workers are dead.
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    let is_dead = |pidfd| {
        // Other tests of this process have children, too, whose ends interrupt the wait.
        let wait = || rustix::event::poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&second));
        rustix::io::retry_on_intr(wait).unwrap() == 1
    };
    (jobs, pidfds.iter().all(is_dead))
}

#[tokio::test]
async fn a_payload_that_kills_behind_a_small_job_goes_into_quarantine() {
    let pool = brisk(1).await;
    let mut told = Vec::new();
    for _ in 0..5 {
        idle(&pool, 1).await;
        warm(&pool).await;
        let submit = || (pool.try_submit(echo("warm")).unwrap(), pool.try_submit(Verb::Exit(7)).unwrap());
        let ((before, killer), _) = hear_the_dead(&pool, submit).await;
        assert_eq!(before.await.unwrap(), "warm");
        told.push(match killer.await.unwrap_err() {
            JobError::Crashed(report) => format!("crashed {}", report.payload_deaths),
            other => other.name().into(),
        });
    }
    assert_eq!(told, ["crashed 1", "crashed 2", "crashed 3", "poisoned", "poisoned"]);
    assert_eq!(pool.status().deaths, 3);
}

#[tokio::test]
async fn a_payload_that_only_ran_before_three_that_kill_is_not_held_responsible() {
    let pool = brisk(1).await;
    let mut deaths = 0;
    // Where the machine was too slow, the killer was not sent ahead, and the round says nothing.
    for round in 0..60 {
        idle(&pool, 1).await;
        warm(&pool).await;
        // An innocent job, and one that kills behind it: another one each time, which is not in quarantine.
        let submit =
            || (pool.try_submit(echo("innocent")).unwrap(), pool.try_submit(Verb::Exit(round + 1)).unwrap());
        let ((innocent, killer), is_late) = hear_the_dead(&pool, submit).await;
        assert_eq!(innocent.await.unwrap(), "innocent");
        let JobError::Crashed(report) = killer.await.unwrap_err() else { panic!("it is one death each") };
        assert_eq!(report.payload_deaths, 1);
        deaths += usize::from(is_late);
        if deaths == 3 {
            assert_eq!(pool.run(echo("innocent")).await.unwrap(), "innocent");
            return;
        }
    }
    panic!("of 60 killers, only {deaths} were sent ahead");
}

#[tokio::test]
async fn chunks_of_a_job_that_ended_well_arrive_though_its_worker_is_dead() {
    let pool = brisk(1).await;
    for _ in 0..10 {
        idle(&pool, 1).await;
        warm(&pool).await;
        let submit = || {
            (
                pool.try_submit(echo("before")).unwrap(),
                pool.try_submit(Verb::Count(3)).unwrap(),
                pool.try_submit(Verb::Exit(7)).unwrap(),
            )
        };
        let ((before, mut counting, killer), _) = hear_the_dead(&pool, submit).await;
        let mut chunks = Vec::new();
        while let Some(event) = counting.next_event().await {
            if let JobEvent::Chunk(chunk) = event.unwrap() {
                chunks.push(chunk);
            }
        }
        assert_eq!((before.await.unwrap(), counting.await.unwrap()), ("before".into(), "3".into()));
        assert_eq!(chunks, ["0", "1", "2"]);
        assert!(matches!(killer.await.unwrap_err().name(), "crashed" | "poisoned"));
    }
}
