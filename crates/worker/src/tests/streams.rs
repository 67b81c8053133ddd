//! Chunks, credit and progress.

use super::*;
use procpool_protocol::extras::{Extra, of_done};
use procpool_protocol::limits::MAX_CHUNK;
use procpool_protocol::message::{Credit, Status};

/// Returns a worker whose jobs emit as many chunks as their input says, and report before each.
fn emitter() -> (Double, Receiver<u64>) {
    let (emit, emitting) = mpsc::channel();
    let double = Double::numbers(move |n, cx| {
        for i in 0..n {
            emit.send(i)?;
            cx.emit(format!("chunk {i}"))?;
        }
        Ok(n)
    });
    (double, emitting)
}

fn with_credit(chunks: u32) -> message::Job {
    message::Job { credit: Some(chunks), ..message() }
}

fn credit(sequence: u64, chunks: u32) -> Frame {
    Credit { chunks }.to_frame(sequence).unwrap()
}

impl Double {
    fn chunk(&mut self) -> String {
        self.jobs.hear(Kind::Chunk).payload.decode().unwrap()
    }
}

#[test]
fn chunks_come_in_order_before_the_outcome() {
    let (mut double, _emitting) = emitter();
    double.jobs.send(&job(1, &with_credit(16), number(2)));
    assert_eq!((double.chunk(), double.chunk()), ("chunk 0".into(), "chunk 1".into()));
    assert_eq!(double.done(1).1, number(2));
}

#[test]
fn chunks_that_nobody_wants_are_dropped() {
    let (mut double, _emitting) = emitter();
    assert_eq!(double.run(1, number(1000)).1, number(1000));
}

#[test]
fn chunks_that_nobody_listens_to_are_counted() {
    let (mut double, _emitting) = emitter();
    let (done, _) = double.run(1, number(1000));
    assert_eq!(done.extras, [Extra::number(of_done::CHUNKS_DROPPED, 1000)]);
    assert_eq!(double.run(2, number(0)).0.extras, []);
    double.jobs.send(&job(3, &with_credit(1), number(1)));
    assert_eq!(double.chunk(), "chunk 0");
    assert_eq!(double.done(3).0.extras, []);
}

#[test]
fn an_emit_without_credit_waits_for_more() {
    let (mut double, emitting) = emitter();
    double.jobs.send(&job(1, &with_credit(1), number(3)));
    assert_eq!(double.chunk(), "chunk 0");
    assert_eq!(emitting.iter().nth(1), Some(1));
    double.control.send(&credit(1, 1));
    assert_eq!(double.chunk(), "chunk 1");
    assert_eq!(emitting.iter().next(), Some(2));
    // Credit for another job has no effect.
    double.control.send(&credit(2, 9));
    double.guard_has_heard();
    double.control.send(&credit(1, 1));
    assert_eq!(double.chunk(), "chunk 2");
    assert_eq!(double.done(1).1, number(3));
}

#[test]
fn an_emit_that_waits_is_woken_by_a_cancel() {
    let (mut double, emitting) = emitter();
    // Often enough that some emits already wait when their cancel arrives.
    for sequence in 1..=100 {
        double.jobs.send(&job(sequence, &with_credit(0), number(1)));
        emitting.recv_timeout(HANG).unwrap();
        double.guard_has_heard();
        double.control.send(&Frame::new(Kind::Cancel, sequence, ""));
        assert_eq!(double.done(sequence).0.status, Status::Cancelled);
    }
}

#[test]
fn a_chunk_above_the_limit_breaks_the_job() {
    let mut double = Double::numbers(|n, cx| {
        // The job breaks even if it ignores the error.
        let _ = cx.emit("x".repeat(2000));
        Ok(n)
    });
    double.jobs.send(&job(1, &with_credit(9), number(1)));
    let Status::Broke(failure) = double.done(1).0.status else { panic!() };
    assert_eq!(
        (failure.code(), failure.message()),
        ("bad_chunk", "a chunk has 2002 bytes; the limit is 1000")
    );
    double.jobs.send(&job(2, &message(), number(1)));
    assert_eq!(double.done(2).0.status, Status::Ok);
}

#[test]
fn large_raw_chunks_are_cut_in_pieces() {
    let size = MAX_CHUNK as usize * 2 + 5;
    let work = move |session| {
        entry::answer::<Raw, ()>(
            session,
            Introduction::Ahead,
            |_| Ok(()),
            move |(), bytes, cx| {
                cx.emit(vec![7; size].into())?;
                cx.emit(Bytes::default())?;
                Ok(bytes)
            },
        )
    };
    let welcome = Welcome { max_payload: u32::MAX, ..welcome(Mode::Jobs) };
    let mut double = Double::hire(Identity::of_job::<Raw>(), &welcome, Payload::none(), work);
    double.jobs.hear(Kind::Ready);
    double.jobs.send(&job(1, &with_credit(9), Payload::raw("")));
    let sizes: Vec<_> = (0..4).map(|_| double.jobs.hear(Kind::Chunk).payload.bytes.len()).collect();
    assert_eq!(sizes, [MAX_CHUNK as usize, MAX_CHUNK as usize, 5, 0]);
    assert_eq!(double.done(1).0.status, Status::Ok);
}

#[test]
fn the_first_reports_are_sent_and_the_latest_comes_before_the_end() {
    let mut double = Double::numbers(|n, cx| {
        (1..=n).for_each(|done| cx.progress(done, Some(n)));
        Ok(n)
    });
    for sequence in 1..=2 {
        double.jobs.send(&job(sequence, &message(), number(100_000)));
        let first: Vec<_> = (0..10).map(|_| double.progress()).collect();
        assert_eq!(first, (1..=10).collect::<Vec<_>>());
        let mut frame = double.jobs.next();
        let (mut reports, mut latest) = (0, 10);
        while frame.kind == Kind::Progress {
            let progress = Progress::from_frame(&frame).unwrap();
            assert!(frame.sequence == sequence && progress.done > latest);
            (reports, latest) = (reports + 1, progress.done);
            frame = double.jobs.next();
        }
        assert_eq!((frame.kind, latest), (Kind::Done, 100_000));
        assert!(reports < 10_000, "{reports} reports");
    }
}

#[test]
fn threads_of_a_job_may_report_and_emit() {
    let mut double = Double::numbers(|n, cx| {
        thread::scope(|scope| {
            scope.spawn(move || cx.progress(1, None));
        });
        thread::scope(|scope| scope.spawn(move || cx.emit("from a thread".into())).join().unwrap())?;
        Ok(n)
    });
    double.jobs.send(&job(1, &with_credit(1), number(1)));
    assert_eq!(double.progress(), 1);
    assert_eq!(double.chunk(), "from a thread");
    assert_eq!(double.done(1).0.status, Status::Ok);
}
