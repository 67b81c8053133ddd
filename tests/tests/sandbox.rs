//! Workers that may open next to nothing, or belong to another user, or whose host lets nobody look into it:
//! they have all that other workers have, since nothing is opened by a path.

use procpool::{Executable, Pool};
use procpool_needs::{Need, skip};
use procpool_tests::binaries::{self, binary};
use procpool_tests::host::Host;
use procpool_tests::library::{are_right_at_once, comes_back, echo};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, other_user, process};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const JOBS: usize = 64;
const LARGE: usize = 16 << 20;

/// Returns the mappings of a worker that uses everything that it was given.
const MEMORY: [&str; 3] = ["/memfd:procpool-page", "/memfd:procpool-input", "/memfd:procpool-output"];

/// Puts itself under Landlock and becomes the program that its arguments name: it may read and run what that
/// program needs, and open nothing else. Exits with 77 where the kernel has no Landlock.
const LANDLOCK: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)

def call(*args):
    result = libc.syscall(*args)
    if result < 0:
        print(f"no Landlock here: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        sys.exit(77)
    return result

CREATE, ADD, RESTRICT = 444, 445, 446
EXECUTE, READ_FILE, READ_DIR = 1, 4, 8
abi = call(CREATE, None, ctypes.c_size_t(0), 1)
files = (1 << (13 + (abi >= 2) + (abi >= 3))) - 1 | (0x8000 if abi >= 5 else 0)
attributes = struct.pack("QQQ", files, 3, 3)[:8 if abi < 4 else 16 if abi < 6 else 24]
rules = call(CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)

program = sys.argv[1]
places = ["/usr", "/lib", "/lib32", "/lib64", os.path.dirname(program)]
for place in places + ["/etc/ld.so.cache", program]:
    try:
        place = os.open(place, os.O_PATH)
    except FileNotFoundError:
        continue
    is_dir = os.fstat(place).st_mode & 0o170000 == 0o040000
    rule = struct.pack("=Qi", EXECUTE | READ_FILE | (READ_DIR if is_dir else 0), place)
    call(ADD, rules, 1, rule, 0)
    os.close(place)
if libc.prctl(38, 1, 0, 0, 0) < 0:
    sys.exit(77)
call(RESTRICT, rules, 0)
os.close(rules)
os.execv(program, sys.argv[1:])
"#;

/// 64 jobs in flight are all right, and 16 MiB come back; page and arenas are in use.
async fn lacks_nothing(pool: &Pool<Verbs>) {
    let worker = pool.workers()[0].pid.unwrap();
    for _ in 0..20 {
        assert!(are_right_at_once(pool, JOBS).await);
    }
    let shares = async || {
        assert!(comes_back(pool, LARGE).await);
        MEMORY.iter().all(|name| process::maps(worker, name)).then_some(())
    };
    eventually("page and arenas to be in use", shares).await;
    assert_eq!(pool.workers()[0].pid, Some(worker));
    assert_eq!(pool.status().deaths, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_under_landlock_lacks_nothing() {
    let probe = Command::new("python3").args(["-c", LANDLOCK, "/bin/true"]).output();
    match probe {
        Ok(output) if output.status.success() => {}
        Ok(output) => return skip(Need::Landlock, String::from_utf8_lossy(&output.stderr)),
        Err(error) => return skip(Need::Landlock, format!("python3: {error}")),
    }
    let python = Executable::find("python3").unwrap();
    let verbs = binary("verbs").display().to_string();
    let python = python.with_args(["-c", LANDLOCK, &verbs]);
    let pool = Pool::<Verbs>::builder(python).workers(1..=1).start().await.unwrap();
    // It is shut in.
    for forbidden in ["cat /etc/passwd", "cat /proc/self/status", ": > /tmp/procpool-landlock"] {
        let told = pool.run(Verb::Shell(forbidden.into())).await.unwrap();
        assert!(told.starts_with("exit status: ") && !told.ends_with(" 0"), "{forbidden}: {told}");
    }
    assert_eq!(pool.run(Verb::Shell("true".into())).await.unwrap(), "exit status: 0");
    lacks_nothing(&pool).await;
}

/// Returns the arguments of a worker that becomes nobody. `None` where this process is not root: then the
/// test is skipped.
fn as_nobody(scratch: &Scratch) -> Option<Vec<String>> {
    if !other_user::can_be_had() {
        return None;
    }
    std::fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).unwrap();
    // Where the workspace is, others may not look.
    let copy = scratch.path().join("verbs.copy");
    binaries::copy("verbs", &copy);
    let command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"].map(str::to_owned);
    Some(command.into_iter().chain([copy.display().to_string()]).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_another_user_lacks_nothing() {
    let scratch = Scratch::new();
    let Some(command) = as_nobody(&scratch) else { return };
    let setpriv = Executable::find(&command[0]).unwrap().with_args(&command[1..]);
    // A root that lacks CAP_SYS_RESOURCE may not limit a worker that has become nobody before that: then the
    // start fails, and the next one may be in time.
    let start = async || Pool::<Verbs>::builder(setpriv.clone()).workers(1..=1).start().await.ok();
    let pool = eventually("a worker of nobody", start).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", pool.workers()[0].pid.unwrap())).unwrap();
    assert!(status.contains("Uid:\t65534\t65534"), "{status}");
    lacks_nothing(&pool).await;
    assert_eq!(pool.run(echo("done")).await.unwrap(), "done");
}

/// Hides a host; its next worker cannot look into it, and lacks nothing.
async fn hidden_and_lacks_nothing(mut host: Host) {
    assert_eq!(host.ask("hide").await, "is hidden");
    let worker = host.replaced().await;
    let looks = host.ask(&format!("run ls /proc/{}/fd 2>&1 | grep -q denied", host.pid())).await;
    assert_eq!(looks, "exit status: 0", "the worker cannot look into its host");
    for _ in 0..20 {
        assert_eq!(host.ask(&format!("jobs {JOBS}")).await, "true");
    }
    for _ in 0..100 {
        assert_eq!(host.ask(&format!("bytes {LARGE}")).await, "true");
        if MEMORY.iter().all(|name| process::maps(worker, name)) {
            break;
        }
    }
    assert!(MEMORY.iter().all(|name| process::maps(worker, name)), "page and arenas are in use");
    assert_eq!(host.worker().await, worker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_host_lets_nobody_look_into_it_lacks_nothing() {
    let scratch = Scratch::new();
    let Some(command) = as_nobody(&scratch) else { return };
    hidden_and_lacks_nothing(Host::of(&command)).await;
}

/// A host of the same user, which is not root: its own workers cannot look into it either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_hidden_host_is_the_same_user_lacks_nothing() {
    let scratch = Scratch::new();
    let Some(command) = as_nobody(&scratch) else { return };
    let copy = scratch.path().join("host.copy");
    binaries::copy("host", &copy);
    let (worker, setpriv) = command.split_last().unwrap();
    let mut host = tokio::process::Command::new(&setpriv[0]);
    host.args(&setpriv[1..]).arg(&copy).arg(worker).current_dir("/");
    hidden_and_lacks_nothing(Host::start(host)).await;
}
