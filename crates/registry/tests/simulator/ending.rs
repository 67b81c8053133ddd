//! The end of a run: every job ends, every watcher sees it, and time removes all.

use procpool_registry::Usage;

use crate::broken::{Broken, broken};
use crate::run::{Run, Step};

impl Run {
    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        for id in self.model.ids() {
            if self.model.jobs.get(&id).is_some_and(|job| !job.is_finished()) {
                let (event, may_have_run) = self.draw_end(id);
                let step = self.send(id, &event, may_have_run)?;
                self.check(step)?;
            }
        }
        self.watch_to_the_end()?;

        let retention = self.plan.settings.retention;
        self.skip(retention.records.max(retention.keys).max(retention.results));
        self.registry.tick(self.now);
        self.check(Step::Ticked)?;
        let registry = self.registry.inner();
        let left = (registry.usage(), registry.event_bytes(), registry.poll_timeout());
        if self.is_correct && left != (Usage::default(), 0, None) {
            return Err(broken("nothing_is_left", format!("{left:?}")));
        }
        Ok(())
    }
}
