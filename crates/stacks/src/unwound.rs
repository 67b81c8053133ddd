//! Calls without names: positions in files.

use procpool_protocol::stack::{Stack, StackFrame, ThreadStack};

/// The calls of a process's threads, without names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct ModuleFile {
    /// The path, as the kernel wrote it.
    pub path: String,
    /// Whether the file at this path is the one that was mapped, as far as can be known. Otherwise its names
    /// would be wrong.
    pub usable: bool,
}

impl ModuleFile {
    /// Returns a file, and whether it is the one that was mapped.
    pub fn new(path: impl Into<String>, usable: bool) -> Self {
        Self { path: path.into(), usable }
    }
}

/// The calls of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

impl UnnamedThread {
    /// Returns a thread with all its calls.
    pub fn new(id: u32, name: impl Into<String>, calls: Vec<Call>) -> Self {
        Self { id, name: name.into(), calls, truncated: false }
    }
}

/// A call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Call {
    /// The index of its file in [`Unwound::modules`]. `None` for memory without a file.
    pub module: Option<usize>,
    /// The position in the file, or the address where there is no file.
    pub offset: u64,
    /// The address of the call itself, as the file counts, to look up its name: `offset` is where it returns
    /// to, and that may be the next function already. `None` where the file does not say.
    pub address: Option<u64>,
}

impl Call {
    /// Returns a call at this position in a file, with the address to look up its name.
    pub fn new(module: Option<usize>, offset: u64, address: Option<u64>) -> Self {
        Self { module, offset, address }
    }
}

/// Makes text of a worker safe for a terminal.
fn clean(text: &str) -> String {
    text.chars().filter(|&it| !procpool_protocol::printable::is_unprintable(it)).collect()
}

impl Unwound {
    /// Returns these threads, with their files and nothing missing.
    pub fn new(modules: Vec<ModuleFile>, threads: Vec<UnnamedThread>) -> Self {
        Self { modules, threads, note: None }
    }

    /// Returns the calls as a stack, without names. The names of threads and files are without control characters, since
    /// the worker may have chosen them.
    pub fn unnamed(&self) -> Stack {
        let threads = self.threads.iter().map(|thread| {
            let frames = thread.calls.iter().map(|&call| self.frame(call)).collect();
            let mut stack = ThreadStack::new(thread.id, clean(&thread.name), frames);
            stack.truncated = thread.truncated;
            stack
        });
        let mut stack = Stack::new(threads.collect());
        stack.note = self.note.as_deref().map(clean);
        stack
    }

    /// Returns one call without a name.
    pub fn frame(&self, call: Call) -> StackFrame {
        let module = call.module.and_then(|at| self.modules.get(at));
        let name = module.map(|module| clean(module.path.rsplit('/').next().unwrap_or_default()));
        StackFrame::new(name, call.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_chose_reaches_no_terminal_as_a_command() {
        let thread = UnnamedThread::new(7, "\u{1b}[2Jfib", vec![Call::new(Some(0), 0x40, None)]);
        let mut unwound = Unwound::new(vec![ModuleFile::new("/bin/\u{1b}]0;a\u{7}", true)], vec![thread]);
        unwound.note = Some("/bin/\u{9b}2J is gone".into());
        let stack = unwound.unnamed();
        let thread = &stack.threads[0];
        assert_eq!(thread.name, "[2Jfib");
        assert_eq!(thread.frames[0].to_string(), "]0;a+0x40");
        assert_eq!(stack.note.as_deref(), Some("/bin/2J is gone"));
    }
}
