//! Jobs that die of what another one has left behind in their worker: they are not refused for it.

use procpool::JobError;
use procpool_tests::library::{echo, verbs};
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;

#[tokio::test]
async fn a_job_that_dies_of_what_another_left_behind_is_not_refused_and_runs_in_a_process_of_its_own() {
    let pool = verbs(1).poison_deaths(1).start().await.unwrap();
    for _ in 0..3 {
        pool.run(Verb::Damage).await.unwrap();
        match pool.run(echo("victim")).await.unwrap_err() {
            JobError::Crashed(report) => {
                assert_eq!((report.first_job, report.payload_deaths), (false, 1), "{report}");
                assert_eq!(report.death.last_words(), Some("free(): invalid next size (normal)"));
            }
            other => panic!("{other}"),
        }
        // Nothing but a worker of its own would do now.
        pool.run(Verb::Damage).await.unwrap();
        assert_eq!(pool.run(echo("victim")).await.unwrap(), "victim");
    }
    assert_eq!(pool.status().deaths, 3);
}

#[tokio::test]
async fn a_job_that_may_be_repeated_outlives_what_another_left_behind() {
    let pool = verbs(1).idempotent(true).max_attempts(2).start().await.unwrap();
    for round in 1..=4 {
        pool.run(Verb::Damage).await.unwrap();
        let victim = format!("victim {round}");
        assert_eq!(pool.run(echo(&victim)).await.unwrap(), victim);
        assert_eq!(pool.status().deaths, round);
    }
}

#[tokio::test]
async fn a_report_says_whether_the_job_was_the_first_of_its_worker() {
    let server = Server::of_verbs(1, "").await;
    let first = server.perform(&Verb::Exit(3)).await;
    assert_eq!(first.problem()["crash"]["first_job"], true);
    assert_eq!(server.perform(&echo("on we go")).await.status, 200);
    let second = server.perform(&Verb::Exit(4)).await;
    assert_eq!(second.problem()["crash"]["first_job"], false);
}
