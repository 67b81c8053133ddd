//! How a worker ends: shutdown, ends of file, and a coordinator that is gone.

use super::control::settle;
use super::start::child;
use crate::PATIENCE;
use crate::check::{Check, Checked, Group, ensure, skip, wrong};
use crate::frame::{Out, job, job_frame};
use crate::lab::Lab;
use crate::os::process::{End, is_alive, is_gone_within, kill, stop};
use crate::worker::{Inheritance, Terms, Worker, expect};
use procpool_protocol::frame::Kind;
use procpool_protocol::message::Status;
use rustix::process::Pid;
use serde_json::json;
use std::ffi::OsString;
use std::time::Duration;

pub(super) const GROUP: Group = Group {
    name: "ends",
    checks: &[
        Check::new(
            "shutdown",
            "An idle worker exits with code 0 after Shutdown.",
            &["shutdown-and-end-of-file", "exit-codes"],
            shutdown,
        ),
        Check::new(
            "shutdown-while-busy",
            "After Shutdown, a worker finishes its job, sends Done, and exits with code 0.",
            &["shutdown-and-end-of-file"],
            shutdown_while_busy,
        )
        .with_fixture(),
        Check::new(
            "shutdown-and-closed",
            "After Shutdown and the end of both connections, a worker exits with code 0 or kills itself.",
            &["shutdown-and-end-of-file"],
            shutdown_and_closed,
        ),
        Check::new(
            "end-of-jobs",
            "An idle worker exits with code 0 after the end of file on jobs.",
            &["shutdown-and-end-of-file", "exit-codes"],
            end_of_jobs,
        ),
        Check::new(
            "end-of-jobs-while-busy",
            "After the end of file on jobs, a worker still sends Done of its job, and exits with code 0.",
            &["shutdown-and-end-of-file"],
            end_of_jobs_while_busy,
        )
        .with_fixture(),
        Check::new(
            "end-within-a-job",
            "A worker does not begin a job whose frame did not come whole, and ends.",
            &["a-job-from-start-to-end", "shutdown-and-end-of-file"],
            end_within_a_job,
        )
        .with_input(),
        Check::new(
            "end-of-control",
            "An idle worker kills itself at the end of file on control.",
            &["shutdown-and-end-of-file", "starting-a-worker"],
            end_of_control,
        ),
        Check::new(
            "end-of-control-while-busy",
            "A worker kills itself at the end of file on control, even while a function computes.",
            &["shutdown-and-end-of-file"],
            end_of_control_while_busy,
        )
        .with_fixture(),
        Check::new(
            "group-dies",
            "A worker that is owned kills its process group, so that its children end with it.",
            &["starting-a-worker", "shutdown-and-end-of-file"],
            group_dies,
        )
        .with_fixture(),
        Check::new(
            "group-dies-after-jobs",
            "A worker that reads the end of file on jobs waits for that on control, and kills its children.",
            &["shutdown-and-end-of-file"],
            group_dies_after_jobs,
        )
        .with_fixture(),
        Check::new(
            "not-owned",
            "A worker that is not owned kills itself alone.",
            &["starting-a-worker", "shutdown-and-end-of-file"],
            not_owned,
        )
        .with_fixture(),
        Check::new(
            "closed-while-it-writes",
            "A worker that cannot write its output any longer ends.",
            &["shutdown-and-end-of-file"],
            closed_while_it_writes,
        )
        .with_fixture(),
        Check::new(
            "stopped-orphan",
            "A worker that was stopped does not outlive its parent: it asks for SIGCONT when that dies.",
            &["starting-a-worker"],
            stopped_orphan,
        )
        .should(),
    ],
};

fn shutdown(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.control.say(&Out::of(Kind::Shutdown, 0))?;
    worker.end_well("Shutdown")
}

/// Begins a job that takes a while.
fn begin(worker: &mut Worker) -> Checked<u64> {
    worker.give(json!({"op": "sleep", "ms": 500}).to_string().as_bytes())
}

fn done_and_end(worker: &mut Worker, sequence: u64, after: &str) -> Checked {
    let (done, _) = worker.done(sequence)?;
    expect(&done, "Ok", |status| *status == Status::Ok)?;
    worker.end_well(after)
}

fn shutdown_while_busy(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let sequence = begin(&mut worker)?;
    // sleep: gives the job time to begin. There is no order between the two connections.
    std::thread::sleep(Duration::from_millis(200));
    worker.control.say(&Out::of(Kind::Shutdown, 0))?;
    done_and_end(&mut worker, sequence, "Shutdown")
}

fn shutdown_and_closed(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.control.say(&Out::of(Kind::Shutdown, 0))?;
    worker.jobs.close();
    worker.control.close();
    let end = worker.end("Shutdown and the end of both connections")?;
    let is_right = end.is_kill() || end == End::Code(0);
    ensure(is_right, || format!("expected exit code 0 or SIGKILL, got {end}"))
}

fn end_of_jobs(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.jobs.finish();
    worker.end_well("the end of file on jobs")
}

fn end_of_jobs_while_busy(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let sequence = begin(&mut worker)?;
    worker.jobs.finish();
    done_and_end(&mut worker, sequence, "the end of file on jobs")
}

fn end_within_a_job(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let bytes = job_frame(1, &job(), &lab.any()?).bytes();
    worker.jobs.send(&bytes[..bytes.len() - 1])?;
    worker.jobs.finish();
    if let Some(frame) = worker.jobs.frame(PATIENCE)? {
        return wrong(format!("expected nothing, got {frame}"));
    }
    worker.end("an end of file within a Job").map(drop)
}

/// Expects that the worker has killed itself.
fn killed(worker: &mut Worker) -> Checked {
    let end = worker.end("the end of file on control")?;
    ensure(end.is_kill(), || format!("expected SIGKILL after the end of file on control, got {end}"))
}

fn end_of_control(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.control.close();
    killed(&mut worker)
}

fn end_of_control_while_busy(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.give(json!({"op": "spin", "ms": 120_000}).to_string().as_bytes())?;
    worker.wait_until_busy();
    worker.control.close();
    killed(&mut worker)
}

fn group_dies(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let child = child(&mut worker)?;
    worker.control.close();
    killed(&mut worker)?;
    let is_gone = is_gone_within(child, PATIENCE);
    kill(child);
    ensure(is_gone, || "expected the worker's child to end with it, and it lives on".into())
}

fn group_dies_after_jobs(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let child = child(&mut worker)?;
    // As when a coordinator dies: one connection ends shortly after the other.
    worker.jobs.close();
    // sleep: the distance between the two.
    std::thread::sleep(Duration::from_millis(50));
    worker.control.close();
    worker.end("the end of both connections")?;
    let is_gone = is_gone_within(child, PATIENCE);
    kill(child);
    ensure(is_gone, || "expected the worker's child to end with it, and it lives on".into())
}

fn not_owned(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready_on(&Terms { owned: false, ..Terms::default() })?;
    let child = child(&mut worker)?;
    worker.control.close();
    let killed = killed(&mut worker);
    // sleep: what would be killed now is killed by one system call, together with the worker.
    std::thread::sleep(Duration::from_millis(50));
    let lives = is_alive(child);
    kill(child);
    killed?;
    ensure(lives, || "expected the worker's child to live on, and it is dead".into())
}

fn closed_while_it_writes(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.give(json!({"op": "bytes", "length": 30 << 20}).to_string().as_bytes())?;
    if worker.jobs.bytes(1000, PATIENCE)?.is_none() {
        return skip("it ended before its output came");
    }
    worker.jobs.close();
    let end = worker.end("the end of jobs within its output")?;
    ensure(end != End::Signal(13), || "the worker died of SIGPIPE, which ends it silently".into())
}

/// Starts the worker in a session of its own, as the child of a shell that tells its process id.
const PARENT: &str = "command -v setsid >/dev/null || exit 77; setsid \"$@\" & echo $!; wait";

fn stopped_orphan(lab: &Lab<'_>) -> Checked {
    let parent = ["/bin/sh", "-c", PARENT, "sh"].map(OsString::from);
    let command: Vec<_> = parent.into_iter().chain(lab.command().iter().cloned()).collect();
    let mut worker = Worker::spawn(&command, &lab.opening(&Terms::default()), Inheritance::default())?;
    if worker.process.end_within(Duration::ZERO)? == Some(End::Code(77)) {
        return skip("there is no program `setsid`");
    }
    worker.hello()?;
    worker.ready()?;
    let is_told = worker.stdout.has("\n", PATIENCE);
    let said = worker.stdout.whole(Duration::ZERO);
    let pid = said.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw);
    let Some(pid) = pid.filter(|_| is_told) else { return wrong("the shell did not tell the worker's id") };
    // A worker may ask for the signal shortly after its Ready.
    settle(&mut worker)?;
    // sleep: time for an interpreter to get there, whose start is more urgent.
    std::thread::sleep(Duration::from_secs(1));
    ensure(stop(pid, PATIENCE)?, || "the worker cannot be stopped".into())?;
    worker.jobs.close();
    worker.control.close();
    kill(worker.pid());
    let is_gone = is_gone_within(pid, PATIENCE);
    kill(pid);
    ensure(is_gone, || format!("the stopped worker is there {PATIENCE:?} after its parent's death"))
}
