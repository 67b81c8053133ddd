//! Names the calls of stacks, in a process of its own: a pool of one worker, which starts when it is needed
//! and ends when it is not. A worker that fails or hangs costs the names, and nothing else.

use crate::pool::add_note;
use crate::pool::{NamesCalls, Pool, PoolError};
use procpool_process::Executable;
use procpool_protocol::engine::BoxFuture;
use procpool_protocol::printable::is_unprintable;
use procpool_protocol::stack::{MOST_FRAMES, Stack, StackFrame};
use procpool_protocol::symbols::{MOST_CALLS, MOST_INLINED, MOST_NAME, Name, Names, Request, Symbolize};
use procpool_stacks::{Call, Unwound};
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Maximum time for which a request runs: about as long as anybody waits for names. The worker keeps the files that it
/// has read by then. A longer one would take the names from other pools.
const LONGEST_RUN: Duration = Duration::from_secs(6);

/// Maximum time of a request, with the time in the queue.
const LONGEST: Duration = Duration::from_secs(12);

/// Number of failed starts in quick succession after which there are no names for a while. Deaths of workers count
/// where they had finished no request, so one hostile executable must not be enough.
const FAILURES: usize = 3;

/// Time after which a worker that nobody needed ends.
const IDLE: Duration = Duration::from_secs(30);

/// Maximum address space of the worker, in bytes: it maps files, and debug information is large.
const ADDRESS_SPACE: u64 = 8 << 30;

/// Maximum memory of the worker, in bytes.
const MEMORY: u64 = 1 << 30;

/// Maximum number of requests that wait. Others get no names.
const QUEUE: usize = 64;

/// Maximum length of a request or an answer, in bytes.
const MAX_PAYLOAD: u32 = 4 << 20;

/// Names the calls of stacks with an executable like `procpool-symbolize`.
#[derive(Clone, Debug)]
pub(crate) struct Symbolizer {
    inner: Arc<Inner>,
    /// The pool whose stacks these are. Pools take turns, so that none takes the names from others.
    tenant: Option<String>,
}

#[derive(Debug)]
struct Inner {
    executable: Executable,
    /// Started with the first stack, on the runtime of that.
    pool: Mutex<Option<Pool<Symbolize>>>,
}

impl Symbolizer {
    /// Returns a symbolizer that starts this executable with the first stack.
    pub(crate) fn new(executable: Executable) -> Self {
        Self { inner: Arc::new(Inner { executable, pool: Mutex::default() }), tenant: None }
    }
}

impl NamesCalls for Symbolizer {
    fn name(&self, calls: Arc<Unwound>) -> BoxFuture<'static, Stack> {
        let Self { inner, tenant } = self.clone();
        Box::pin(async move {
            let request = request(&calls);
            if request.calls.is_empty() {
                return calls.unnamed();
            }
            // Goes on when nobody waits any longer, so that the worker has read the files for the next stack.
            let running = tokio::spawn(async move { inner.names(request, tenant.as_deref()).await });
            match running.await {
                Ok(Ok(names)) => named(&calls, names),
                Ok(Err(why)) => unnamed(&calls, &why),
                Err(_) => unnamed(&calls, &"its task has ended"),
            }
        })
    }

    fn for_pool(&self, pool: &str) -> Option<Arc<dyn NamesCalls>> {
        Some(Arc::new(Self { inner: self.inner.clone(), tenant: Some(pool.to_owned()) }))
    }

    fn prepare(&self) {
        let inner = self.inner.clone();
        tokio::spawn(async move { inner.wake().await });
    }
}

impl Inner {
    /// Starts the worker, unless it runs.
    async fn wake(&self) {
        let Ok(pool) = self.pool() else { return };
        let workers = pool.status().workers;
        if workers.idle + workers.busy + workers.starting == 0 {
            // It fails like the request that follows, which says so.
            let _ = pool.run(Request::default()).await;
        }
    }

    async fn names(&self, request: Request, tenant: Option<&str>) -> Result<Names, String> {
        let pool = self.pool().map_err(|error| error.to_string())?;
        let run = async |pool: &Pool<Symbolize>, request| {
            let job = pool.job(request).run_timeout(LONGEST_RUN);
            let job = if let Some(tenant) = tenant { job.tenant(tenant) } else { job };
            job.run().await
        };
        match run(&pool, request.clone()).await {
            // The runtime that it was started on has ended.
            Err(_) if pool.is_closed() => {
                let pool = self.pool().map_err(|error| error.to_string())?;
                run(&pool, request).await.map_err(|error| error.to_string())
            }
            outcome => outcome.map_err(|error| error.to_string()),
        }
    }

    /// Returns the pool, or starts it: the first time, and when the runtime has ended on which it was.
    fn pool(&self) -> Result<Pool<Symbolize>, PoolError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pool.as_ref().filter(|pool| !pool.is_closed()) {
            return Ok(pool.clone());
        }
        let started = Pool::<Symbolize>::builder(self.executable.clone())
            .name("procpool-symbolize")
            .workers(0..=1)
            .queue(QUEUE)
            .timeout(LONGEST)
            .admission(false)
            .idle_timeout(IDLE)
            .address_space_limit(ADDRESS_SPACE)
            .memory_limit(MEMORY)
            .max_payload(MAX_PAYLOAD)
            .poison_deaths(1)
            .breaker_failures(FAILURES)
            .start_lazy()?;
        Ok(pool.insert(started).clone())
    }
}

/// Returns the request for those calls that can have names.
fn request(unwound: &Unwound) -> Request {
    let calls = all_calls(unwound).filter_map(|call| question(unwound, call)).take(MOST_CALLS);
    let calls = calls.collect();
    Request::new(unwound.modules.iter().map(|module| module.path.clone()).collect(), calls)
}

fn all_calls(unwound: &Unwound) -> impl Iterator<Item = Call> + '_ {
    unwound.threads.iter().flat_map(|thread| &thread.calls).copied()
}

fn question(unwound: &Unwound, call: Call) -> Option<(u32, u64)> {
    let module = call.module?;
    unwound.modules.get(module).filter(|module| module.usable)?;
    Some((u32::try_from(module).ok()?, call.address?))
}

/// Puts the names to the calls. A call becomes several where others were inlined into it.
fn named(unwound: &Unwound, names: Names) -> Stack {
    let mut stack = unwound.unnamed();
    let mut answers = names.calls.into_iter();
    for (shown, thread) in stack.threads.iter_mut().zip(&unwound.threads) {
        let frames = thread.calls.iter().flat_map(|&call| {
            let found = question(unwound, call).and_then(|_| answers.next()).unwrap_or_default();
            frames_of(&unwound.frame(call), found)
        });
        shown.frames = frames.collect();
        shown.truncated |= shown.frames.len() > MOST_FRAMES;
        shown.frames.truncate(MOST_FRAMES);
    }
    for note in names.notes.iter().take(MOST_INLINED) {
        add_note(&mut stack.note, note);
    }
    stack
}

fn frames_of(bare: &StackFrame, names: Vec<Name>) -> Vec<StackFrame> {
    let names: Vec<_> = names.into_iter().take(MOST_INLINED).collect();
    let Some(last) = names.len().checked_sub(1) else { return vec![bare.clone()] };
    let frames = names.into_iter().enumerate().map(|(at, name)| {
        let mut frame = bare.clone();
        frame.function = name.function.map(clean);
        frame.file = name.file.map(clean);
        frame.line = name.line;
        frame.inlined = at < last;
        frame
    });
    frames.collect()
}

/// Makes a name safe for a terminal. It comes from a worker's file, by way of a process that read it.
fn clean(name: String) -> String {
    let is_fine = name.len() <= MOST_NAME && !name.chars().any(is_unprintable);
    if is_fine { name } else { name.chars().filter(|&it| !is_unprintable(it)).take(MOST_NAME).collect() }
}

fn unnamed(unwound: &Unwound, why: &impl Display) -> Stack {
    let mut stack = unwound.unnamed();
    add_note(&mut stack.note, &format!("the functions have no names: {why}"));
    stack
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::MOST_NOTE;
    use procpool_stacks::{ModuleFile, UnnamedThread};

    fn unwound() -> Unwound {
        let module = |path: &str, usable| ModuleFile::new(path, usable);
        let call = |module, address| Call::new(module, 0x40, address);
        let thread = |calls| UnnamedThread::new(7, "fib", calls);
        let threads = vec![
            thread(vec![call(Some(0), Some(1)), call(Some(1), Some(2)), call(None, None)]),
            thread(vec![call(Some(0), Some(3))]),
        ];
        let mut unwound = Unwound::new(vec![module("/bin/fib", true), module("/bin/gone", false)], threads);
        unwound.note = Some("one".into());
        unwound
    }

    fn name(function: &str) -> Name {
        Name::new(Some(function.into()), Some("src/fib.rs".into()), Some(7))
    }

    #[test]
    fn names_go_to_their_calls_and_inlined_ones_are_marked() {
        let unwound = unwound();
        assert_eq!(request(&unwound).calls, [(0, 1), (0, 3)]);
        let calls = vec![vec![name("inner"), name("outer")], vec![name("start")]];
        let stack = named(&unwound, Names::new(calls, vec!["two".into()]));
        let shown: Vec<_> = stack.threads.iter().flat_map(|thread| &thread.frames).collect();
        let told: Vec<_> = shown.iter().map(|frame| (frame.to_string(), frame.inlined)).collect();
        let expected = [
            ("inner at src/fib.rs:7", true),
            ("outer at src/fib.rs:7", false),
            ("gone+0x40", false),
            ("0x40", false),
            ("start at src/fib.rs:7", false),
        ];
        assert_eq!(told, expected.map(|(told, inlined)| (told.to_owned(), inlined)));
        assert_eq!(stack.note.as_deref(), Some("one; two"));
    }

    #[test]
    fn answers_beyond_their_bounds_are_cut() {
        let mut unwound = unwound();
        unwound.threads[0].calls = vec![unwound.threads[0].calls[0]; MOST_FRAMES];
        let long = Name::new(Some(format!("a\u{1b}[31m{}", "x".repeat(MOST_NAME))), None, None);
        let calls = vec![vec![long; MOST_INLINED * 2]; MOST_FRAMES * 2];
        let stack = named(&unwound, Names::new(calls, vec!["x".repeat(10_000); 100]));
        let thread = &stack.threads[0];
        assert!(thread.truncated && thread.frames.len() == MOST_FRAMES);
        let function = thread.frames[0].function.as_deref().unwrap();
        assert!(function.starts_with("a[31mxx") && function.len() == MOST_NAME);
        assert_eq!(stack.note.unwrap().chars().count(), MOST_NOTE);
    }

    #[test]
    fn fewer_answers_than_calls_leave_the_others_without_names() {
        let stack = named(&unwound(), Names::default());
        assert_eq!(stack.threads[0].frames.len(), 3);
        let stack = unnamed(&unwound(), &"no process");
        assert_eq!(stack.note.as_deref(), Some("one; the functions have no names: no process"));
    }
}
