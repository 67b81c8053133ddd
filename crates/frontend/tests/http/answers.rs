//! Clients that take their answers slowly, or not at all.

use crate::client::soon;
use crate::fake::Fake;
use crate::frames::{DATA, Frames, GOAWAY, HEADERS, PING, RST_STREAM, WINDOW_UPDATE};
use crate::lifetimes::JOBS;
use crate::server::{Server, post_text};
use bytes::Bytes;
use procpool_frontend::HttpConfig;
use procpool_protocol::Payload;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::interval;

const SHORT: Duration = Duration::from_millis(200);
const MIB: usize = 1024 * 1024;

/// An output that tells when nobody holds it any longer.
struct Output(Vec<u8>, mpsc::UnboundedSender<()>);

impl AsRef<[u8]> for Output {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = self.1.send(());
    }
}

/// Returns a server whose outputs have this number of bytes, and what tells of each that is gone. (The
/// channel is bounded by the test's few jobs.)
async fn serving(
    size: usize,
    configure: impl FnOnce(&mut HttpConfig),
) -> (Server, mpsc::UnboundedReceiver<()>) {
    let (dropped, gone) = mpsc::unbounded_channel();
    let engine =
        Fake::ending(move |_| Ok(Payload::raw(Bytes::from_owner(Output(vec![7; size], dropped.clone())))));
    (Server::with(engine, configure).await, gone)
}

/// Sends PINGs for as long as they are taken, and gives the kinds of the frames that came.
async fn pinging(mut frames: Frames) -> Vec<u8> {
    let (mut ticks, mut seen) = (interval(SHORT / 4), Vec::new());
    loop {
        ticks.tick().await;
        if !frames.send(PING, 0, 0, &[0; 8]).await {
            return seen;
        }
        // The acknowledgement and what came before it.
        loop {
            match frames.next().await.map(|frame| frame.kind) {
                Some(PING) => break,
                Some(kind) => seen.push(kind),
                None => return seen,
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_given_up() {
    let (server, mut gone) = serving(64 * MIB, |config| config.write_timeout = SHORT).await;
    let mut unreading = server.connect().await;
    unreading.send(post_text(JOBS, "", "1")).await;
    assert_eq!(soon(gone.recv()).await, Some(()));
    drop(unreading);
}

#[tokio::test]
async fn an_http_2_client_without_a_window_that_pings_is_given_up() {
    let (server, mut gone) = serving(MIB, |config| config.write_timeout = SHORT).await;
    let mut frames = Frames::to(server.address, 0).await;
    for number in 0..40 {
        frames.post(2 * number + 1).await;
    }
    let seen = soon(pinging(frames)).await;
    assert!(!seen.contains(&DATA), "{seen:?}");
    assert_eq!(soon(gone.recv()).await, Some(()));
    // On a busy machine it is given up before all have an answer. Each output holds a sender, and so does the engine.
    soon(async {
        while gone.sender_strong_count() > 1 {
            yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_http_2_client_that_opens_its_window_by_a_byte_now_and_then_is_given_up() {
    let (server, mut gone) = serving(MIB, |config| {
        config.write_timeout = SHORT;
        config.min_write_rate = 1024 * 1024;
    })
    .await;
    let mut frames = Frames::to(server.address, 0).await;
    frames.post(1).await;
    let mut ticks = interval(SHORT / 8);
    let dribbling = async {
        while frames.send(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()).await {
            ticks.tick().await;
        }
    };
    soon(dribbling).await;
    assert_eq!(soon(gone.recv()).await, Some(()));
}

#[tokio::test]
async fn a_stream_without_a_window_is_reset_and_its_neighbours_go_on() {
    let (server, mut gone) = serving(MIB, |config| config.write_timeout = SHORT).await;
    let mut frames = Frames::to(server.address, 0).await;
    frames.post(1).await;
    assert_eq!(frames.next_of(HEADERS).await.unwrap().stream, 1);
    // A second answer is taken in small pieces, in all for longer than the first may wait.
    frames.post(3).await;
    assert_eq!(frames.next_of(HEADERS).await.unwrap().stream, 3);
    let (mut ticks, mut taken, mut reset) = (interval(SHORT / 8), 0, None);
    let whole = async {
        while taken < 32 * 16 * 1024 || reset.is_none() {
            ticks.tick().await;
            assert!(frames.send(WINDOW_UPDATE, 0, 3, &(16_u32 * 1024).to_be_bytes()).await);
            assert!(frames.send(WINDOW_UPDATE, 0, 0, &(16_u32 * 1024).to_be_bytes()).await);
            loop {
                let frame = frames.next().await.expect("the connection goes on");
                match frame.kind {
                    DATA => {
                        assert_eq!(frame.stream, 3);
                        taken += frame.payload.len();
                        break;
                    }
                    RST_STREAM => reset = Some(frame.stream),
                    GOAWAY => panic!("the whole connection is closed"),
                    _ => {}
                }
            }
        }
    };
    soon(whole).await;
    assert_eq!(reset, Some(1));
    assert_eq!(soon(gone.recv()).await, Some(()), "the first answer");
    assert!(gone.try_recv().is_err(), "the second one is not done yet");
}

#[tokio::test]
async fn an_http_2_connection_without_streams_is_closed_though_it_pings() {
    let server = Server::with(Fake::echo(), |config| config.keep_alive_timeout = SHORT).await;
    let mut frames = Frames::to(server.address, 65_535).await;
    frames.post(1).await;
    assert_eq!(frames.next_of(HEADERS).await.unwrap().stream, 1);
    let seen = soon(pinging(frames)).await;
    assert!(seen.contains(&GOAWAY), "{seen:?}");
}

/// Returns the answer's length, as far as it came, to a client that reads so much every so often.
async fn read_slowly(server: &Server, bytes: usize, pause: Duration) -> usize {
    // Otherwise the client's kernel would take most of the answer.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    stream.write_all(&post_text(JOBS, "", "1")).await.unwrap();
    let (mut ticks, mut buffer, mut taken) = (interval(pause), vec![0; bytes], 0);
    loop {
        ticks.tick().await;
        match soon(stream.read(&mut buffer)).await {
            Ok(0) | Err(_) => return taken,
            Ok(read) => taken += read,
        }
    }
}

#[tokio::test]
async fn a_client_that_reads_steadily_is_served_to_the_end() {
    let (server, _gone) = serving(8 * MIB, |config| {
        // No pause of the client comes near it, and the whole answer takes several times as long.
        config.write_timeout = Duration::from_millis(500);
        config.keep_alive_timeout = SHORT;
    })
    .await;
    let taken = read_slowly(&server, 16 * 1024, Duration::from_millis(20)).await;
    assert!(taken > 8 * MIB, "the answer broke off after {taken} bytes");
}

#[tokio::test]
async fn a_client_that_reads_a_little_now_and_then_is_given_up_by_its_rate() {
    let (server, mut gone) = serving(64 * MIB, |config| {
        config.write_timeout = SHORT;
        config.min_write_rate = 64 * MIB as u64;
    })
    .await;
    let reading = read_slowly(&server, 64 * 1024, Duration::from_millis(20));
    tokio::select! {
        taken = reading => panic!("all was sent: {taken}"),
        event = soon(gone.recv()) => assert_eq!(event, Some(())),
    }
}
