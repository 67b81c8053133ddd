//! Clients that give up the jobs that they have asked for, again and again.

use crate::client::soon;
use crate::frames::{Frames, GOAWAY, RST_STREAM};
use crate::lifetimes::{Event, holding};
use crate::server::Server;

const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
const ENHANCE_YOUR_CALM: [u8; 4] = 11_u32.to_be_bytes();

#[tokio::test]
async fn a_connection_that_resets_one_running_job_after_another_is_told_to_calm_down() {
    let (engine, mut events, _release) = holding();
    let server = Server::of(engine.clone()).await;
    let mut frames = Frames::to(server.address, 65_535).await;
    for number in 0..101 {
        let stream = 2 * number + 1;
        assert!(frames.post(stream).await);
        assert_eq!(soon(events.recv()).await, Some(Event::Started));
        assert!(frames.send(RST_STREAM, 0, stream, &CANCEL).await);
        assert_eq!(soon(events.recv()).await, Some(Event::Dropped));
    }
    let goaway = frames.next_of(GOAWAY).await.expect("a reason for the close");
    assert_eq!(goaway.payload[4..8], ENHANCE_YOUR_CALM);
    assert_eq!(frames.next().await, None);
    assert_eq!(engine.jobs_seen(), 101);
}
