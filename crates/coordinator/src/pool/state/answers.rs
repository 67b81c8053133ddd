//! Takes in answers that arrived together.

use super::context::EventContext;
use super::effects::Effects;
use super::slot::Answer;
use crate::pool::state::State;
use procpool_protocol::arena::Direction;
use procpool_scheduler::{Event, Health, Time, WorkerId};

impl State {
    /// Takes in a living worker's answer. The worker `is_spent` if it can do no other job. The error says how
    /// it broke the protocol. Its earlier answers count.
    pub(crate) fn answered(
        &mut self,
        now: Time,
        worker: WorkerId,
        answers: impl ExactSizeIterator<Item = Answer>,
        is_spent: bool,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let (mut events, mut wanted, mut told) = (Vec::with_capacity(answers.len()), None, Ok(()));
        let mut context = EventContext::default();
        context.results.reserve(answers.len());
        effects.outcomes.reserve(answers.len());
        for answer in answers {
            let Some(slot) = self.slots.get_mut(&worker) else {
                told = Err("it is not expected any more".into());
                break;
            };
            match slot.answered(&answer) {
                Ok(job) => {
                    let bytes = &mut self.stats.payloads;
                    match answer.is_shared {
                        true => bytes.output_by_memory += answer.length as u64,
                        false => bytes.output_by_socket += answer.length as u64,
                    }
                    context.results.push_back((job, answer.told));
                    let health = match answer.health {
                        Health::Sound if is_spent => Health::Spent,
                        health => health,
                    };
                    events.push(Event::Done { worker, job, health });
                    if slot.look.is_some() {
                        // It gave up the job whose time was up: it is not killed.
                        effects.left.extend(slot.look.take());
                    }
                }
                Err(violation) => {
                    told = Err(violation);
                    break;
                }
            }
            effects.arenas.extend(slot.sharing.over(answer.sequence));
            wanted = wanted.or(slot.wants(Direction::Output, answer.length));
        }
        self.handle_all(now, events, context, effects);
        effects.wanted.extend(wanted.map(|wanted| (worker, wanted)));
        told
    }
}
