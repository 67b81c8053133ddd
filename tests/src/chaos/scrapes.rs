//! Scrapes the server's metrics once a second, in both formats by turns. No counter may run backwards, and at the end they are
//! compared with the ledger.

use super::client::Client;
use super::exposition::{self, Format, Page};
use super::ledger::{Counts, Oddities};
use super::outcome::Outcome;
use super::run::Run;
use hyper::Method;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Between two scrapes.
const EVERY: Duration = Duration::from_secs(1);

/// What the scrapes have shown.
#[derive(Debug, Default)]
pub(crate) struct Scrapes {
    pub(crate) count: u64,
    /// Pages that cannot be read, and counters that ran backwards or vanished.
    pub(crate) wrong: Oddities,
    /// The last page.
    pub(crate) last: Page,
}

/// Scrapes until told to end.
pub(crate) async fn scrape(run: Arc<Run>) {
    let mut client = Client::new(run.server);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = run.end.subscribe();
    let formats = [Format::OpenMetrics, Format::Prometheus].into_iter().cycle();
    for format in formats {
        ticks.tick().await;
        if *end.borrow() {
            return;
        }
        once(&run, &mut client, format).await;
    }
}

/// Scrapes once more, when all is quiet.
pub(crate) async fn last(run: &Run, client: &mut Client) {
    once(run, client, Format::OpenMetrics).await;
}

async fn once(run: &Run, client: &mut Client, format: Format) {
    let answer = client.ask(Method::GET, "/metrics", &[("accept", format.accept())], String::new()).await;
    let page = answer.map_err(|error| error.to_string()).and_then(|answer| {
        let text = std::str::from_utf8(&answer.body).map_err(|error| error.to_string())?;
        let kind = answer.header("content-type").unwrap_or_default();
        if answer.status != 200 || !kind.starts_with(format.accept()) {
            return Err(format!("{} with {kind} for {format:?}", answer.status));
        }
        exposition::parse(text, format)
    });
    run.scrapes.open().take(page);
}

impl Scrapes {
    pub(crate) fn take(&mut self, page: Result<Page, String>) {
        self.count += 1;
        let page = match page {
            Ok(page) => page,
            Err(what) => return self.wrong.note(|| what),
        };
        for (series, before) in self.last.iter().filter(|(_, sample)| sample.is_counter) {
            match page.get(series).map(|now| now.value) {
                Some(now) if now >= before.value => {}
                Some(now) => self.wrong.note(|| format!("{series} ran from {} back to {now}", before.value)),
                None => self.wrong.note(|| format!("{series} vanished")),
            }
        }
        self.last = page;
    }

    /// Returns the jobs of a pool by outcome, as the last page has them.
    ///
    /// # Errors
    /// Names an outcome that is not known here.
    pub(crate) fn counts(&self, pool: &str) -> Result<Counts, String> {
        let of = |name: &'static str| {
            let samples = self.last.values().filter(move |it| it.name == name);
            samples.filter(|it| it.label("pool") == Some(pool) && it.value > 0.0)
        };
        let mut counts = Counts::new();
        for sample in of("procpool_jobs_total") {
            let name = sample.label("outcome").unwrap_or_default();
            let outcome = Outcome::named(name);
            let outcome = outcome.ok_or_else(|| format!("{pool} has `{name}`, which is no outcome"))?;
            counts.insert(outcome, sample.value as u64);
        }
        let refused: f64 = of("procpool_jobs_refused_total").map(|it| it.value).sum();
        if refused > 0.0 {
            counts.insert(Outcome::Refused, refused as u64);
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Result<Page, String> {
        exposition::parse(text, Format::Prometheus)
    }

    const PAGE: &str = "# TYPE procpool_jobs_total counter\nprocpool_jobs_total{pool=\"p\",outcome=\"ok\"} 7\n\
        procpool_jobs_total{pool=\"p\",outcome=\"failed\"} 0\nprocpool_jobs_total{pool=\"q\",outcome=\"ok\"} 9\n\
        # TYPE procpool_jobs_refused_total counter\n\
        procpool_jobs_refused_total{pool=\"p\",reason=\"queue_full\"} 2\n\
        procpool_jobs_refused_total{pool=\"p\",reason=\"draining\"} 1\n# TYPE depth gauge\ndepth 4\n";

    #[test]
    fn the_jobs_of_a_pool_are_counted_by_outcome() {
        let mut scrapes = Scrapes::default();
        scrapes.take(page(PAGE));
        let expected = [(Outcome::Ok, 7), (Outcome::Refused, 3)];
        assert_eq!(scrapes.counts("p"), Ok(Counts::from(expected)));
        scrapes.take(page(&PAGE.replace("\"ok\"", "\"shiny\"")));
        assert!(scrapes.counts("p").unwrap_err().contains("`shiny`"));
    }

    #[test]
    fn a_counter_that_runs_backwards_or_vanishes_and_a_page_that_cannot_be_read_are_found() {
        let after = |text: &str| {
            let mut scrapes = Scrapes::default();
            scrapes.take(page(PAGE));
            scrapes.take(page(text));
            scrapes.wrong.first
        };
        assert_eq!(after(&PAGE.replace("depth 4", "depth 3")), [] as [&str; 0], "a gauge may fall");
        assert_eq!(after(&PAGE.replace("} 9", "} 8")).len(), 1);
        assert!(after(&PAGE.replace("pool=\"q\"", "pool=\"r\""))[0].ends_with("vanished"));
        assert_eq!(after("what?").len(), 1);
    }
}
