//! Memory that clients on a Unix socket lend for their requests.

use crate::fake::Fake;
use crate::lifetimes::JOBS;
use crate::server::post_text;
use procpool_frontend::{App, Health, HttpConfig, run_unix};
use procpool_protocol::Payload;
use rustix::cmsg_space;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::fs::File;
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LARGE: usize = 256 * 1024;
const RAW: &str = "Content-Type: application/octet-stream\r\n";

/// A server on a Unix socket, which is removed with it.
struct Served(PathBuf);

impl Served {
    async fn of(name: &str, engine: Arc<Fake>, configure: impl FnOnce(&mut HttpConfig)) -> Self {
        let path = std::env::temp_dir().join(format!("procpool-{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let owner = rustix::process::geteuid().as_raw();
        let mut config = HttpConfig::default();
        configure(&mut config);
        let app = App::new(engine, config, Health::starting());
        tokio::spawn(run_unix(listener, owner, app, std::future::pending()));
        Self(path)
    }

    /// Sends a POST with these header lines and body, and memory beside its head. Returns the answer as text.
    async fn ask(&self, head: &str, body: &[u8], memory: &[&File]) -> String {
        let request = post_text(JOBS, &format!("{RAW}{head}Connection: close"), body);
        let memory: Vec<File> = memory.iter().map(|file| file.try_clone().unwrap()).collect();
        let path = self.0.clone();
        // The server runs on this thread.
        tokio::task::spawn_blocking(move || exchange(&path, &request, &memory)).await.unwrap()
    }
}

fn exchange(path: &Path, request: &[u8], memory: &[File]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = memory.iter().map(AsFd::as_fd).collect();
    if !descriptors.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    }
    let sent = sendmsg(&stream, &[IoSlice::new(request)], &mut control, SendFlags::empty());
    assert_eq!(sent, Ok(request.len()));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).to_ascii_lowercase()
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn memory(length: usize, seals: SealFlags) -> File {
    let file = File::from(memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap());
    file.set_len(length as u64).unwrap();
    fcntl_add_seals(&file, seals).unwrap();
    file
}

fn sealed(length: usize) -> File {
    memory(length, SealFlags::SHRINK | SealFlags::GROW)
}

#[tokio::test]
async fn a_large_input_lies_in_lent_memory_and_the_output_is_written_there() {
    let engine = Fake::ending(|job| {
        let reversed: Vec<u8> = job.input.bytes.iter().rev().copied().collect();
        Ok(Payload::raw(reversed))
    });
    let served = Served::of("lent", engine.clone(), |_| {}).await;
    let memory = sealed(LARGE + 100);
    memory.write_all_at(b"first", 0).unwrap();
    memory.write_all_at(b"last", LARGE as u64 - 4).unwrap();
    let answer = served.ask(&format!("Job-Memory: {LARGE}\r\n"), b"", &[&memory]).await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains(&format!("\r\njob-memory: {LARGE}\r\n")), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 0\r\n") && answer.contains("\r\njob-id: "), "{answer}");
    let mut written = vec![0; LARGE];
    memory.read_exact_at(&mut written, 0).unwrap();
    assert_eq!((&written[..4], &written[LARGE - 5..]), (&b"tsal"[..], &b"tsrif"[..]));
    assert_eq!(engine.only_job().input.bytes.len(), LARGE);
}

#[tokio::test]
async fn an_output_that_is_small_or_does_not_fit_or_may_not_be_written_comes_in_the_body() {
    let served = Served::of("lent-body", Fake::echo(), |_| {}).await;
    let in_body = |answer: &str, length: usize| {
        answer.starts_with("http/1.1 200")
            && answer.contains(&format!("\r\ncontent-length: {length}\r\n"))
            && !answer.contains("job-memory")
    };
    let small = served.ask("Job-Memory: 5\r\n", b"", &[&sealed(LARGE)]).await;
    assert!(in_body(&small, 5), "{small}");
    let body = vec![b'x'; LARGE];
    let long = served.ask("Job-Memory: 0\r\n", &body, &[&sealed(LARGE - 1)]).await;
    assert!(in_body(&long, LARGE));
    let read_only = memory(LARGE, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE);
    let refused = served.ask(&format!("Job-Memory: {LARGE}\r\n"), b"", &[&read_only]).await;
    assert!(in_body(&refused, LARGE));
    let fits = served.ask("Job-Memory: 0\r\n", &body, &[&sealed(LARGE)]).await;
    assert!(fits.contains(&format!("\r\njob-memory: {LARGE}\r\n")), "{fits}");
}

#[tokio::test]
async fn memory_that_cannot_be_used_is_a_bad_request_and_no_job() {
    let engine = Fake::echo();
    let served = Served::of("lent-bad", engine.clone(), |_| {}).await;
    let good = sealed(LARGE);
    let unsealed = memory(LARGE, SealFlags::empty());
    let null = File::open("/dev/null").unwrap();
    let refusals: [(&str, &[u8], &[&File], &str); 8] = [
        ("Job-Memory: 5\r\n", b"", &[], "and 0 came"),
        ("Job-Memory: 5\r\n", b"", &[&good, &good], "and 2 came"),
        ("Job-Memory: 5\r\n", b"", &[&unsealed], "no sealed memory"),
        ("Job-Memory: 5\r\n", b"", &[&null], "no sealed memory"),
        ("Job-Memory: 5\r\n", b"body", &[&good], "has a body, too"),
        ("Job-Memory: +5\r\n", b"", &[&good], "not one number"),
        ("Job-Memory: 5\r\nJob-Memory: 5\r\n", b"", &[&good], "not one number"),
        ("Job-Memory: 262145\r\n", b"", &[&good], "has 262144 bytes"),
    ];
    for (head, body, memory, reason) in refusals {
        let answer = served.ask(head, body, memory).await;
        assert!(answer.starts_with("http/1.1 400") && answer.contains(reason), "{head}: {answer}");
    }
    assert_eq!(engine.jobs_seen(), 0);
    let unnamed = served.ask("", b"body", &[&good]).await;
    assert!(unnamed.starts_with("http/1.1 200") && unnamed.ends_with("body"), "{unnamed}");
}

#[tokio::test]
async fn inputs_in_lent_memory_have_the_limits_of_bodies() {
    let engine = Fake::echo();
    let served = Served::of("lent-limits", engine.clone(), |config| {
        config.max_body = LARGE;
        config.max_bodies = LARGE as u64;
    })
    .await;
    let memory = sealed(2 * LARGE);
    let answer = served.ask(&format!("Job-Memory: {}\r\n", LARGE + 1), b"", &[&memory]).await;
    assert!(answer.starts_with("http/1.1 413") && answer.contains("body_too_large"), "{answer}");
    assert_eq!(engine.jobs_seen(), 0);
    let answer = served.ask(&format!("Job-Memory: {LARGE}\r\n"), b"", &[&memory]).await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
}
