//! Two stores as one: routes, and pages that are merged while jobs come.

use crate::SOON;
use crate::engine::Scripted;
use procpool_jobs::{DurablePools, Jobs, LocalJobs, Order, RoutedJobs};
use procpool_protocol::engine::Submission;
use procpool_protocol::{Encoding, JobId, Payload};
use procpool_registry::{
    Cancelled, Cursor, Filter, Fingerprint, ForeignCursor, KeyText, Phase, Record, ResultState, Settings,
    Trial,
};
use proptest::prelude::*;
use std::sync::Arc;
use tokio::time::timeout;

/// Two stores in memory. That one of them is durable makes no difference to their pages.
struct Both {
    engine: Arc<Scripted>,
    durable: LocalJobs,
    memory: LocalJobs,
    jobs: RoutedJobs,
}

fn both() -> Both {
    let engine = Scripted::new();
    let side = || LocalJobs::new(engine.clone(), Settings::default()).unwrap();
    let (durable, memory) = (side(), side());
    let pools = DurablePools::new(["lasting"]);
    let jobs = RoutedJobs::new(Arc::new(durable.clone()), Arc::new(memory.clone()), pools);
    Both { engine, durable, memory, jobs }
}

fn order(pool: &str) -> Order {
    Order::new(Submission::new(pool, Payload::json("7"), Encoding::Json))
}

impl Both {
    async fn add(&self, is_durable: bool) -> JobId {
        let order = order(if is_durable { "lasting" } else { "brief" });
        self.jobs.enqueue(order).await.unwrap().decision.record().id
    }

    /// Returns all jobs of both, the newest first.
    async fn sorted(&self) -> Vec<JobId> {
        let mut all: Vec<Arc<Record>> = Vec::new();
        for side in [&self.durable, &self.memory] {
            all.extend(side.list(Filter::default(), None, 200).await.unwrap().jobs);
        }
        all.sort_by_key(|record| std::cmp::Reverse(record.accepted));
        all.iter().map(|record| record.id).collect()
    }
}

/// Returns the cursor as a client sends it back.
fn sent_back(cursor: Option<Cursor>) -> Option<Cursor> {
    cursor.map(|cursor| cursor.to_string().parse().unwrap())
}

#[tokio::test]
async fn a_job_goes_by_its_pool_and_is_found_where_it_is() {
    let both = both();
    let jobs = &both.jobs;
    let (lasting, brief) = (both.add(true).await, both.add(false).await);
    assert!(both.durable.job(lasting).await.is_some() && both.durable.job(brief).await.is_none());
    assert!(both.memory.job(brief).await.is_some() && both.memory.job(lasting).await.is_none());
    assert_eq!(jobs.usage().0.records, 2);

    // A pool that changes its store leaves its jobs where they are.
    jobs.pools().replace(["brief"]);
    let later = jobs.enqueue(order("lasting")).await.unwrap().decision.record().id;
    assert!(both.memory.job(later).await.is_some());
    for job in [lasting, brief, later] {
        assert_eq!(jobs.job(job).await.unwrap().id, job);
        assert_eq!(timeout(SOON, jobs.changed(job, 0)).await.unwrap().unwrap().id, job);
        assert!(matches!(jobs.result(job).await, ResultState::Unfinished(_)));
        assert!(timeout(SOON, jobs.events(job, 0)).await.unwrap().is_some());
        assert!(jobs.input(job).await.is_some());
        assert_eq!(jobs.cancel(job).await, Cancelled::Requested);
    }
    assert_eq!(both.engine.cancelled(), [lasting, brief, later]);
    let unknown = JobId::from_bits(1);
    assert!(jobs.job(unknown).await.is_none() && jobs.changed(unknown, 0).await.is_none());
    assert!(matches!(jobs.result(unknown).await, ResultState::Unknown));
    assert_eq!(jobs.cancel(unknown).await, Cancelled::Unknown);
}

#[tokio::test]
async fn a_key_belongs_to_the_store_of_its_pool() {
    let both = both();
    let keyed = |pool| {
        let mut order = order(pool);
        order.key = Some((KeyText::parse(b"k").unwrap(), Fingerprint([1; 32])));
        order
    };
    for pool in ["lasting", "brief"] {
        let first = both.jobs.enqueue(keyed(pool)).await.unwrap().decision.record().id;
        let again = both.jobs.enqueue(keyed(pool)).await.unwrap().decision.record().id;
        assert_eq!(first, again);
    }
    assert_eq!(both.engine.count(), 2);
}

#[tokio::test]
async fn a_cursor_of_another_server_or_of_one_store_is_foreign() {
    let (here, there) = (both(), both());
    for both in [&here, &there] {
        both.add(true).await;
        both.add(false).await;
    }
    let theirs = there.jobs.list(Filter::default(), None, 1).await.unwrap().next;
    let of_a_side = here.memory.list(Filter::default(), None, 1).await.unwrap().next;
    for foreign in [theirs, of_a_side] {
        assert!(foreign.is_some());
        assert!(here.jobs.list(Filter::default(), foreign, 1).await.is_err());
        let refused = here.jobs.cancel_matching(Filter::default(), foreign, 1, Trial::Order).await;
        assert_eq!(refused, Err(ForeignCursor));
    }
    assert_eq!(here.engine.cancelled(), []);
}

#[tokio::test]
async fn a_cancel_by_filter_takes_the_unfinished_jobs_of_both_and_none_that_comes_later() {
    let both = both();
    for is_durable in [true, false, true, false, false] {
        both.add(is_durable).await;
    }
    let ended = both.sorted().await[1];
    both.engine.running(ended).end(Ok(Payload::json("13")));
    let mut seen = 0;
    while !both.jobs.changed(ended, seen).await.unwrap().state.is_finished() {
        seen = both.jobs.job(ended).await.unwrap().version;
    }
    for trial in [Trial::DryRun, Trial::Order] {
        let mut expected = both.sorted().await;
        expected.retain(|job| *job != ended);
        let (mut selected, mut from) = (Vec::new(), None);
        loop {
            let part = both.jobs.cancel_matching(Filter::default(), from, 2, trial).await.unwrap();
            selected.extend(part.jobs);
            both.add(selected.len() % 2 == 0).await;
            from = sent_back(part.next);
            if from.is_none() {
                break;
            }
        }
        assert_eq!(selected, expected, "{trial:?}");
        let mut cancelled = both.engine.cancelled();
        cancelled.sort_unstable();
        expected.sort_unstable();
        assert_eq!(cancelled, if trial == Trial::Order { expected } else { Vec::new() });
    }
    let mut finished = Filter::default();
    finished.phase = Some(Phase::Finished);
    let page = both.jobs.list(finished, None, 9).await.unwrap();
    assert_eq!(page.jobs.iter().map(|record| record.id).collect::<Vec<_>>(), [ended]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each entry says whether a job goes to the durable store. `later` come between the pages.
    #[test]
    fn merged_pages_are_the_sorted_union(
        before in prop::collection::vec(any::<bool>(), 0..24),
        later in prop::collection::vec(prop::collection::vec(any::<bool>(), 0..3), 24),
        limit in 1_usize..6,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (walked, expected) = runtime.block_on(async {
            let both = both();
            for is_durable in before {
                both.add(is_durable).await;
            }
            let expected = both.sorted().await;
            let (mut walked, mut from) = (Vec::new(), None);
            for later in later.iter().chain(std::iter::repeat(&Vec::new())) {
                let page = both.jobs.list(Filter::default(), from, limit).await.unwrap();
                assert!(page.jobs.len() <= limit);
                walked.extend(page.jobs.iter().map(|record| record.id));
                from = sent_back(page.next);
                if from.is_none() {
                    break;
                }
                for &is_durable in later {
                    both.add(is_durable).await;
                }
            }
            (walked, expected)
        });
        prop_assert_eq!(walked, expected);
    }
}
