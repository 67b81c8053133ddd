//! Jobs that are refused, or given back, because they would not end before their deadlines.

use procpool_scheduler::{Action, Config, Generation, JobId, Refusal, Settings, Verdict};

use crate::pool::*;

/// Run time of every job, in milliseconds.
const RUN: u64 = 100;

/// Returns a pool of one worker that has run 32 jobs of [`RUN`], up to `3_200`.
fn learned() -> Pool {
    let mut pool = Pool::ready(Config { admission: true, ..fixed(1) });
    for job in 1_000..1_032 {
        let now = (job - 1_000) * RUN;
        assert_eq!(pool.at(now).submit(job), [assign(0, job)]);
        assert_eq!(pool.at(now + RUN).done(0, job), [resolve(job, Verdict::Finished)]);
    }
    pool
}

fn is_refused(actions: &[Action], after: u64) -> bool {
    matches!(*actions, [Action::Refuse { reason: Refusal::Unreachable { predicted, retry }, .. }]
        if predicted == ms(after) && !retry.is_zero())
}

#[test]
fn a_job_is_refused_that_cannot_end_before_its_deadline() {
    let mut pool = learned();
    assert_eq!(pool.submit(0), [assign(0, 0)]);
    pool.at(3_240);
    // 60 are left of the first job, and the second runs for 100.
    assert!(is_refused(&pool.submit_with(1, Some(159), None), 160));
    assert_eq!(pool.submit_with(1, Some(160), None), []);
    assert!(is_refused(&pool.submit_with(2, Some(259), None), 260));
    assert_eq!(pool.submit(3), [], "it has no deadline");
    assert!(is_refused(&pool.submit_with(4, Some(359), None), 360), "each of those before it runs");
}

#[test]
fn an_idle_worker_and_a_pool_that_knows_few_jobs_take_every_job() {
    let mut pool = learned();
    assert!(matches!(pool.submit_with(0, Some(1), None)[..], [Action::Assign { .. }]));
    let mut pool = Pool::ready(Config { admission: true, ..fixed(1) });
    pool.submit(0);
    assert_eq!(pool.submit_with(1, Some(1), None), []);
}

#[test]
fn a_new_executable_and_the_operator_make_it_take_every_job_again() {
    let late = |pool: &mut Pool| pool.submit_with(1, Some(1), None);
    let mut pool = learned();
    let settings = Settings { admission: false, ..pool.scheduler.settings() };
    pool.handle(procpool_scheduler::Event::Reconfigure { settings });
    pool.submit(0);
    assert_eq!(late(&mut pool), []);

    let mut pool = learned();
    assert_eq!(
        pool.reload(1),
        [Action::Start { worker: procpool_scheduler::WorkerId(1), generation: Generation(1) }]
    );
    pool.up(1);
    pool.submit(0);
    assert_eq!(late(&mut pool), []);
}

#[test]
fn a_job_that_is_too_late_at_its_turn_is_given_back_if_others_wait() {
    let mut pool = learned();
    assert_eq!(pool.submit(0), [assign(0, 0)]);
    assert_eq!(pool.submit_with(1, Some(250), None), []);
    assert_eq!(pool.submit(2), []);
    // The first job takes longer than the others did.
    let ended = pool.at(3_400).done(0, 0);
    let [first, given_back, next] = ended[..] else { panic!("{ended:?}") };
    assert_eq!([first, next], [resolve(0, Verdict::Finished), assign(0, 2)]);
    let Action::Resolve { job: JobId(1), verdict: Verdict::Unreachable { predicted, .. } } = given_back
    else {
        panic!("{given_back:?}")
    };
    assert_eq!(predicted, ms(RUN));
    // Nobody would gain by it.
    assert_eq!(pool.submit_with(3, Some(300), None), []);
    assert!(matches!(pool.at(3_650).done(0, 2)[..], [_, Action::Assign { job: JobId(3), .. }]));
}
