//! Turns deaths into events: one for each, up to a number a second, and of the others one event a group. A storm of deaths
//! drowns nobody, and its events stay bounded. Pure.

use super::frame::Rare;
use serde_json::{Map, Value, json};

/// Number of deaths a second that have an event of their own.
const SINGLE: usize = 20;

/// The second, in milliseconds.
const SECOND: u64 = 1_000;

/// Maximum number of groups that a frame tells of. The others are one group without a name, in each pool.
const MOST_GROUPS: usize = 32;

/// Maximum number of places that an event has.
const MOST_PLACES: usize = 256;

/// The members of a death that all deaths of its group share.
const SHARED: [&str; 4] = ["group", "cause", "signal", "signal_name"];

/// A death that viewers hear of.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) pool: String,
    pub(super) place: Option<usize>,
    /// Its members.
    pub(super) data: Value,
}

/// Counts deaths within a second.
#[derive(Debug, Default)]
pub(super) struct Storm {
    since: u64,
    told: usize,
}

impl Storm {
    /// Returns the events of these deaths, the oldest first.
    pub(super) fn events(&mut self, at: u64, deaths: Vec<Told>) -> Vec<Rare> {
        // The clock may be set back.
        if at.abs_diff(self.since) >= SECOND {
            (self.since, self.told) = (at, 0);
        }
        let (mut events, mut folds) = (Vec::new(), Vec::<Fold>::new());
        for death in deaths {
            if self.told < SINGLE {
                self.told += 1;
                events.push(Rare::new("death", &death.pool, &death.data));
            } else {
                fold(&mut folds, &death);
            }
        }
        events.extend(folds.into_iter().map(|fold| fold.event(at)));
        events
    }
}

/// Deaths of one pool and one group.
struct Fold {
    pool: String,
    shared: Map<String, Value>,
    count: usize,
    places: Vec<usize>,
}

fn fold(folds: &mut Vec<Fold>, death: &Told) {
    let find = |folds: &[Fold], group: Option<&Value>| {
        folds.iter().position(|it| it.pool == death.pool && it.shared.get("group") == group)
    };
    let mut shared = shared(&death.data);
    let found = find(folds, shared.get("group")).or_else(|| {
        if folds.len() >= MOST_GROUPS {
            shared.clear();
        }
        find(folds, shared.get("group"))
    });
    let at = found.unwrap_or_else(|| {
        folds.push(Fold { pool: death.pool.clone(), shared, count: 0, places: Vec::new() });
        folds.len() - 1
    });
    let fold = &mut folds[at];
    fold.count += 1;
    fold.places.extend(death.place.filter(|_| fold.places.len() < MOST_PLACES));
}

fn shared(death: &Value) -> Map<String, Value> {
    let member = |name: &str| Some((name.to_owned(), death.get(name).filter(|it| !it.is_null())?.clone()));
    SHARED.into_iter().filter_map(member).collect()
}

impl Fold {
    fn event(self, at: u64) -> Rare {
        let Self { pool, shared, count, places } = self;
        let mut data = json!({"t": at, "pool": pool, "n": count, "slots": places});
        data.as_object_mut().into_iter().for_each(|data| data.extend(shared.clone()));
        Rare::new("deaths", &pool, &data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death(pool: &str, group: &str, place: usize) -> Told {
        let data =
            json!({"pool": pool, "worker": "fib-1", "group": group, "cause": "crashed", "signal": null});
        Told { pool: pool.into(), place: Some(place), data }
    }

    fn heard(events: &[Rare]) -> Vec<(String, Value)> {
        let heard = |rare: &Rare| {
            let text = String::from_utf8(rare.text.to_vec()).unwrap();
            let line = |start| text.lines().find_map(|line| line.strip_prefix(start)).unwrap();
            (line("event: ").to_owned(), serde_json::from_str(line("data: ")).unwrap())
        };
        events.iter().map(heard).collect()
    }

    #[test]
    fn deaths_above_twenty_a_second_are_one_event_a_group() {
        let mut storm = Storm::default();
        let many = |from: usize| (from..from + 15).map(|place| death("fib", "a", place)).collect();
        assert_eq!(storm.events(5_000, many(0)).len(), 15);
        let mut deaths: Vec<_> = many(15);
        deaths.push(death("fib", "b", 3));
        deaths.push(death("ping", "a", 4));
        let events = heard(&storm.events(5_250, deaths));
        assert!(events[..5].iter().all(|(name, _)| name == "death"));
        let folded = |pool: &str, group: &str, slots: &[usize]| {
            let data = json!({"t": 5250, "pool": pool, "n": slots.len(), "slots": slots, "group": group, "cause": "crashed"});
            ("deaths".to_owned(), data)
        };
        let slots: Vec<_> = (20..30).collect();
        assert_eq!(
            events[5..],
            [folded("fib", "a", &slots), folded("fib", "b", &[3]), folded("ping", "a", &[4])]
        );
        let later = heard(&storm.events(6_000, vec![death("fib", "a", 0)]));
        assert_eq!(later[0].0, "death", "the next second begins anew");
    }

    #[test]
    fn a_storm_of_many_groups_is_bounded() {
        let mut storm = Storm { since: 0, told: SINGLE };
        let deaths = (0..10_000).map(|it| death("fib", &format!("g{it}"), it)).collect();
        let events = heard(&storm.events(0, deaths));
        assert_eq!(events.len(), MOST_GROUPS + 1);
        let (_, others) = events.last().unwrap();
        assert_eq!((&others["n"], &others["group"]), (&json!(10_000 - MOST_GROUPS), &Value::Null));
        assert_eq!(others["slots"].as_array().unwrap().len(), MOST_PLACES);
    }
}
