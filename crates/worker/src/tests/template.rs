//! A template and its coordinator. Forks are tested with processes, since a test has several threads.

use super::*;
use crate::template::Template;
use procpool_protocol::handshake::Description;
use procpool_protocol::message::failure_of;

/// A template that answers, until its end.
struct Answering {
    control: Wire,
    end: Receiver<Result<bool, WorkerError>>,
}

fn answering() -> Answering {
    let (mut jobs, their_jobs) = Wire::pair();
    let (control, their_control) = Wire::pair();
    let (finish, end) = mpsc::channel();
    thread::spawn(move || {
        let sockets = Sockets { jobs: their_jobs.into(), control: their_control.into() };
        let served = Opening::read(sockets)
            .and_then(|opening| Template::introduced(opening, &Identity::of_job::<Number>()))
            .and_then(|(template, _)| template.serve());
        finish.send(served.map(|born| born.is_some()))
    });
    let welcome = Welcome { template: true, ..welcome(Mode::Jobs) };
    jobs.open(&json_frame(Kind::Welcome, &welcome).unwrap());
    assert!(jobs.hear_hello().forks);
    Answering { control, end }
}

impl Answering {
    fn end(&self) -> Result<bool, WorkerError> {
        self.end.recv_timeout(HANG).expect("the template did not end")
    }
}

#[test]
fn a_template_answers_pings_and_questions_until_it_is_shut_down() {
    let mut template = answering();
    template.control.send(&Frame::new(Kind::Ping, 7, ""));
    assert_eq!(template.control.hear(Kind::Pong).sequence, 7);
    template.control.send(&Frame::new(Kind::Describe, 0, ""));
    let description: Description = json_of(&template.control.hear(Kind::Description)).unwrap();
    assert!(description.input.is_some());
    template.control.send(&Frame::new(Kind::Shutdown, 0, ""));
    assert!(!template.end().unwrap(), "it is the template");
}

#[test]
fn a_template_says_that_it_does_not_fork_beside_other_threads_and_goes_on() {
    let mut template = answering();
    for number in [1, 2] {
        template.control.send(&Frame::new(Kind::Fork, number, ""));
        let frame = template.control.hear(Kind::ForkFailed);
        let failure = failure_of(&frame).unwrap();
        assert_eq!((frame.sequence, failure.code()), (number, "threads"), "{failure}");
    }
    // The end of the connection would end this process.
    template.control.send(&Frame::new(Kind::Shutdown, 0, ""));
    assert!(!template.end().unwrap());
}

#[test]
fn a_template_takes_no_frame_of_a_worker() {
    let mut template = answering();
    template.control.send(&Frame::new(Kind::Cancel, 1, ""));
    let error = template.end().unwrap_err().to_string();
    assert!(error.contains("it sent Cancel where a frame for a template was expected"), "{error}");
}
