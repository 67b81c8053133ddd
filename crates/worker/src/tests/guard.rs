//! The control connection while a job runs.

use super::*;
use procpool_protocol::handshake::Description;
use procpool_protocol::message::Status;
use std::sync::mpsc::Sender;

/// Returns a worker whose jobs report when they run, and then spin until they are cancelled. A job with input
/// 0 succeeds at once.
fn spinner() -> (Double, Receiver<u64>) {
    let (started, running): (Sender<u64>, _) = mpsc::channel();
    let double = Double::numbers(move |n, cx| {
        started.send(n)?;
        if n == 0 {
            return Ok(n);
        }
        loop {
            cx.check()?;
            thread::yield_now();
        }
    });
    (double, running)
}

fn cancel(sequence: u64) -> Frame {
    Frame::new(Kind::Cancel, sequence, "")
}

#[test]
fn a_running_job_notices_its_cancel() {
    let (mut double, running) = spinner();
    double.jobs.send(&job(1, &message(), number(1)));
    running.recv_timeout(HANG).unwrap();
    double.control.send(&cancel(1));
    assert_eq!(double.done(1).0.status, Status::Cancelled);
    assert_eq!(double.dismiss().unwrap(), Ending::Finished);
}

#[test]
fn a_job_that_was_cancelled_before_it_came_does_not_run() {
    let (mut double, running) = spinner();
    double.control.send(&cancel(2));
    double.guard_has_heard();
    assert_eq!(
        double.run(2, number(1)).0,
        Done { status: Status::Cancelled, run_nanos: 0, extras: Vec::new() }
    );
    assert!(running.try_recv().is_err());
    assert_eq!(double.run(3, number(0)).0.status, Status::Ok);
}

#[test]
fn a_late_cancel_hits_nobody() {
    let (mut double, running) = spinner();
    assert_eq!(double.run(1, number(0)).0.status, Status::Ok);
    double.jobs.send(&job(2, &message(), number(1)));
    assert_eq!(running.recv_timeout(HANG).unwrap(), 0);
    assert_eq!(running.recv_timeout(HANG).unwrap(), 1);
    double.control.send(&cancel(1));
    double.guard_has_heard();
    // Job 2 still runs, and its own cancel still reaches it.
    double.control.send(&cancel(2));
    assert_eq!(double.done(2).0.status, Status::Cancelled);
}

#[test]
fn a_flag_that_outlives_its_job_tells_nothing_of_the_next() {
    let (give, flags) = mpsc::channel();
    let mut double = Double::numbers(move |n, cx| {
        give.send(cx.cancel_flag())?;
        if n == 0 {
            return Ok(n);
        }
        loop {
            cx.check()?;
            thread::yield_now();
        }
    });
    double.run(1, number(0));
    double.jobs.send(&job(2, &message(), number(1)));
    let (first, second) = (flags.recv_timeout(HANG).unwrap(), flags.recv_timeout(HANG).unwrap());
    double.control.send(&cancel(2));
    double.done(2);
    assert!(second.is_cancelled() && !first.is_cancelled());
}

#[test]
fn a_ping_is_answered_amid_a_job() {
    let (mut double, running) = spinner();
    double.jobs.send(&job(1, &message(), number(1)));
    running.recv_timeout(HANG).unwrap();
    double.control.send(&Frame::new(Kind::Ping, 41, ""));
    assert_eq!(double.control.hear(Kind::Pong).sequence, 41);
    double.control.send(&cancel(1));
    double.done(1);
}

#[test]
fn a_description_carries_the_schemas() {
    let (mut double, _) = spinner();
    double.control.send(&Frame::new(Kind::Describe, 0, ""));
    let description: Description = json_of(&double.control.hear(Kind::Description)).unwrap();
    assert_eq!((description.job.as_str(), description.contract), ("number", 5));
    assert_eq!(description.output, Some(serde_json::json!({"type": "integer"})));
}

#[test]
fn schemas_that_are_too_large_are_left_out_of_the_description() {
    struct Verbose;
    impl Job for Verbose {
        const NAME: &'static str = "verbose";
        type Input = u64;
        type Output = u64;
        fn schema() -> Option<Schema> {
            Some(Schema::new("long ".repeat(20_000).into(), true.into()))
        }
    }
    let mut double = Double::with::<Verbose>(Mode::Jobs, |n, _| Ok(n));
    double.control.send(&Frame::new(Kind::Describe, 0, ""));
    let description: Description = json_of(&double.control.hear(Kind::Description)).unwrap();
    assert_eq!((description.input, description.output), (None, None));
    assert!(description.schema_hash.is_some());
}

#[test]
fn a_shutdown_lets_the_running_job_finish() {
    let (release, wait) = mpsc::channel();
    let (started, running) = mpsc::channel();
    let mut double = Double::numbers(move |n, _| {
        started.send(())?;
        wait.recv()?;
        Ok(n)
    });
    double.jobs.send(&job(1, &message(), number(4)));
    running.recv_timeout(HANG).unwrap();
    double.control.send(&Frame::new(Kind::Shutdown, 0, ""));
    double.guard_has_heard();
    release.send(()).unwrap();
    assert_eq!(double.done(1).1, number(4));
    assert_eq!(double.end().unwrap(), Ending::Finished);
}

#[test]
fn a_shutdown_wakes_an_idle_worker() {
    let (mut double, _) = spinner();
    double.control.send(&Frame::new(Kind::Shutdown, 0, ""));
    assert_eq!(double.end().unwrap(), Ending::Finished);
}

#[test]
fn the_end_of_the_control_connection_is_noticed_amid_a_job() {
    let (mut double, running) = spinner();
    double.jobs.send(&job(1, &message(), number(1)));
    running.recv_timeout(HANG).unwrap();
    double.control.close();
    let (owned, lost) = double.lost.recv_timeout(HANG).unwrap();
    assert!(owned && matches!(lost, Lost::Coordinator), "{lost:?}");
}

#[test]
fn the_guard_knows_whether_the_group_is_the_coordinators() {
    let welcome = Welcome { owned: false, ..welcome(Mode::Jobs) };
    let work = |session: Session| session.introduce().map(|()| Ending::Finished);
    let double = Double::hire(Identity::of_job::<Number>(), &welcome, Payload::none(), work);
    double.control.close();
    assert!(matches!(double.lost.recv_timeout(HANG).unwrap(), (false, Lost::Coordinator)));
}

#[test]
fn anything_but_a_control_frame_is_a_violation() {
    let (mut double, _) = spinner();
    double.control.send(&job(1, &message(), number(1)));
    let (_, lost) = double.lost.recv_timeout(HANG).unwrap();
    assert!(matches!(lost, Lost::Protocol(WorkerError::Unexpected { got: Kind::Job, .. })), "{lost:?}");
}

#[test]
fn an_unknown_control_frame_is_skipped_if_it_says_that_it_may_be() {
    let (mut double, _) = spinner();
    let mut bytes = Frame::new(Kind::Ping, 1, "skip me").to_bytes().to_vec();
    bytes[8..10].copy_from_slice(&0x7777_u16.to_le_bytes());
    bytes[10] = 1;
    std::io::Write::write_all(&mut double.control.stream, &bytes).unwrap();
    double.guard_has_heard();
    bytes[10] = 0;
    std::io::Write::write_all(&mut double.control.stream, &bytes).unwrap();
    let (_, lost) = double.lost.recv_timeout(HANG).unwrap();
    assert!(matches!(lost, Lost::Protocol(WorkerError::Frame(_))), "{lost:?}");
}

#[test]
fn a_panic_in_the_schema_does_not_leave_a_worker_unguarded() {
    struct Moody;
    impl Job for Moody {
        const NAME: &'static str = "moody";
        type Input = u64;
        type Output = u64;
        fn schema() -> Option<Schema> {
            assert_ne!(thread::current().name(), Some("guard"), "not on this thread");
            None
        }
    }
    let mut double = Double::with::<Moody>(Mode::Jobs, |n, _| Ok(n));
    double.control.send(&Frame::new(Kind::Describe, 0, ""));
    assert!(double.lost.recv_timeout(HANG).is_ok());
}
