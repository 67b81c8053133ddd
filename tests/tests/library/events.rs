//! The events of a pool, as a listener hears them.

use procpool::Pool;
use procpool::error::LimitHit;
use procpool::status::{PoolEvent, PoolEvents};
use procpool_tests::eventually;
use procpool_tests::library::{echo, misbehaving, verbs};
use procpool_tests::replaceable::Replaceable;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};

/// Returns the next event that is not about a start that begins, nor about the number of jobs.
async fn of_note(events: &mut PoolEvents) -> Option<PoolEvent> {
    loop {
        match events.next().await? {
            PoolEvent::Starting { .. } | PoolEvent::Jobs(_) => {}
            event => return Some(event),
        }
    }
}

/// Returns the next event that is not about a start.
async fn next(events: &mut PoolEvents) -> PoolEvent {
    loop {
        match of_note(events).await.expect("another event") {
            PoolEvent::Started { .. } => {}
            event => return event,
        }
    }
}

#[tokio::test]
async fn a_listener_counts_starts_and_jobs_and_hears_of_orders_and_reloads() {
    let pool = verbs(1).start_lazy().unwrap();
    let mut events = pool.events();
    pool.run(echo("ok")).await.unwrap();
    pool.run(Verb::Break("no".into())).await.unwrap_err();
    pool.pause();
    pool.resume();
    pool.drain();
    pool.run(echo("refused")).await.unwrap_err();
    pool.resume();
    let settings = pool.reconfigure(|settings| settings.queue = 7).unwrap();
    pool.reload().await.unwrap();
    let name = pool.workers()[0].id.clone();
    pool.close();

    let (mut heard, mut starting, mut totals) = (Vec::new(), Vec::new(), None);
    while let Some(event) = events.next().await {
        match event {
            PoolEvent::Starting { worker, .. } => starting.push(worker),
            PoolEvent::Started { worker, .. } => assert!(starting.contains(&worker), "{worker}"),
            PoolEvent::Jobs(told) => totals = Some(told),
            PoolEvent::Died { .. } => {}
            event => heard.push(event),
        }
    }
    assert!(starting.len() >= 2 && starting.contains(&name), "{starting:?}");
    let [PoolEvent::Paused, PoolEvent::Resumed, PoolEvent::Draining, PoolEvent::Resumed, rest @ ..] =
        &heard[..]
    else {
        panic!("{heard:?}")
    };
    let [PoolEvent::Reconfigured(told), PoolEvent::Reloaded { generation: 1, .. }] = rest else {
        panic!("{rest:?}")
    };
    assert_eq!(*told, settings);
    let totals = totals.expect("totals at the end");
    let status = pool.status();
    assert_eq!((&totals.outcomes, &totals.refusals), (&status.jobs, &status.refusals));
    let ended: u64 = totals.outcomes.values().sum();
    assert_eq!((ended, totals.refusals["draining"]), (3, 1));
}

#[tokio::test]
async fn a_listener_hears_of_a_reload_that_fails() {
    let worker = Replaceable::new("verbs");
    let pool = Pool::<Verbs>::builder(worker.executable(&[])).workers(1..=1).start().await.unwrap();
    let mut events = pool.events();
    worker.become_script("exit 1");
    let error = pool.reload().await.unwrap_err();
    loop {
        if let PoolEvent::ReloadFailed { reason, error: told, .. } = next(&mut events).await {
            assert_eq!((reason, told), (error.name(), error.to_string()));
            return;
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
    let started = of_note(&mut events).await;
    let Some(PoolEvent::Started { worker, pid, .. }) = started else { panic!("{started:?}") };
    assert_eq!(pool.workers()[0].pid, Some(pid), "{worker}");
    pool.close();
    let PoolEvent::Died { reason, .. } = next(&mut events).await else { panic!("no death") };
    assert_eq!(reason, Some("shut_down"));
    assert!(of_note(&mut events).await.is_none());
}

/// Returns the name of the worker that the next event says did not start, and the reason.
async fn failed_start(events: &mut PoolEvents) -> (String, String) {
    match of_note(events).await.expect("another event") {
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
    let opened = of_note(&mut events).await;
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
    let event = of_note(&mut events).await;
    assert!(event.is_none(), "{event:?}");
}

#[tokio::test]
async fn a_start_that_the_pool_has_killed_is_no_failed_one() {
    let pool = misbehaving("silent").start_lazy().unwrap();
    let mut events = pool.events();
    drop(pool.try_submit(echo("never")).unwrap());
    eventually("a process that starts", async || pool.workers().first()?.pid).await;
    pool.close();
    let event = of_note(&mut events).await;
    assert!(event.is_none(), "{event:?}");
}
