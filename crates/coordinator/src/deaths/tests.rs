//! The ring and its groups, without a clock.

use super::ring::Ring;
use super::{DeathLimits, weight};
use procpool_protocol::deaths::{DeadPayload, Death, DeathQuery};
use procpool_protocol::stack::{Stack, StackFrame, ThreadStack};
use procpool_protocol::{Exit, ExitReport, JobId};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

fn death(pool: &str, second: u64, words: &str) -> Death {
    let mut report = ExitReport::new(format!("{pool}-{second}"), 1, Exit::Code(101));
    report.stderr = vec![words.to_owned()];
    Death::new(0, UNIX_EPOCH + Duration::from_secs(second), pool, "crashed", report)
}

fn ring(records: usize, bytes: usize) -> Ring {
    Ring::new(DeathLimits { records, bytes })
}

fn ids(ring: &Ring, query: &DeathQuery) -> (Vec<u64>, Option<u64>) {
    let page = ring.page(query);
    (page.deaths.iter().map(|death| death.id).collect(), page.next)
}

/// 200 deaths a second for a minute, each with as much as a worker can leave.
#[test]
fn twelve_thousand_deaths_take_no_more_room_than_is_allowed_and_are_all_counted() {
    let limits = DeathLimits::default();
    let mut ring = Ring::new(limits);
    for number in 0..12_000 {
        let mut death = death("fib", number / 200, &format!("row {number} has no price"));
        let report = Arc::make_mut(&mut death.report);
        report.stderr.extend((0..6).map(|_| "\\u{1b}".repeat(2048)));
        let mut payload = DeadPayload::default();
        payload.fingerprint = Some(format!("{:016x}", number % 7));
        death.payload = Some(payload);
        report.stderr.rotate_left(1);
        ring.push(death);
        let (records, bytes) = ring.held();
        assert!(records <= limits.records && bytes <= limits.bytes, "{records} deaths in {bytes} bytes");
    }
    let groups = ring.groups();
    let [group] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!((group.count, group.payloads, group.newest), (12_000, 7, 12_000));
    assert_eq!((group.first, group.last), (UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(59)));
    assert_eq!(group.signature, "exit code 101: row # has no price");
}

#[test]
fn what_a_worker_says_differently_each_time_fills_no_more_groups_than_there_may_be() {
    let mut ring = ring(10, 1 << 20);
    for number in 0..5_000 {
        let letters: String = format!("{number}").bytes().map(|digit| char::from(digit + 49)).collect();
        ring.push(death("fib", number, &letters));
        ring.push(death("ping", number, "always"));
    }
    let groups = ring.groups();
    assert_eq!((groups.len(), groups[0].pool.as_str(), groups[0].count), (512, "ping", 5_000));
    assert_eq!(groups[1].newest, 9_999, "the newest stay");
}

#[test]
fn the_oldest_go_first_by_number_and_by_bytes() {
    let mut few = ring(3, 1 << 20);
    (0..5).for_each(|second| drop(few.push(death("fib", second, "x"))));
    assert_eq!(ids(&few, &DeathQuery::all()), (vec![5, 4, 3], None));
    let one = weight::of(&death("fib", 0, "x"));
    let mut small = ring(100, 3 * one);
    (0..5).for_each(|second| drop(small.push(death("fib", second, "x"))));
    assert_eq!(small.held().0, 2, "with group and signature, each is a little larger");
    let mut none = ring(0, 1 << 20);
    none.push(death("fib", 0, "x"));
    assert_eq!((none.held(), none.groups().len()), ((0, 0), 0));
}

#[test]
fn a_page_says_where_the_next_one_begins_and_filters_narrow_it() {
    let mut ring = ring(100, 1 << 20);
    for second in 0..6 {
        ring.push(death(if second % 2 == 0 { "fib" } else { "ping" }, second, "x"));
    }
    let query = |change: &dyn Fn(&mut DeathQuery)| {
        let mut query = DeathQuery::all();
        change(&mut query);
        ids(&ring, &query)
    };
    assert_eq!(query(&|it| it.limit = Some(4)), (vec![6, 5, 4, 3], Some(3)));
    assert_eq!(query(&|it| (it.limit, it.before) = (Some(4), Some(3))), (vec![2, 1], None));
    assert_eq!(query(&|it| it.limit = Some(6)), (vec![6, 5, 4, 3, 2, 1], None));
    assert_eq!(query(&|it| it.after = Some(4)), (vec![6, 5], None));
    assert_eq!(query(&|it| it.pools = Some(vec!["fib".into()])), (vec![5, 3, 1], None));
    assert_eq!(query(&|it| it.worker = Some("ping-3".into())), (vec![4], None));
    let group = ring.get(1).unwrap().group.clone();
    assert_eq!(query(&|it| it.group = Some(group.clone())), (vec![5, 3, 1], None));
    assert_eq!(ring.get(7), None);
}

#[test]
fn a_jobs_file_comes_to_its_last_death_whichever_is_first() {
    let mut ring = ring(100, 1 << 20);
    let job = JobId::from_bits(7);
    let of_job = |second| {
        let mut death = death("fib", second, "x");
        death.job = Some(job);
        death
    };
    ring.saved(job, Path::new("/first"));
    ring.push(of_job(0));
    ring.push(of_job(1));
    ring.saved(job, Path::new("/second"));
    let file = |id| ring.get(id).unwrap().replay.clone();
    assert_eq!((file(1), file(2)), (Some(PathBuf::from("/first")), Some(PathBuf::from("/second"))));
    (0..1_000).for_each(|other| ring.saved(JobId::from_bits(100 + other), Path::new("/x")));
    let (records, bytes) = ring.held();
    assert!(records == 2 && bytes < 4096);
}

#[test]
fn workers_that_do_not_get_ready_for_one_reason_are_one_group() {
    let mut ring = ring(100, 1 << 20);
    let mut start = |error: &str| {
        let mut death = death("fib", 0, "x");
        (death.cause, death.error) = ("start", Some(error.into()));
        ring.push(death);
    };
    start("it was killed for not being ready within 5s");
    start("it was killed for not being ready within 7s");
    start("failed to spawn /srv/fib");
    let of = |id| ring.get(id).unwrap();
    assert_eq!((of(1).group == of(2).group, of(1).group == of(3).group), (true, false));
    assert_eq!(of(3).signature, "start failed: failed to spawn /srv/fib");
    assert_eq!(of(3).end, "start failed");
}

#[test]
fn a_huge_stack_and_long_lines_are_cut_and_the_callers_report_is_not() {
    let mut frame = StackFrame::new(Some("x".repeat(10_000)), 1);
    frame.function = Some("f".repeat(10_000));
    let thread = ThreadStack::new(1, "main", vec![frame; 128]);
    let mut whole = death("fib", 0, &"y".repeat(100_000));
    Arc::make_mut(&mut whole.report).stack = Some(Arc::new(Stack::new(vec![thread; 50])));
    let callers = whole.report.clone();
    let mut ring = ring(100, 1 << 20);
    ring.push(whole);
    let kept = ring.get(1).unwrap();
    assert!(weight::of(&kept) <= weight::MOST, "{}", weight::of(&kept));
    let stack = kept.report.stack.as_deref().unwrap();
    assert_eq!((stack.threads.len(), stack.threads[0].truncated), (1, true));
    assert_eq!((callers.stderr[0].len(), callers.stack.as_deref().unwrap().threads.len()), (100_000, 50));
}
