//! The promises about results and inputs: whose they are, how long they stay, and who gives up
//! theirs first.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_registry::{Body, ResultState};

use crate::broken::{Broken, broken};
use crate::checks::names;
use crate::model::Job;
use crate::run::{Run, Step};

/// Number of bytes that a result may count besides its output.
const OVERHEAD: u64 = 4_000;

impl Run {
    /// Compares the results with those of the step before.
    pub(crate) fn check_results(&mut self, step: Step) -> Result<(), Broken> {
        let mut given_up = Vec::new();
        for id in self.model.ids() {
            let job = &self.model.jobs[&id];
            let Some(record) = self.registry.inner().job(id) else { continue };
            let is_over = job.is_result_over(&self.plan.settings.retention, self.now);
            let is_new = step == Step::Finished(id);
            match record.result {
                Body::Held(bytes) => {
                    let least = job.output.as_ref().map_or(0, |output| output.bytes.len() as u64);
                    if bytes < least {
                        return Err(broken("bytes_are_counted", format!("{bytes} for {least}")));
                    }
                }
                Body::Gone if is_new => self.never_fitted(job)?,
                Body::Gone if !job.is_result_gone && !is_over => given_up.push(id),
                _ => {}
            }
            self.check_result(job, is_over, record.result == Body::Gone)?;
            self.check_input(job, is_over)?;
            let was_held = job.record.input.is_held();
            if was_held && !record.input.is_held() && !is_over {
                self.coverage.met("input gone for another");
            }
            if record.result == Body::Gone && is_new {
                self.coverage.met("result too large");
            }
            self.model.jobs.entry(id).and_modify(|job| job.is_result_gone |= record.result == Body::Gone);
        }
        if given_up.is_empty() { Ok(()) } else { self.check_given_up(step, &given_up) }
    }

    fn check_result(&self, job: &Job, is_over: bool, is_gone: bool) -> Result<(), Broken> {
        let result = self.registry.inner().result(self.now, job.id);
        match result {
            ResultState::Unfinished(_) if !job.is_finished() => Ok(()),
            ResultState::Gone(_) if job.is_finished() && (is_over || is_gone) => Ok(()),
            ResultState::Finished(_, result) if job.is_finished() && !is_over && !is_gone => {
                let is_own = result.id == job.id && result.result.as_ref().ok() == job.output.as_ref();
                if is_own {
                    Ok(())
                } else {
                    Err(broken("results_are_their_own", format!("{result:?} of {job:?}")))
                }
            }
            ResultState::Gone(_) if job.is_finished() => Err(broken("results_stay", format!("{job:?}"))),
            other => Err(broken("the_old_expires", format!("{other:?} for {job:?}"))),
        }
    }

    fn check_input(&self, job: &Job, is_over: bool) -> Result<(), Broken> {
        let input = self.registry.inner().input(self.now, job.id);
        let content = |input: &Option<Arc<Submission>>| input.as_ref().map(|input| input.input.clone());
        let is_own = input.is_none() || content(&input) == content(&job.input);
        if is_own && !(is_over && input.is_some()) {
            return Ok(());
        }
        Err(broken("inputs_are_their_own", format!("{input:?} of {job:?}")))
    }

    fn never_fitted(&self, job: &Job) -> Result<(), Broken> {
        let bytes = job.output.as_ref().map_or(0, |output| output.bytes.len() as u64);
        if bytes + OVERHEAD > self.plan.settings.max_result_bytes {
            return Ok(());
        }
        Err(broken("results_stay", format!("not even at the end of {job:?}")))
    }

    /// Checks that the results were given up for a new one, in their order.
    fn check_given_up(&mut self, step: Step, given_up: &[JobId]) -> Result<(), Broken> {
        let Step::Finished(new) = step else {
            return Err(broken(
                "results_stay",
                format!("{} gave up theirs after {step:?}", names(given_up.to_vec())),
            ));
        };
        let held = |job: &Job| job.record.result.bytes();
        let before: u64 = self.model.jobs.values().map(held).sum();
        let bytes = self.registry.inner().job(new).map_or(0, |record| record.result.bytes());
        if before + bytes <= self.plan.settings.max_result_bytes {
            return Err(broken("results_stay", format!("{before} and {bytes} bytes fit")));
        }
        // Those with keys go last, and of the others the longest finished first.
        let order = |job: &Job| (job.record.is_protected(), job.finished);
        let jobs = &self.model.jobs;
        let last = given_up.iter().map(|id| order(&jobs[id])).max();
        let is_kept = |job: &&Job| job.id != new && job.record.result.is_held() && !job.is_result_gone;
        if let Some(kept) = jobs.values().filter(is_kept).find(|job| Some(order(job)) < last) {
            return Err(broken("results_of_keys_go_last", format!("{kept:?} keeps its result")));
        }
        given_up.iter().for_each(|_| self.coverage.met("result gone for another"));
        Ok(())
    }
}
