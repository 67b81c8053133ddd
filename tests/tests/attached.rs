//! Attached workers: processes that somebody else starts, here the test, and that come through a named
//! socket.

use procpool::status::StackOptions;
use procpool::{AttachSocket, JobError, Pool};
use procpool_tests::binaries::{self, binary};
use procpool_tests::library::{echo, idle};
use procpool_tests::process::{self, is_alive};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{PATIENCE, eventually, http, other_user};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// A worker that the test started, killed at the end.
struct Worker(Child);

impl Worker {
    fn attach(socket: &Path) -> Self {
        // Signals that the tests' runner ignores are ignored by what they start, and a supervisor's children heed them.
        let heeding = ["--default-signal=INT", "--default-signal=TERM"];
        Self::spawn(Command::new("env").args(heeding).arg(binary("verbs")).arg("--attach").arg(socket))
    }

    fn spawn(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().expect("a worker starts"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Kills it. Returns its output.
    fn said(&mut self) -> String {
        let _ = self.0.kill();
        let mut said = String::new();
        self.0.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
        said
    }

    /// Waits for its end. Returns its exit code and its output.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.0.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
        (self.0.wait().expect("its end").code(), said)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Place {
    _scratch: Scratch,
    socket: PathBuf,
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new();
        Self { socket: scratch.path().join("run").join("verbs.sock"), _scratch: scratch }
    }

    async fn pool(&self, workers: usize) -> Pool<Verbs> {
        let pool = Pool::<Verbs>::attached(AttachSocket::at(&self.socket));
        pool.workers(workers..=workers).grace(Duration::from_millis(50)).start().await.expect("a pool")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_somebody_else_started_runs_jobs() {
    let place = Place::new();
    let pool = place.pool(2).await;
    let waiting = pool.try_submit(echo("early")).unwrap();
    let worker = Worker::attach(&place.socket);
    assert_eq!(waiting.await.unwrap(), "early", "a job waits for a worker");
    assert_eq!(pool.run(Verb::Pid).await.unwrap(), worker.pid().to_string());
    let large = "x".repeat(1 << 20);
    for _ in 0..3 {
        assert_eq!(pool.run(Verb::Echo(large.clone())).await.unwrap(), large);
    }
    idle(&pool, 1).await;
    drop(pool);
    let (code, said) = worker.ended();
    assert!(code.is_none_or(|code| code == 0 || code == 3), "{code:?} {said}");
    eventually("the socket to go with its pool", async || (!place.socket.exists()).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_dies_costs_its_job_and_another_may_take_its_place() {
    let place = Place::new();
    let pool = place.pool(1).await;
    let worker = Worker::attach(&place.socket);
    let mut job = pool.try_submit(Verb::Spin).unwrap();
    job.next_progress().await.expect("it begins");
    process::kill(worker.pid());
    assert!(matches!(job.await.unwrap_err(), JobError::Crashed(_)));
    let _another = Worker::attach(&place.socket);
    assert_eq!(pool.run(echo("again")).await.unwrap(), "again");
}

/// Its parent is a shell, and no part of the coordinator: the kernel tells a tracer of a death before the parent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_looked_at_amid_its_death_is_still_its_parents_to_reap() {
    let place = Place::new();
    let pool = place.pool(1).await;
    let shell = "\"$0\" --attach \"$1\" & wait $!; echo \"ended $?\" >&2";
    let worker =
        Worker::spawn(Command::new("sh").args(["-c", shell]).arg(binary("verbs")).arg(&place.socket));
    let pid: u32 = pool.run(Verb::Pid).await.unwrap().parse().unwrap();
    let id = pool.workers().remove(0).id;
    let stack = pool.stack(&id, StackOptions::new().all_threads(true)).await.unwrap();
    assert!(stack.threads.len() >= 2 && stack.threads[0].id == pid, "{stack:?}");
    let look = || {
        let (pool, id) = (pool.clone(), id.clone());
        tokio::spawn(async move { drop(pool.stack(&id, StackOptions::new().all_threads(true)).await) })
    };
    let looks = [look(), look(), look(), look()];
    process::kill(pid);
    for look in looks {
        look.await.unwrap();
    }
    let (_, said) = worker.ended();
    assert!(said.ends_with("ended 137\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_in_sigkill_where_that_is_permitted() {
    let place = Place::new();
    let pool = place.pool(1).await;
    let worker = Worker::attach(&place.socket);
    assert_eq!(pool.run(echo("warm")).await.unwrap(), "warm");
    let late = pool.job(Verb::Spin).timeout(Duration::from_millis(100)).run().await.unwrap_err();
    assert!(late.is_timeout(), "{late}");
    eventually("the worker's end", async || (!is_alive(worker.pid())).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_stopped_while_idle_loses_its_place() {
    let place = Place::new();
    let pool = place.pool(1).await;
    let worker = Worker::attach(&place.socket);
    assert_eq!(pool.run(echo("warm")).await.unwrap(), "warm");
    process::signal(worker.pid(), Signal::STOP);
    eventually("its end", async || (!is_alive(worker.pid())).then_some(())).await;
    let _another = Worker::attach(&place.socket);
    assert_eq!(pool.run(echo("again")).await.unwrap(), "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_its_own_supervisor_stops_finishes_its_job_first() {
    for stop in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let pool = place.pool(1).await;
        let worker = Worker::attach(&place.socket);
        let [begun, go] = ["begun", "go"].map(|name| place.socket.with_file_name(name));
        let line = format!("touch {begun:?}; until test -e {go:?}; do sleep 0.01; done");
        let job = pool.try_submit(Verb::Shell(line)).unwrap();
        eventually("the job to begin", async || begun.exists().then_some(())).await;
        process::signal(worker.pid(), stop);
        let next = pool.try_submit(echo("next")).unwrap();
        std::fs::write(&go, "").expect("a file is made");
        assert_eq!(job.await.expect("it is finished"), "exit status: 0", "{stop:?}");
        assert_eq!(worker.ended(), (Some(0), String::new()), "{stop:?}");
        let _another = Worker::attach(&place.socket);
        assert_eq!(next.await.expect("another worker does it"), "next");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_one_that_its_own_supervisor_stops_exits_with_0() {
    let place = Place::new();
    let pool = place.pool(1).await;
    let worker = Worker::attach(&place.socket);
    assert_eq!(pool.run(echo("warm")).await.expect("an answer"), "warm");
    process::signal(worker.pid(), Signal::TERM);
    assert_eq!(worker.ended(), (Some(0), String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_stop_ends_one_amid_its_job_and_so_does_one_before_it_has_a_place() {
    let place = Place::new();
    let pool = place.pool(1).await;
    let worker = Worker::attach(&place.socket);
    let mut job = pool.try_submit(Verb::Spin).unwrap();
    job.next_progress().await.expect("it begins");
    let standing_by = Worker::attach(&place.socket);
    for pid in [standing_by.pid(), worker.pid()] {
        let stopped = async || {
            let _ = process::try_signal(pid, Signal::TERM);
            (!is_alive(pid)).then_some(())
        };
        eventually("its end", stopped).await;
    }
    assert!(matches!(job.await.unwrap_err(), JobError::Crashed(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_there_are_places_stand_by() {
    let place = Place::new();
    let pool = place.pool(1).await;
    let first = Worker::attach(&place.socket);
    assert_eq!(pool.run(Verb::Pid).await.unwrap(), first.pid().to_string());
    let second = Worker::attach(&place.socket);
    process::kill(first.pid());
    let served = async || pool.run(Verb::Pid).await.ok().filter(|pid| *pid == second.pid().to_string());
    eventually("the one that stood by", served).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_refused_with_a_word() {
    let place = Place::new();
    let pool = place.pool(1).await;
    let token = place.socket.with_file_name("wrong.token");
    std::fs::write(&token, "0".repeat(32)).unwrap();
    let mut command = Command::new(binary("verbs"));
    command.arg("--attach").arg(&place.socket).env("PROCPOOL_TOKEN_FILE", &token);
    let (code, said) = Worker::spawn(&mut command).ended();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("refused this worker (token)"), "{said}");
    let _worker = Worker::attach(&place.socket);
    assert_eq!(pool.run(echo("mine")).await.unwrap(), "mine");
    assert_eq!(pool.status().deaths, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_another_job_is_refused() {
    let place = Place::new();
    let _pool = place.pool(1).await;
    let mut command = Command::new(binary("procpool-fib"));
    let (code, said) = Worker::spawn(command.arg("--attach").arg(&place.socket)).ended();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("expected job `verbs` version 1"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_silent_connections_hold_up_nobody() {
    let place = Place::new();
    let pool = place.pool(1).await;
    let silent: Vec<_> = (0..200).map(|_| UnixStream::connect(&place.socket).unwrap()).collect();
    let _worker = Worker::attach(&place.socket);
    let answer = tokio::time::timeout(Duration::from_secs(4), pool.run(echo("mine"))).await;
    assert_eq!(answer.expect("well before a greeting runs out of time").unwrap(), "mine");
    drop(silent);
    assert_eq!(pool.status().deaths, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_speaks_version_1_learns_which_versions_there_are() {
    let place = Place::new();
    let _pool = place.pool(1).await;
    let mut stream = UnixStream::connect(&place.socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"PROCPOOL\x01\0\x01\0\0\0\0\0").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"PROCPOOL\x02\0\x02\0\0\0\0\0"), "{answer:?}");
}

/// Only root can start a process of another user, and only the kernel's word tells who that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_attaches_where_the_pool_says_so_and_nowhere_else() {
    if !other_user::can_be_had() {
        return;
    }
    const NOBODY: u32 = 65_534;
    let scratch = Scratch::new();
    let open =
        |path: &Path| std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755));
    open(scratch.path()).unwrap();
    let copy = scratch.path().join("verbs.copy");
    binaries::copy("verbs", &copy);
    for (users, is_welcome) in [(vec![], false), (vec![NOBODY], true)] {
        let socket = scratch.path().join(if is_welcome { "open.sock" } else { "closed.sock" });
        let pool = Pool::<Verbs>::attached(AttachSocket::at(&socket).with_users(users));
        let pool = pool.workers(1..=1).start().await.unwrap();
        let mut token = socket.clone().into_os_string();
        token.push(".token");
        let copy_of_token = scratch.path().join("token.copy");
        std::fs::copy(&token, &copy_of_token).unwrap();
        std::os::unix::fs::chown(&copy_of_token, Some(NOBODY), None).unwrap();
        if !is_welcome {
            // The socket's mode would stop it as well; here the kernel's word about the peer has to.
            std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        }
        let mut command = Command::new(&copy);
        command.arg("--attach").arg(&socket).env("PROCPOOL_TOKEN_FILE", &copy_of_token).uid(NOBODY);
        let mut worker = Worker::spawn(command.current_dir("/"));
        if is_welcome {
            let large = "x".repeat(1 << 20);
            for _ in 0..3 {
                let answer = pool.run(Verb::Echo(large.clone())).await;
                assert_eq!(answer.unwrap_or_else(|error| panic!("{error}: {}", worker.said())), large);
            }
            continue;
        }
        let mut said = String::new();
        BufReader::new(worker.0.stderr.take().unwrap()).read_line(&mut said).unwrap();
        let ends = ["closed the connection", "reset by peer", "Broken pipe"];
        assert!(ends.iter().any(|end| said.contains(end)), "{said}");
    }
}

/// Behind `procpool serve`, from a configuration alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_takes_attached_workers_and_logs_each_stranger_once() {
    let place = Place::new();
    let dir = place.socket.parent().unwrap();
    let config = format!("[server]\nattach_dir = {dir:?}\n[pools.verbs]\nattach = true\nmax_workers = 1\n");
    let (mut server, mut logs) = Server::with_logs(&config).await;
    let logs = tokio::spawn(async move {
        let mut text = String::new();
        logs.read_to_string(&mut text).await.map(|_| text)
    });
    let early = server.begin(&echo("early")).await;
    let silent: Vec<_> = (0..200).map(|_| UnixStream::connect(&place.socket).unwrap()).collect();
    let token = place.socket.with_file_name("wrong.token");
    std::fs::write(&token, "0".repeat(32)).unwrap();
    let mut stranger = Command::new(binary("verbs"));
    stranger.arg("--attach").arg(&place.socket).env("PROCPOOL_TOKEN_FILE", &token);
    let stranger = Worker::spawn(&mut stranger);
    let stranger_pid = stranger.pid();
    assert_eq!(stranger.ended().0, Some(4));
    let worker = Worker::attach(&place.socket);
    assert_eq!(http::finish(early).await.unwrap().text(), "\"early\"", "a job waits for a worker");
    assert_eq!(server.perform(&Verb::Pid).await.text(), format!("\"{}\"", worker.pid()));
    assert_eq!(server.workers("verbs").await, [worker.pid()]);
    assert_eq!(server.pool("verbs").await["deaths"], 0);

    process::signal(server.pid(), Signal::TERM);
    assert!(server.ended().await.success());
    drop(silent);
    let (code, said) = worker.ended();
    assert!(code.is_none_or(|code| code == 0 || code == 3), "{code:?} {said}");
    assert!(!place.socket.exists());
    let logs = logs.await.unwrap().unwrap();
    let turned_away = |pid: u32, reason: &str| {
        let lines = logs.lines().filter(|line| line.contains("turned a process away that tried to attach"));
        let [pid, reason] = [format!("pid={pid} "), format!("reason=\"{reason}\"")];
        lines.filter(|line| line.contains(&pid) && line.contains(&reason)).count()
    };
    assert_eq!(turned_away(std::process::id(), "silent"), 1, "{logs}");
    assert_eq!(turned_away(stranger_pid, "token"), 1, "{logs}");
}
