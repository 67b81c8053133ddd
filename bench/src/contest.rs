//! A row of the table: contestants who take turns, and our goals. Does not: know their work.

use crate::contestant::{Contestant, Measured, Result};
use crate::sample::{Sample, Summary, median};
use serde::Serialize;

/// The quantity that is compared.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    /// A few words for the table.
    pub what: &'static str,
    pub unit: &'static str,
    /// Ours is the first.
    pub contestants: Vec<Box<dyn Contestant>>,
    /// Who could not come, and why.
    pub missing: Vec<(String, String)>,
    pub goals: Vec<Goal>,
}

/// The goal of our figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most this multiple of the other's figure.
    AtMost(f64, &'static str),
    /// At least this multiple of the other's figure.
    AtLeast(f64, &'static str),
    /// At least this number of times faster than the other, where figures are times.
    Faster(f64, &'static str),
    /// At most this much more than the other's figure.
    AtMostMore(f64, &'static str),
    /// At most this figure.
    Below(f64),
    /// At least this figure.
    Above(f64),
}

/// The result of one contestant.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    pub contestant: String,
    /// The median of its turns.
    pub value: f64,
    /// Every turn's figure, in order.
    pub turns: Vec<f64>,
    /// All operations of all turns, where they were timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<Summary>,
    #[serde(skip)]
    pub latencies: Sample,
}

/// A goal, and how far it was from being met.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub goal: String,
    /// Our figure against the other's, as the goal has it. `None` if the other is missing.
    pub reached: Option<f64>,
    /// `None` if it could not be compared.
    pub is_met: Option<bool>,
}

/// The result of a row.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub row: &'static str,
    pub what: &'static str,
    pub unit: &'static str,
    pub standings: Vec<Standing>,
    pub missing: Vec<(String, String)>,
    pub verdicts: Vec<Verdict>,
}

impl Row {
    /// Returns a row of ours, to which the others are added.
    pub fn new(
        name: &'static str,
        what: &'static str,
        unit: &'static str,
        ours: Box<dyn Contestant>,
    ) -> Self {
        Self { name, what, unit, contestants: vec![ours], missing: Vec::new(), goals: Vec::new() }
    }

    /// Returns a row of ours, or one in which nobody takes part because ours cannot, with the reason.
    pub fn with(
        name: &'static str,
        what: &'static str,
        unit: &'static str,
        (who, ours): (&str, std::result::Result<Box<dyn Contestant>, String>),
    ) -> Self {
        match ours {
            Ok(ours) => Self::new(name, what, unit, ours),
            Err(why) => {
                let missing = vec![(who.to_owned(), why)];
                Self { name, what, unit, contestants: Vec::new(), missing, goals: Vec::new() }
            }
        }
    }

    /// Whether the first one, which others are compared with, is there.
    fn has_ours(&self) -> bool {
        !self.contestants.is_empty()
    }

    #[must_use]
    pub fn beside(mut self, contestant: Box<dyn Contestant>) -> Self {
        if self.has_ours() {
            self.contestants.push(contestant);
        }
        self
    }

    /// Returns a peer, or the reason why it is none.
    #[must_use]
    pub fn peer(mut self, name: &str, peer: std::result::Result<Box<dyn Contestant>, String>) -> Self {
        match peer {
            Ok(peer) => return self.beside(peer),
            Err(why) => self.missing.push((name.to_owned(), why)),
        }
        self
    }

    #[must_use]
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goals.push(goal);
        self
    }

    /// Lets everybody work in turns, the order reversed from round to round, so that nobody always comes after the same
    /// one. `tick` is called after every turn.
    ///
    /// # Errors
    /// That of ours. A peer that fails is missing from then on.
    pub async fn run(mut self, rounds: usize, mut tick: impl FnMut(&str)) -> Result<Outcome> {
        let mut turns: Vec<Vec<Measured>> = self.contestants.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds {
            let mut order: Vec<usize> = (0..self.contestants.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for at in order {
                if turns[at].len() < round {
                    continue;
                }
                let contestant = &mut self.contestants[at];
                let name = contestant.name().to_owned();
                match contestant.turn().await {
                    Ok(measured) => turns[at].push(measured),
                    Err(error) if at == 0 => return Err(error),
                    Err(error) => self.missing.push((name.clone(), error.to_string())),
                }
                tick(&name);
            }
        }
        let names = self.contestants.iter().map(|contestant| contestant.name().to_owned());
        let all = names.zip(turns).filter(|(_, turns)| turns.len() == rounds);
        let standings: Vec<_> = all.map(|(name, turns)| Standing::of(name, turns)).collect();
        let verdicts = self.goals.iter().map(|goal| goal.judge(&standings)).collect();
        let Self { name, what, unit, missing, .. } = self;
        Ok(Outcome { row: name, what, unit, standings, missing, verdicts })
    }
}

impl Standing {
    fn of(contestant: String, turns: Vec<Measured>) -> Self {
        let figures: Vec<f64> = turns.iter().map(|turn| turn.value).collect();
        let latencies = turns.into_iter().map(|turn| turn.latencies).reduce(Sample::with).unwrap_or_default();
        let latency_us = (!latencies.is_empty()).then(|| latencies.summary());
        Self { contestant, value: median(&figures), turns: figures, latency_us, latencies }
    }
}

impl Goal {
    fn judge(self, standings: &[Standing]) -> Verdict {
        let ours = standings.first().map(|standing| standing.value);
        let figure_of = |name: &str| standings.iter().find(|it| it.contestant == name).map(|it| it.value);
        let ratio = |other: &str| Some(ours? / figure_of(other)?);
        let (goal, reached, is_enough): (_, _, fn(f64, f64) -> bool) = match self {
            Self::AtMost(most, other) => {
                (format!("≤ {most} × {other}"), ratio(other), |it, most| it <= most)
            }
            Self::AtLeast(least, other) => {
                (format!("≥ {least} × {other}"), ratio(other), |it, least| it >= least)
            }
            Self::Faster(least, other) => {
                (format!("≥ {least} × as fast as {other}"), ratio(other).map(f64::recip), |it, least| {
                    it >= least
                })
            }
            Self::AtMostMore(most, other) => {
                let more = figure_of(other).zip(ours).map(|(other, ours)| ours - other);
                (format!("≤ {other} + {most}"), more, |it, most| it <= most)
            }
            Self::Below(most) => (format!("≤ {most}"), ours, |it, most| it <= most),
            Self::Above(least) => (format!("≥ {least}"), ours, |it, least| it >= least),
        };
        let is_met = reached.map(|reached| is_enough(reached, self.factor()));
        Verdict { goal, reached, is_met }
    }

    const fn factor(self) -> f64 {
        match self {
            Self::AtMost(factor, _) | Self::AtLeast(factor, _) | Self::Faster(factor, _) => factor,
            Self::AtMostMore(figure, _) | Self::Below(figure) | Self::Above(figure) => figure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::by;
    use std::sync::{Arc, Mutex};

    /// Returns one that gives these figures, one a turn, and notes when it was its turn.
    fn figures(
        name: &'static str,
        figures: &'static [f64],
        log: &Arc<Mutex<Vec<&'static str>>>,
    ) -> Box<dyn Contestant> {
        let (mut figures, log) = (figures.iter().copied(), log.clone());
        by(name, move || {
            log.lock().unwrap().push(name);
            let figure = figures.next();
            async move { figure.map(Measured::value).ok_or_else(|| "it broke down".into()) }
        })
    }

    #[tokio::test]
    async fn everybody_takes_turns_and_medians_are_compared() {
        let log = Arc::default();
        let row = Row::new("row", "", "µs", figures("ours", &[1.0, 100.0, 2.0], &log))
            .beside(figures("other", &[10.0, 10.0, 1000.0], &log))
            .goal(Goal::AtMost(0.3, "other"))
            .goal(Goal::Faster(6.0, "other"))
            .goal(Goal::Below(2.0))
            .goal(Goal::AtMostMore(-8.5, "other"))
            .goal(Goal::AtMost(1.0, "nobody"));
        let outcome = row.run(3, |_| {}).await.unwrap();
        assert_eq!(*log.lock().unwrap(), ["ours", "other", "other", "ours", "ours", "other"]);
        let verdicts: Vec<_> = outcome.verdicts.iter().map(|it| (it.reached, it.is_met)).collect();
        let expected = [
            (Some(0.2), Some(true)),
            (Some(5.0), Some(false)),
            (Some(2.0), Some(true)),
            (Some(-8.0), Some(false)),
            (None, None),
        ];
        assert_eq!(verdicts, expected);
    }

    #[tokio::test]
    async fn nobody_works_where_ours_is_missing() {
        let log = Arc::default();
        let row = Row::with("row", "", "µs", ("ours", Err("no such interpreter".into())))
            .beside(figures("other", &[1.0], &log))
            .goal(Goal::AtMost(1.0, "other"))
            .goal(Goal::Above(1.0));
        let outcome = row.run(1, |_| {}).await.unwrap();
        assert_eq!(outcome.missing, [("ours".to_owned(), "no such interpreter".to_owned())]);
        assert!(outcome.standings.is_empty() && log.lock().unwrap().is_empty());
        assert!(outcome.verdicts.iter().all(|it| it.is_met.is_none()));
    }

    #[tokio::test]
    async fn a_peer_that_breaks_down_is_missing_and_ours_ends_the_row() {
        let log = Arc::default();
        let row = Row::new("row", "", "µs", figures("ours", &[1.0, 1.0], &log)).beside(figures(
            "other",
            &[1.0],
            &log,
        ));
        let outcome = row.run(2, |_| {}).await.unwrap();
        assert_eq!(outcome.missing, [("other".to_owned(), "it broke down".to_owned())]);
        assert_eq!(outcome.standings.len(), 1);
        assert!(Row::new("row", "", "µs", figures("ours", &[], &log)).run(1, |_| {}).await.is_err());
    }
}
