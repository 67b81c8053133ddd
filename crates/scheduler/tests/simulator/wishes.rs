//! The orders of operators, except for its size and pauses: other settings, no further jobs, one worker less, the end.

use procpool_scheduler::{Event, Settings, Time};

use crate::agenda::Happening;
use crate::broken::Broken;
use crate::plan::Story;
use crate::random::Random;
use crate::run::Run;

impl Run {
    /// Schedules them. Draws from numbers of its own, so that each seed keeps its meaning.
    pub(crate) fn schedule_orders(&mut self, seed: u64, end: Time) {
        let mut random = Random::new(seed ^ 0x0de5);
        if self.plan.story != Story::Storm || !random.percent(30) {
            return;
        }
        for _ in 0..random.between(1, 5) {
            let fraction = |random: &mut Random| random.between(0, 1_000) as f64 / 1_000.0;
            let (one, other) = (fraction(&mut random), fraction(&mut random));
            let [begin, finish] = [one.min(other), one.max(other)]
                .map(|fraction| Time::ZERO + end.since(Time::ZERO).mul_f64(fraction));
            match random.between(0, 3) {
                0 => {
                    self.agenda.put(begin, Happening::Close);
                    self.agenda.put(finish, Happening::Resume);
                }
                1 => self.agenda.put(begin, Happening::Reconfigure(random.next())),
                _ => self.agenda.put(begin, Happening::Retire),
            }
        }
    }

    pub(crate) fn reconfigure(&mut self, number: u64) -> Result<(), Broken> {
        let mut random = Random::new(number);
        let settings = Settings {
            queue: random.count(0, 20),
            queue_bytes: if random.percent(50) { random.count(0, 250_000) } else { usize::MAX },
            spares: random.count(0, 2),
            idle_timeout: random.percent(50).then(|| random.millis(20, 200)),
            grace: random.millis(0, 30),
            stop_timeout: random.millis(1, 30),
            admission: random.percent(70),
        };
        self.plan.config.apply(settings);
        self.sizes.reconfigured(&self.plan.config);
        self.coverage.met("reconfigured");
        self.feed(Event::Reconfigure { settings })
    }

    pub(crate) fn close(&mut self) -> Result<(), Broken> {
        (self.is_held, self.is_closed) = (false, !self.is_ending);
        self.feed(Event::Close)
    }

    pub(crate) fn retire(&mut self) -> Result<(), Broken> {
        let ids = self.processes.ids();
        let Some(worker) = self.random.pick(&ids) else { return Ok(()) };
        if let Some(process) = self.processes.get(worker) {
            process.is_dismissed = true;
            self.coverage.met("retired by order");
        }
        self.feed(Event::Retire { worker })
    }

    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        if !self.plan.ends_early {
            self.check_rest()?;
        }
        (self.is_ending, self.is_held, self.is_closed) = (true, false, false);
        match self.random.between(0, 2) {
            0 => {
                self.limit = Some(self.now);
                self.feed(Event::Stop)
            }
            // Long enough for most jobs. Without a limit a job that hangs would block the end.
            _ => {
                let limit = self.random.millis(0, 200);
                self.limit = Some(self.now + limit);
                self.feed(Event::Drain { limit: Some(limit) })
            }
        }
    }
}
