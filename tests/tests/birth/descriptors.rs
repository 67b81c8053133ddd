//! The exact set of descriptors of a worker: in the first one, and in one that is started after its host
//! has opened files that every child would inherit.

use procpool::error::StartError;
use procpool::{Executable, Pool, PoolError};
use procpool_tests::host::Host;
use procpool_tests::process;
use procpool_tests::verbs::Verbs;
use tokio::process::Command;

/// The descriptors that a running worker has open. Its page is only mapped.
const KINDS: [&str; 5] = ["/dev/null", "pipe", "pipe", "socket", "socket"];

fn kinds(pid: u32) -> Vec<String> {
    let kind = |target: String| target.split(':').next().unwrap_or_default().to_owned();
    process::open_files(pid).into_iter().map(kind).collect()
}

/// The descriptors that a worker has at its first instruction: number and target.
#[tokio::test]
async fn a_worker_is_born_with_exactly_its_descriptors() {
    let shell = Executable::path("/bin/sh").unwrap().with_args(["-c", "exec >&2; ls -l /proc/$$/fd; exit 7"]);
    let error = Pool::<Verbs>::builder(shell).start().await.unwrap_err();
    let PoolError::Start(StartError::Died { report, .. }) = error else { panic!("not a death: {error}") };
    let open: Vec<_> = report.stderr.iter().filter_map(|line| line.split_once(" -> ")).collect();
    let open = open.iter().map(|(before, target)| (before.rsplit(' ').next().unwrap_or_default(), *target));
    let (always, memory): (Vec<_>, Vec<_>) = open.partition(|(number, _)| *number < "5");
    let always: Vec<_> = always
        .iter()
        .map(|(number, target)| (*number, target.split(':').next().unwrap_or_default()))
        .collect();
    let expected = [("0", KINDS[0]), ("1", KINDS[1]), ("2", KINDS[2]), ("3", KINDS[3]), ("4", KINDS[4])];
    assert_eq!(always, expected, "{report:?}");
    // The page, and what large payloads need.
    let is_ours = |(number, target): &(&str, &str)| *number <= "7" && target.starts_with("/memfd:procpool-");
    assert!(memory.iter().all(is_ours), "{memory:?}");
}

#[tokio::test]
async fn descriptors_that_a_host_leaves_unmarked_reach_no_worker() {
    let mut host = Host::by(Command::new("/usr/bin/env"));
    assert_eq!(kinds(host.worker().await), KINDS);
    let count = "child ls /proc/self/fd | wc -l";
    let before: u32 = host.ask(count).await.parse().unwrap();
    host.ask("leak").await;
    // So do its own children.
    assert_eq!(host.ask(count).await, (before + 5).to_string());
    for _ in 0..3 {
        assert_eq!(kinds(host.replaced().await), KINDS);
    }
}

#[tokio::test]
async fn descriptors_that_a_host_was_started_with_stay_usable_for_its_own_children() {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exec 9</proc/self/comm 8<&9; exec \"$0\" \"$@\""]);
    let mut host = Host::by(command);
    assert_eq!(kinds(host.worker().await), KINDS);
    // Two numbers of one open file: what one has read the other does not see again.
    assert_eq!(host.ask("child cat <&9").await, "host");
    assert_eq!(host.ask("child cat <&8; echo end").await, "end");
}
