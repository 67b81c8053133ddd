//! Signals while a worker is on its way up: the command ends as documented, and nothing is left. The
//! worker here is a shell that never says hello, so that no built worker is needed.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Returns a directory for one test, emptied before it.
fn directory(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(path.join("tmp")).expect("a directory");
    path
}

/// Returns a configuration whose worker opens the pipe `alive`, writes a line and keeps it open until it
/// dies.
fn silent_worker(directory: &Path) -> PathBuf {
    let made = Command::new("mkfifo").arg(directory.join("alive")).status().expect("mkfifo starts");
    assert!(made.success());
    let text = "[pools.a]\ncurrent_dir = \".\"\n\
                command = [\"sh\", \"-c\", \"exec 3>alive; echo up >&3; exec sleep 1000\"]\n";
    let path = directory.join("p.toml");
    fs::write(&path, text).expect("written");
    path
}

/// Starts `procpool` and waits until its worker runs, which holds the pipe.
fn started(directory: &Path, args: &[&str], stderr: Stdio) -> (Child, BufReader<fs::File>) {
    let config = silent_worker(directory);
    let procpool = Command::new(env!("CARGO_BIN_EXE_procpool"))
        .args(args)
        .arg("--config")
        .arg(config)
        // Sockets are made here; it has to be a short path for the system to take it.
        .env("TMPDIR", directory.join("tmp"))
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("procpool starts");
    let mut alive = BufReader::new(fs::File::open(directory.join("alive")).expect("the worker's pipe"));
    let mut line = String::new();
    alive.read_line(&mut line).expect("a line");
    assert_eq!(line, "up\n");
    (procpool, alive)
}

/// Starts `procpool`, sends the signal once its worker runs, and waits until both are gone.
fn signalled(test: &str, args: &[&str], signal: &str) -> ExitStatus {
    let directory = directory(test);
    let (mut procpool, mut alive) = started(&directory, args, Stdio::inherit());
    send(signal, &procpool);
    let status = procpool.wait().expect("its status");
    // The pipe ends with the last process that holds it.
    alive.read_to_string(&mut String::new()).expect("the end");
    let left: Vec<_> = fs::read_dir(directory.join("tmp")).expect("the directory").collect();
    assert!(left.is_empty(), "{left:?}");
    status
}

fn send(signal: &str, to: &Child) {
    let sent = Command::new("kill").args(["-s", signal, &to.id().to_string()]).status().expect("kill starts");
    assert!(sent.success());
}

#[test]
fn a_server_that_is_stopped_while_it_starts_exits_with_0_and_leaves_nothing() {
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    assert_eq!(signalled("stop_serve_term", &serve, "TERM").code(), Some(0));
    assert_eq!(signalled("stop_serve_int", &serve, "INT").code(), Some(0));
}

#[test]
fn a_run_that_is_interrupted_exits_as_shells_report_it_and_leaves_nothing() {
    assert_eq!(signalled("stop_run_term", &["run", "a", "1"], "TERM").code(), Some(143));
    assert_eq!(signalled("stop_run_int", &["run", "a", "1"], "INT").code(), Some(130));
}

#[test]
fn a_server_logs_and_outlives_signals_that_ask_it_for_nothing() {
    let directory = directory("unasked");
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let (mut procpool, _alive) = started(&directory, &serve, Stdio::piped());
    let mut log = BufReader::new(procpool.stderr.take().expect("a pipe")).lines();
    for signal in ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "40"] {
        send(signal, &procpool);
        let told = |line: &String| line.contains("WARN") && line.contains(&format!("{signal}\""));
        let line = log.by_ref().map_while(Result::ok).find(told);
        assert!(line.expect(signal).contains("no meaning here"));
    }
    send("TERM", &procpool);
    assert_eq!(procpool.wait().expect("its status").code(), Some(0));
}
