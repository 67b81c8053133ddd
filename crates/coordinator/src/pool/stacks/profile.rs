//! A profile of a worker: what its first thread does, many times a second.

use super::on_demand::why;
use super::{NAMING, Stacks, TAKING, UNDERSTANDING, add, unwound};
use crate::pool::{Pool, RawPool};
use procpool_process::{SnapshotError, Threads, clock};
use procpool_protocol::Job;
use procpool_protocol::inspection::{InspectionError, LONGEST_PROFILE, Profile, Sample};
use procpool_protocol::stack::StackFrame;
use procpool_stacks::{Call, ModuleFile, UnnamedThread, Unwound};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Maximum number of different calls of a profile.
const MOST_CALLS: usize = 16_384;

/// Maximum number of calls of a profile with those that were inlined into them. Calls beyond it have the name of the
/// outermost function at their place.
const MOST_NAMES: usize = 32_768;

/// Maximum number of calls of a sample, with those that were inlined. The outermost ones beyond it are left out.
const DEEPEST: usize = 256;

/// Number of calls that are named together.
const TOGETHER: usize = 128;

impl<J: Job> Pool<J> {
    /// Looks at the worker of this name [99 times a second](procpool_protocol::inspection::SAMPLE_RATE) for this
    /// time, at most [a minute](LONGEST_PROFILE). That costs the worker about a hundredth of its speed. Dropping
    /// the future ends it. Needs a tokio runtime with time.
    ///
    /// # Errors
    /// When there is no such worker, it has ended, another profile of it is being taken, or the system forbids
    /// to trace it.
    pub async fn profile(&self, worker: &str, time: Duration) -> Result<Profile, InspectionError> {
        self.raw.profile(worker, time).await
    }
}

impl RawPool {
    /// Looks at the worker of this name for this time; see [`Pool::profile`].
    ///
    /// # Errors
    /// As [`Pool::profile`].
    pub async fn profile(&self, worker: &str, time: Duration) -> Result<Profile, InspectionError> {
        let (kill_switch, stacks) = (self.switch_of(worker)?, self.stacks());
        let pid = kill_switch.pid().ok_or_else(|| InspectionError::gone(worker))?;
        let _only = Only::begin(stacks, worker).ok_or_else(|| InspectionError::profiled(worker))?;
        let place = stacks.place().ok_or_else(|| why(worker, &SnapshotError::Busy))?;
        let mut profile = Profile::new(worker, pid, SystemTime::now());
        let (start, mut seen) = (Instant::now(), Seen::default());
        let (end, mut next) = (start + time.min(LONGEST_PROFILE), start);
        while next < end {
            clock::sleep_until(next).await;
            let at = start.elapsed();
            match kill_switch.snapshot_holding(Threads::First, TAKING, place.clone()).await {
                Ok(snapshot) => match unwound(snapshot, place.clone(), UNDERSTANDING).await {
                    Some(calls) => seen.add(at, &calls),
                    None => profile.missed += 1,
                },
                Err(
                    error @ (SnapshotError::Slow { .. } | SnapshotError::Unread { .. } | SnapshotError::Busy),
                ) => {
                    profile.missed += 1;
                    seen.failed = Some(error);
                }
                Err(error) => {
                    seen.failed = Some(error);
                    break;
                }
            }
            next += profile.interval;
            // A late sample is left out, or samples would come in bursts.
            while next < end && next + profile.interval < Instant::now() {
                next += profile.interval;
                profile.missed += 1;
            }
        }
        if seen.samples.is_empty() {
            let error = seen.failed.unwrap_or(SnapshotError::Gone);
            return Err(why(worker, &error));
        }
        if let Some(error) = seen.failed.take() {
            add(&mut profile.note, &error.to_string());
        }
        seen.name(stacks, &mut profile).await;
        Ok(profile)
    }
}

/// The only profile of a worker that is being taken.
struct Only<'a> {
    stacks: &'a Stacks,
    worker: &'a str,
}

impl<'a> Only<'a> {
    fn begin(stacks: &'a Stacks, worker: &'a str) -> Option<Self> {
        let is_new = stacks.profiled.lock().unwrap_or_else(PoisonError::into_inner).insert(worker.to_owned());
        is_new.then_some(Self { stacks, worker })
    }
}

impl Drop for Only<'_> {
    fn drop(&mut self) {
        self.stacks.profiled.lock().unwrap_or_else(PoisonError::into_inner).remove(self.worker);
    }
}

/// The samples so far, without names. Each call and each file is kept once.
#[derive(Debug, Default)]
struct Seen {
    modules: Vec<ModuleFile>,
    calls: Vec<Call>,
    numbers: HashMap<Call, usize>,
    /// Of each sample, its time and the numbers of its calls.
    samples: Vec<(Duration, Vec<usize>)>,
    note: Option<String>,
    failed: Option<SnapshotError>,
}

impl Seen {
    fn add(&mut self, at: Duration, seen: &Unwound) {
        let modules: Vec<_> = seen.modules.iter().map(|module| self.module(module)).collect();
        let calls = seen.threads.first().map_or(&[][..], |thread| &thread.calls);
        let numbers = calls.iter().filter_map(|call| {
            let module = call.module.and_then(|at| modules.get(at).copied());
            self.number(Call::new(module, call.offset, call.address))
        });
        let numbers = numbers.collect();
        self.samples.push((at, numbers));
        self.note = self.note.take().or_else(|| seen.note.clone());
    }

    fn module(&mut self, module: &ModuleFile) -> usize {
        let known = self.modules.iter().position(|it| it.path == module.path);
        known.unwrap_or_else(|| {
            self.modules.push(module.clone());
            self.modules.len() - 1
        })
    }

    fn number(&mut self, call: Call) -> Option<usize> {
        let next = self.calls.len();
        match self.numbers.get(&call) {
            Some(number) => Some(*number),
            None if next == MOST_CALLS => None,
            None => {
                self.calls.push(call);
                self.numbers.insert(call, next);
                Some(next)
            }
        }
    }

    /// Writes the samples into the profile, with names. A call may become several, where others were inlined.
    async fn name(self, stacks: &Stacks, profile: &mut Profile) {
        let mut named: Vec<Vec<u32>> = Vec::with_capacity(self.calls.len());
        let mut note = self.note;
        for calls in self.calls.chunks(TOGETHER) {
            let one = |call: &Call| UnnamedThread::new(0, "", vec![*call]);
            let threads = calls.iter().map(one).collect();
            let unnamed = Arc::new(Unwound::new(self.modules.clone(), threads));
            let stack = stacks.name(unnamed.clone(), NAMING).await;
            let is_whole = stack.threads.len() == calls.len();
            note = note.or_else(|| stack.note.clone());
            let stack = if is_whole { stack } else { unnamed.unnamed() };
            for thread in stack.threads {
                named.push(keep(thread.frames, &mut profile.frames));
            }
        }
        let mut is_cut = false;
        profile.samples = self
            .samples
            .into_iter()
            .map(|(at, calls)| {
                let all = calls.into_iter().filter_map(|call| named.get(call)).flatten().copied();
                let mut calls: Vec<_> = all.take(DEEPEST + 1).collect();
                is_cut |= calls.len() > DEEPEST;
                calls.truncate(DEEPEST);
                Sample::new(at, calls)
            })
            .collect();
        if is_cut {
            let cut = format!("stacks of more than {DEEPEST} calls are shown without their outermost ones");
            add(&mut profile.note, &cut);
        }
        if let Some(note) = note {
            add(&mut profile.note, &note);
        }
    }
}

/// Adds the frames of one call to those of a profile, and returns their numbers. A worker's debug information decides
/// how many there are.
fn keep(mut frames: Vec<StackFrame>, all: &mut Vec<StackFrame>) -> Vec<u32> {
    if all.len() + frames.len() > MOST_NAMES {
        frames.drain(..frames.len().saturating_sub(1));
    }
    let first = u32::try_from(all.len()).unwrap_or(u32::MAX);
    all.extend(frames);
    (first..u32::try_from(all.len()).unwrap_or(first)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(count: usize) -> Vec<StackFrame> {
        (0..count).map(|nth| StackFrame::new(Some("fib".into()), nth as u64)).collect()
    }

    #[test]
    fn calls_that_were_inlined_are_kept_up_to_a_bound_and_then_the_outermost_alone() {
        let mut all = Vec::new();
        assert_eq!(keep(frames(3), &mut all), [0, 1, 2]);
        while all.len() + 32 <= MOST_NAMES {
            keep(frames(32), &mut all);
        }
        let before = all.len();
        assert_eq!(keep(frames(32), &mut all), [u32::try_from(before).unwrap()]);
        assert_eq!(all[before].offset, 31, "frames begin with the innermost one");
    }
}
