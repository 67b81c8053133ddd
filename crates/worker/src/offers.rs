//! [`Jobs`]: the jobs of a worker executable, and the choice of the job that this process serves.
//!
//! Does not: know frames; the coordinator's welcome or a saved job names the job.

use crate::arguments;
use crate::context::Context;
use crate::ending::{BY_HAND, Ending, WorkerError, complain, conclude};
use crate::entry::{self, Introduction};
use crate::handshake::Opening;
use crate::identity::Identity;
use crate::replay::{self, ReplayError, Sitting};
use crate::session::Session;
use crate::spawned;
use crate::startup::Startup;
use crate::transcript::Transcript;
use procpool_protocol::handshake::{Mode, Welcome};
use procpool_protocol::{Failure, Job};
use std::fmt;
use std::process::ExitCode;

/// Several jobs in one executable. Each process serves the job that its pool asks for.
///
/// A typed pool asks for the job of its type. A pool of `procpool serve` names it with `job = "…"`. If it
/// names no job or an unknown one, its start fails, and the error lists the existing jobs.
///
/// ```no_run
/// use procpool_worker::{Bytes, Failure, Job, Jobs};
///
/// struct Decode;
/// impl Job for Decode {
///     const NAME: &'static str = "decode";
///     type Input = Bytes;
///     type Output = Bytes;
/// }
///
/// struct Classify;
/// impl Job for Classify {
///     const NAME: &'static str = "classify";
///     type Input = Bytes;
///     type Output = String;
/// }
///
/// struct Model;
/// # impl Model {
/// #     fn load(_: String) -> Result<Self, Failure> { Ok(Self) }
/// #     fn classify(&self, _: &[u8]) -> String { String::new() }
/// # }
///
/// fn main() -> std::process::ExitCode {
///     Jobs::new()
///         .job::<Decode>(|file, _cx| Ok(file))
///         .job_with::<Classify, _>(
///             |startup| Model::load(startup.worker_data()?),
///             |model, image, _cx| Ok(model.classify(&image)),
///         )
///         .serve()
/// }
/// ```
#[derive(Default)]
#[must_use = "nothing is served before `serve` or `serve_if_spawned`"]
pub struct Jobs<'f>(Vec<Offer<'f>>);

/// One job, and how to run it.
struct Offer<'f> {
    name: &'static str,
    identity: Identity,
    work: Box<dyn FnOnce(Task) -> Result<Ending, WorkerError> + 'f>,
}

/// The task of a process.
enum Task {
    Serve(Session),
    Grow(Box<Opening>),
    Replay(Sitting),
}

impl<'f> Jobs<'f> {
    /// Returns an executable without a job.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a job that `f` runs, as [`serve`](crate::serve) takes it.
    ///
    /// # Panics
    /// When a job of that name was added before.
    pub fn job<J: Job>(
        self,
        mut f: impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure> + 'f,
    ) -> Self {
        let init = |_startup: &Startup| Ok(());
        self.offer::<J, ()>(Introduction::WithReady, init, move |(), input, context| f(input, context))
    }

    /// Adds a job with state that `init` creates once, as [`serve_with`](crate::serve_with) takes it. The
    /// state is created only in processes that serve this job.
    ///
    /// # Panics
    /// When a job of that name was added before.
    pub fn job_with<J: Job, S>(
        self,
        init: impl FnOnce(&Startup) -> Result<S, Failure> + 'f,
        f: impl FnMut(&mut S, J::Input, &Context<J>) -> Result<J::Output, Failure> + 'f,
    ) -> Self {
        self.offer::<J, S>(Introduction::Ahead, init, f)
    }

    fn offer<J: Job, S>(
        mut self,
        introduction: Introduction,
        init: impl FnOnce(&Startup) -> Result<S, Failure> + 'f,
        f: impl FnMut(&mut S, J::Input, &Context<J>) -> Result<J::Output, Failure> + 'f,
    ) -> Self {
        assert!(self.named(J::NAME).is_none(), "the job `{}` was added twice", J::NAME);
        let work = move |task| match task {
            Task::Serve(session) => entry::answer::<J, S>(session, introduction, init, f),
            Task::Grow(opening) => entry::grow::<J, S>(*opening, init, f),
            Task::Replay(sitting) => replay::again::<J, S>(sitting, Transcript::standard(), init, f),
        };
        self.0.push(Offer { name: J::NAME, identity: Identity::of_job::<J>(), work: Box::new(work) });
        self
    }

    /// Runs jobs until the coordinator closes the connection. Return the result from `main`.
    ///
    /// Started by hand, the process explains itself, and `--describe` prints all jobs.
    pub fn serve(self) -> ExitCode {
        if let Some(saved) = arguments::replay() {
            return self.replay(replay::read(&saved)).into();
        }
        arguments::answer(&self.identities()).unwrap_or_else(|| self.work()).into()
    }

    /// Does nothing unless this process was spawned as a worker of one of the jobs; then it serves and exits.
    /// If the last arguments are `--replay` and saved jobs, it runs them and exits.
    ///
    /// A program that is its own worker calls it first in `main`, as [`serve_if_spawned`](crate::serve_if_spawned).
    ///
    /// ```no_run
    /// # use procpool_worker::{Jobs, job};
    /// # job!(Double, "double", u64 => u64);
    /// # job!(Reverse, "reverse", String => String);
    /// fn main() {
    ///     Jobs::new()
    ///         .job::<Double>(|n, _cx| Ok(2 * n))
    ///         .job::<Reverse>(|text, _cx| Ok(text.chars().rev().collect()))
    ///         .serve_if_spawned();
    ///     // From here on this is the service.
    /// }
    /// ```
    pub fn serve_if_spawned(self) {
        if procpool_birth::was_spawned() || arguments::attach().is_some() {
            // The arguments belong to the executable.
            let names = self.0.iter().map(|offer| offer.name);
            match spawned::is_wanted(names) {
                Ok(true) => std::process::exit(self.work().into()),
                Ok(false) => return,
                Err(error) => error.exit(),
            }
        }
        // The arguments may still be the executable's own, even if they look like a saved job's: the file
        // decides.
        if let Some(saved) = arguments::replay()
            && let Ok(sitting) = replay::read(&saved)
            && self.named(sitting.job()).is_some()
        {
            std::process::exit(self.replay(Ok(sitting)).into());
        }
        // A service that starts itself as a worker without a name for the job is told to choose.
        self.0.iter().for_each(|offer| procpool_birth::offers(offer.name, None));
    }

    fn named(&self, job: &str) -> Option<&Offer<'f>> {
        self.0.iter().find(|offer| offer.name == job)
    }

    fn identities(&self) -> Vec<&Identity> {
        self.0.iter().map(|offer| &offer.identity).collect()
    }

    fn work(self) -> u8 {
        conclude(self.employed())
    }

    /// Joins the coordinator, runs the jobs, and exits when the coordinator has been notified of the end.
    fn employed(self) -> Result<Ending, WorkerError> {
        let opening = spawned::meet()?;
        match self.chosen(&opening.welcome) {
            Ok(offer) if opening.welcome.template => (offer.work)(Task::Grow(Box::new(opening))),
            Ok(offer) => {
                let session = spawned::join(opening, &offer.identity)?;
                entry::attend(session, |session| (offer.work)(Task::Serve(session)))
            }
            Err(refusal) => {
                opening.decline(&Failure::new(refusal.as_str()).with_code("job"));
                Err(WorkerError::NoJob(refusal))
            }
        }
    }

    /// Returns the job that the coordinator wants. If there is only one job, the coordinator itself checks
    /// it.
    fn chosen(mut self, welcome: &Welcome) -> Result<Offer<'f>, String> {
        let at = match &welcome.job {
            _ if self.0.len() == 1 => Some(0),
            Some(wanted) => self.0.iter().position(|offer| offer.name == *wanted),
            None => None,
        };
        match at {
            Some(at) => Ok(self.0.swap_remove(at)),
            None => Err(self.refusal(welcome)),
        }
    }

    #[cfg(test)]
    pub(crate) fn chosen_name(self, welcome: &Welcome) -> Result<&'static str, String> {
        self.chosen(welcome).map(|offer| offer.name)
    }

    fn refusal(&self, Welcome { mode, job, pool, .. }: &Welcome) -> String {
        let asked = match job {
            Some(job) => format!("pool `{pool}` asks for job `{job}`"),
            None => format!("pool `{pool}` asks for no job by its name"),
        };
        let way_out = match mode {
            Mode::Jobs => format!("with `job = \"…\"` in `[pools.{pool}]`, or by the type of the pool"),
            Mode::Messages => "with `WorkerBuilder::job`".into(),
        };
        format!(
            "{asked}, and this executable has {}: name one of them, {way_out}",
            listed(&self.identities())
        )
    }

    fn replay(self, sitting: Result<Sitting, ReplayError>) -> u8 {
        match sitting.and_then(|sitting| self.replayed(sitting)) {
            Ok((offer, sitting)) => conclude((offer.work)(Task::Replay(sitting))),
            Err(error) => {
                complain(&error.to_string());
                BY_HAND
            }
        }
    }

    /// Returns the job that the saved ones belong to.
    fn replayed(mut self, sitting: Sitting) -> Result<(Offer<'f>, Sitting), ReplayError> {
        let Some(at) = self.0.iter().position(|offer| offer.name == sitting.job()) else {
            return Err(sitting.is_strange_to(&self.identities()));
        };
        let offer = self.0.swap_remove(at);
        let sitting = replay::check(sitting, &offer.identity)?;
        Ok((offer, sitting))
    }
}

/// Returns the names as part of a sentence: `the jobs a, b and c`.
pub(crate) fn listed(identities: &[&Identity]) -> String {
    let names: Vec<_> = identities.iter().map(|it| format!("`{}`", it.job)).collect();
    match names.split_last() {
        None => "no job".into(),
        Some((only, [])) => format!("the job {only}"),
        Some((last, others)) => format!("the jobs {} and {last}", others.join(", ")),
    }
}

impl fmt::Debug for Jobs<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Jobs").field(&self.0.iter().map(|offer| offer.name).collect::<Vec<_>>()).finish()
    }
}
