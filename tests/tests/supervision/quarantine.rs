//! The records that a pool keeps of payloads: an operator sees and clears them.

use procpool_tests::library::{echo, verbs};
use procpool_tests::served;
use procpool_tests::server::{Server, TAKES_ORDERS};
use procpool_tests::verbs::Verb;

const QUARANTINE: &str = "/v1/pools/verbs/quarantine";

#[tokio::test]
async fn an_operator_lists_the_payloads_that_killed_and_clears_one() {
    let config = TAKES_ORDERS.to_owned() + &served::verbs(1, "poison_deaths = 2");
    let server = Server::with_config(&config).await;
    let killed = async |verb: &Verb| server.perform(verb).await;
    let [first, second] = [killed(&Verb::Abort).await, killed(&Verb::Abort).await];
    let outcome = |answer: &procpool_tests::http::Answer| answer.problem()["outcome"].clone();
    assert_eq!((outcome(&first), outcome(&second)), ("crashed".into(), "crashed".into()));

    let listed = server.order_by("GET", QUARANTINE).await.json();
    let [suspect] = listed["payloads"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&suspect["deaths"], &suspect["quarantined"]), (&2.into(), &true.into()));
    assert_eq!(suspect["last_job"].as_str(), second.header("job-id"), "{suspect}");
    assert!(suspect["remaining_ms"].as_u64() <= Some(600_000), "{suspect}");
    let fingerprint = suspect["fingerprint"].as_str().unwrap();
    assert_eq!(outcome(&killed(&Verb::Abort).await), "poisoned");
    assert_eq!(server.perform(&echo("good")).await.status, 200, "another payload is run");

    let cleared = server.order_by("DELETE", &format!("{QUARANTINE}/{fingerprint}")).await;
    assert_eq!((cleared.status, &cleared.json()["cleared"]), (200, &1.into()));
    assert_eq!(server.order_by("DELETE", &format!("{QUARANTINE}/{fingerprint}")).await.status, 404);
    assert_eq!(outcome(&killed(&Verb::Abort).await), "crashed", "it is run again");

    let cleared = server.order_by("DELETE", QUARANTINE).await.json();
    assert_eq!(cleared["cleared"], 2, "the payload and the client: {cleared}");
    assert_eq!(server.order_by("GET", QUARANTINE).await.json()["payloads"], serde_json::json!([]));
}

#[tokio::test]
async fn a_library_user_lists_the_payloads_that_killed_and_clears_them() {
    let pool = verbs(1).poison_deaths(1).start().await.unwrap();
    assert_eq!(pool.quarantine().payloads, []);
    assert_eq!(pool.run(Verb::Abort).await.unwrap_err().name(), "crashed");
    let suspect = pool.quarantine().payloads.remove(0);
    assert!(suspect.quarantined && suspect.deaths == 1 && suspect.last_job.is_some(), "{suspect:?}");
    assert_eq!(pool.clear_quarantine(Some("0000000000000000")), 0);
    assert_eq!(pool.clear_quarantine(Some(&suspect.fingerprint)), 1);
    assert_eq!(pool.quarantine().payloads, []);
    assert_eq!(pool.run(Verb::Abort).await.unwrap_err().name(), "crashed");
    assert_eq!(pool.status().deaths, 2, "it was run again");
}
