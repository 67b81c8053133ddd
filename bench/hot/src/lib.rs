//! The operations that every job goes through inside of this process, one at a time: a job's events in the
//! scheduler, and its frames in and out. Timed by `benches/hot.rs`, counted in instructions by
//! `bench-instructions`.

#![forbid(unsafe_code)]

use bytes::BytesMut;
use procpool_protocol::Payload;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::Frame;
use procpool_protocol::message::{Done, Job, Status};
use procpool_scheduler::{Config, Event, Health, JobId, Scheduler, Terms, Time, WorkerId};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

/// Does an operation this number of times, after it has set up what the operation needs.
pub type Operation = (&'static str, fn(u64));

/// All of them.
pub const OPERATIONS: &[Operation] = &[
    ("scheduler: a job and an idle worker", |count| schedule(1, 0, 0, count)),
    ("scheduler: a job behind 10,000 others", |count| schedule(1, 0, 10_000, count)),
    ("scheduler: a job and 256 workers", |count| schedule(256, 0, 256, count)),
    ("scheduler: a job that is sent ahead", |count| schedule(2, 16, 256, count)),
    ("frame: a job, written", |count| write(&job(), count)),
    ("frame: a job, read", |count| read(&job(), count)),
    ("frame: an answer, written", |count| write(&answer(), count)),
    ("frame: an answer, read", |count| read(&answer(), count)),
];

/// One job comes and one ends, in a pool of this number of workers with this number of jobs at any time, and
/// `ahead` of them behind the one that a worker runs.
fn schedule(workers: usize, ahead: usize, jobs: u64, count: u64) {
    let queue = usize::MAX / 2;
    let config = Config { min_workers: workers, max_workers: workers, ahead, queue, ..Config::default() };
    let mut pool = Pool {
        scheduler: Scheduler::new(config, 1).expect("a valid configuration"),
        at: 0,
        runs: VecDeque::new(),
    };
    pool.tell(Event::Start);
    for worker in 0..workers as u64 {
        pool.tell(Event::Ready { worker: WorkerId(worker), takes_ahead: ahead > 0 });
    }
    for job in 0..jobs {
        pool.submit(job);
    }
    for job in jobs..jobs + count {
        pool.submit(job);
        let (worker, job) = pool.runs.pop_front().expect("a running job");
        pool.tell(Event::Done { worker, job, health: Health::Sound });
    }
}

struct Pool {
    scheduler: Scheduler,
    at: u64,
    /// Jobs that are with workers, in the order in which they will end.
    runs: VecDeque<(WorkerId, JobId)>,
}

impl Pool {
    fn submit(&mut self, job: u64) {
        let terms = Terms { timeout: Some(Duration::from_secs(30)), attempts: 1, ..Terms::default() };
        self.tell(Event::Submit { job: JobId(job), terms });
    }

    fn tell(&mut self, event: Event) {
        self.at += 1_000;
        self.scheduler.handle(Time::from_nanos(self.at), event);
        while let Some(action) = self.scheduler.poll_action() {
            if let procpool_scheduler::Action::Assign { worker, job, .. } = action {
                self.runs.push_back((worker, job));
            }
            black_box(action);
        }
        black_box(self.scheduler.poll_timeout());
    }
}

fn job() -> Frame {
    let job = Job {
        id: [7; 16],
        attempt: 1,
        remaining_nanos: Some(30_000_000_000),
        reply: 1,
        credit: None,
        extras: Vec::new(),
    };
    job.to_frame(1).expect("a small header").with_payload(Payload::raw(&b"ping"[..]))
}

fn answer() -> Frame {
    let done = Done { status: Status::Ok, run_nanos: 100, extras: Vec::new() };
    done.into_frame(1, Payload::raw(&b"pong"[..])).expect("a small header")
}

fn write(frame: &Frame, count: u64) {
    let mut out = BytesMut::with_capacity(1 << 16);
    for _ in 0..count {
        out.clear();
        black_box(frame).put(&mut out);
        black_box(&out);
    }
}

fn read(frame: &Frame, count: u64) {
    let bytes = frame.to_bytes();
    let mut decoder = Decoder::new();
    for _ in 0..count {
        decoder.feed(black_box(&bytes));
        black_box(decoder.poll_frame().expect("a frame"));
    }
}
