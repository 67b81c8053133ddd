//! Free messages: a job's worker that answers them, and a worker with a port of its own.

use super::*;
use crate::ParentPort;
use crate::port::{self, PostError};
use procpool_protocol::log::{LogLevel as Level, LogRecord};
use procpool_protocol::message::failure_of;

fn post(payload: Payload) -> Frame {
    Frame::new(Kind::Message, 0, "").with_payload(payload)
}

/// Returns a worker with a port.
fn talker(
    data: Payload,
    f: impl FnOnce(ParentPort<u64, String>) -> Result<(), Failure> + Send + 'static,
) -> Double {
    let work = move |mut session: Session| {
        session.begin(|_| Ok(()))?.unwrap();
        port::run(session, f)
    };
    let mut double = Double::hire(Identity::of_messages(), &welcome(Mode::Messages), data, work);
    double.jobs.hear(Kind::Ready);
    double
}

impl Double {
    fn failure(&mut self) -> Failure {
        failure_of(&self.jobs.hear(Kind::MessageFailed)).unwrap()
    }
}

#[test]
fn a_jobs_worker_answers_each_message_in_its_own_encoding() {
    let mut double = Double::with::<Number>(Mode::Messages, |n, cx| {
        cx.progress(1, None);
        cx.emit("nobody's".into())?;
        assert_eq!(cx.remaining(), None);
        Ok(n + 1)
    });
    for encoding in [Encoding::Json, Encoding::Bincode] {
        double.jobs.send(&post(Payload::encode(&1_u64, encoding).unwrap()));
        let answer = double.jobs.hear(Kind::Message).payload;
        assert_eq!((answer.encoding, answer.decode::<u64>().unwrap()), (encoding, 2));
    }
    assert_eq!(double.dismiss().unwrap(), Ending::Finished);
}

#[test]
fn lines_of_log_belong_to_no_job_where_there_are_none() {
    let heard = |double: &mut Double| {
        let frame = double.jobs.hear(Kind::Log);
        (frame.sequence, LogRecord::from_frame(&frame).unwrap().message)
    };
    let mut double = Double::with::<Number>(Mode::Messages, |n, cx| {
        cx.log(Level::Info, "answering");
        // The marking does not matter: messages have one kind of failure.
        Err(Failure::new(n.to_string()).as_broken())
    });
    double.jobs.send(&post(number(7)));
    assert_eq!(heard(&mut double), (0, "answering".into()));
    assert_eq!(double.failure(), Failure::new("7"));
    let mut double = talker(Payload::none(), |port| {
        port.log(Level::Warn, "talking");
        Ok(())
    });
    assert_eq!(heard(&mut double), (0, "talking".into()));
}

#[test]
fn a_message_that_fails_does_not_end_the_conversation() {
    let mut double = Double::with::<Number>(Mode::Messages, |n, _| match n {
        0 => Err(Failure::new("nothing").with_code("zero")),
        n => Ok(n),
    });
    double.jobs.send(&post(number(0)));
    assert_eq!(double.failure().code(), "zero");
    double.jobs.send(&post(Payload::json("[]")));
    assert_eq!(double.failure().code(), "bad_input");
    double.jobs.send(&post(number(7)));
    assert_eq!(double.jobs.hear(Kind::Message).payload, number(7));
}

#[test]
fn an_answer_above_the_limit_is_a_failure() {
    let mut double = Double::with::<Raw>(Mode::Messages, |bytes, _| Ok(bytes.repeat(1001).into()));
    double.jobs.send(&post(Payload::raw("x")));
    assert_eq!(double.failure().code(), "output_too_large");
}

#[test]
fn a_panic_ends_the_conversation() {
    let mut double = Double::with::<Number>(Mode::Messages, |_, _| panic!("enough"));
    double.jobs.send(&post(number(1)));
    let failure = double.failure();
    assert_eq!(failure.code(), "panicked");
    assert!(failure.message().ends_with(": enough"), "{failure}");
    assert_eq!(double.end().unwrap(), Ending::Panicked);
}

#[test]
fn a_job_is_no_message() {
    let mut double = Double::with::<Number>(Mode::Messages, |n, _| Ok(n));
    double.jobs.send(&job(1, &message(), number(1)));
    assert!(matches!(double.end(), Err(WorkerError::Unexpected { got: Kind::Job, .. })));
}

#[test]
fn a_port_posts_before_it_is_spoken_to_and_knows_its_worker_data() {
    let mut double = talker(number(3), |port| {
        let greetings: u64 = port.worker_data()?;
        for i in 0..greetings {
            port.post(&format!("{} says {i}", port.worker()))?;
        }
        Ok(())
    });
    for i in 0..3 {
        let payload = double.jobs.hear(Kind::Message).payload;
        assert_eq!(payload.encoding, Encoding::Bincode);
        assert_eq!(payload.decode::<String>().unwrap(), format!("number-1 says {i}"));
    }
    assert_eq!(double.end().unwrap(), Ending::Left);
}

#[test]
fn a_port_receives_until_the_end_and_answers_in_kind() {
    let mut double = talker(Payload::none(), |port| {
        for n in &port {
            port.post(&"x".repeat(usize::try_from(n)?))?;
        }
        Ok(())
    });
    double.jobs.send(&post(number(2)));
    assert_eq!(double.jobs.hear(Kind::Message).payload, Payload::json("\"xx\""));
    double.control.send(&Frame::new(Kind::Shutdown, 0, ""));
    assert_eq!(double.end().unwrap(), Ending::Finished);
}

#[test]
fn a_port_passes_over_what_it_cannot_read() {
    let mut double = talker(Payload::none(), |port| {
        assert_eq!(port.recv(), Some(5));
        Ok(())
    });
    double.jobs.send(&post(Payload::json("\"five\"")));
    double.jobs.send(&post(number(5)));
    assert_eq!(double.failure().code(), "bad_input");
    assert_eq!(double.end().unwrap(), Ending::Left);
}

#[test]
fn a_port_does_not_post_what_is_too_large() {
    let double = talker(Payload::none(), |port| {
        let error = port.post(&"x".repeat(1001)).unwrap_err();
        assert!(matches!(error, PostError::TooLarge { limit: 1000, .. }), "{error}");
        Ok(())
    });
    assert_eq!(double.end().unwrap(), Ending::Left);
}

#[test]
fn an_error_that_ends_a_conversation_is_told() {
    let mut double = talker(Payload::none(), |port| {
        port.recv();
        Err(Failure::new("tired").with_code("tired"))
    });
    double.jobs.send(&post(number(1)));
    assert_eq!(double.failure().code(), "tired");
    assert_eq!(double.end().unwrap(), Ending::Failed);
}

#[test]
fn a_violation_ends_the_messages_and_the_worker() {
    let mut double = talker(Payload::none(), |port| {
        assert_eq!(port.recv(), None);
        Ok(())
    });
    double.jobs.send(&job(1, &message(), number(1)));
    assert!(matches!(double.end(), Err(WorkerError::Unexpected { got: Kind::Job, .. })));
}

#[test]
fn one_thread_may_post_while_another_waits() {
    let mut double = talker(Payload::none(), |port| {
        thread::scope(|scope| {
            let receiving = scope.spawn(|| port.recv());
            port.post(&"unasked".into())?;
            assert_eq!(receiving.join().unwrap(), Some(1));
            Ok(())
        })
    });
    double.jobs.hear(Kind::Message);
    double.jobs.send(&post(number(1)));
    assert_eq!(double.end().unwrap(), Ending::Left);
}
