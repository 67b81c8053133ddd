//! Those of viewers and scrapes.

use super::{failing, one};
use crate::chaos::evidence::Evidence;
use crate::chaos::exposition::{self, Format};
use crate::chaos::scenario::PLANS;
use crate::chaos::scrapes::Scrapes;
use crate::chaos::status::Pool;
use crate::chaos::viewers::Views;
use std::time::Duration;

/// A worker whose death was logged and shown to every steady viewer.
pub(super) fn views() -> Views {
    let mut views = Views::default();
    (views.marks, views.ticks, views.snapshots, views.hang_ups) = (1, 3, 1, 1);
    views.died("plain-1", Duration::from_secs(1));
    views.shown_to_all("plain-1");
    views
}

/// Two scrapes, whose pools have one job that was ok and one that was cancelled.
pub(super) fn scrapes() -> Scrapes {
    let mut scrapes = Scrapes::default();
    let line = |pool: &str, outcome: &str| {
        format!("procpool_jobs_total{{pool=\"{pool}\",outcome=\"{outcome}\"}} 1\n")
    };
    let lines: String =
        PLANS.iter().flat_map(|plan| [line(plan.name, "ok"), line(plan.name, "cancelled")]).collect();
    for _ in 0..2 {
        let text = format!("# TYPE procpool_jobs_total counter\n{lines}");
        scrapes.take(exposition::parse(&text, Format::Prometheus));
    }
    scrapes
}

#[test]
fn a_stream_that_cannot_be_true_and_viewers_that_saw_nothing_are_found() {
    let spoils: [fn(&mut Evidence); 6] = [
        |it| it.views.wrong = one(),
        |it| it.views.snapshots = 0,
        |it| it.views.ticks = 0,
        |it| it.views.deaths = 0,
        |it| it.views.marks = 0,
        |it| it.views.hang_ups = 0,
    ];
    for spoil in spoils {
        assert_eq!(failing(spoil), ["viewers are shown everything that happens, in order"]);
    }
}

#[test]
fn a_death_that_a_viewer_was_not_shown_is_found() {
    let deaths = ["the death of each worker that is killed is shown"];
    assert_eq!(failing(|it| it.views.died("plain-2", Duration::from_secs(2))), deaths);
    assert_eq!(failing(|it| it.views.forget_deaths()), deaths, "nobody died");
}

#[test]
fn a_last_picture_that_is_not_true_is_found() {
    let pictures = ["viewers see the pools as they are in the end"];
    let compared = |pools: &[Pool]| failing(|it| it.views.compare(pools));
    assert_eq!(compared(&[]), pictures, "the server told of no pool");
    assert_eq!(failing(|it| it.views.differences = one()), pictures);
}

#[test]
fn scrapes_that_are_wrong_or_missing_are_found() {
    let scrapes = ["scrapes are well-formed and no counter runs backwards"];
    assert_eq!(failing(|it| it.scrapes.take(Err("what?".into()))), scrapes);
    assert_eq!(failing(|it| it.scrapes.count = 1), scrapes);
    let fell = |it: &mut Evidence| {
        let page = it.scrapes.last.clone();
        it.scrapes.last.values_mut().for_each(|sample| sample.value += 1.0);
        it.scrapes.take(Ok(page));
    };
    assert_eq!(failing(fell), scrapes, "one ran backwards");
}

#[test]
fn scraped_totals_that_are_not_the_ledgers_are_found() {
    let totals = ["scraped totals are those of the ledger"];
    let with = |value: f64| {
        failing(|it| {
            let ok = |it: &&mut exposition::Sample| it.label("outcome") == Some("ok");
            it.scrapes.last.values_mut().find(ok).unwrap().value = value;
        })
    };
    assert_eq!(with(1.0), [] as [&str; 0]);
    assert_eq!(with(0.0), totals, "the status has one more");
    assert_eq!(with(2.0), totals, "the status has one less");
    assert_eq!(failing(|it| it.scrapes.last.clear()), totals);
}
