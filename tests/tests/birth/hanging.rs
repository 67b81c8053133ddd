//! An executable whose `exec` hangs, as on a network disk that has gone: its own pool waits, no other one.

use procpool_needs::{Need, skip};
use procpool_tests::binaries::{self, binary};
use procpool_tests::served::pool;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use procpool_tests::{PATIENCE, eventually, http, process};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// Takes a lease of a file: a process that opens the file waits until the lease is given up, for 45 s by
/// default.
const LEASE: &str = "
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(os.open(sys.argv[1], os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
sys.stdin.read()
";

/// Returns a process that holds a lease until it is dropped, or `None` where leases do not work.
async fn hold(file: &Path) -> Option<Child> {
    let mut command = Command::new("python3");
    command.args(["-c", LEASE]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut holder = command.spawn().ok()?;
    let mut lines = BufReader::new(holder.stdout.take()?).lines();
    let held = lines.next_line().await.ok()??;
    (held == "held").then_some(holder)
}

/// Returns a script, and its interpreter: a worker executable that nobody else has open.
fn script(scratch: &Scratch) -> [std::path::PathBuf; 2] {
    let interpreter = scratch.path().join("interpreter");
    binaries::copy("verbs", &interpreter);
    let script = scratch.path().join("slow.sh");
    binaries::install(&script, format!("#!{}\n", interpreter.display()));
    [script, interpreter]
}

/// Reads logs until a line has all these words.
async fn logged(logs: &mut Lines<BufReader<ChildStderr>>, words: &[&str]) {
    let search = async {
        while let Some(line) = logs.next_line().await.unwrap() {
            if words.iter().all(|word| line.contains(word)) {
                return;
            }
        }
        panic!("the logs ended without {words:?}");
    };
    tokio::time::timeout(PATIENCE, search)
        .await
        .unwrap_or_else(|_| panic!("nothing was logged with {words:?}"));
}

#[tokio::test]
async fn an_executable_that_hangs_holds_up_its_own_pool_only_and_is_logged_by_name() {
    let scratch = Scratch::new();
    let [script, interpreter] = script(&scratch);
    let slow = format!("[pools.slow]\ncommand = [{script:?}]\nmin_workers = 0\nmax_workers = 1\n");
    let (server, logs) = Server::with_logs(&(slow + &pool("verbs", &binary("verbs"), 1, ""))).await;
    let mut logs = BufReader::new(logs).lines();
    server.idle("verbs", 1).await;
    let Some(lease) = hold(&interpreter).await else {
        return skip(Need::Leases, "python3 takes no lease of a file");
    };
    let address = server.address();
    let slow = tokio::spawn(async move {
        let json = [("Content-Type", "application/json")];
        http::request(address, "POST", "/v1/pools/slow/jobs", &json, b"{\"echo\": \"at last\"}").await
    });
    logged(&mut logs, &["WARN", script.to_str().unwrap(), "has been starting this executable for 1s"]).await;
    assert!(!slow.is_finished());
    for _ in 0..3 {
        process::kill(server.workers("verbs").await[0]);
        assert_eq!(server.perform(&Verb::Echo("others".into())).await.text(), "\"others\"");
    }
    assert!(!slow.is_finished());
    drop(lease);
    assert_eq!(slow.await.unwrap().text(), "\"at last\"");
    assert_eq!(server.pool("slow").await["deaths"], 0);
}

#[tokio::test]
async fn a_start_that_hangs_ends_at_its_timeout_and_names_the_executable_and_the_time() {
    let scratch = Scratch::new();
    let [script, interpreter] = script(&scratch);
    let keys = "min_workers = 0\nmax_workers = 1\nstart_timeout = \"400ms\"\nbreaker_failures = 1\n";
    let slow = format!("[pools.slow]\ncommand = [{script:?}]\ntimeout = \"1s\"\n{keys}");
    let server = Server::with_config(&slow).await;
    let Some(lease) = hold(&interpreter).await else {
        return skip(Need::Leases, "python3 takes no lease of a file");
    };
    let job = async || {
        let json = [("Content-Type", "application/json")];
        http::request(server.address(), "POST", "/v1/pools/slow/jobs", &json, b"{\"echo\": \"hello\"}").await
    };
    let timed_out = job().await;
    assert_eq!((timed_out.status, &timed_out.problem()["stage"]), (504, &"queued".into()));
    let refused = eventually("the breaker to open", async || {
        let answer = job().await;
        (answer.status == 503).then(|| answer.text().to_owned())
    });
    let refused = refused.await;
    assert!(refused.contains(script.to_str().unwrap()) && refused.contains("within 400ms"), "{refused}");
    drop(lease);
    let served = async || (job().await.status == 200).then_some(());
    eventually("a worker, once nothing hangs", served).await;
}
