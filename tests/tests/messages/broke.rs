//! The outcome `broke`: the function threw, its input is not to blame, and its worker goes on.

use procpool::JobError;
use procpool_tests::library::{outcomes, verbs};
use procpool_tests::served;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;

#[tokio::test]
async fn a_worker_whose_job_broke_answers_the_next_one() {
    let pool = verbs(1).start().await.unwrap();
    let before = pool.run(Verb::Pid).await.unwrap();
    for _ in 0..5 {
        let error = pool.run(Verb::Break("no such key".into())).await.unwrap_err();
        assert!(matches!(&error, JobError::Broke(failure) if failure.is_broken()), "{error}");
        assert_eq!(error.to_string(), "the job broke: no such key");
        assert!(error.may_have_run() && !error.is_retryable());
        assert_eq!(pool.run(Verb::Pid).await.unwrap(), before);
    }
    assert_eq!((outcomes(&pool), pool.status().deaths), (vec![("broke", 5), ("ok", 6)], 0));
}

#[tokio::test]
async fn a_payload_that_breaks_its_job_again_and_again_is_never_poisoned() {
    let pool = verbs(1).poison_deaths(1).idempotent(true).max_attempts(3).start().await.unwrap();
    for _ in 0..5 {
        let error = pool.run(Verb::Break("always".into())).await.unwrap_err();
        assert!(matches!(error, JobError::Broke(_)), "{error}");
    }
}

#[tokio::test]
async fn an_http_client_is_told_that_the_server_side_is_to_blame() {
    let server = Server::with_config(&served::verbs(1, "")).await;
    let pid = server.perform(&Verb::Pid).await.text().to_owned();
    let answer = server.perform(&Verb::Break("no such key".into())).await;
    assert_eq!(answer.status, 500, "{}", answer.text());
    let problem = answer.problem();
    assert_eq!((&problem["type"], &problem["outcome"]), (&"/problems/broke".into(), &"broke".into()));
    assert_eq!((&problem["message"], &problem["code"]), (&"no such key".into(), &"broken".into()));
    assert_eq!((&problem["may_have_run"], &problem["retryable"]), (&true.into(), &false.into()));
    assert_eq!(server.perform(&Verb::Pid).await.text(), pid);
    assert_eq!(server.pool("verbs").await["jobs"]["broke"], 1);
}
