//! Records what one connection is doing, and decides how long its client may go on like this. Pure: time is
//! an argument. Does not: know sockets or HTTP's messages.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Time for which a connection that is told to close may take leave, once nothing is in flight.
const FAREWELL: Duration = Duration::from_millis(250);

/// Requests that a client may give up unanswered on one HTTP/2 connection in a row: each may cost a
/// worker. They are forgiven at the pace of one for each [`FORGIVEN_AFTER`].
const CANCELS: u32 = 100;
const FORGIVEN_AFTER: Duration = Duration::from_secs(1);

/// How long a client may take for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a request's head.
    pub(crate) head: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
    /// For taking the next part of an answer.
    pub(crate) write: Duration,
    /// Lowest average rate at which an answer is taken beyond that, in bytes a second; 0 for none.
    pub(crate) rate: u64,
}

/// The decision about a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing until this time, unless something happens.
    Stay(Instant),
    /// Finish what is in flight, then close.
    Leave,
    /// Close at once.
    Close(&'static str),
    /// Close at once, and say that there were too many cancels.
    Calm,
    /// End these requests, whose answers nobody takes.
    Abort(Vec<u64>),
}

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// As a whole, when its job has ended.
    Whole,
    /// Piece by piece while jobs run. HTTP/1.1 sends each piece as a chunk.
    Live { in_chunks: bool },
}

/// The next bytes for which a client waits, even though it may have closed its sending side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    Answer,
    Chunk,
}

/// A request and its answer, until the last byte is handed to the kernel.
#[derive(Debug)]
enum Exchange {
    Handling,
    Answering(Answering),
}

#[derive(Debug)]
struct Answering {
    since: Instant,
    progress: Instant,
    taken: u64,
    is_aborted: bool,
    sending: Sending,
    /// Bytes of a live answer that are handed to HTTP and not yet to the kernel.
    handed: u64,
    /// The next piece of a live answer is not there yet.
    waits: bool,
    /// The last piece of a live answer is handed to HTTP.
    is_whole: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Life {
    is_http2: bool,
    requests: u64,
    exchanges: BTreeMap<u64, Exchange>,
    /// When there was no exchange for the first time since the last one; the beginning, at first.
    idle_since: Instant,
    /// When the first byte of an HTTP/1 head came, other than the first head.
    head_since: Option<Instant>,
    leaving_since: Option<Instant>,
    cancels: u32,
    cancels_counted: Instant,
}

impl Life {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            is_http2: false,
            requests: 0,
            exchanges: BTreeMap::new(),
            idle_since: now,
            head_since: None,
            leaving_since: None,
            cancels: 0,
            cancels_counted: now,
        }
    }

    /// Notes that a request's head is complete. Returns the number of the exchange.
    pub(crate) fn asked(&mut self, is_http2: bool) -> u64 {
        self.is_http2 = is_http2;
        self.head_since = None;
        self.requests += 1;
        self.exchanges.insert(self.requests, Exchange::Handling);
        self.requests
    }

    /// Notes that the exchange's answer is there, to be taken by the client.
    pub(crate) fn answered(&mut self, exchange: u64, sending: Sending, now: Instant) {
        let answering = Answering {
            since: now,
            progress: now,
            taken: 0,
            is_aborted: false,
            sending,
            handed: 0,
            waits: false,
            is_whole: sending == Sending::Whole,
        };
        self.exchanges.insert(exchange, Exchange::Answering(answering));
    }

    /// Notes that the next piece of a live answer is not there yet.
    pub(crate) fn waits(&mut self, exchange: u64) {
        if let Some(Exchange::Answering(answering)) = self.exchanges.get_mut(&exchange) {
            answering.waits = true;
        }
    }

    /// Notes that bytes of a live answer are handed to HTTP. The client's time for them begins now, if it has taken all
    /// before them.
    pub(crate) fn handed(&mut self, exchange: u64, bytes: u64, now: Instant) {
        if let Some(Exchange::Answering(answering)) = self.exchanges.get_mut(&exchange) {
            if answering.owes_nothing() && !answering.is_aborted {
                (answering.since, answering.progress, answering.taken) = (now, now, 0);
            }
            answering.waits = false;
            answering.handed += bytes;
        }
    }

    /// Notes that the last piece of a live answer is handed to HTTP.
    pub(crate) fn whole(&mut self, exchange: u64) {
        if let Some(Exchange::Answering(answering)) = self.exchanges.get_mut(&exchange) {
            (answering.is_whole, answering.waits) = (true, false);
        }
    }

    /// Notes that the client took this number of bytes of the exchange's answer.
    pub(crate) fn took(&mut self, exchange: u64, bytes: u64, now: Instant) {
        if let Some(Exchange::Answering(answering)) = self.exchanges.get_mut(&exchange) {
            answering.handed = answering.handed.saturating_sub(bytes);
            // Bytes that an aborted stream drops were not taken.
            if !answering.is_aborted {
                answering.progress = now;
                answering.taken += bytes;
            }
        }
    }

    /// Ends the exchange: its answer is taken, or it was given up.
    pub(crate) fn ended(&mut self, exchange: u64, now: Instant) {
        let is_given_up = match self.exchanges.remove(&exchange) {
            Some(Exchange::Handling) => true,
            Some(Exchange::Answering(answering)) => !answering.is_whole,
            None => false,
        };
        if is_given_up {
            self.cancels = self.cancels_left_at(now).saturating_add(1);
            self.cancels_counted = now;
        }
        if self.exchanges.is_empty() {
            self.idle_since = now;
        }
    }

    /// Notes that bytes came from the client.
    pub(crate) fn received(&mut self, now: Instant) {
        if !self.is_http2 && self.exchanges.is_empty() {
            self.head_since.get_or_insert(now);
        }
    }

    /// Notes that bytes of an HTTP/1 connection were handed to the kernel: there, all are an answer's.
    pub(crate) fn sent(&mut self, now: Instant) {
        if !self.is_http2 {
            for exchange in self.exchanges.values_mut() {
                if let Exchange::Answering(answering) = exchange {
                    answering.progress = now;
                }
            }
        }
    }

    /// Notes that the connection is told to close.
    pub(crate) fn leave(&mut self, now: Instant) {
        self.leaving_since.get_or_insert(now);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving_since.is_some()
    }

    pub(crate) fn never_asked(&self) -> bool {
        self.requests == 0
    }

    pub(crate) fn has_exchange(&self, number: u64) -> bool {
        self.exchanges.contains_key(&number)
    }

    pub(crate) fn has_exchanges(&self) -> bool {
        !self.exchanges.is_empty()
    }

    /// Returns what a client that speaks HTTP/1 waits for: an answer of which nothing was written yet, or a chunk of one of
    /// which all is written so far.
    pub(crate) fn owes_over_http_1(&self) -> Option<Owed> {
        let owed = |exchange: &Exchange| match exchange {
            Exchange::Handling => Some(Owed::Answer),
            Exchange::Answering(answering) => {
                let in_chunks = answering.sending == Sending::Live { in_chunks: true };
                (in_chunks && answering.owes_nothing()).then_some(Owed::Chunk)
            }
        };
        self.exchanges.values().filter(|_| !self.is_http2).find_map(owed)
    }

    /// Returns since when nothing is in flight, or `None` while something is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.exchanges.is_empty().then_some(self.idle_since)
    }

    pub(crate) fn is_too_cancelling(&self) -> bool {
        self.is_http2 && self.cancels > CANCELS
    }

    fn cancels_left_at(&self, now: Instant) -> u32 {
        let forgiven = now.duration_since(self.cancels_counted).as_secs() / FORGIVEN_AFTER.as_secs();
        self.cancels.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }

    /// Returns the driver's next action.
    pub(crate) fn verdict(&mut self, now: Instant, patience: &Patience) -> Verdict {
        if self.is_too_cancelling() {
            return Verdict::Calm;
        }
        if self.exchanges.is_empty() {
            return self.verdict_on_silence(now, patience);
        }
        let late: Vec<_> = self.exchanges.iter().filter(|(_, it)| it.is_late(now, patience)).collect();
        let is_hopeless = late.iter().any(|(_, it)| it.is_aborted());
        if late.is_empty() {
            let deadlines = self.exchanges.values().filter_map(|it| it.deadline(patience));
            return Verdict::Stay(deadlines.min().unwrap_or(now + patience.write));
        }
        // Nothing else is in flight: this client takes nothing at all.
        if !self.is_http2 || is_hopeless || late.len() == self.exchanges.len() {
            return Verdict::Close("the client takes nothing of its answer");
        }
        let late: Vec<_> = late.into_iter().map(|(number, _)| *number).collect();
        late.iter().for_each(|number| self.abort(*number, now, patience));
        Verdict::Abort(late)
    }

    fn verdict_on_silence(&self, now: Instant, patience: &Patience) -> Verdict {
        let (deadline, verdict) = if let Some(since) = self.leaving_since {
            (since.max(self.idle_since) + FAREWELL, Verdict::Close("the client does not hang up"))
        } else if self.never_asked() {
            (self.idle_since + patience.head, Verdict::Close("the client asks nothing"))
        } else if let Some(since) = self.head_since {
            (since + patience.head, Verdict::Close("a request's head does not end"))
        } else {
            (self.idle_since + patience.idle, Verdict::Leave)
        };
        if deadline <= now { verdict } else { Verdict::Stay(deadline) }
    }

    /// Aborts an exchange. If it is there still after this, some of its bytes lie where only the connection's
    /// end reaches them.
    fn abort(&mut self, exchange: u64, now: Instant, patience: &Patience) {
        if let Some(Exchange::Answering(answering)) = self.exchanges.get_mut(&exchange) {
            answering.is_aborted = true;
            (answering.since, answering.taken) = (now, 0);
            answering.progress =
                now.checked_sub(patience.write).unwrap_or(now) + FAREWELL.min(patience.write);
        }
    }
}

impl Exchange {
    fn is_late(&self, now: Instant, patience: &Patience) -> bool {
        self.deadline(patience).is_some_and(|deadline| deadline <= now)
    }

    fn is_aborted(&self) -> bool {
        matches!(self, Self::Answering(answering) if answering.is_aborted)
    }

    /// Returns when the client will have been too slow for too long, or `None` while it waits for a job.
    fn deadline(&self, patience: &Patience) -> Option<Instant> {
        let Self::Answering(answering) = self else {
            return None;
        };
        if answering.owes_nothing() && !answering.is_aborted {
            return None;
        }
        let Answering { since, progress, taken, .. } = answering;
        let by_progress = *progress + patience.write;
        let allowed = taken.saturating_mul(1000).checked_div(patience.rate).map(Duration::from_millis);
        let by_rate = allowed.and_then(|allowed| since.checked_add(patience.write)?.checked_add(allowed));
        Some(by_rate.map_or(by_progress, |by_rate| by_rate.min(by_progress)))
    }
}

impl Answering {
    /// Returns whether the client has taken all that there is so far.
    fn owes_nothing(&self) -> bool {
        self.waits && self.handed == 0
    }
}

#[cfg(test)]
mod tests;
