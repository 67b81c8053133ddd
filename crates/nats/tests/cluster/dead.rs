//! Dead letters: jobs that failed for good, and run again.

use crate::child::{NodeProcess, slots};
use crate::engine::{self, Sleeper, job, until};
use crate::keys::jobs;
use crate::server::{Server, connect, init};
use procpool_jobs::{Jobs, Order};
use procpool_nats::{JobState, Node};
use procpool_protocol::OutcomeKind;
use procpool_registry::{Filter, State, Trial};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_a_lost_host_runs_again_with_its_input() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let front = jobs(&cluster).await;
    let node = NodeProcess::start(&server, &book);
    let lost = front.enqueue(Order::new(job("once", 700))).await.unwrap().decision.record().id;
    until("the job begins", async || engine::read(&book).contains_key(&lost)).await;
    assert!(front.input(lost).await.is_none(), "the job has not failed");
    node.signal(9);
    let _next = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await.unwrap();
    until("the outcome", async || front.job(lost).await.is_some_and(|job| job.state.is_finished())).await;
    let input = front.input(lost).await.expect("a dead letter");
    assert_eq!((&*input.pool, &*input.input.bytes), ("once", &b"700"[..]));

    let mut filter = Filter::default();
    filter.dead = true;
    let reruns = front.rerun_matching(filter, None, 10, Trial::Order, None).await.unwrap();
    let [(of, Some(Ok(again)))] = &reruns.jobs[..] else { panic!("{reruns:?}") };
    assert_eq!(*of, lost);
    let finished = front.front().outcome("once", *again).await.unwrap().unwrap();
    assert!(finished.result.is_ok(), "{finished:?}");
    // One that ended well is no dead letter.
    assert!(front.input(*again).await.is_none());
    drop(node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_outlives_the_record_of_its_job() {
    let Some(mut server) = Server::start("") else { return };
    let mut settings = server.settings();
    settings.pools[0].terms.timeout = Duration::from_secs(1);
    settings.pools[0].retain = Duration::from_secs(13);
    let cluster = connect(settings).await;
    init(&cluster).await.unwrap();
    let (front, book) = (jobs(&cluster).await, server.dir.join("book"));
    let late = front.enqueue(Order::new(job("once", 1))).await.unwrap().decision.record().id;
    // sleep: the time of the job is up before there is a node
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await.unwrap();
    let finished = front.front().outcome("once", late).await.unwrap().unwrap();
    assert_eq!(finished.result.unwrap_err().kind(), OutcomeKind::TimedOut);
    server.kill();
    server.restart();
    until("the record expires", async || {
        front.front().look("once", late).await.is_ok_and(|look| look.is_letter)
    })
    .await;
    let look = front.front().look("once", late).await.unwrap();
    assert!(matches!(look.state, JobState::Finished(_)), "{look:?}");
    let job = front.job(late).await.expect("a dead letter");
    assert_eq!(job.state, State::Finished(OutcomeKind::TimedOut));
    assert!(front.input(late).await.is_some(), "its input");
}
