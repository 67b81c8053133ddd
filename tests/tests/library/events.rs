//! The events of a pool, as a listener hears them.

use procpool::Pool;
use procpool::error::LimitHit;
use procpool::status::{PoolEvent, PoolEvents};
use procpool_tests::eventually;
use procpool_tests::library::{echo, misbehaving, verbs};
use procpool_tests::replaceable::Replaceable;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};

/// Returns the next event that is not about a start.
async fn next(events: &mut PoolEvents) -> PoolEvent {
    loop {
        match events.next().await.expect("another event") {
            PoolEvent::Started { .. } => {}
            event => return event,
        }
    }
}

#[tokio::test]
async fn a_listener_hears_of_deaths_of_what_they_lead_to_and_of_replacements() {
    let pool = verbs(1).poison_deaths(1).start().await.unwrap();
    let mut events = pool.events();
    pool.run(Verb::Abort).await.unwrap_err();
    let PoolEvent::Died { job: Some(job), reason: None, report, .. } = next(&mut events).await else {
        panic!("no death of its own")
    };
    assert_eq!(report.exit.signal(), Some(6));
    let PoolEvent::Quarantined(payload) = next(&mut events).await else { panic!("no quarantine") };
    assert_eq!((payload.deaths, payload.last_job), (1, Some(job)));
    let started = events.next().await;
    let Some(PoolEvent::Started { worker, pid, .. }) = started else { panic!("{started:?}") };
    assert_eq!(pool.workers()[0].pid, Some(pid), "{worker}");
    pool.close();
    let PoolEvent::Died { reason, .. } = next(&mut events).await else { panic!("no death") };
    assert_eq!(reason, Some("shut_down"));
    assert!(events.next().await.is_none());
}

/// Returns the name of the worker that the next event says did not start, and the reason.
async fn failed_start(events: &mut PoolEvents) -> (String, String) {
    match events.next().await.expect("another event") {
        PoolEvent::StartFailed { worker, error, .. } => (worker, error),
        event => panic!("no failed start: {event:?}"),
    }
}

#[tokio::test]
async fn a_listener_hears_of_each_failed_start_and_of_the_breaker_that_they_open_until_it_closes() {
    let worker = Replaceable::new("verbs");
    worker.become_script("echo no such model >&2; exit 1");
    let pool = Pool::<Verbs>::builder(worker.executable(&[])).workers(1..=1).breaker_failures(2);
    let pool = pool.start_lazy().unwrap();
    let mut events = pool.events();
    let waiting = pool.try_submit(echo("patience")).unwrap();
    let (first, why) = failed_start(&mut events).await;
    let (second, _) = failed_start(&mut events).await;
    assert!(first != second && why.contains("no such model"), "{first} and {second}: {why}");
    let opened = events.next().await;
    assert!(matches!(opened, Some(PoolEvent::BreakerOpened)), "the second one opens it: {opened:?}");

    worker.become_binary("verbs");
    pool.reload().await.unwrap();
    assert_eq!(waiting.await.unwrap(), "patience");
    pool.close();
    let mut closed = 0;
    while let Some(event) = events.next().await {
        assert!(!matches!(event, PoolEvent::BreakerOpened), "it does not open again");
        closed += usize::from(matches!(event, PoolEvent::BreakerClosed));
    }
    assert_eq!(closed, 1);
}

#[tokio::test]
async fn a_listener_hears_of_the_limit_that_a_worker_died_of_after_its_death() {
    let scratch = Scratch::new();
    let limit = 1 << 20;
    let pool = verbs(1).no_timeout().file_size_limit(limit).start().await.unwrap();
    let mut events = pool.events();
    let file = scratch.path().join("endless.txt").display().to_string();
    pool.run(Verb::Fill(file)).await.unwrap_err();
    pool.run(Verb::Abort).await.unwrap_err();
    // So that the pool's end is the death of a worker that was ready.
    pool.run(echo("replaced")).await.unwrap();
    pool.close();

    let PoolEvent::Died { reason: None, report, .. } = next(&mut events).await else { panic!("no death") };
    let told = next(&mut events).await;
    let PoolEvent::LimitHit { worker, limit: hit, .. } = told else { panic!("{told:?}") };
    assert_eq!((worker, hit), (report.worker.clone(), LimitHit::file_size(limit)));
    let other = next(&mut events).await;
    assert!(matches!(&other, PoolEvent::Died { report, .. } if report.limit.is_none()), "{other:?}");
    let last = next(&mut events).await;
    assert!(matches!(last, PoolEvent::Died { reason: Some("shut_down"), .. }), "no limit: {last:?}");
}

#[tokio::test]
async fn a_start_that_is_withdrawn_is_no_failed_one() {
    let pool = misbehaving("silent").start_lazy().unwrap();
    let mut events = pool.events();
    drop(pool.try_submit(echo("never")).unwrap());
    pool.close();
    let event = events.next().await;
    assert!(event.is_none(), "{event:?}");
}

#[tokio::test]
async fn a_start_that_the_pool_has_killed_is_no_failed_one() {
    let pool = misbehaving("silent").start_lazy().unwrap();
    let mut events = pool.events();
    drop(pool.try_submit(echo("never")).unwrap());
    eventually("a process that starts", async || pool.workers().first()?.pid).await;
    pool.close();
    let event = events.next().await;
    assert!(event.is_none(), "{event:?}");
}
