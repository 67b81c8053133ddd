//! One connection of a viewer: what it was shown, event by event, and whether that can be true. Pure.

use super::picture::{Data, Picture};
use crate::chaos::sse::Event;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The pools by name.
pub(super) type Pictures = BTreeMap<String, Picture>;

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// The pools that it is shown.
    pools: Vec<&'static str>,
    /// The number of the last snapshot or tick.
    last: Option<u64>,
    /// When that was, in milliseconds since 1970.
    at: u64,
    pub(super) pictures: Pictures,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Snapshot {
        /// Whether it is the first of its connection. Another one stands for what the viewer has missed.
        is_first: bool,
    },
    Tick,
    Death(String),
    /// A number of deaths, above those a second that have an event each.
    Deaths(u64),
    Mark,
    Bye,
}

#[derive(Deserialize)]
struct Death {
    pool: String,
    worker: String,
}

#[derive(Deserialize)]
struct Deaths {
    pool: String,
    n: u64,
}

#[derive(Deserialize)]
struct Mark {
    pool: String,
}

impl View {
    pub(super) fn new(pools: Vec<&'static str>) -> Self {
        Self { pools, last: None, at: 0, pictures: Pictures::new() }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// Says what cannot be true.
    pub(super) fn take(&mut self, event: &Event) -> Result<Shown, String> {
        let name = event.name.as_str();
        if self.last.is_none() && !matches!(name, "snapshot" | "bye") {
            return Err(format!("`{name}` came before a snapshot"));
        }
        match name {
            "snapshot" => {
                let is_first = self.last.is_none();
                let id = self.id(event)?;
                if self.last.is_some_and(|last| id <= last) {
                    return Err(format!("snapshot {id} came after {:?}", self.last));
                }
                // The totals of a pool go on from those that were shown before.
                self.picture(id, event)?;
                Ok(Shown::Snapshot { is_first })
            }
            "tick" => {
                let id = self.id(event)?;
                if self.last.is_none_or(|last| id != last + 1) {
                    return Err(format!("tick {id} came after {:?}", self.last));
                }
                self.picture(id, event)?;
                Ok(Shown::Tick)
            }
            "death" => {
                let Death { pool, worker } = read(event)?;
                self.shows(&pool)?;
                Ok(Shown::Death(worker))
            }
            "deaths" => {
                let Deaths { pool, n } = read(event)?;
                self.shows(&pool)?;
                Ok(Shown::Deaths(n))
            }
            "mark" => read(event).and_then(|Mark { pool }| self.shows(&pool)).map(|()| Shown::Mark),
            "bye" => read::<Value>(event).map(|_| Shown::Bye),
            other => Err(format!("`{other}` is no event")),
        }
    }

    fn id(&self, event: &Event) -> Result<u64, String> {
        event.id.ok_or_else(|| format!("a {} without a number came after {:?}", event.name, self.last))
    }

    fn picture(&mut self, id: u64, event: &Event) -> Result<(), String> {
        let Data { t, pools } = read(event)?;
        if t < self.at {
            return Err(format!("the time went back from {} to {t}", self.at));
        }
        if !pools.keys().eq(self.pools.iter()) {
            return Err(format!("{:?} was shown of {:?}", pools.keys(), self.pools));
        }
        for (name, piece) in pools {
            let picture = self.pictures.entry(name.clone()).or_default();
            picture.update(piece).map_err(|what| format!("{} {id} of {name}: {what}", event.name))?;
        }
        (self.last, self.at) = (Some(id), t);
        Ok(())
    }

    fn shows(&self, pool: &str) -> Result<(), String> {
        let is_shown = self.pools.contains(&pool);
        is_shown.then_some(()).ok_or_else(|| format!("something of `{pool}` was shown, of {:?}", self.pools))
    }
}

fn read<'a, T: Deserialize<'a>>(event: &'a Event) -> Result<T, String> {
    serde_json::from_str(&event.data).map_err(|error| format!("{error} in {} `{}`", event.name, event.data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, id: Option<u64>, data: &str) -> Event {
        Event { id, name: name.into(), data: data.into() }
    }

    fn pools(t: u64) -> String {
        format!(r#"{{"t":{t},"pools":{{"p":{{"s":"i","q":0,"run":0,"d":[0,0,0,0],"new":[[0,1,1,0,0]]}}}}}}"#)
    }

    fn begun() -> View {
        let mut view = View::new(vec!["p"]);
        let first = view.take(&event("snapshot", Some(5), &pools(9)));
        assert_eq!(first, Ok(Shown::Snapshot { is_first: true }));
        view
    }

    #[test]
    fn a_stream_is_a_snapshot_and_then_every_tick_or_another_snapshot() {
        let mut view = begun();
        assert_eq!(view.take(&event("tick", Some(6), &pools(10))), Ok(Shown::Tick));
        let death = r#"{"t":1,"pool":"p","slot":0,"worker":"p-1"}"#;
        assert_eq!(view.take(&event("death", None, death)), Ok(Shown::Death("p-1".into())));
        let deaths = r#"{"t":1,"pool":"p","n":3,"slots":[0]}"#;
        assert_eq!(view.take(&event("deaths", None, deaths)), Ok(Shown::Deaths(3)));
        assert_eq!(view.take(&event("mark", None, r#"{"pool":"p","what":"reload"}"#)), Ok(Shown::Mark));
        let again = view.take(&event("snapshot", Some(9), &pools(20)));
        assert_eq!(again, Ok(Shown::Snapshot { is_first: false }));
        assert_eq!(view.take(&event("bye", None, "{}")), Ok(Shown::Bye));
    }

    #[test]
    fn what_no_stream_has_is_found() {
        let wrong = |name: &str, id, data: &str| begun().take(&event(name, id, data)).unwrap_err();
        assert!(wrong("tick", Some(7), &pools(10)).contains("after Some(5)"), "a tick is missing");
        assert!(wrong("tick", Some(5), &pools(10)).contains("after Some(5)"));
        assert!(wrong("snapshot", Some(5), &pools(10)).contains("after Some(5)"));
        assert!(wrong("tick", None, &pools(10)).contains("without a number"));
        assert!(wrong("tick", Some(6), &pools(8)).contains("went back"));
        assert!(wrong("tick", Some(6), "{\"t\":10,\"pools\":{}}").contains("was shown"));
        assert!(wrong("tick", Some(6), "{").contains("in tick"));
        assert!(wrong("death", None, r#"{"pool":"other","worker":"other-1"}"#).contains("`other`"));
        assert!(wrong("shiny", None, "{}").contains("no event"));
        let early = View::new(vec!["p"]).take(&event("tick", Some(1), &pools(1)));
        assert!(early.unwrap_err().contains("before a snapshot"));
    }
}
