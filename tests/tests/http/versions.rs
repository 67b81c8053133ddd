//! The same server over cleartext HTTP/2, by prior knowledge, as `curl --http2-prior-knowledge` speaks it.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use procpool_tests::server::Server;
use tokio::net::TcpStream;

async fn connect(server: &Server) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn fib(mut client: SendRequest<Full<Bytes>>, server: String, input: String) -> (StatusCode, Bytes) {
    let uri = format!("http://{server}/v1/pools/fib/jobs");
    let request = Request::post(uri).body(Full::new(Bytes::from(input))).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    (response.status(), response.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn one_http2_connection_carries_many_jobs_at_once() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let jobs: Vec<_> = (0..50)
        .map(|n| tokio::spawn(fib(client.clone(), server.address().to_string(), (n % 25).to_string())))
        .collect();
    for (n, job) in (0..).zip(jobs) {
        let expected = procpool_fib::fib(n % 25).unwrap().to_string();
        assert_eq!(job.await.unwrap(), (StatusCode::OK, Bytes::from(expected)));
    }
    let (status, problem) = fib(client, server.address().to_string(), "94".into()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem.starts_with(b"{\"type\":\"/problems/failed\""), "{problem:?}");
}

#[tokio::test]
async fn a_stream_that_the_client_resets_cancels_its_job_and_no_other() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let hopeless = tokio::spawn(fib(client.clone(), server.address().to_string(), "93".into()));
    let pids = server.busy("fib", 1).await;
    hopeless.abort();
    procpool_tests::served::gone(&pids).await;
    assert_eq!(fib(client, server.address().to_string(), "10".into()).await, (StatusCode::OK, "55".into()));
    assert_eq!(server.pool("fib").await["jobs"]["cancelled"], 1);
}
