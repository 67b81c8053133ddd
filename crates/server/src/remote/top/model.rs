//! The server as its events show it. Pure: the events bring their own time.

use procpool_client::events::Event;
use procpool_client::hosts::Hosts;
use procpool_protocol::printable::printable;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Maximum number of places of a pool that are shown.
const MAX_PLACES: usize = 8192;

/// Maximum number of deaths and changes that are remembered.
const MAX_HAPPENED: usize = 100;

/// Time over which a rate is measured, in milliseconds.
const RATE_WINDOW: u64 = 2000;

/// Number of rates that are remembered, one a second.
const MAX_RATES: usize = 120;

/// The server, as its last events show it.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) pools: BTreeMap<String, Pool>,
    /// The newest last.
    pub(super) happened: VecDeque<Happened>,
    /// Number of deaths since the beginning of the stream.
    pub(super) deaths: u64,
    /// The server drains, and has said goodbye.
    pub(super) is_over: bool,
    /// Milliseconds since the epoch, by the server's clock.
    pub(super) at: u64,
    /// The hosts of its cluster, if it has one.
    pub(super) hosts: Option<Hosts>,
}

/// A death or a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Happened {
    pub(super) at: u64,
    pub(super) is_death: bool,
    pub(super) text: String,
}

/// A pool.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// The letter of each place.
    pub(super) places: Vec<char>,
    pub(super) queued: u64,
    pub(super) deaths: u64,
    /// Half of the jobs, and 99 of 100, ran for no longer than this, in microseconds.
    pub(super) run: [u64; 2],
    pub(super) configuration: Configuration,
    /// Running jobs, the longest first.
    pub(super) longest: Vec<Longest>,
    /// Jobs a second, the newest last.
    pub(super) rates: VecDeque<u64>,
    /// The number in the name of the worker of each place.
    workers: HashMap<usize, u64>,
    /// Numbers of finished jobs with their times.
    totals: VecDeque<(u64, u64)>,
    rated_at: u64,
}

/// A job that runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Longest {
    pub(super) worker: String,
    pub(super) millis: u64,
    pub(super) job: String,
}

/// The part that seldom changes.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Configuration {
    pub(super) max: u64,
    pub(super) queue: u64,
    pub(super) generation: u64,
    pub(super) reloading: bool,
    pub(super) paused: bool,
    pub(super) draining: bool,
    pub(super) breaker_open: bool,
}

/// The data of a snapshot and of a tick.
#[derive(Deserialize)]
struct Picture {
    t: u64,
    pools: BTreeMap<String, Piece>,
}

/// A later server may add members, and numbers at the ends of lists.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Piece {
    s: String,
    q: u64,
    d: Vec<u64>,
    r: Vec<u64>,
    cfg: Option<Configuration>,
    long: Vec<Vec<Value>>,
    new: Vec<Vec<Value>>,
}

impl Model {
    /// Takes an event. One of a later version is passed over.
    pub(super) fn take(&mut self, event: &Event) -> Result<(), serde_json::Error> {
        match event.name.as_str() {
            "snapshot" | "tick" => self.picture(serde_json::from_str(&event.data)?, event.name == "snapshot"),
            "death" | "deaths" | "mark" => {
                self.happened(&serde_json::from_str(&event.data)?, event.name != "mark");
            }
            "bye" => self.is_over = true,
            _ => {}
        }
        Ok(())
    }

    fn picture(&mut self, picture: Picture, is_whole: bool) {
        self.at = picture.t;
        self.pools.retain(|name, _| picture.pools.contains_key(name));
        for (name, piece) in picture.pools {
            let pool = self.pools.entry(name.clone()).or_default();
            if is_whole {
                pool.workers.clear();
            }
            pool.take(&name, &piece, picture.t);
        }
    }

    fn happened(&mut self, data: &Value, is_death: bool) {
        let text = |name: &str| data[name].as_str().unwrap_or_default();
        let told = if is_death {
            // A storm of deaths is one event.
            let number = data["n"].as_u64();
            self.deaths = self.deaths.saturating_add(number.unwrap_or(1));
            match number {
                Some(number) => format!("{}: {number} workers died", text("pool")),
                None => format!("{} died", text("worker")),
            }
        } else {
            match data["generation"].as_u64() {
                Some(generation) => format!("{}: generation {generation}", text("pool")),
                None => format!("{}: {}", text("pool"), text("what").replace('_', " ")),
            }
        };
        let at = data["t"].as_u64().unwrap_or(self.at);
        self.happened.push_back(Happened { at, is_death, text: printable(&told).into_owned() });
        if self.happened.len() > MAX_HAPPENED {
            self.happened.pop_front();
        }
    }
}

impl Pool {
    fn take(&mut self, name: &str, piece: &Piece, at: u64) {
        self.places = places(&piece.s);
        self.queued = piece.q;
        let number = |list: &[u64], index: usize| list.get(index).copied().unwrap_or_default();
        self.deaths = number(&piece.d, 3);
        self.run = [number(&piece.r, 0), number(&piece.r, 1)];
        self.configuration = piece.cfg.unwrap_or(self.configuration);
        for new in &piece.new {
            if let [Some(place), Some(worker)] = [0, 1].map(|index| new.get(index).and_then(Value::as_u64))
                && let Ok(place @ ..MAX_PLACES) = usize::try_from(place)
            {
                self.workers.insert(place, worker);
            }
        }
        self.longest = piece.long.iter().filter_map(|job| self.longest(name, job)).collect();
        self.longest.sort_by_key(|job| std::cmp::Reverse(job.millis));
        self.count(at, number(&piece.d, 0).saturating_add(number(&piece.d, 1)));
    }

    fn longest(&self, pool: &str, job: &[Value]) -> Option<Longest> {
        let place = usize::try_from(job.first()?.as_u64()?).ok()?;
        let worker =
            self.workers.get(&place).map_or_else(|| format!("#{place}"), |it| format!("{pool}-{it}"));
        Some(Longest { worker, millis: job.get(1)?.as_u64()?, job: job.get(2)?.as_str()?.to_owned() })
    }

    /// Notes the number of finished jobs at this moment.
    fn count(&mut self, at: u64, total: u64) {
        if self.totals.back().is_some_and(|&(earlier, jobs)| earlier > at || jobs > total) {
            // The clock was set, or the pool is another one of that name.
            self.totals.clear();
        }
        self.totals.push_back((at, total));
        while self.totals.len() > 2 && self.totals[1].0 + RATE_WINDOW <= at {
            self.totals.pop_front();
        }
        if at >= self.rated_at + 1000 || at < self.rated_at {
            self.rated_at = at;
            self.rates.push_back(self.rate());
            if self.rates.len() > MAX_RATES {
                self.rates.pop_front();
            }
        }
    }

    /// Returns the number of jobs that finish in a second.
    pub(super) fn rate(&self) -> u64 {
        let (Some(&(from, before)), Some(&(to, after))) = (self.totals.front(), self.totals.back()) else {
            return 0;
        };
        let (jobs, millis) = (after.saturating_sub(before), to.saturating_sub(from));
        jobs.saturating_mul(1000).checked_div(millis).unwrap_or_default()
    }

    /// Returns the number of places with this letter.
    pub(super) fn number_of(&self, letter: char) -> usize {
        self.places.iter().filter(|place| **place == letter).count()
    }

    /// Returns its condition in a word.
    pub(super) fn condition(&self) -> &'static str {
        let Configuration { reloading, paused, draining, breaker_open, .. } = self.configuration;
        match () {
            () if draining => "draining",
            () if breaker_open => "breaker open",
            () if paused => "paused",
            () if reloading => "reloading",
            () if self.number_of('b') + self.number_of('i') == 0 => "no worker",
            () => "ready",
        }
    }
}

/// Reads states: a letter, and after it the number of places that have it.
fn places(text: &str) -> Vec<char> {
    let mut places = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        let mut count = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            count.push(digit);
        }
        let count = if count.is_empty() { 1 } else { count.parse().unwrap_or(MAX_PLACES) };
        places.extend(std::iter::repeat_n(letter, count.min(MAX_PLACES - places.len())));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(in super::super) fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    fn after(events: &[(&str, &str)]) -> Model {
        let mut model = Model::default();
        for (name, data) in events {
            model.take(&event(name, data)).unwrap();
        }
        model
    }

    const SNAPSHOT: &str = r#"{"t":1000,"pools":{"fib":{"s":"b2i.s","q":3,"d":[10,1,0,2],"r":[20,30,40],
        "cfg":{"max":8,"queue":64,"paused":true,"new":1},"new":[[0,7,12],[1,9]],
        "long":[[0,5,"aa"],[1,70,"bb"],[4,6,"cc"]],"more":{}}}}"#;

    #[test]
    fn a_snapshot_shows_every_pool() {
        let model = after(&[("snapshot", SNAPSHOT)]);
        let fib = &model.pools["fib"];
        assert_eq!(fib.places, ['b', 'b', 'i', '.', 's']);
        assert_eq!((fib.queued, fib.deaths, fib.run), (3, 2, [20, 30]));
        assert_eq!((fib.configuration.max, fib.condition()), (8, "paused"));
        let longest: Vec<_> = fib.longest.iter().map(|it| (&*it.worker, it.millis, &*it.job)).collect();
        assert_eq!(longest, [("fib-9", 70, "bb"), ("#4", 6, "cc"), ("fib-7", 5, "aa")]);
    }

    #[test]
    fn ticks_change_what_they_name_and_rates_are_those_of_the_last_two_seconds() {
        let tick =
            |t: u64, jobs: u64| format!(r#"{{"t":{t},"pools":{{"fib":{{"s":"i8","d":[{jobs},1,0,2]}}}}}}"#);
        let mut model = after(&[("snapshot", SNAPSHOT)]);
        for step in 1..=20 {
            model.take(&event("tick", &tick(1000 + 250 * step, 10 + 100 * step))).unwrap();
        }
        let fib = &model.pools["fib"];
        assert_eq!((fib.rate(), fib.configuration.max, fib.number_of('i')), (400, 8, 8));
        assert_eq!((fib.rates.len(), fib.rates.back()), (6, Some(&400)));
        model.take(&event("tick", &tick(9_000, 0))).unwrap();
        assert_eq!(model.pools["fib"].rate(), 0, "it is another pool of that name");
        model.take(&event("tick", r#"{"t":9250,"pools":{}}"#)).unwrap();
        assert!(model.pools.is_empty());
    }

    #[test]
    fn deaths_and_changes_are_remembered_within_bounds_and_cannot_drive_a_terminal() {
        let mut model = after(&[
            ("death", r#"{"t":5,"pool":"fib","slot":1,"worker":"fib-7\u001b[2J"}"#),
            ("mark", r#"{"t":6,"pool":"fib","what":"breaker_opened"}"#),
            ("mark", r#"{"t":7,"pool":"fib","what":"generation","generation":3}"#),
            ("deaths", r#"{"t":8,"pool":"fib","n":40,"slots":[1],"group":"a"}"#),
            ("later", "no JSON"),
        ]);
        let told: Vec<_> = model.happened.iter().map(|it| (it.at, it.is_death, &*it.text)).collect();
        let expected = [
            (5, true, r"fib-7\u{1b}[2J died"),
            (6, false, "fib: breaker opened"),
            (7, false, "fib: generation 3"),
            (8, true, "fib: 40 workers died"),
        ];
        assert_eq!(told, expected);
        for _ in 0..1000 {
            model.take(&event("death", "{}")).unwrap();
        }
        assert_eq!((model.happened.len(), model.deaths), (MAX_HAPPENED, 1041));
        assert!(model.take(&event("tick", "{}")).is_err());
        model.take(&event("bye", "")).unwrap();
        assert!(model.is_over);
    }

    #[test]
    fn no_number_of_places_takes_more_than_a_bounded_memory() {
        assert_eq!(places("b3i.2"), ['b', 'b', 'b', 'i', '.', '.']);
        assert_eq!(places("b99999999999999999999999i").len(), MAX_PLACES);
        assert_eq!(places("b8000i8000").len(), MAX_PLACES);
        assert!(places("").is_empty());
    }
}
