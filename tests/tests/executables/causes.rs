//! Workers that cannot be started: the error names what is missing.

use procpool::{Executable, Pool};
use procpool_tests::binaries::{binary, install};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, process};
use std::path::{Path, PathBuf};

/// Returns an executable file with these contents.
fn file(scratch: &Scratch, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = scratch.path().join(name);
    install(&path, contents);
    path
}

async fn refusal(path: &Path) -> String {
    let pool = Pool::<Verbs>::builder(Executable::path(path).unwrap());
    let error = pool.start().await.unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    error
}

/// `/bin/true` for another machine: the number in its header is that of a VAX.
fn vax() -> Vec<u8> {
    let mut program = std::fs::read("/bin/true").unwrap();
    program[18..20].copy_from_slice(&75_u16.to_ne_bytes());
    program
}

/// `/bin/true` with a loader that does not exist.
fn unloadable() -> Option<Vec<u8>> {
    let mut program = std::fs::read("/bin/true").unwrap();
    let at = program.windows(4).position(|part| part == b"/lib")?;
    program[at..at + 4].copy_from_slice(b"/nil");
    Some(program)
}

#[tokio::test]
async fn every_reason_why_a_file_cannot_be_started_has_its_sentence() {
    let scratch = Scratch::new();
    let cases: [(&str, Vec<u8>, &str); 5] = [
        (
            "interpreter",
            b"#!/no/such/interpreter\n".into(),
            "its interpreter /no/such/interpreter does not exist",
        ),
        ("crlf", b"#!/bin/sh\r\nexit\r\n".into(), "ends in CRLF"),
        ("nobody", b"#!\n".into(), "names no interpreter"),
        ("text", b"exit\n".into(), "neither a program (ELF) nor a script"),
        ("vax", vax(), "it is for the processor with ELF number 75, and this machine is"),
    ];
    for (name, contents, words) in cases {
        let error = refusal(&file(&scratch, name, contents)).await;
        assert!(error.contains(words) && error.starts_with("failed to spawn"), "{name}: {error}");
    }
    if let Some(contents) = unloadable() {
        let error = refusal(&file(&scratch, "loader", contents)).await;
        assert!(error.contains("its ELF loader /nil"), "{error}");
    }
}

#[tokio::test]
async fn a_working_directory_that_is_not_there_is_named() {
    let scratch = Scratch::new();
    let gone = scratch.path().join("gone");
    let pool = Pool::<Verbs>::builder(procpool_tests::library::executable("verbs"));
    let error = pool.current_dir(&gone).start().await.unwrap_err().to_string();
    let words = format!("the working directory {} does not exist", gone.display());
    assert!(error.contains(&words), "{error}");
}

#[tokio::test]
async fn a_working_directory_that_goes_while_the_server_runs_is_named_in_the_problem() {
    let place = Scratch::new();
    let directory = place.path().join("data");
    std::fs::create_dir(&directory).unwrap();
    let config = format!(
        "[pools.verbs]\ncommand = [{:?}]\ncurrent_dir = {directory:?}\nmin_workers = 1\nmax_workers = 1\n",
        binary("verbs")
    );
    let server = Server::with_config(&config).await;
    server.idle("verbs", 1).await;
    std::fs::remove_dir(&directory).unwrap();
    let worker = server.workers("verbs").await[0];
    process::kill(worker);
    eventually("its end", async || (!process::is_alive(worker)).then_some(())).await;
    let gives_up = async || (server.pool("verbs").await["breaker_open"] == true).then_some(());
    eventually("the breaker to open", gives_up).await;
    let problem = server.perform(&Verb::Pid).await.text().to_owned();
    let words = format!("the working directory {} does not exist", directory.display());
    assert!(problem.contains(&words), "{problem}");
}
