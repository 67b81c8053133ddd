//! Readers of a job's events, who lose their connection at random bytes and go on behind the last event that they
//! have. None is missing, none comes twice, and the last is the outcome.

use super::client::Client;
use super::ledger::Oddities;
use super::random::Random;
use super::sse::{Event, Parser};
use hyper::Method;

/// The longest piece of a stream that is read before the connection is cut, in bytes.
const CUT: u64 = 600;

/// Connections of which each may be cut; the next one is read to the end.
const CUTS: u32 = 6;

/// The observations of all readers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    pub(crate) jobs: u64,
    pub(crate) events: u64,
    pub(crate) cuts: u64,
    pub(crate) wrong: Oddities,
}

impl Events {
    pub(crate) fn add(&mut self, one: &Followed) {
        self.jobs += 1;
        self.events += one.ids.len() as u64;
        self.cuts += one.cuts;
        if let Some(what) = one.fault() {
            self.wrong.note(|| what);
        }
    }
}

/// The observations of one reader of one job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followed {
    job: String,
    /// The ids of its events, in the order in which they came.
    ids: Vec<u64>,
    names: Vec<String>,
    cuts: u64,
    has_ended: bool,
}

impl Followed {
    /// Reads the events of a job to their end.
    pub(crate) async fn read(client: &Client, job: &str, random: &mut Random) -> Result<Self, String> {
        let mut seen = Self { job: job.to_owned(), ..Self::default() };
        let path = format!("/v1/jobs/{job}/events");
        for connection in 0.. {
            let last = seen.ids.last().map(u64::to_string);
            let last = last.as_deref().map(|id| ("last-event-id", id));
            let mut reading = client
                .read(Method::GET, &path, last.as_slice(), String::new())
                .await
                .map_err(|error| format!("no events: {error}"))?;
            match reading.status {
                200 => {}
                204 => break,
                other => return Err(format!("the events of {job} answered {other}")),
            }
            let mut left = if connection < CUTS { random.below(CUT) } else { u64::MAX };
            let mut parser = Parser::default();
            while left > 0 {
                let piece =
                    reading.next().await.map_err(|error| format!("events of {job} broke off: {error}"))?;
                let Some(piece) = piece else { break };
                let taken = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                left -= taken as u64;
                parser.feed(&piece[..taken], |event| seen.take(event));
            }
            seen.cuts += u64::from(left == 0);
        }
        seen.has_ended = true;
        Ok(seen)
    }

    fn take(&mut self, event: Event) {
        if event.name == "bye" {
            return;
        }
        if let Some(id) = event.id {
            self.ids.push(id);
            self.names.push(event.name);
        }
    }

    /// Returns the mistake in it, if there is one.
    fn fault(&self) -> Option<String> {
        // Of several progresses in a row, only the latest is kept. A reset stands for all that was before.
        let follows = |(pair, name): (&[u64], &String)| {
            pair[1] == pair[0] + 1 || pair[1] > pair[0] && matches!(name.as_str(), "progress" | "reset")
        };
        let is_whole = self.ids.windows(2).zip(self.names.iter().skip(1)).all(follows);
        let is_ended = self.names.iter().filter(|name| *name == "outcome").count() == 1
            && self.names.last().is_some_and(|name| name == "outcome");
        if is_whole && is_ended && self.has_ended {
            return None;
        }
        Some(format!("job {}: {:?} with the ids {:?}", self.job, self.names, self.ids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(events: &[(u64, &str)]) -> Followed {
        let mut seen = Followed { has_ended: true, ..Followed::default() };
        for &(id, name) in events {
            seen.take(Event { id: Some(id), name: name.into(), ..Event::default() });
        }
        seen
    }

    #[test]
    fn a_missing_event_a_second_one_and_a_missing_outcome_are_found() {
        assert_eq!(followed(&[(1, "state"), (2, "progress"), (3, "outcome")]).fault(), None);
        assert!(followed(&[(1, "state"), (3, "outcome")]).fault().is_some());
        assert!(followed(&[(1, "state"), (1, "state"), (2, "outcome")]).fault().is_some());
        assert!(followed(&[(1, "state"), (2, "progress")]).fault().is_some());
        assert_eq!(followed(&[(1, "state"), (7, "progress"), (8, "outcome")]).fault(), None);
        assert_eq!(followed(&[(1, "state"), (9, "reset"), (10, "outcome")]).fault(), None);
    }
}
