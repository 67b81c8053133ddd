//! The executable as a person meets it, without a coordinator.

use procpool_protocol::handshake::{Description, Mode};
use std::process::{Command, Output, Stdio};

fn ping(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procpool-ping"));
    command.args(arguments).env_remove("PROCPOOL_SOCKET").stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn it_says_what_it_is_and_how_it_is_meant_to_be_started() {
    let output = ping(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with("procpool-ping: a procpool worker for job `ping`, contract version 1"),
        "{text}"
    );
    assert!(text.contains("procpool serve --config") && text.contains("procpool run ping INPUT"), "{text}");
}

#[test]
fn an_argument_does_not_make_it_work() {
    assert_eq!(ping(&["ping"]).status.code(), Some(2));
}

#[test]
fn asked_for_help_it_answers_on_standard_output() {
    let output = ping(&["--help"]);
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(output.stdout.starts_with(b"procpool-ping: a procpool worker"));
}

#[test]
fn it_describes_itself_as_json() {
    let output = ping(&["--describe"]);
    assert!(output.status.success());
    let description: Description = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((description.job.as_str(), description.contract), ("ping", 1));
    assert_eq!(description.modes, [Mode::Jobs, Mode::Messages]);
    assert_eq!(description.input, Some(serde_json::json!({"type": "string", "const": "ping"})));
}
