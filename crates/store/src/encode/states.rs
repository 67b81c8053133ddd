//! The numbers of states and outcomes on disk. They stay, whatever order the types have.

use procpool_protocol::OutcomeKind;
use procpool_protocol::engine::Priority;
use procpool_registry::{Class, Record, State};

use super::Unreadable;

/// The class of jobs that wait for a worker, as a number on disk.
pub(crate) const WAITING: u8 = 0;
/// The class of jobs that a worker has.
pub(crate) const RUNNING: u8 = 1;
/// The class of jobs that wait for their time.
const DELAYED: u8 = 3;
/// Outcomes follow from here.
const FINISHED: u8 = 16;

/// All classes of unfinished jobs.
pub(crate) const UNFINISHED: [u8; 3] = [WAITING, RUNNING, DELAYED];

/// Outcomes by their number on disk. New ones are appended.
const OUTCOMES: [OutcomeKind; 13] = [
    OutcomeKind::Ok,
    OutcomeKind::Failed,
    OutcomeKind::Broke,
    OutcomeKind::BadInput,
    OutcomeKind::Panicked,
    OutcomeKind::Crashed,
    OutcomeKind::TimedOut,
    OutcomeKind::Cancelled,
    OutcomeKind::ProtocolError,
    OutcomeKind::OutputTooLarge,
    OutcomeKind::Poisoned,
    OutcomeKind::ShutDown,
    OutcomeKind::Refused,
];

/// Returns the number of a state: `2` is one that was accepted and has not been queued.
pub(crate) fn of_state(state: State) -> Option<u8> {
    match state {
        State::Queued => Some(WAITING),
        State::Running => Some(RUNNING),
        State::Accepted => Some(2),
        State::Finished(outcome) => of_outcome(outcome),
        _ => None,
    }
}

pub(crate) fn state(number: u8) -> Result<State, Unreadable> {
    match number {
        WAITING => Ok(State::Queued),
        RUNNING => Ok(State::Running),
        2 => Ok(State::Accepted),
        _ => {
            let place = number.checked_sub(FINISHED).ok_or(Unreadable("it has an unknown state"))?;
            let outcome = OUTCOMES.get(usize::from(place)).copied();
            outcome.map(State::Finished).ok_or(Unreadable("it has an unknown outcome"))
        }
    }
}

fn of_outcome(outcome: OutcomeKind) -> Option<u8> {
    let place = OUTCOMES.iter().position(|&it| it == outcome)?;
    u8::try_from(place).ok().map(|place| FINISHED + place)
}

/// Returns the number of the class in which lists have a record.
pub(crate) fn class_of(record: &Record) -> u8 {
    match record.state {
        state if is_waiting(state) => {
            if record.due.is_some() {
                DELAYED
            } else {
                WAITING
            }
        }
        state => of_state(state).unwrap_or(u8::MAX),
    }
}

/// Returns whether no worker has a job of this state, and it is unfinished.
pub(crate) fn is_waiting(state: State) -> bool {
    matches!(state, State::Accepted | State::Queued)
}

/// Returns the numbers of a class of the registry.
pub(crate) fn of_class(class: Class) -> Vec<u8> {
    match class.index() {
        0 => vec![WAITING, DELAYED],
        1 => vec![RUNNING],
        index => {
            OutcomeKind::ALL.get(index - 2).and_then(|&outcome| of_outcome(outcome)).into_iter().collect()
        }
    }
}

/// Returns the numbers of all classes.
pub(crate) fn classes() -> impl Iterator<Item = u8> {
    let finished = (FINISHED..).take(OUTCOMES.len());
    UNFINISHED.into_iter().chain(finished)
}

pub(crate) fn of_priority(priority: Priority) -> u8 {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}

pub(crate) fn priority(number: u8) -> Result<Priority, Unreadable> {
    match number {
        0 => Ok(Priority::High),
        1 => Ok(Priority::Normal),
        2 => Ok(Priority::Low),
        _ => Err(Unreadable("it has an unknown priority")),
    }
}

/// Numbers of the priorities, in the order in which jobs run.
pub(crate) const PRIORITIES: [u8; 3] = [0, 1, 2];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_number_that_returns_it() {
        for outcome in OutcomeKind::ALL {
            let number = of_state(State::Finished(outcome)).expect("append new outcomes to the table");
            assert_eq!(state(number), Ok(State::Finished(outcome)));
        }
        for other in [State::Accepted, State::Queued, State::Running] {
            assert_eq!(of_state(other).map(state), Some(Ok(other)));
        }
        assert!(state(15).is_err() && state(200).is_err());
    }
}
