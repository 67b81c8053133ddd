//! [`Filter`]: which jobs a list has. [`Class`] is what a record is listed by.

use std::sync::Arc;

use procpool_protocol::OutcomeKind;

use crate::record::{Phase, Record, State};
use crate::time::Time;

/// Which jobs a list has. A job matches if it meets every condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Only jobs of these pools, or of all.
    pub pools: Option<Vec<Arc<str>>>,
    /// Only jobs in this phase.
    pub phase: Option<Phase>,
    /// Only finished jobs with this outcome.
    pub outcome: Option<OutcomeKind>,
    /// Only [dead letters](is_dead).
    pub dead: bool,
    /// Only jobs that were accepted then or later.
    pub since: Option<Time>,
}

impl Filter {
    /// Returns whether a record matches.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        let pools = self.pools.as_ref();
        pools.is_none_or(|pools| pools.contains(&record.pool))
            && self.phase.is_none_or(|phase| record.state.phase() == phase)
            && self.outcome.is_none_or(|outcome| record.state.outcome() == Some(outcome))
            && (!self.dead || record.state.outcome().is_some_and(is_dead))
            && self.since.is_none_or(|since| record.accepted >= since)
    }

    /// Returns the classes of the jobs that match, or `None` for all.
    pub(crate) fn classes(&self) -> Option<Vec<Class>> {
        if self.phase.is_none() && self.outcome.is_none() && !self.dead {
            return None;
        }
        let fits = |class: &Class| {
            self.phase.is_none_or(|phase| class.phase() == phase)
                && self.outcome.is_none_or(|outcome| class.outcome() == Some(outcome))
                && (!self.dead || class.outcome().is_some_and(is_dead))
        };
        Some(Class::all().filter(fits).collect())
    }
}

/// Returns whether a job with this outcome is a dead letter: it has failed for good, and neither its client nor an
/// operator has ended it.
#[must_use]
pub const fn is_dead(outcome: OutcomeKind) -> bool {
    use OutcomeKind as Kind;
    matches!(
        outcome,
        Kind::Broke
            | Kind::Crashed
            | Kind::Failed
            | Kind::OutputTooLarge
            | Kind::Panicked
            | Kind::Poisoned
            | Kind::ProtocolError
            | Kind::TimedOut
    )
}

/// Returns the phase of this name.
///
/// # Errors
/// Names the phases that exist.
///
/// ```
/// use procpool_registry::{Phase, phase_named};
///
/// assert_eq!(phase_named("running"), Ok(Phase::Running));
/// let error = phase_named("runing").unwrap_err();
/// assert_eq!(error.to_string(), "there is no state `runing`; there are: queued, running, finished, dead");
/// ```
pub fn phase_named(name: &str) -> Result<Phase, UnknownName> {
    let known = Phase::ALL.into_iter().find(|phase| phase.name() == name);
    // A filter has one state more, which is no phase: that of dead letters.
    known.ok_or_else(|| {
        UnknownName::new("state", name, Phase::ALL.map(Phase::name).into_iter().chain(["dead"]))
    })
}

/// Returns the outcome of this name. Jobs that were refused have no record, and therefore no
/// outcome.
///
/// # Errors
/// Names the outcomes that exist.
pub fn outcome_named(name: &str) -> Result<OutcomeKind, UnknownName> {
    let all = || OutcomeKind::ALL.into_iter().filter(|&outcome| outcome != OutcomeKind::Refused);
    let known = all().find(|outcome| outcome.name() == name);
    known.ok_or_else(|| UnknownName::new("outcome", name, all().map(OutcomeKind::name)))
}

/// A filter names something that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} `{name}`; there are: {}", .known.join(", "))]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    known: Vec<&'static str>,
}

impl UnknownName {
    /// Maximum number of characters of the name that the error repeats.
    const SHOWN: usize = 40;

    fn new(kind: &'static str, name: &str, known: impl IntoIterator<Item = &'static str>) -> Self {
        let name = name.chars().take(Self::SHOWN).collect();
        Self { kind, name, known: known.into_iter().collect() }
    }
}

/// The part of a record's state that lists distinguish. Every record has exactly one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(State);

impl Class {
    /// Number of classes.
    pub const COUNT: usize = 2 + OutcomeKind::ALL.len();

    /// Returns the class of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        match record.state {
            State::Accepted => Self(State::Queued),
            state => Self(state),
        }
    }

    /// Returns a number below [`COUNT`](Self::COUNT).
    #[must_use]
    pub fn index(self) -> usize {
        match self.0 {
            State::Accepted | State::Queued => 0,
            State::Running => 1,
            State::Finished(outcome) => {
                let place = OutcomeKind::ALL.iter().position(|&other| other == outcome);
                2 + place.unwrap_or_default()
            }
        }
    }

    /// Returns the classes of unfinished jobs.
    pub(crate) const UNFINISHED: [Self; 2] = [Self(State::Queued), Self(State::Running)];

    fn all() -> impl Iterator<Item = Self> {
        let finished = OutcomeKind::ALL.into_iter().map(|outcome| Self(State::Finished(outcome)));
        Self::UNFINISHED.into_iter().chain(finished)
    }

    fn phase(self) -> Phase {
        self.0.phase()
    }

    fn outcome(self) -> Option<OutcomeKind> {
        self.0.outcome()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(phase: Option<Phase>, outcome: Option<OutcomeKind>) -> Option<usize> {
        Filter { phase, outcome, ..Filter::default() }.classes().map(|classes| classes.len())
    }

    #[test]
    fn every_class_has_an_index_of_its_own() {
        assert!(Class::all().map(Class::index).eq(0..Class::COUNT));
    }

    #[test]
    fn a_filter_has_the_classes_that_match() {
        assert_eq!(classes(None, None), None);
        assert_eq!(classes(Some(Phase::Queued), None), Some(1));
        assert_eq!(classes(Some(Phase::Finished), None), Some(OutcomeKind::ALL.len()));
        assert_eq!(classes(None, Some(OutcomeKind::Crashed)), Some(1));
        assert_eq!(classes(Some(Phase::Running), Some(OutcomeKind::Ok)), Some(0));
        let dead = Filter { dead: true, ..Filter::default() }.classes().expect("classes");
        assert_eq!(dead.len(), OutcomeKind::ALL.into_iter().filter(|&it| is_dead(it)).count());
    }

    #[test]
    fn an_unknown_outcome_is_named_with_those_that_exist() {
        assert_eq!(outcome_named("timed_out"), Ok(OutcomeKind::TimedOut));
        let error = outcome_named("exploded").expect_err("no outcome").to_string();
        assert!(error.starts_with("there is no outcome `exploded`; there are: bad_input, broke,"), "{error}");
        assert!(outcome_named("refused").is_err());
        let long = outcome_named(&"x".repeat(1000)).expect_err("no outcome").to_string();
        assert!(long.len() < 300, "{long}");
    }
}
