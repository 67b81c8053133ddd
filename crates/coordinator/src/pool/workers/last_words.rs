//! Reads a dead worker's unread messages in one pass: answers, what came before and between them, and which
//! job it was running. Does not: know how it died, or make system calls.

use super::frames;
use crate::pool::state::context::Told;
use crate::pool::state::slot::Held;
use procpool_protocol::frame::{Frame, Kind};
use procpool_scheduler::{Health, JobId as Key};
use std::collections::VecDeque;

/// See the file.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    /// In their order.
    pub(crate) answers: Vec<(Key, Told, Health)>,
    /// Progress, chunks and lines of log, in their order, each with the job that it is about.
    pub(crate) said: Vec<(Option<Key>, Frame)>,
    /// Jobs that it was asked for and has passed over at the last moment.
    pub(crate) passed_over: Vec<Key>,
}

/// How far a dead worker had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It has written down which job it began last.
    Began(u64),
    /// It writes nothing down: whether it had got all of the one job that it had.
    Got(bool),
}

/// Takes in the last frames, whose payloads lie where they belong. Jobs that they end are `held` no longer. The worker is dead
/// already: what breaks the protocol is as good as nothing.
pub(crate) fn hear(held: &mut VecDeque<Held>, frames: Vec<Frame>) -> LastWords {
    let mut words = LastWords::default();
    for mut frame in frames {
        let running = held.front().filter(|held| held.sequence == frame.sequence).map(|held| held.job);
        match (frame.kind, running) {
            (Kind::Done, Some(job)) => {
                if let Ok((told, health)) = frames::outcome(&mut frame) {
                    held.pop_front();
                    words.answers.push((job, told, health));
                }
            }
            (Kind::Recalled, _) => {
                let at = held.iter().position(|held| held.sequence == frame.sequence);
                words.passed_over.extend(at.and_then(|at| held.remove(at)).map(|held| held.job));
            }
            (Kind::Progress | Kind::Chunk, Some(_)) | (Kind::Log, _) => words.said.push((running, frame)),
            _ => {}
        }
    }
    words
}

/// Returns the number of unanswered jobs that a dead worker had begun. The last of them is the one that it
/// was running.
pub(crate) fn begun(held: &VecDeque<Held>, progress: Progress) -> usize {
    match progress {
        Progress::Began(newest) => held.iter().take_while(|held| held.sequence <= newest).count(),
        Progress::Got(all) => usize::from(all && !held.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_process::Ticket;
    use procpool_protocol::Payload;
    use procpool_protocol::message::{Done, Status};

    fn held(sequences: impl IntoIterator<Item = u64>) -> VecDeque<Held> {
        let one = |sequence| Held { sequence, job: Key(sequence), ticket: Ticket::default() };
        sequences.into_iter().map(one).collect()
    }

    fn done(sequence: u64) -> Frame {
        let done = Done { status: Status::Ok, run_nanos: 0, extras: Vec::new() };
        done.into_frame(sequence, Payload::json("1")).unwrap()
    }

    fn frame(kind: Kind, sequence: u64) -> Frame {
        Frame::new(kind, sequence, "")
    }

    #[test]
    fn what_is_said_of_a_job_counts_though_it_is_answered_right_after_another() {
        let mut jobs = held([1, 2, 3]);
        let frames =
            vec![done(1), frame(Kind::Chunk, 2), frame(Kind::Progress, 2), done(2), frame(Kind::Chunk, 3)];
        let words = hear(&mut jobs, frames);
        assert_eq!(words.answers.iter().map(|answer| answer.0).collect::<Vec<_>>(), [Key(1), Key(2)]);
        let said: Vec<_> = words.said.iter().map(|(job, frame)| (*job, frame.kind)).collect();
        let [two, three] = [Some(Key(2)), Some(Key(3))];
        assert_eq!(said, [(two, Kind::Chunk), (two, Kind::Progress), (three, Kind::Chunk)]);
        assert_eq!(jobs.len(), 1, "the third is the one that it was running");
    }

    #[test]
    fn the_job_that_ran_is_the_last_that_was_begun_and_not_answered() {
        let mut jobs = held([1, 2, 3]);
        hear(&mut jobs, vec![done(1)]);
        assert_eq!(begun(&jobs, Progress::Began(2)), 1);
        assert_eq!(begun(&jobs, Progress::Began(1)), 0);
        assert_eq!(begun(&jobs, Progress::Began(99)), 2);
        assert_eq!([true, false].map(|all| begun(&jobs, Progress::Got(all))), [1, 0]);
        assert_eq!(begun(&held([]), Progress::Got(true)), 0);
    }

    #[test]
    fn nonsense_is_nothing() {
        let mut jobs = held([4, 5, 6]);
        let frames = vec![done(9), done(5), frame(Kind::Chunk, 5), frame(Kind::Done, 4), frame(Kind::Job, 4)];
        let words = hear(&mut jobs, frames);
        assert!(words.answers.is_empty() && words.said.is_empty() && jobs.len() == 3);
    }

    #[test]
    fn a_job_that_is_passed_over_goes_wherever_it_stands() {
        let mut jobs = held([4, 5, 6]);
        let frames =
            vec![frame(Kind::Recalled, 4), frame(Kind::Recalled, 9), done(5), frame(Kind::Recalled, 5)];
        let words = hear(&mut jobs, frames);
        assert_eq!((words.passed_over, words.answers.len(), jobs.len()), (vec![Key(4)], 1, 1));
    }
}
