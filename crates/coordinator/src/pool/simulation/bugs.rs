//! The bugs that an adapter can have, each with the promise that it breaks, and the requirements of a run.

/// A bug that an adapter can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    BlamesTheFirst,
    DropsLastChunks,
    AnswersAnotherJob,
    ForgetsFlushes,
    TakesBackWhatIsInUse,
    LosesLastAnswers,
    GivesBackWhatHasBegun,
    TakesTheUnbegunForBegun,
    ForgetsCredit,
    ForgetsRecalls,
    ForgetsWhatIsPassedOver,
    DropsWhatTheWorkerMayStillUse,
}

/// Each with the promise that it breaks.
pub(super) const ALL: &[(Bug, &str)] = &[
    (Bug::BlamesTheFirst, "blame"),
    (Bug::DropsLastChunks, "chunks"),
    (Bug::AnswersAnotherJob, "answers"),
    (Bug::ForgetsFlushes, "progress"),
    (Bug::TakesBackWhatIsInUse, "inputs"),
    (Bug::LosesLastAnswers, "innocence"),
    (Bug::GivesBackWhatHasBegun, "once"),
    (Bug::TakesTheUnbegunForBegun, "innocence"),
    (Bug::ForgetsCredit, "progress"),
    (Bug::ForgetsRecalls, "progress"),
    (Bug::ForgetsWhatIsPassedOver, "progress"),
    (Bug::DropsWhatTheWorkerMayStillUse, "peace"),
];

/// How often things happened that a run is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Met {
    pub(super) kills: u32,
    pub(super) last_answers: u32,
    pub(super) recalls: u32,
    pub(super) passed_over: u32,
    pub(super) lent: u32,
    pub(super) large_outputs: u32,
    pub(super) taken_back: u32,
    pub(super) cancels: u32,
}

impl Met {
    pub(super) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.last_answers += other.last_answers;
        self.recalls += other.recalls;
        self.passed_over += other.passed_over;
        self.lent += other.lent;
        self.large_outputs += other.large_outputs;
        self.taken_back += other.taken_back;
        self.cancels += other.cancels;
    }

    /// Returns whether all of it happened often.
    pub(super) fn is_all(&self) -> bool {
        let Self { kills, last_answers, recalls, passed_over, lent, large_outputs, taken_back, cancels } =
            *self;
        [kills, last_answers, recalls, passed_over, lent, large_outputs, taken_back, cancels]
            .iter()
            .all(|&times| times > 10)
    }
}
