//! The latest events, for a person who debugs a failure.

use std::collections::VecDeque;
use std::fmt;

use procpool_scheduler::{Action, Event, Time};

/// Number of entries that are kept unless all are.
const KEPT: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Note {
    In(Time, Event),
    Out(Time, Action),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Journal {
    notes: VecDeque<Note>,
    pub(crate) keeps_all: bool,
}

impl Journal {
    pub(crate) fn note(&mut self, note: Note) {
        if !self.keeps_all && self.notes.len() == KEPT {
            self.notes.pop_front();
        }
        self.notes.push_back(note);
    }

    pub(crate) fn len(&self) -> usize {
        self.notes.len()
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            match note {
                Note::In(at, event) => writeln!(f, "{:>12.3} ms  {event:?}", millis(*at))?,
                Note::Out(at, action) => writeln!(f, "{:>12.3} ms      -> {action:?}", millis(*at))?,
            }
        }
        Ok(())
    }
}

fn millis(at: Time) -> f64 {
    at.since(Time::ZERO).as_secs_f64() * 1e3
}
