//! Whole answers: good ones, problems, and those that are no answers of a procpool server.

use crate::fake::Fake;
use procpool_client::jobs::{self, Submit};
use procpool_client::view::Pools;
use procpool_client::{Address, Client, ClientError, Ending, Token, Upload, pools, within};
use std::time::Duration;
use tokio::net::TcpListener;

const POOLS: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 26\r\n\r\n\
    {\"pools\":[{\"name\":\"fib\"}]}";

fn problem(error: ClientError) -> procpool_client::Problem {
    match error {
        ClientError::Problem(problem) => *problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn requests_of_one_command_share_a_connection() {
    let mut fake = Fake::answering(&[POOLS, POOLS]).await;
    for _ in 0..2 {
        let pools: Pools = fake.client.fetch_json(pools::list()).await.unwrap();
        assert_eq!(pools.pools[0].name, "fib");
    }
    let requests = fake.requests().await;
    assert_eq!(requests.len(), 2);
    assert!(requests[0].starts_with("GET /v1/pools HTTP/1.1\r\nhost: 127.0.0.1:"), "{requests:?}");
    assert!(!requests[0].contains("authorization"), "{requests:?}");
}

#[tokio::test]
async fn a_token_goes_along_and_is_not_shown() {
    let mut fake = Fake::answering(&[POOLS]).await;
    let token = Token::read(" 0123456789abcdef\n").unwrap();
    fake.client = Client::new(fake.client.server().clone(), Some(token));
    assert!(!format!("{:?}", fake.client).contains("0123"));
    fake.client.fetch(pools::list()).await.unwrap();
    assert!(fake.requests().await[0].contains("authorization: Bearer 0123456789abcdef\r\n"));
}

#[tokio::test]
async fn a_problem_is_an_error_with_its_own_ending() {
    let mut fake = Fake::answering(&[
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 2\r\n\
         content-length: 127\r\n\r\n\
         {\"type\":\"/problems/refused\",\"status\":503,\"detail\":\"pool `fib` is full\",\"may_have_run\":false,\
         \"reason\":\"queue_full\",\"pool\":\"fib\"}      ",
    ])
    .await;
    let sent = fake.client.fetch(Submit::to("fib").request(Upload::full("40"))).await;
    let error = sent.unwrap_err();
    assert_eq!(error.ending(), Ending::Refused);
    assert!(
        error.to_string().starts_with("pool `fib` is full; it did not run: try again in 2 s;"),
        "{error}"
    );
    assert_eq!(problem(error).retry_after, Some(2));
    let requests = fake.requests().await;
    assert!(
        requests[0].ends_with("\r\n\r\n40") && requests[0].contains("content-length: 2\r\n"),
        "{requests:?}"
    );
}

#[tokio::test]
async fn another_server_is_told_from_ours() {
    let mut fake = Fake::answering(&[
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\n<h1/>",
    ])
    .await;
    let error = fake.client.fetch(jobs::show("8f3a")).await.unwrap_err();
    assert_eq!(error.ending(), Ending::NoServer);
    assert!(error.to_string().contains("is no procpool server: 502 Bad Gateway"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_told_with_the_command_that_starts_a_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
    drop(listener);
    let error = Client::new(address, None).fetch(pools::list()).await.unwrap_err();
    assert_eq!(error.ending(), Ending::NoServer);
    assert!(error.to_string().contains("`procpool serve` starts a server"), "{error}");
    let socket = Address::Unix("/no/such/socket".into());
    let error = Client::new(socket, None).fetch(pools::list()).await.unwrap_err();
    assert!(error.to_string().starts_with("failed to connect to unix:/no/such/socket"), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let mut fake = Fake::answering(&[
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n40",
    ])
    .await;
    let error = fake.client.fetch(pools::list()).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
    assert!(error.to_string().ends_with("what was sent may have run"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_has_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let mut client = Client::new(address.clone(), None);
    let silent = within(Duration::from_millis(20), &address, client.fetch(pools::live())).await;
    assert!(matches!(silent, Err(ClientError::Silent { .. })), "{silent:?}");
}
