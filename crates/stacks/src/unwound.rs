//! Calls without names: positions in files.

use procpool_protocol::stack::{Stack, StackFrame, ThreadStack};

/// The calls of a process's threads, without names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unwound {
    /// The files that the calls are in, each once.
    pub modules: Vec<ModuleFile>,
    /// The threads, in the order of the snapshot.
    pub threads: Vec<UnnamedThread>,
    /// Why something is missing. `None` if nothing is.
    pub note: Option<String>,
}

/// An executable or a library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleFile {
    /// The path, as the kernel wrote it.
    pub path: String,
    /// Whether the file at this path is the one that was mapped, as far as can be known. Otherwise its names
    /// would be wrong.
    pub usable: bool,
}

/// The calls of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnnamedThread {
    /// The number of the thread.
    pub id: u32,
    /// The name of the thread.
    pub name: String,
    /// The calls, the innermost one first. At most [`MOST_FRAMES`](procpool_protocol::stack::MOST_FRAMES).
    pub calls: Vec<Call>,
    /// Whether there were more calls.
    pub truncated: bool,
}

/// A call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Call {
    /// The index of its file in [`Unwound::modules`]. `None` for memory without a file.
    pub module: Option<usize>,
    /// The position in the file, or the address where there is no file.
    pub offset: u64,
    /// The address of the call itself, as the file counts, to look up its name: `offset` is where it returns
    /// to, and that may be the next function already. `None` where the file does not say.
    pub address: Option<u64>,
}

impl Unwound {
    /// Returns the calls as a stack, without names.
    pub fn unnamed(&self) -> Stack {
        let threads = self.threads.iter().map(|thread| {
            let frames = thread.calls.iter().map(|&call| self.frame(call)).collect();
            let mut stack = ThreadStack::new(thread.id, thread.name.clone(), frames);
            stack.truncated = thread.truncated;
            stack
        });
        let mut stack = Stack::new(threads.collect());
        stack.note.clone_from(&self.note);
        stack
    }

    /// Returns one call without a name.
    pub fn frame(&self, call: Call) -> StackFrame {
        let module = call.module.and_then(|at| self.modules.get(at));
        let name = module.map(|module| module.path.rsplit('/').next().unwrap_or_default().to_owned());
        StackFrame::new(name, call.offset)
    }
}
