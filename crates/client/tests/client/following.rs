//! A job's events over connections that break.

use crate::fake::request;
use procpool_client::events::Event;
use procpool_client::follow::{Retry, follow};
use procpool_client::{Address, Client, ClientError, Ending};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const RETRY: Retry = Retry { pause: Duration::ZERO, attempts: 3 };

/// Begins a stream of events.
macro_rules! stream {
    ($($events:literal)*) => {
        concat!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n", $($events),*)
    };
}

/// Answers each connection with the next of these, and then closes it. Returns the ids from which each went on.
async fn followed(
    answers: &'static [&'static str],
) -> (Result<(), ClientError>, Vec<String>, Vec<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let server = tokio::spawn(async move {
        let mut resumed = Vec::new();
        for answer in answers {
            let mut stream = listener.accept().await.unwrap().0;
            let asked = request(&mut stream).await;
            let last = asked.lines().find_map(|line| line.strip_prefix("last-event-id: "));
            resumed.push(last.map(str::to_owned));
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        resumed
    });
    let mut client = Client::new(address, None);
    let mut seen = Vec::new();
    let each = |event: &Event| {
        seen.push(format!("{} {}", event.name, event.data));
        Ok::<_, ClientError>(())
    };
    let ended = follow(&mut client, "8f3a", RETRY, each).await;
    drop(client);
    (ended, seen, server.await.unwrap())
}

#[tokio::test]
async fn a_stream_that_breaks_goes_on_behind_the_last_event_that_came_whole() {
    let (ended, seen, resumed) = followed(&[
        stream!("1d\r\nid: 1\nevent: state\ndata: {}\n\n\r\n" "9\r\nid: 2\neve\r\n"),
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
         content-length: 77\r\n\r\n\
         {\"type\":\"/problems/refused\",\"reason\":\"too_many_streams\",\"may_have_run\":false}",
        stream!("1f\r\nid: 3\nevent: outcome\ndata: {}\n\n\r\n"),
    ])
    .await;
    ended.unwrap();
    assert_eq!(seen, ["state {}", "outcome {}"]);
    let first = Some("1".to_owned());
    assert_eq!(resumed, [None, first.clone(), first.clone(), first]);
}

#[tokio::test]
async fn a_job_without_further_events_has_ended() {
    let (ended, seen, _) = followed(&["HTTP/1.1 204 No Content\r\n\r\n"]).await;
    ended.unwrap();
    assert!(seen.is_empty());
}

#[tokio::test]
async fn a_server_that_was_never_there_and_one_that_refuses_are_not_asked_again() {
    let (ended, ..) = followed(&["HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"]).await;
    assert_eq!(ended.unwrap_err().ending(), Ending::NoServer);
    let refused = "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: 83\r\n\r\n\
        {\"type\":\"/problems/unknown_job\",\"status\":404,\"detail\":\"gone\",\"may_have_run\":false}   ";
    let (ended, ..) = followed(Box::leak(Box::new([stream!("2\r\n:\n\r\n0\r\n\r\n"), refused]))).await;
    assert_eq!(ended.unwrap_err().ending(), Ending::Refused);
}
