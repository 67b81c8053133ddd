//! One job in, one outcome out.

use super::*;
use procpool_protocol::extras::{Extra, JobReport, of_done, of_job};
use procpool_protocol::log::{LogLevel as Level, LogRecord};
use procpool_protocol::message::Status;

fn double_of(n: u64, _: &Context<Number>) -> Result<u64, Failure> {
    n.checked_mul(2).ok_or_else(|| Failure::new("too much").with_code("overflow"))
}

#[test]
fn a_job_is_answered_in_the_encoding_that_its_caller_wants() {
    let mut double = Double::numbers(double_of);
    for (sequence, encoding) in [(1, Encoding::Json), (2, Encoding::Bincode)] {
        let message = message::Job { reply: encoding.into(), ..message() };
        double.jobs.send(&job(sequence, &message, number(21)));
        let (done, output) = double.done(sequence);
        assert_eq!((done.status, output.encoding), (Status::Ok, encoding));
        assert_eq!(output.decode::<u64>().unwrap(), 42);
    }
}

#[test]
fn an_encoding_that_cannot_be_had_gives_the_jobs_own() {
    let mut double = Double::numbers(double_of);
    for (sequence, reply) in [(1, Encoding::Bytes.into()), (2, Encoding::None.into()), (3, 77)] {
        double.jobs.send(&job(sequence, &message::Job { reply, ..message() }, number(1)));
        assert_eq!(double.done(sequence).1.encoding, Encoding::Bincode);
    }
}

#[test]
fn raw_bytes_stay_raw() {
    let mut double = Double::with::<Raw>(Mode::Jobs, |bytes, _| Ok(bytes));
    let input = Payload::raw(&b"\x00\xff"[..]);
    let (done, output) = double.run(1, input.clone());
    assert_eq!((done.status, output), (Status::Ok, input));
}

#[test]
fn bad_input_never_reaches_the_function() {
    let mut double = Double::numbers(|_, _| panic!("it was called"));
    let (done, output) = double.run(1, Payload::json("\"forty\""));
    let Status::BadInput { message } = done.status else { panic!("{done:?}") };
    assert!(message.contains("failed to decode 7 bytes of JSON"), "{message}");
    assert_eq!((done.run_nanos, output), (0, Payload::none()));
}

#[test]
fn a_failure_is_told_and_the_worker_goes_on() {
    let mut double = Double::numbers(double_of);
    let Status::Failed(failure) = double.run(1, number(u64::MAX)).0.status else { panic!() };
    assert_eq!((failure.code(), failure.message()), ("overflow", "too much"));
    assert_eq!(double.run(2, number(1)).1, number(2));
}

#[test]
fn a_function_that_broke_is_told_so_and_the_worker_goes_on() {
    let mut double = Double::numbers(|n, _| match n {
        0 => Err(Failure::new("no such key").with_code("KeyError").as_broken()),
        n => Ok(n),
    });
    let Status::Broke(failure) = double.run(1, number(0)).0.status else { panic!() };
    assert_eq!((failure.code(), failure.message()), ("KeyError", "no such key"));
    assert_eq!(double.run(2, number(1)).1, number(1));
}

#[test]
fn a_job_that_gives_up_is_cancelled_even_if_marked_as_broken() {
    let mut double = Double::numbers(|_, _| Err(Failure::from(procpool_protocol::Cancelled).as_broken()));
    assert_eq!(double.run(1, number(1)).0.status, Status::Cancelled);
}

#[test]
fn a_panic_is_told_with_message_and_place_and_ends_the_worker() {
    let mut double = Double::numbers(|n, _| panic!("cannot do {n}"));
    let Status::Panicked { message, location } = double.run(1, number(3)).0.status else { panic!() };
    assert_eq!(message, "cannot do 3");
    assert!(location.unwrap().contains("tests/jobs.rs:"));
    assert_eq!(double.end().unwrap(), Ending::Panicked);
}

#[test]
fn code_that_panics_while_encoding_is_told_like_any_panic() {
    struct Spiteful;
    impl serde::Serialize for Spiteful {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("not me")
        }
    }
    impl<'de> serde::Deserialize<'de> for Spiteful {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    impl Job for Spiteful {
        const NAME: &'static str = "spiteful";
        type Input = u64;
        type Output = Self;
    }
    let mut double = Double::with::<Spiteful>(Mode::Jobs, |_, _| Ok(Spiteful));
    let status = double.run(1, number(3)).0.status;
    assert!(matches!(&status, Status::Panicked { message, .. } if message == "not me"), "{status:?}");
}

#[test]
fn an_output_above_the_limit_is_not_sent() {
    let mut double = Double::with::<Raw>(Mode::Jobs, |bytes, _| Ok(bytes.repeat(10).into()));
    assert_eq!(double.run(1, Payload::raw(vec![0; 100])).0.status, Status::Ok);
    let (done, output) = double.run(2, Payload::raw(vec![0; 101]));
    assert_eq!(done.status, Status::TooLarge { size: 1010, limit: 1000 });
    assert_eq!(output, Payload::none());
}

#[test]
fn a_job_that_gives_up_is_cancelled_not_failed() {
    let mut double = Double::numbers(|_, _| Err(procpool_protocol::Cancelled.into()));
    assert_eq!(double.run(1, number(1)).0.status, Status::Cancelled);
}

#[test]
fn a_function_may_return_an_anyhow_error_with_a_question_mark() {
    fn work(n: u64, cx: &Context<Number>) -> anyhow::Result<u64> {
        use anyhow::Context as _;
        match n {
            0 => Err(procpool_protocol::Cancelled)?,
            1 => Err(procpool_protocol::Cancelled).context("failed to count")?,
            _ => cx.check().context("failed to count")?,
        }
        "many".parse().with_context(|| format!("failed to count to {n}"))
    }
    let mut double = Double::numbers(|n, cx| Ok(work(n, cx)?));
    for n in [0, 1] {
        assert_eq!(double.run(n + 1, number(n)).0.status, Status::Cancelled);
    }
    let Status::Failed(failure) = double.run(3, number(2)).0.status else { panic!() };
    assert_eq!(failure.message(), "failed to count to 2: invalid digit found in string");
}

#[test]
fn time_that_is_up_is_seen_but_only_the_coordinator_cancels() {
    let mut double = Double::numbers(|n, cx| {
        assert!(cx.remaining().is_some_and(|left| left.is_zero()));
        cx.check()?;
        Ok(n)
    });
    let message = message::Job { remaining_nanos: Some(0), ..message() };
    double.jobs.send(&job(1, &message, number(1)));
    assert_eq!(double.done(1).0.status, Status::Ok);
}

#[test]
fn a_deadline_beyond_all_clocks_is_none() {
    let mut double = Double::numbers(|_, cx| {
        assert!(!cx.is_cancelled() && !cx.cancel_flag().is_cancelled());
        Ok(0)
    });
    let message = message::Job { remaining_nanos: Some(u64::MAX), ..message() };
    double.jobs.send(&job(1, &message, number(1)));
    assert_eq!(double.done(1).0.status, Status::Ok);
}

#[test]
fn jobs_that_arrived_together_are_run_in_order() {
    let mut double = Double::numbers(double_of);
    let both = [job(1, &message(), number(1)).to_bytes(), job(2, &message(), number(2)).to_bytes()].concat();
    std::io::Write::write_all(&mut double.jobs.stream, &both).unwrap();
    double.jobs.close();
    assert_eq!(double.done(1).1, number(2));
    assert_eq!(double.done(2).1, number(4));
    assert_eq!(double.end().unwrap(), Ending::Finished);
}

#[test]
fn the_time_that_the_function_took_is_told() {
    let mut double = Double::numbers(|n, _| {
        let started = std::time::Instant::now();
        while started.elapsed() < Duration::from_millis(2) {}
        Ok(n)
    });
    assert!(double.run(1, number(1)).0.run_nanos >= 2_000_000);
}

#[test]
fn a_raw_output_has_the_content_type_that_the_function_said_last() {
    let mut double = Double::with::<Raw>(Mode::Jobs, |bytes, cx| {
        cx.content_type("image/gif")?;
        cx.content_type("image/png")?;
        assert!(cx.content_type("image/png; q=1").is_err());
        Ok(bytes)
    });
    let (done, _) = double.run(1, Payload::raw("picture"));
    assert_eq!(done.extras, [Extra { tag: of_done::CONTENT_TYPE, value: b"image/png".to_vec() }]);
}

#[test]
fn a_job_without_an_output_of_raw_bytes_has_no_content_type() {
    let mut double = Double::numbers(|n, cx| {
        cx.content_type("image/png")?;
        if n == 0 { Err(Failure::new("no")) } else { Ok(n) }
    });
    for (sequence, n) in [(1, 0), (2, 1)] {
        assert_eq!(double.run(sequence, number(n)).0.extras, []);
    }
}

#[test]
fn a_text_that_is_no_content_type_ends_the_job_as_failed_with_the_text() {
    let mut double = Double::with::<Raw>(Mode::Jobs, |bytes, cx| {
        cx.content_type("picture")?;
        Ok(bytes)
    });
    let Status::Failed(failure) = double.run(1, Payload::raw("")).0.status else { panic!() };
    assert!(failure.message().starts_with("\"picture\" is no content type"), "{failure}");
}

#[test]
fn processor_time_and_peak_memory_are_told_to_those_who_ask() {
    let mut double = Double::numbers(|n, _| {
        let before = crate::os::thread_cpu_time();
        while crate::os::thread_cpu_time() < before + Duration::from_millis(2) {}
        match n {
            0 => Err(Failure::new("a failure uses time, too")),
            n => Ok(n),
        }
    });
    assert_eq!(double.run(1, number(1)).0.extras, [], "nobody asked");
    let asking = message::Job { extras: vec![Extra::flag(of_job::REPORT_USAGE)], ..message() };
    for (sequence, n) in [(2, 0), (3, 1)] {
        double.jobs.send(&job(sequence, &asking, number(n)));
        let report = JobReport::of(&double.done(sequence).0.extras).unwrap().unwrap();
        assert!(report.cpu_time.unwrap() >= Duration::from_millis(2), "{report:?}");
        assert!(report.peak_memory.unwrap() > 100_000, "{report:?}");
    }
}

#[test]
fn a_line_of_log_is_sent_at_once_with_its_level_and_job() {
    let mut double = Double::numbers(|n, cx| {
        cx.log(Level::Warn, format_args!("{n} is unlucky"));
        Ok(n)
    });
    double.jobs.send(&job(5, &message(), number(13)));
    let frame = double.jobs.hear(Kind::Log);
    let record = LogRecord { level: Level::Warn, message: "13 is unlucky".into(), target: None };
    assert_eq!((frame.sequence, LogRecord::from_frame(&frame).unwrap()), (5, record));
    assert_eq!(double.done(5).1, number(13));
}

#[test]
fn a_line_of_log_that_panics_while_it_is_written_ends_its_job_and_tears_nothing() {
    struct Spiteful;
    impl std::fmt::Display for Spiteful {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("not me")
        }
    }
    let mut double = Double::numbers(|n, cx| {
        cx.log(Level::Info, Spiteful);
        Ok(n)
    });
    let status = double.run(1, number(1)).0.status;
    assert!(matches!(&status, Status::Panicked { message, .. } if message == "not me"), "{status:?}");
}

#[test]
fn anything_but_a_job_is_a_violation() {
    let mut double = Double::numbers(double_of);
    double.jobs.send(&Frame::new(Kind::Message, 1, ""));
    let error = double.end().unwrap_err().to_string();
    assert_eq!(error, "the coordinator broke the protocol: it sent Message where a job was expected");
}

#[test]
fn an_unknown_frame_is_a_violation() {
    let mut double = Double::numbers(double_of);
    let mut bytes = Frame::new(Kind::Job, 1, "").to_bytes().to_vec();
    bytes[8..10].copy_from_slice(&0x7777_u16.to_le_bytes());
    std::io::Write::write_all(&mut double.jobs.stream, &bytes).unwrap();
    let error = double.end().unwrap_err().to_string();
    assert_eq!(error, "the coordinator broke the protocol: unknown frame kind 0x7777");
}

#[test]
fn a_job_with_too_many_extras_is_a_violation() {
    let mut double = Double::numbers(double_of);
    let extras = vec![Extra { tag: 9, value: Vec::new() }; 17];
    double.jobs.send(&job(1, &message::Job { extras, ..message() }, number(1)));
    assert!(matches!(double.end(), Err(WorkerError::Codec(_))));
}

#[test]
fn a_sequence_number_that_comes_twice_is_a_violation() {
    let mut double = Double::numbers(double_of);
    double.run(5, number(1));
    double.jobs.send(&job(5, &message(), number(1)));
    assert!(matches!(double.end(), Err(WorkerError::OutOfOrder { sequence: 5, newest: 5 })));
}

#[test]
fn a_coordinator_that_reads_no_answer_ends_the_worker_quietly() {
    let (release, wait) = mpsc::channel();
    let mut double = Double::numbers(move |n, _| wait.recv().map(|()| n).map_err(Failure::from));
    double.jobs.send(&job(1, &message(), number(1)));
    double.jobs.stream.shutdown(Shutdown::Both).unwrap();
    release.send(()).unwrap();
    assert!(matches!(double.end(), Err(WorkerError::Orphaned)));
}
