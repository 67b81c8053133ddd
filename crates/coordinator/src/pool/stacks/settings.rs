//! The settings of a pool that concern the stacks of its workers.

use super::{CallNames, NamesCalls, add};
use crate::pool::PoolBuilder;
use crate::symbolizer::Symbolizer;
use procpool_process::Executable;
use procpool_protocol::Job;
use procpool_protocol::engine::BoxFuture;
use procpool_protocol::stack::Stack;
use procpool_stacks::Unwound;
use std::sync::Arc;

impl CallNames {
    /// Finds names with a process of this executable, which is `procpool-symbolize` or one like it: it serves
    /// [`Symbolize`](procpool_protocol::symbols::Symbolize). The process starts with the first stack that needs
    /// names, ends when it was not needed for 30 s, and has bounds of time and memory. One that fails or hangs
    /// costs the names, and a note says so.
    ///
    /// ```no_run
    /// # use procpool_coordinator::{CallNames, Executable, Pool};
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let names = CallNames::by_process(Executable::find("procpool-symbolize")?);
    /// let pool = Pool::<Fib>::builder(Executable::find("procpool-fib")?).names(names).start().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_process(executable: Executable) -> Self {
        Self::new(Symbolizer::new(executable))
    }

    /// Finds no names. The note of each stack says why.
    pub fn missing(why: impl Into<String>) -> Self {
        Self::new(Missing(why.into()))
    }
}

/// Stands for something that is not there.
struct Missing(String);

impl NamesCalls for Missing {
    fn name(&self, calls: Arc<Unwound>) -> BoxFuture<'static, Stack> {
        let mut stack = calls.unnamed();
        add(&mut stack.note, &format!("the functions have no names: {}", self.0));
        Box::pin(std::future::ready(stack))
    }
}

impl<J: Job> PoolBuilder<J> {
    /// Sets what names the calls of its workers' stacks. Several pools can share it. Default: nothing; calls
    /// are shown as positions in files.
    pub fn names(mut self, names: CallNames) -> Self {
        self.config.names = Some(names);
        self
    }

    /// Sets whether workers record how they crash, so that the report of a crash has its stack; see
    /// [`Supervision::crash_stacks`](crate::Supervision::crash_stacks). Default: true.
    pub fn crash_stacks(mut self, records: bool) -> Self {
        self.config.limits.supervision.crash_stacks = records;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_note_says_why_names_are_missing() {
        let names = CallNames::missing("nobody knows them");
        let mut unwound = Unwound::default();
        unwound.note = Some("one".into());
        let note = names.0.name(Arc::new(unwound)).await.note;
        assert_eq!(note.as_deref(), Some("one; the functions have no names: nobody knows them"));
    }
}
