//! The `procpool` executable from outside, as far as it needs no worker: help, `check`, and errors with their
//! exit codes. Tests that need workers are end to end, in the workspace's `tests`.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Returns a directory for one test, emptied before it, and left afterwards to be looked at.
fn directory(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a directory");
    path
}

fn procpool(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procpool"));
    command.args(args).env_remove("RUST_LOG").stdin(Stdio::null()).output().expect("procpool starts")
}

/// Returns the error message of a command that has to fail with exit code 1 and print nothing else.
fn failure(args: &[&str]) -> String {
    let output = procpool(args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(output.stdout, b"", "{output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn stdout(args: &[&str]) -> String {
    let output = procpool(args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Writes a configuration and returns its path.
fn config(test: &str, text: &str) -> String {
    let path = directory(test).join("p.toml");
    fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn help_names_the_commands_and_gives_examples() {
    let help = stdout(&["--help"]);
    for word in ["serve", "run", "check", "replay", "procpool run fib 40", "curl -d 40", "RUST_LOG"] {
        assert!(help.contains(word), "{word} is not in: {help}");
    }
    assert!(stdout(&["run", "--help"]).contains("'\"ping\"'"));
    assert!(stdout(&["serve", "--help"]).contains("[pools.resize]"));
    assert!(stdout(&["replay", "--help"]).contains("--wrap 'gdb --args'"));
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(stdout(&["--version"]), format!("procpool {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for args in
        [&["serve", "--no-such-flag"][..], &["run", "fib"], &["run", "fib", "1", "--timeout", "5"], &[]]
    {
        assert_eq!(procpool(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn check_prints_every_pool() {
    let path = config(
        "check_prints",
        "[pools.b]\ncommand = [\"sh\", \"-c\"]\nmax_workers = 2\n[pools.a]\ncommand = \"./p.toml\"",
    );
    let message = failure(&["check", "--config", &path]);
    assert!(message.contains("p.toml:5:11: failed to use the worker executable"), "{message}");

    let path = config(
        "check_prints",
        "[pools.b]\ncommand = [\"sh\", \"-c\"]\nmax_workers = 2\n[pools.a]\ncommand = \"sh\"",
    );
    let report = stdout(&["check", "--config", &path]);
    let lines: Vec<_> = report.lines().collect();
    assert_eq!(lines[0], "ok: 2 pools");
    assert!(
        lines[1].starts_with("  a: /")
            && lines[2].contains("/sh -c (1 to 2 workers, queue 1024, timeout 30s)")
    );
}

#[test]
fn an_unknown_key_is_an_error_with_its_line() {
    let path = config("unknown_key", "[pools.a]\ncommand = [\"sh\"]\nqeue = 3\n");
    let expected = format!(
        "error: {path}:3:1: unknown key `qeue`; did you mean `queue`?\n  |\n3 | qeue = 3\n  | ^^^^\n"
    );
    for command in [&["check"][..], &["serve"], &["run", "a", "1"]] {
        assert_eq!(failure(&[command, &["--config", &path]].concat()), expected);
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let missing = directory("missing").join("p.toml");
    let missing = missing.to_str().expect("UTF-8");
    let message = failure(&["check", "--config", missing]);
    assert_eq!(
        message,
        format!(
            "error: failed to read the configuration {missing}: No such file or directory (os error 2)\n"
        )
    );

    let binary = config("binary", "");
    fs::write(&binary, [0xff, 0xfe]).expect("written");
    assert!(failure(&["check", "--config", &binary]).contains("UTF-8"));

    assert!(failure(&["check", "--config", "/dev/zero"]).contains("longer than 1048576 bytes"));
}

#[test]
fn check_warns_of_an_address_space_limit_that_node_does_not_start_with() {
    let dir = directory("node_memory");
    std::os::unix::fs::symlink("/bin/sh", dir.join("node")).expect("a link");
    let path = dir.join("p.toml");
    fs::write(&path, "[pools.a]\ncommand = [\"./node\"]\naddress_space_limit = \"512 MiB\"\n")
        .expect("written");
    let output = procpool(&["check", "--config", path.to_str().expect("UTF-8")]);
    let warning = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{warning}");
    assert!(warning.contains("p.toml:3:23: Node reserves up to 1.6 GiB of address space"), "{warning}");
}

/// Runs a command with this text on standard input, in this directory.
fn procpool_reading(args: &[&str], text: &str, directory: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procpool"));
    command.args(args).current_dir(directory).env_remove("RUST_LOG").env_remove("PWD");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("procpool starts");
    // One that has read enough closes its end.
    let _ = child.stdin.take().expect("a pipe").write_all(text.as_bytes());
    child.wait_with_output().expect("procpool ends")
}

#[test]
fn a_configuration_on_standard_input_counts_from_the_working_directory() {
    let dir = directory("standard_input");
    std::os::unix::fs::symlink("/bin/sh", dir.join("worker")).expect("a link");
    let text = "[pools.a]\ncommand = [\"./worker\", \"-c\"]\ncurrent_dir = \".\"\n";
    let output = procpool_reading(&["check", "--config", "-"], text, &dir);
    let report = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{report}");
    assert!(report.contains(&format!("{}/worker -c (", dir.display())), "{report}");

    for command in ["check", "serve"] {
        let output =
            procpool_reading(&[command, "--config", "-"], "[pools.a]\ncommand = [\"./none\"]\n", &dir);
        let message = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(
            message.starts_with("error: standard input:2:11: failed to use the worker executable "),
            "{message}"
        );
        assert!(message.contains("2 | command"), "{message}");
    }
    let output = procpool_reading(&["check", "--config", "-"], &"#".repeat(1 << 21), &dir);
    let message = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(message.contains("standard input: it is longer than 1048576 bytes"), "{message}");

    let message = failure(&["run", "a", "-", "--config", "-"]);
    assert!(message.contains("standard input holds the configuration"), "{message}");
}

#[test]
fn a_server_that_waits_for_its_configuration_stops_when_it_is_asked_to() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procpool"));
    let mut child =
        command.args(["serve", "--config", "-"]).stdin(Stdio::piped()).spawn().expect("procpool starts");
    // Waiting for the child would close it, and end what the server reads.
    let _unfinished = child.stdin.take();
    let pid = Pid::from_child(&child);
    let handles =
        || fs::read_to_string(format!("/proc/{}/status", child.id())).is_ok_and(|it| catches_sigterm(&it));
    while !handles() {
        std::thread::yield_now();
    }
    kill_process(pid, Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

fn catches_sigterm(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
    u64::from_str_radix(mask.trim(), 16).expect("a number") & (1 << (Signal::TERM.as_raw() - 1)) != 0
}

#[test]
fn a_worker_executable_that_is_missing_is_an_error_with_the_places() {
    let path = config("no_executable", "[pools.a]\ncommand = [\"no-such-worker\"]\n");
    for command in ["check", "serve"] {
        let message = failure(&[command, "--config", &path]);
        let first = message.lines().next().expect("a line");
        assert!(
            first.contains("p.toml:2:11: failed to find the worker executable `no-such-worker`; looked in /")
        );
    }
}

#[test]
fn a_taken_port_is_named_with_the_way_out_before_any_worker_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let dir = directory("taken_port");
    let text = "[pools.a]\ncommand = [\"touch\", \"started\"]\ncurrent_dir = \".\"\n";
    let path = dir.join("p.toml");
    fs::write(&path, text).expect("written");
    let message = failure(&["serve", "--config", path.to_str().expect("UTF-8"), "--listen", &address]);
    assert!(
        message.starts_with(&format!("error: failed to listen on {address}: Address already in use")),
        "{message}"
    );
    assert!(message.contains("--listen") && message.lines().count() == 1, "{message}");
    assert!(!dir.join("started").exists());
}

#[test]
fn input_that_is_not_json_is_answered_with_the_quotes_it_lacks() {
    let path = config("not_json", "[pools.a]\ncommand = [\"sh\"]\n");
    let message = failure(&["run", "a", "ping", "--config", &path]);
    assert_eq!(
        message,
        "error: the input is not JSON: expected value at line 1 column 1; for a JSON string, quote it past the shell: '\"ping\"'\n"
    );
    let from_stdin = failure(&["run", "a", "-", "--config", &path]);
    assert!(from_stdin.contains("EOF while parsing"), "{from_stdin}");
}

#[test]
fn an_unknown_pool_is_answered_with_the_known_ones() {
    let path =
        config("unknown_pool", "[pools.b]\ncommand = \"sh\"\n[pools.a]\ncommand = \"no-such-worker\"\n");
    let message = failure(&["run", "c", "1", "--config", &path]);
    assert_eq!(message, "error: there is no pool `c`; there are: a, b\n");
}

#[test]
fn a_worker_that_dies_at_its_start_is_reported_with_its_last_words() {
    let text = "[pools.a]\ncommand = [\"sh\", \"-c\", \"echo no such model >&2; exit 3\"]\n";
    let path = config("dies", text);
    for command in [&["run", "a", "1"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let message = failure(&[command, &["--config", &path]].concat());
        let error = message.lines().find(|line| line.starts_with("error: ")).expect("an error");
        assert!(error.contains("worker of `a`") && error.contains("exit code 3"), "{message}");
        assert!(error.ends_with("its last words: no such model"), "{message}");
    }
}

#[test]
fn a_filter_that_does_not_parse_is_an_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procpool"));
    let output = command.args(["check"]).env("RUST_LOG", "procpool=shout").output().expect("procpool starts");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(message.starts_with("error: failed to read RUST_LOG=\"procpool=shout\": "), "{message}");
}
