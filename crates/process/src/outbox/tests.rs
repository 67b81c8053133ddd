//! An outbox with a real socket: who writes, when, and with which descriptors.

use super::*;
use procpool_protocol::Payload;
use procpool_protocol::attachments::Attachment;
use procpool_protocol::frame::{HEADER_LEN, Kind};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::fs::File;
use std::io::{IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

fn frame(length: usize) -> Frame {
    Frame::new(Kind::Job, 1, "").with_payload(Payload::raw(vec![7; length]))
}

/// Returns a frame with `count` descriptors.
fn with_descriptors(length: usize, count: usize) -> Frame {
    let file = || Attachment::from(OwnedFd::from(File::open("/dev/null").unwrap()));
    let mut frame = frame(length);
    frame.payload.attachments = (0..count).map(|_| file()).collect::<Vec<_>>().try_into().unwrap();
    frame
}

/// An outbox and its destination.
struct Line {
    outbox: Outbox,
    socket: Arc<Socket>,
}

impl Line {
    fn flush(&self) {
        self.outbox.flush(&*self.socket);
    }

    async fn write(&self) {
        self.outbox.write(&self.socket).await;
    }
}

impl std::ops::Deref for Line {
    type Target = Outbox;

    fn deref(&self) -> &Outbox {
        &self.outbox
    }
}

/// Needs a tokio runtime.
async fn pair() -> (Line, UnixStream) {
    pair_that_receives(true).await
}

async fn pair_that_receives(descriptors: bool) -> (Line, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let socket = Arc::new(Socket::new(ours).unwrap());
    socket.writable().await.unwrap();
    (Line { outbox: Outbox::new(descriptors), socket }, peer)
}

/// Reads once: the bytes, and the number of descriptors that came with them.
fn receive(peer: &UnixStream, most: usize) -> (Vec<u8>, usize) {
    let mut bytes = vec![0; most];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let landing = &mut [IoSliceMut::new(&mut bytes)];
    let length = recvmsg(peer, landing, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap().bytes;
    let mut count = 0;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            count += rights.count();
        }
    }
    bytes.truncate(length);
    (bytes, count)
}

#[tokio::test]
async fn only_the_first_frame_after_a_flush_needs_the_next_flush() {
    let (outbox, mut peer) = pair().await;
    for _ in 0..2 {
        assert!(outbox.push(&frame(1)).is_first);
        assert!(!outbox.push(&frame(2)).is_first);
        outbox.flush();
        let mut both = [0; 2 * HEADER_LEN + 3];
        peer.read_exact(&mut both).unwrap();
    }
}

#[tokio::test]
async fn descriptors_come_with_the_first_byte_of_their_frame() {
    let (outbox, peer) = pair().await;
    for frame in [frame(1), with_descriptors(2, 3), frame(3), with_descriptors(5000, 16), frame(4)] {
        outbox.push(&frame);
    }
    outbox.flush();
    let (before, none) = receive(&peer, HEADER_LEN + 1);
    assert_eq!((before.len(), none), (HEADER_LEN + 1, 0));
    let (one, three) = receive(&peer, 1);
    assert_eq!((one.len(), three), (1, 3));
    // A read ends at descriptors; the kernel does not join those of two frames.
    let mut rest = 0;
    let mut counts = Vec::new();
    let all = 4 * HEADER_LEN - 1 + 2 + 3 + 5000 + 4;
    while rest < all {
        let (bytes, count) = receive(&peer, 100_000);
        rest += bytes.len();
        counts.push(count);
    }
    assert_eq!((rest, counts.iter().sum::<usize>()), (all, 16));
}

#[tokio::test]
async fn a_peer_that_receives_no_descriptors_is_sent_none() {
    let (outbox, peer) = pair_that_receives(false).await;
    outbox.push(&with_descriptors(2, 3));
    outbox.flush();
    assert_eq!(receive(&peer, 1000), (frame(2).to_bytes().to_vec(), 0));
}

#[tokio::test]
async fn a_frame_that_is_written_in_pieces_sends_its_descriptors_once() {
    let (outbox, peer) = pair().await;
    let length = 4 << 20;
    outbox.push(&with_descriptors(length, 2));
    let read = tokio::task::spawn_blocking(move || {
        let (mut total, mut descriptors) = (0, 0);
        while total < HEADER_LEN + length {
            let (bytes, count) = receive(&peer, 64 * 1024);
            total += bytes.len();
            descriptors += count;
        }
        descriptors
    });
    outbox.flush();
    tokio::select! {
        () = outbox.write() => panic!("the outbox closed"),
        () = outbox.is_empty() => {}
    }
    assert_eq!(read.await.unwrap(), 2);
}

#[tokio::test]
async fn an_arena_that_cannot_be_filled_ends_the_connection() {
    let (outbox, _peer) = pair().await;
    let arena = InputArena::Passed(procpool_memory::input::InputWriter::create("test", 4096).unwrap());
    let place = Place { arena: 1, offset: 0, length: 5000 };
    outbox.push_shared(&frame(5000), Arc::new(arena), place);
    outbox.flush();
    assert!(outbox.is_closed());
}

#[tokio::test]
async fn a_close_does_not_wait_for_somebody_who_fills_an_arena() {
    let (outbox, _peer) = pair().await;
    let ticket = outbox.push(&frame(10)).ticket;
    // As while a payload is copied. The thread that closes may hold the pool's lock, so waiting here would be
    // a deadlock.
    outbox.lock().writing = true;
    assert!(!outbox.close(Some(ticket)), "it cannot have reached the worker");
}

/// Run by the test below, as a user whom the kernel limits.
#[tokio::test]
#[ignore = "it needs few descriptors and no privileges"]
async fn crowded() {
    const FRAMES: usize = 100;
    let (outbox, peer) = pair().await;
    let frame = with_descriptors(1, 1);
    for _ in 0..FRAMES {
        outbox.push(&frame);
    }
    outbox.flush();
    assert!(outbox.lock().is_crowded && !outbox.is_closed());
    let read = tokio::task::spawn_blocking(move || {
        let (mut total, mut descriptors) = (0, 0);
        while total < FRAMES * (HEADER_LEN + 1) {
            let (bytes, count) = receive(&peer, 64 * 1024);
            total += bytes.len();
            descriptors += count;
        }
        descriptors
    });
    tokio::select! {
        () = outbox.write() => panic!("the outbox closed"),
        () = outbox.is_empty() => {}
    }
    assert_eq!(read.await.unwrap(), FRAMES);
}

#[test]
fn descriptors_that_the_kernel_does_not_take_for_now_wait_and_cost_nothing() {
    // The kernel does not limit root, and `nobody` may not read the workspace's directory.
    let test = std::env::temp_dir().join(format!("procpool-crowded-{}", std::process::id()));
    std::fs::copy(std::env::current_exe().unwrap(), &test).unwrap();
    let script = "ulimit -n 40; exec \"$0\" --exact outbox::tests::crowded --ignored";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(&test);
    if rustix::process::geteuid().is_root() {
        shell.uid(65534).gid(65534);
    }
    let output = shell.output().unwrap();
    std::fs::remove_file(&test).unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}
