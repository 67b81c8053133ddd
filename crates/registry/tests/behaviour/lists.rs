//! Lists: filters, order, cursors.

use procpool_protocol::{OutcomeKind, Stage};
use procpool_registry::{Event, Filter, ForeignCursor, MAX_PAGE, Phase, Settings};

use crate::desk::{Desk, HOUR, cancelled, ok};
use crate::tested::empty;

fn filter(change: impl FnOnce(&mut Filter)) -> Filter {
    let mut filter = Filter::default();
    change(&mut filter);
    filter
}

#[test]
fn a_list_has_every_job_once_and_the_newest_first() {
    let mut desk = Desk::new();
    let mut jobs: Vec<_> = (0..50).map(|_| desk.queued()).collect();
    jobs.reverse();
    for limit in [1, 7, 25, 50, 51] {
        assert_eq!(desk.list(&Filter::default(), limit), jobs, "by {limit}");
    }
}

#[test]
fn each_condition_narrows_the_list() {
    let mut desk = Desk::new();
    let [queued, running, done] = [desk.queued(), desk.running(), desk.finished()];
    let ended = desk.queued();
    desk.finish(ended, cancelled(Stage::Queued));
    desk.pass(HOUR);
    let other = {
        let mut offer = desk.a_job();
        offer.pool = "ping".into();
        desk.run(offer)
    };
    let list = |change: fn(&mut Filter)| desk.list(&filter(change), 2);
    assert_eq!(list(|it| it.phase = Some(Phase::Queued)), [other, queued]);
    assert_eq!(list(|it| it.phase = Some(Phase::Running)), [running]);
    assert_eq!(list(|it| it.phase = Some(Phase::Finished)), [ended, done]);
    assert_eq!(list(|it| it.outcome = Some(OutcomeKind::Ok)), [done]);
    assert_eq!(list(|it| it.outcome = Some(OutcomeKind::Crashed)), []);
    assert_eq!(list(|it| it.pools = Some(vec!["ping".into()])), [other]);
    assert_eq!(list(|it| it.pools = Some(vec!["fib".into()])), [ended, done, running, queued]);
    assert_eq!(list(|it| it.pools = Some(vec!["none".into()])), []);
    assert_eq!(list(|it| it.pools = Some(vec![])), []);
    let both = list(|it| it.pools = Some(vec!["fib".into(), "ping".into(), "fib".into()]));
    assert_eq!(both, [other, ended, done, running, queued]);
    assert_eq!(list(|it| (it.pools, it.phase) = (Some(vec!["fib".into()]), Some(Phase::Queued))), [queued]);
    assert_eq!(desk.list(&filter(|it| it.since = Some(desk.now)), 2), [other]);
    assert_eq!(desk.list(&filter(|it| it.since = Some(desk.now + HOUR)), 2), []);
}

#[test]
fn a_page_has_1_to_200_jobs() {
    let mut desk = Desk::new();
    for _ in 0..300 {
        desk.queued();
    }
    let length = |limit| desk.registry.list(&Filter::default(), None, limit).expect("no cursor").jobs.len();
    assert_eq!([0, 1, 199, 1_000].map(length), [1, 1, 199, MAX_PAGE]);
}

#[test]
fn jobs_that_come_and_go_during_a_walk_disturb_no_other() {
    let mut desk = Desk::new();
    let jobs: Vec<_> = (0..6).map(|_| desk.running()).collect();
    let running = filter(|it| it.phase = Some(Phase::Running));
    let page = desk.registry.list(&running, None, 2).expect("no cursor");
    assert_eq!(page.jobs.iter().map(|it| it.id).collect::<Vec<_>>(), [jobs[5], jobs[4]]);
    desk.finish(jobs[4], ok("6"));
    desk.finish(jobs[2], ok("6"));
    desk.running();
    let page = desk.registry.list(&running, page.next, 2).expect("a cursor");
    assert_eq!(page.jobs.iter().map(|it| it.id).collect::<Vec<_>>(), [jobs[3], jobs[1]]);
    let page = desk.registry.list(&running, page.next, 2).expect("a cursor");
    assert_eq!(page.jobs.iter().map(|it| it.id).collect::<Vec<_>>(), [jobs[0]]);
    assert_eq!(page.next, None);
}

#[test]
fn a_cursor_of_another_registry_is_refused() {
    let mut desk = Desk::new();
    let other = Desk::over(empty(), Settings::default(), 8);
    desk.queued();
    desk.queued();
    let page = desk.registry.list(&Filter::default(), None, 1).expect("no cursor");
    let cursor = page.next.expect("a second page").to_string().parse().expect("a cursor");
    assert_eq!(other.registry.list(&Filter::default(), Some(cursor), 1).map(|_| ()), Err(ForeignCursor));
    assert!(desk.registry.list(&Filter::default(), Some(cursor), 1).is_ok());
}

#[test]
fn a_pool_without_jobs_leaves_nothing() {
    let mut desk = Desk::new();
    let empty = format!("{:?}", desk.registry.storage());
    let mut offer = desk.a_job();
    offer.pool = "gone".into();
    let job = desk.run(offer);
    desk.done(job, Event::Refused);
    let after = format!("{:?}", desk.registry.storage());
    assert_eq!(after.replace("newest: 1", "newest: 0"), empty);
}
