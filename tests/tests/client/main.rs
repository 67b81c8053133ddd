//! The commands against a running server, as a person at a shell and a script meet them.

mod batches;
mod jobs;
mod pools;
mod remembered;
mod report;
mod servers;
mod stacks;
mod tls;
mod top;

use procpool_tests::binaries::binary;
use procpool_tests::program::{Ended, finish};
use procpool_tests::server::Server;
use std::process::{Output, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Returns the command for this server, in an environment that names no other.
fn command(server: &str, args: &[&str]) -> Command {
    let mut command = Command::new(binary("procpool"));
    command.args(args).env("PROCPOOL_SERVER", server);
    command.env_remove("PROCPOOL_TOKEN").env_remove("XDG_RUNTIME_DIR");
    command
}

async fn procpool(server: &Server, args: &[&str]) -> Ended {
    finish(&mut command(&server.address().to_string(), args)).await
}

/// The same with something on standard input.
async fn fed(server: &Server, args: &[&str], input: &[u8]) -> Output {
    let mut command = command(&server.address().to_string(), args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("a piped stdin");
    // A command that refuses its input need not read it.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    child.wait_with_output().await.expect("the command ends")
}

/// Returns the output of a command that has to go well and say nothing else.
#[track_caller]
fn printed(ended: &Ended) -> &str {
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    &ended.stdout
}

/// Returns the one line of error of a command that has to end with this code and print nothing.
#[track_caller]
fn refused(ended: &Ended, code: i32) -> &str {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
    let line = ended.stderr.strip_prefix("error: ").and_then(|rest| rest.strip_suffix('\n'));
    line.filter(|line| !line.contains('\n')).unwrap_or_else(|| panic!("not one line: {ended:?}"))
}
