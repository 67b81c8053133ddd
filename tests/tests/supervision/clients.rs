//! Clients whose jobs kill their workers, each with another payload.

use procpool::error::Refusal;
use procpool::{JobError, OutcomeKind};
use procpool_tests::http::Answer;
use procpool_tests::library::{echo, idle, verbs};
use procpool_tests::served;
use procpool_tests::server::{Server, TAKES_ORDERS};
use procpool_tests::verbs::Verb;

const QUARANTINE: &str = "/v1/pools/verbs/quarantine";

/// Returns a verb that aborts, with a payload of its own.
fn killer(number: u32) -> Verb {
    Verb::PanicThenAbort(format!("payload {number}"))
}

async fn clients(server: &Server) -> serde_json::Value {
    server.order_by("GET", QUARANTINE).await.json()["clients"].clone()
}

#[tokio::test]
async fn a_client_whose_jobs_kill_is_refused_until_an_operator_clears_it() {
    let config = TAKES_ORDERS.to_owned() + &served::verbs(1, "client_deaths = 2");
    let server = Server::with_config(&config).await;
    let outcome = |answer: &Answer| answer.problem()["outcome"].clone();
    for number in 0..2 {
        assert_eq!(outcome(&server.perform(&killer(number)).await), "crashed");
    }
    let refused = server.perform(&echo("and a good one")).await;
    let problem = refused.problem();
    assert_eq!((refused.status, &problem["reason"]), (429, &"client_quarantined".into()), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("`client_deaths`"), "{problem}");
    assert_eq!((&problem["client"], &problem["deaths"]), (&"127.0.0.1".into(), &2.into()));
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=600).contains(&after), "{after}");
    assert_eq!(server.pool("verbs").await["refusals"]["client_quarantined"], 1);

    let listed = clients(&server).await;
    assert_eq!((&listed[0]["client"], &listed[0]["deaths"]), (&"127.0.0.1".into(), &2.into()));
    assert_eq!(listed[0]["quarantined"], true);
    let fingerprint = listed[0]["fingerprint"].as_str().unwrap();
    let cleared = server.order_by("DELETE", &format!("{QUARANTINE}/{fingerprint}")).await;
    assert_eq!(cleared.json()["cleared"], 1);
    assert_eq!(server.perform(&echo("a good one")).await.status, 200);
    assert_eq!(clients(&server).await, serde_json::json!([]));
}

#[tokio::test]
async fn nobody_is_refused_for_its_address_unless_that_is_set() {
    let server = Server::with_config(&(TAKES_ORDERS.to_owned() + &served::verbs(1, ""))).await;
    for number in 0..5 {
        assert_eq!(server.perform(&killer(number)).await.problem()["outcome"], "crashed");
    }
    assert_eq!(server.perform(&echo("a neighbour's, behind the same proxy")).await.status, 200);
    let listed = clients(&server).await;
    assert_eq!((&listed[0]["deaths"], &listed[0]["quarantined"]), (&5.into(), &false.into()));
}

#[tokio::test]
async fn a_library_user_names_clients_and_those_that_do_no_harm_are_served() {
    let pool = verbs(1).client_deaths(1).start().await.unwrap();
    let run = async |client: &str, verb| pool.job(verb).client(client).run().await;
    assert_eq!(run("mallory", killer(0)).await.unwrap_err().name(), "crashed");
    let refused = run("mallory", echo("again")).await.unwrap_err();
    assert!(
        matches!(&refused, JobError::Refused(it) if matches!(&it.reason,
        Refusal::ClientQuarantined { client, deaths: 1, .. } if client == "mallory")),
        "{refused}"
    );
    assert!(!refused.may_have_run() && refused.is_retryable() && refused.retry_after().is_some());
    assert_eq!(run("alice", echo("good")).await.unwrap(), "good");
    assert_eq!(pool.run(echo("nobody's")).await.unwrap(), "nobody's");
    assert_eq!(pool.quarantine().clients[0].client, "mallory");
}

#[tokio::test]
async fn what_a_refused_client_has_waiting_is_given_back_and_kills_no_worker() {
    let pool = verbs(1).client_deaths(2).start().await.unwrap();
    idle(&pool, 1).await;
    let jobs: Vec<_> =
        (0..20).map(|number| pool.job(killer(number)).client("mallory").try_submit().unwrap()).collect();
    let good = pool.job(echo("good")).client("alice").try_submit().unwrap();
    let mut ends = Vec::new();
    for job in jobs {
        ends.push(job.await.unwrap_err().name());
    }
    assert_eq!(ends[..2], ["crashed"; 2]);
    assert_eq!(ends[2..], ["refused"; 18]);
    assert_eq!(good.await.unwrap(), "good");
    let status = pool.status();
    assert_eq!(
        (status.deaths, status.refusals["client_quarantined"], status.jobs[&OutcomeKind::Refused]),
        (2, 18, 18)
    );
    let outcomes: u64 =
        status.jobs.iter().filter(|(kind, _)| **kind != OutcomeKind::Refused).map(|(_, count)| count).sum();
    let open = (status.queued + status.running) as u64;
    assert_eq!((status.counters.accepted, outcomes), (outcomes + open, 3), "{status:?}");
}
