//! Standard output and standard error of a worker, read by a thread each.

use std::io::{PipeReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Number of bytes of an output that are kept.
const KEPT: usize = 1 << 20;

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    has_ended: bool,
}

/// One output.
#[derive(Clone, Debug)]
pub(crate) struct Output(Arc<(Mutex<State>, Condvar)>);

impl Output {
    /// Reads a pipe to its end, on a thread of its own.
    pub(crate) fn drain(mut pipe: PipeReader) -> std::io::Result<Self> {
        let output = Self(Arc::default());
        let shared = output.0.clone();
        thread::Builder::new().name("output".into()).spawn(move || {
            let (state, changed) = &*shared;
            let mut piece = [0; 4096];
            loop {
                let read = pipe.read(&mut piece).unwrap_or(0);
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let room = KEPT - state.bytes.len().min(KEPT);
                state.bytes.extend_from_slice(&piece[..read.min(room)]);
                state.has_ended = read == 0;
                changed.notify_all();
                if read == 0 {
                    return;
                }
            }
        })?;
        Ok(output)
    }

    /// Waits until the text stands in the output, for at most `patience`. Returns whether it does.
    pub(crate) fn has(&self, text: &str, patience: Duration) -> bool {
        let stands = |state: &State| String::from_utf8_lossy(&state.bytes).contains(text);
        self.wait(patience, |state| state.has_ended || stands(state));
        stands(&self.0.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns everything, once the output has ended. A process that the worker left behind may hold it open, so
    /// the wait has a bound.
    pub(crate) fn whole(&self, patience: Duration) -> String {
        self.wait(patience, |state| state.has_ended);
        let state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&state.bytes).into_owned()
    }

    fn wait(&self, patience: Duration, is_done: impl Fn(&State) -> bool) {
        let (state, changed) = &*self.0;
        let until = Instant::now() + patience;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_done(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            (state, _) = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
