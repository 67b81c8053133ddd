//! Memory after a burst of large payloads: it is the system's again.

use procpool_tests::binaries::binary;
use procpool_tests::http::request;
use procpool_tests::large::{ECHO, input};
use procpool_tests::server::Server;
use procpool_tests::{eventually, process};

const MIB: u64 = 1 << 20;

/// Of a burst, all at once.
const CLIENTS: usize = 6;

#[tokio::test]
async fn memory_of_large_bodies_and_answers_goes_back_to_the_system() {
    let config =
        format!("[pools.large]\ncommand = [{:?}]\nmin_workers = 2\nmax_workers = 2\n", binary("large"));
    let server = Server::with_config(&config).await;
    let before = process::resident_memory(server.pid());
    let (address, body) = (server.address(), input(ECHO, 7, 30 << 20));
    let body = std::sync::Arc::new(body);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let body = body.clone();
            tokio::spawn(async move {
                for _ in 0..2 {
                    let raw = ("Content-Type", "application/octet-stream");
                    let answer = request(address, "POST", "/v1/pools/large/jobs", &[raw], &body.0).await;
                    assert_eq!((answer.status, answer.body.len()), (200, body.len()));
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("every answer comes");
    }
    // The pool keeps some buffers, and the memory that it shares, for ten seconds.
    eventually("the memory to be given back", async || {
        (process::resident_memory(server.pid()) < before + 24 * MIB).then_some(())
    })
    .await;
}
