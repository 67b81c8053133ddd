//! The schemas of the job's types, as the newest generation reports them. The pool asks one of its workers,
//! once that is ready.

use procpool_protocol::engine::PoolSchemas;
use procpool_protocol::handshake::Description;
use procpool_scheduler::{Generation, WorkerId};
use std::sync::Arc;

/// A pool's schemas, and which workers were asked for them.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    /// Workers that have not answered yet, at most one of each generation.
    asked: Vec<(WorkerId, Generation)>,
    /// The newest generation that a worker of was ready.
    newest: Option<Generation>,
    /// The answer of a worker of that generation.
    said: Option<Arc<PoolSchemas>>,
}

impl Schemas {
    /// Returns whether the pool should ask this worker, which has just become ready.
    pub(crate) fn ask(&mut self, generation: Generation, worker: WorkerId) -> bool {
        if self.newest < Some(generation) {
            (self.newest, self.said) = (Some(generation), None);
        }
        let is_asked = self.asked.iter().any(|&(_, it)| it == generation);
        let asks = self.newest == Some(generation) && self.said.is_none() && !is_asked;
        if asks {
            self.asked.push((worker, generation));
        }
        asks
    }

    /// Takes a worker's answer.
    ///
    /// # Errors
    /// When it was not asked: how it broke the protocol.
    pub(crate) fn hear(&mut self, worker: WorkerId, description: Description) -> Result<(), String> {
        let at = self.asked.iter().position(|&(asked, _)| asked == worker);
        let at = at.ok_or("it sent a Description that nobody had asked for")?;
        let (_, generation) = self.asked.swap_remove(at);
        if self.newest == Some(generation) {
            self.said = Some(Arc::new(PoolSchemas::of(description)));
        }
        Ok(())
    }

    /// Notes a worker's death. If it has not answered, the next that becomes ready is asked instead.
    pub(crate) fn died(&mut self, worker: WorkerId) {
        self.asked.retain(|&(asked, _)| asked != worker);
    }

    /// Returns whether a worker was asked and has not answered.
    pub(crate) const fn are_awaited(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Returns the schemas, once they are known and if there are any.
    pub(crate) fn known(&self) -> Option<Arc<PoolSchemas>> {
        self.said.clone().filter(|said| **said != PoolSchemas::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::handshake::Mode;
    use serde_json::json;

    fn description(title: Option<&str>) -> Description {
        Description {
            job: "fib".into(),
            contract: 1,
            schema_hash: None,
            input: title.map(|title| json!({ "title": title })),
            output: None,
            modes: vec![Mode::Jobs],
            sdk: "test".into(),
            build: None,
        }
    }

    fn title(schemas: &Schemas) -> Option<String> {
        Some(schemas.known()?.input.as_ref()?["title"].as_str()?.into())
    }

    const OLD: Generation = Generation(0);
    const NEW: Generation = Generation(1);

    #[test]
    fn one_worker_of_each_generation_is_asked() {
        let mut schemas = Schemas::default();
        assert!(schemas.ask(OLD, WorkerId(0)));
        assert!(!schemas.ask(OLD, WorkerId(1)), "somebody was asked");
        assert!(schemas.are_awaited());
        schemas.hear(WorkerId(0), description(Some("old"))).unwrap();
        assert!(!schemas.are_awaited());
        assert!(!schemas.ask(OLD, WorkerId(2)), "somebody has answered");
        assert!(schemas.ask(NEW, WorkerId(3)));
        assert_eq!(title(&schemas), None, "nobody has answered yet");
        schemas.hear(WorkerId(3), description(Some("new"))).unwrap();
        assert!(!schemas.ask(OLD, WorkerId(4)), "it is late");
        assert_eq!(title(&schemas).as_deref(), Some("new"));
    }

    #[test]
    fn an_answer_that_is_late_counts_for_nothing_and_is_no_breach_of_the_protocol() {
        let mut schemas = Schemas::default();
        assert!(schemas.ask(OLD, WorkerId(0)) && schemas.ask(NEW, WorkerId(1)));
        schemas.hear(WorkerId(1), description(Some("new"))).unwrap();
        schemas.hear(WorkerId(0), description(Some("old"))).unwrap();
        assert_eq!(title(&schemas).as_deref(), Some("new"));
    }

    #[test]
    fn only_those_who_were_asked_may_answer_and_only_once() {
        let mut schemas = Schemas::default();
        schemas.ask(OLD, WorkerId(0));
        assert!(schemas.hear(WorkerId(1), description(None)).is_err());
        schemas.hear(WorkerId(0), description(None)).unwrap();
        assert!(schemas.hear(WorkerId(0), description(None)).is_err());
        assert_eq!(schemas.known(), None, "a job without schemas");
    }

    #[test]
    fn one_that_dies_without_an_answer_is_replaced() {
        let mut schemas = Schemas::default();
        assert!(schemas.ask(OLD, WorkerId(0)));
        schemas.died(WorkerId(0));
        assert!(schemas.ask(OLD, WorkerId(1)));
    }
}
