//! Turns samples of the pools into the text of events. Pure: the clock and the samples are arguments.
//!
//! A tick has every number that may have changed, and of the workers only the new ones, so that a lost tick costs a viewer
//! a snapshot at most. The names of its fields are short: it is sent four times a second.

use super::changes::{self, Change, What};
use super::deaths::Gone;
use super::frame::{Frame, Picture, Piece, Rare};
use super::states;
use super::storm::Storm;
use procpool_protocol::engine::{Death, PoolSample, SampleFigures, WorkerSample};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;

/// Writes frames, one after the other.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    before: Vec<PoolSample>,
    /// Workers that are gone, until their deaths are reported.
    gone: Gone,
    storm: Storm,
    /// The number of the last frame.
    id: u64,
}

impl Encoder {
    /// Returns an encoder whose frames have numbers after `id`.
    pub(super) fn after(id: u64) -> Self {
        Self { id, ..Self::default() }
    }

    /// Returns the frame of these samples, which were taken `at` this number of milliseconds after the epoch, and the rare
    /// events since the last call. `reports` are the deaths that were reported since then, the newest first.
    pub(super) fn encode(
        &mut self,
        at: u64,
        samples: &[PoolSample],
        reports: &[Arc<Death>],
        with_snapshot: bool,
    ) -> (Frame, Vec<Rare>) {
        let changes =
            if self.before.is_empty() { Vec::new() } else { changes::between(&self.before, samples) };
        let mut rare = self.storm.events(at, self.gone.told(at, &changes, reports));
        rare.extend(changes.iter().filter_map(|change| marked(at, change)));
        self.id += 1;
        let before = |name: &str| self.before.iter().find(|it| it.name == name);
        let pieces = |of: &dyn Fn(&PoolSample) -> String| {
            samples.iter().map(|it| Piece { pool: it.name.clone(), json: of(it) }).collect()
        };
        let tick = pieces(&|sample| piece(sample, before(&sample.name)));
        let snapshot = with_snapshot.then(|| pieces(&|sample| piece(sample, None)));
        let frame = Frame {
            tick: Picture::new("tick", self.id, at, tick),
            snapshot: snapshot.map(|pieces| Picture::new("snapshot", self.id, at, pieces)),
        };
        self.before.clear();
        self.before.extend_from_slice(samples);
        (frame, rare)
    }
}

/// Returns the text of a pool for viewers that know it as it was `before`, or not at all.
fn piece(sample: &PoolSample, before: Option<&PoolSample>) -> String {
    let name = Value::from(sample.name.as_str());
    let mut text = String::with_capacity(512);
    // Writing to a string never fails.
    let _ = write!(text, "{name}:{{\"s\":\"");
    states::write(&sample.places, &mut text);
    text.push('"');
    write_figures(&sample.figures, &mut text);
    let is_known = before.is_some_and(|it| configuration(&it.figures) == configuration(&sample.figures));
    if !is_known {
        write_configuration(&sample.figures, &mut text);
    }
    let longest = sample.longest.iter().filter_map(|&(place, job)| {
        let since = sample.places.get(place).copied().flatten()?.since.as_millis();
        Some(format!("[{place},{since},\"{job}\"]"))
    });
    write_list("long", longest, &mut text);
    let is_new = |place: usize, worker: &WorkerSample| {
        let earlier = before.and_then(|it| it.places.get(place).copied().flatten());
        earlier.is_none_or(|it| (it.number, it.pid) != (worker.number, worker.pid))
    };
    let places = sample.places.iter().enumerate();
    let new = places.filter_map(|(place, worker)| {
        let worker = worker.as_ref().filter(|worker| is_new(place, worker))?;
        let WorkerSample { number, generation, uptime, .. } = worker;
        Some(format!("[{place},{number},{},{generation},{}]", worker.pid.unwrap_or(0), uptime.as_millis()))
    });
    write_list("new", new, &mut text);
    text.push('}');
    text
}

fn write_figures(figures: &SampleFigures, text: &mut String) {
    let SampleFigures { queued, running, ok, failed, refused, deaths, .. } = figures;
    let _ = write!(text, ",\"q\":{queued},\"run\":{running},\"d\":[{ok},{failed},{refused},{deaths}]");
    if let Some(oldest) = figures.oldest {
        let _ = write!(text, ",\"old\":{}", oldest.as_millis());
    }
    // Where no job has ended lately, there is nothing to say of its time.
    for (name, times) in [("w", figures.wait), ("r", figures.run)].into_iter().filter(|it| it.1.count > 0) {
        let _ = write!(text, ",\"{name}\":[{},{}]", times.p50_us, times.p99_us);
    }
}

/// The part of the numbers that seldom changes.
type Configuration = ([usize; 3], u64, [bool; 4]);

fn configuration(it: &SampleFigures) -> Configuration {
    let flags = [it.reloading, it.paused, it.draining, it.breaker_open];
    ([it.min_workers, it.max_workers, it.queue_limit], it.generation, flags)
}

fn write_configuration(figures: &SampleFigures, text: &mut String) {
    let ([min, max, queue], generation, [reloading, paused, draining, breaker]) = configuration(figures);
    let _ = write!(
        text,
        ",\"cfg\":{{\"min\":{min},\"max\":{max},\"queue\":{queue},\"generation\":{generation},\
         \"reloading\":{reloading},\"paused\":{paused},\"draining\":{draining},\"breaker_open\":{breaker}}}"
    );
}

/// Appends a member that is a list, unless that is empty.
fn write_list(name: &str, items: impl Iterator<Item = String>, text: &mut String) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    let _ = write!(text, ",\"{name}\":[");
    for (index, item) in items.enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        text.push_str(&item);
    }
    text.push(']');
}

/// Returns the mark of a change on plots. A death is none.
fn marked(at: u64, Change { pool, what }: &Change) -> Option<Rare> {
    let data = match what {
        What::Death { .. } => return None,
        What::Added => mark(at, pool, "added"),
        What::Removed => mark(at, pool, "removed"),
        What::Reload => mark(at, pool, "reload"),
        What::Generation(generation) => {
            json!({"t": at, "pool": pool, "what": "generation", "generation": generation})
        }
        What::Breaker { is_open } => {
            mark(at, pool, if *is_open { "breaker_opened" } else { "breaker_closed" })
        }
        What::Paused(paused) => mark(at, pool, if *paused { "paused" } else { "resumed" }),
        What::Draining(draining) => mark(at, pool, if *draining { "draining" } else { "resumed" }),
        What::Limits { min, max, queue } => {
            let limits = json!({"min": min, "max": max, "queue": queue});
            json!({"t": at, "pool": pool, "what": "limits", "limits": limits})
        }
    };
    Some(Rare::new("mark", pool, &data))
}

fn mark(at: u64, pool: &str, what: &str) -> Value {
    json!({"t": at, "pool": pool, "what": what})
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::JobId;
    use procpool_protocol::engine::WorkerState;
    use std::time::Duration;

    fn fib() -> PoolSample {
        let mut sample = PoolSample::new("fib");
        let mut busy = WorkerSample::new(7, WorkerState::Busy);
        (busy.pid, busy.since) = (Some(1234), Duration::from_millis(250));
        sample.places = vec![Some(busy), None, Some(WorkerSample::new(8, WorkerState::Starting))];
        sample.longest = vec![(0, JobId::from_bits(0xfeed))];
        (sample.figures.queued, sample.figures.ok, sample.figures.max_workers) = (3, 40, 4);
        sample.figures.oldest = Some(Duration::from_millis(1200));
        (sample.figures.run.count, sample.figures.run.p99_us) = (1, 9);
        sample
    }

    fn data(picture: &Picture) -> Value {
        let text = String::from_utf8(picture.text(None).to_vec()).unwrap();
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        serde_json::from_str(data).unwrap()
    }

    #[test]
    fn a_snapshot_has_everything_and_a_tick_the_states_and_the_new_workers() {
        let mut encoder = Encoder::after(41);
        let (frame, rare) = encoder.encode(9, &[fib()], &[], true);
        assert!(rare.is_empty(), "nothing has happened yet: {rare:?}");
        let snapshot = data(&frame.snapshot.unwrap());
        let fib_of = |value: &Value| value["pools"]["fib"].clone();
        assert_eq!((&snapshot["t"], frame.tick.id()), (&json!(9), 42));
        assert_eq!(fib_of(&snapshot)["s"], "b.s");
        assert_eq!(fib_of(&snapshot)["new"], json!([[0, 7, 1234, 0, 0], [2, 8, 0, 0, 0]]));
        assert_eq!(fib_of(&snapshot)["cfg"]["max"], 4);

        let mut later = fib();
        later.places[2].as_mut().unwrap().pid = Some(99);
        let (frame, _) = encoder.encode(259, &[later], &[], false);
        assert!(frame.snapshot.is_none());
        let tick = fib_of(&data(&frame.tick));
        let expected = json!({
            "s": "b.s", "q": 3, "run": 0, "d": [40, 0, 0, 0], "old": 1200, "r": [0, 9],
            "long": [[0, 250, "0000000000000000000000000000feed"]], "new": [[2, 8, 99, 0, 0]],
        });
        assert_eq!(tick, expected);
    }

    #[test]
    fn what_seldom_changes_is_sent_when_it_does() {
        let mut encoder = Encoder::default();
        encoder.encode(0, &[fib()], &[], false);
        let mut paused = fib();
        paused.figures.paused = true;
        let (frame, rare) = encoder.encode(250, &[paused], &[], false);
        assert_eq!(data(&frame.tick)["pools"]["fib"]["cfg"]["paused"], true);
        let mark = "event: mark\ndata: {\"pool\":\"fib\",\"t\":250,\"what\":\"paused\"}\n\n";
        assert_eq!(rare.iter().map(|it| &*it.text).collect::<Vec<_>>(), [mark.as_bytes()]);
    }

    #[test]
    fn a_thousand_workers_of_which_half_are_busy_at_random_are_about_a_kilobyte() {
        let mut sample = fib();
        let state = |index: u64| {
            // Xorshift: as random as a test needs.
            let mut bits = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bits ^= bits >> 29;
            if bits & 1 == 0 { WorkerState::Busy } else { WorkerState::Idle }
        };
        sample.places = (0..1000).map(|it| Some(WorkerSample::new(it, state(it)))).collect();
        let mut encoder = Encoder::default();
        encoder.encode(0, &[sample.clone()], &[], false);
        let tick = encoder.encode(250, &[sample], &[], false).0.tick.text(None);
        assert!(tick.len() < 1600, "{}", tick.len());
    }
}
