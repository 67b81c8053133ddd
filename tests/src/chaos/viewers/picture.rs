//! A pool as a viewer of the server's stream knows it: made of a snapshot and the ticks after it. Pure.

use crate::chaos::outcome::Outcome;
use crate::chaos::status;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The data of a snapshot or a tick.
#[derive(Debug, Deserialize)]
pub(super) struct Data {
    /// Milliseconds since 1970.
    pub(super) t: u64,
    pub(super) pools: BTreeMap<String, Piece>,
}

/// What one of them says of a pool.
#[derive(Debug, Deserialize)]
pub(super) struct Piece {
    s: String,
    q: u64,
    run: u64,
    d: [u64; 4],
    #[serde(default)]
    long: Vec<(usize, u64, String)>,
    #[serde(default)]
    new: Vec<(usize, u64, u32, u64, u64)>,
    cfg: Option<Configuration>,
}

#[derive(Debug, Deserialize)]
struct Configuration {
    generation: u64,
}

/// What a viewer knows of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    /// The letter of each slot.
    slots: Vec<char>,
    /// The numbers of the workers, by slot.
    workers: BTreeMap<usize, u64>,
    queued: u64,
    running: u64,
    /// Jobs that were ok, that had another outcome, that were refused, and deaths.
    totals: [u64; 4],
    generation: u64,
}

impl Picture {
    /// Adds what is new.
    ///
    /// # Errors
    /// Says what cannot be true.
    pub(super) fn update(&mut self, piece: Piece) -> Result<(), String> {
        let Piece { s, q, run, d, long, new, cfg } = piece;
        self.slots = slots(&s).ok_or_else(|| format!("`{s}` are no states"))?;
        if let Some(less) = self.totals.iter().zip(&d).position(|(before, now)| now < before) {
            return Err(format!("total {less} fell from {:?} to {d:?}", self.totals));
        }
        (self.queued, self.running, self.totals) = (q, run, d);
        self.generation = cfg.map_or(self.generation, |cfg| cfg.generation);
        let holds = |slot: usize| self.slots.get(slot).is_some_and(|letter| *letter != '.');
        for (slot, number, ..) in new {
            if !holds(slot) {
                return Err(format!("worker {number} is new in slot {slot} of `{s}`"));
            }
            self.workers.insert(slot, number);
        }
        self.workers.retain(|slot, _| holds(*slot));
        if let Some((slot, _, job)) = long.into_iter().find(|(slot, ..)| !holds(*slot)) {
            return Err(format!("job {job} runs in slot {slot} of `{s}`"));
        }
        let unknown = (0..self.slots.len()).find(|slot| holds(*slot) && !self.workers.contains_key(slot));
        unknown.map_or(Ok(()), |slot| Err(format!("nobody was told of the worker in slot {slot} of `{s}`")))
    }

    /// Returns how it differs from the status of a pool.
    pub(super) fn difference(&self, pool: &status::Pool) -> Option<String> {
        let ok = pool.count(Outcome::Ok);
        let totals = [ok, pool.outcomes() - ok, pool.count(Outcome::Refused), pool.deaths];
        let idle = self.slots.iter().filter(|letter| **letter == 'i').count() as u64;
        let workers = self.workers.len() as u64;
        let seen = (self.queued, self.running, self.totals, self.generation, idle, workers);
        let told = (pool.queued, pool.running, totals, pool.generation, pool.idle(), pool.all_workers());
        (seen != told).then(|| format!("{}: {seen:?} is seen, {told:?} is true", pool.name))
    }
}

/// Returns the letters of `b57i3x`, each as often as it says. `None` if it is none of that kind.
fn slots(text: &str) -> Option<Vec<char>> {
    let mut slots = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after = rest.get(1..).filter(|_| "sibxr.".contains(letter))?;
        let digits = after.find(|next: char| !next.is_ascii_digit()).unwrap_or(after.len());
        let count =
            if digits == 0 { 1 } else { after[..digits].parse().ok().filter(|count| *count <= 4096)? };
        slots.extend(std::iter::repeat_n(letter, count));
        rest = &after[digits..];
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str) -> Piece {
        serde_json::from_str(text).unwrap()
    }

    const FIRST: &str = r#"{"s":"ib.","q":1,"run":1,"d":[5,2,4,3],"long":[[1,7,"a"]],
        "new":[[0,7,70,0,0],[1,8,80,0,0]],"cfg":{"generation":2}}"#;

    fn first() -> Picture {
        let mut picture = Picture::default();
        picture.update(piece(FIRST)).unwrap();
        picture
    }

    #[test]
    fn letters_are_repeated_as_their_numbers_say() {
        assert_eq!(slots("b2i.3"), Some(vec!['b', 'b', 'i', '.', '.', '.']));
        assert_eq!(slots(""), Some(Vec::new()));
        for bad in ["?", "b99999", "ä", "2b", "b i"] {
            assert_eq!(slots(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_true_is_found() {
        let error = |text: &str| first().update(piece(text)).unwrap_err();
        assert!(error(r#"{"s":"ib","q":0,"run":0,"d":[4,2,4,3]}"#).contains("fell"));
        assert!(error(r#"{"s":"ib?","q":0,"run":0,"d":[5,2,4,3]}"#).contains("no states"));
        assert!(
            error(r#"{"s":"ib.","q":0,"run":0,"d":[5,2,4,3],"new":[[2,9,1,0,0]]}"#)
                .contains("is new in slot 2")
        );
        assert!(
            error(r#"{"s":"ib.","q":0,"run":0,"d":[5,2,4,3],"long":[[2,1,"a"]]}"#).contains("runs in slot 2")
        );
        assert!(error(r#"{"s":"ibs","q":0,"run":0,"d":[5,2,4,3]}"#).contains("nobody was told"));
    }

    #[test]
    fn a_picture_that_differs_from_the_status_is_found() {
        let status = r#"{"name":"p","queued":1,"running":1,"deaths":3,"generation":2,"reloading":false,
            "jobs":{"ok":5,"crashed":2,"refused":4},"workers":{"idle":1,"busy":1}}"#;
        let pool = |text: &str| serde_json::from_str::<status::Pool>(text).unwrap();
        assert_eq!(first().difference(&pool(status)), None);
        let others = [
            ("\"queued\":1", "\"queued\":0"),
            ("\"deaths\":3", "\"deaths\":4"),
            ("\"refused\":4", "\"refused\":5"),
            ("\"generation\":2", "\"generation\":3"),
            ("\"idle\":1", "\"idle\":2"),
        ];
        for (told, other) in others {
            assert!(first().difference(&pool(&status.replace(told, other))).is_some(), "{other}");
        }
    }
}
