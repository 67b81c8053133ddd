//! [`Order`]: a job as the queue holds it.

use crate::contract::Contract;
use crate::envelope::{self, HeadTooLarge, Unreadable};
use crate::large::Reference;
use crate::record::millis;
use crate::retry::Retry;
use crate::wall;
use bytes::Bytes;
use procpool_protocol::engine::{ClientName, JobLimits, Priority, Submission};
use procpool_protocol::{Encoding, Payload, TraceContext};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A job as a node has to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The terms under which it runs.
    pub terms: Terms,
    /// The subject of hints of its front.
    pub reply: Option<String>,
    /// The contract that the pool had when the job was accepted. `None` if it had none: then any node may run the job.
    pub contract: Option<Contract>,
    /// Time for which it waits after the server has stored it. No node starts it before.
    pub delay: Duration,
    /// Its input. Empty while it is elsewhere.
    pub input: Payload,
    /// Where its input is, if it is too large for a message.
    pub large: Option<Reference>,
    /// The rest of the submission.
    pub rest: Rest,
}

/// The terms under which a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Whether it may run again after a lost host.
    pub idempotent: bool,
    /// Maximum number of claims of an idempotent job.
    pub attempts: u32,
    /// Maximum time from the moment at which it may start first to its outcome. With [`retry`](Self::retry), it may begin again
    /// with each attempt.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    /// How it is tried again after a failure. `None` if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

impl Terms {
    /// Returns the maximum time from the moment at which a job may start first to its outcome, with all attempts.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.retry.map_or(self.timeout, |retry| retry.longest(self.timeout))
    }
}

/// The parts of a submission that only its worker's node uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    reply: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_timeout_ms: Option<u64>,
    #[serde(default)]
    reports_usage: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

/// An order without its input.
#[derive(Serialize, Deserialize)]
pub(crate) struct Head {
    #[serde(flatten)]
    terms: Terms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hints: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contract: Option<Contract>,
    #[serde(rename = "delay_ms", with = "millis", default, skip_serializing_if = "Duration::is_zero")]
    delay: Duration,
    encoding: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    large: Option<Reference>,
    #[serde(flatten)]
    rest: Rest,
}

impl Order {
    /// Returns the order for a submission. Its timeout is in the terms.
    #[must_use]
    pub fn of(job: Submission, terms: Terms, hints: Option<String>) -> Self {
        let name = |name: &Option<ClientName>| name.as_deref().map(str::to_owned);
        let rest = Rest {
            reply: job.reply as u8,
            run_timeout_ms: job
                .limits
                .run_timeout
                .map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
            reports_usage: job.reports_usage,
            client: name(&job.client),
            tenant: name(&job.tenant),
            principal: name(&job.principal),
            traceparent: job.trace.as_ref().map(|trace| trace.traceparent().to_owned()),
            tracestate: job.trace.as_ref().and_then(|trace| trace.tracestate()).map(str::to_owned),
        };
        let (contract, delay, large) = (None, Duration::ZERO, None);
        Self { terms, reply: hints, contract, delay, input: job.input.joined(), large, rest }
    }

    /// Returns the submission for a node's own pool, with what is left of the timeout.
    #[must_use]
    pub fn submission(&self, pool: &str, priority: Priority, left: Duration) -> Submission {
        let rest = &self.rest;
        let reply = Encoding::from_wire(rest.reply).unwrap_or_default();
        let mut job = Submission::new(pool, self.input.clone(), reply);
        let run_timeout = rest.run_timeout_ms.map(Duration::from_millis);
        job.limits = JobLimits::new().timeout(left).run_timeout(run_timeout);
        job.priority = priority;
        job.reports_usage = rest.reports_usage;
        let name = |name: &Option<String>| name.as_deref().map(ClientName::from);
        (job.client, job.tenant, job.principal) =
            (name(&rest.client), name(&rest.tenant), name(&rest.principal));
        let trace = rest.traceparent.as_deref();
        job.trace = trace.and_then(|it| TraceContext::parse(it, rest.tracestate.as_deref())).map(Arc::new);
        job
    }

    /// Returns when a job may start first that the server stored at this time in nanoseconds since 1970: in milliseconds since
    /// 1970, by the server's clock.
    #[must_use]
    pub fn due(&self, stored: u64) -> u64 {
        wall::after(stored, self.delay)
    }

    /// Writes the order.
    ///
    /// # Errors
    /// When the names in it are larger than a head may be.
    pub fn seal(&self) -> Result<Bytes, HeadTooLarge> {
        let is_new = self.large.is_some() || !self.delay.is_zero();
        envelope::seal_new(is_new, &self.head(), &self.input.bytes)
    }

    /// Returns the order with its input, which was elsewhere.
    pub(crate) fn with_input(mut self, input: Bytes) -> Self {
        (self.input, self.large) = (Payload::new(self.input.encoding, input), None);
        self
    }

    /// Returns the order without its input, which is elsewhere.
    pub(crate) fn without_input(mut self, large: Reference) -> Self {
        (self.input, self.large) = (Payload::new(self.input.encoding, Bytes::new()), Some(large));
        self
    }

    pub(crate) fn head(&self) -> Head {
        Head {
            terms: self.terms,
            hints: self.reply.clone(),
            contract: self.contract.clone(),
            delay: self.delay,
            encoding: self.input.encoding as u8,
            large: self.large.clone(),
            rest: self.rest.clone(),
        }
    }

    /// Reads an order.
    ///
    /// # Errors
    /// When a newer build wrote it, or something else did.
    pub fn open(bytes: &Bytes) -> Result<Self, Unreadable> {
        let (head, input) = envelope::open(bytes)?;
        Self::of_head(head, input)
    }

    pub(crate) fn of_head(head: Head, input: Bytes) -> Result<Self, Unreadable> {
        let encoding = Encoding::from_wire(head.encoding)
            .ok_or_else(|| Unreadable::Foreign(format!("no encoding has the number {}", head.encoding)))?;
        let input = Payload::new(encoding, input);
        let Head { terms, hints: reply, contract, delay, large, rest, .. } = head;
        Ok(Self { terms, reply, contract, delay, input, large, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reaches_its_node_as_it_was_submitted() {
        let mut job = Submission::new("fib", Payload::json("40"), Encoding::Bincode);
        job.limits = JobLimits::new().run_timeout(Duration::from_millis(1500));
        (job.client, job.tenant) = (Some(ClientName::from("ann")), Some(ClientName::from("acme")));
        job.reports_usage = true;
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        job.trace = TraceContext::parse(parent, Some("a=1")).map(Arc::new);
        let retry = Retry {
            attempts: 5,
            first: Duration::from_secs(1),
            factor: 1.5,
            max: Duration::from_secs(60),
            whole: true,
        };
        let terms =
            Terms { idempotent: true, attempts: 3, timeout: Duration::from_secs(9), retry: Some(retry) };
        let mut order = Order::of(job, terms, Some("pp.a.re.b".into()));
        order.contract = Some(Contract::new("fib", 2, Some("aa".into())));
        order.delay = Duration::from_millis(2500);
        assert_eq!(order.due(1_000_000_001), 3501);
        let back = Order::open(&order.seal().unwrap()).unwrap();
        assert_eq!(back, order);
        let job = back.submission("fib", Priority::High, Duration::from_secs(8));
        assert_eq!((&*job.pool, &job.input, job.reply), ("fib", &Payload::json("40"), Encoding::Bincode));
        assert_eq!(
            (job.limits.timeout, job.limits.run_timeout),
            (Some(Duration::from_secs(8)), Some(Duration::from_millis(1500)))
        );
        assert_eq!(
            (job.client.as_deref(), job.tenant.as_deref(), job.priority),
            (Some("ann"), Some("acme"), Priority::High)
        );
        assert!(job.reports_usage && job.trace.unwrap().tracestate() == Some("a=1"));
    }

    #[test]
    fn an_order_that_older_builds_would_misread_is_newer_to_them() {
        let job = Submission::new("fib", Payload::json("40"), Encoding::Json);
        let terms = Terms { idempotent: true, attempts: 3, timeout: Duration::from_secs(9), retry: None };
        let order = Order::of(job, terms, None);
        assert!(order.seal().unwrap().starts_with(b"PP1 "));
        let later = Order { delay: Duration::from_secs(1), ..order.clone() };
        assert!(later.seal().unwrap().starts_with(b"PP2 "));
        let reference = Reference::cut(3, &order.input.bytes).0;
        let apart = order.clone().without_input(reference);
        let sealed = apart.seal().unwrap();
        assert!(sealed.starts_with(b"PP2 "), "{sealed:?}");
        assert_eq!(Order::open(&sealed), Ok(apart.clone()));
        assert_eq!(apart.with_input("40".into()), order);
    }

    #[test]
    fn an_order_of_an_unknown_encoding_is_foreign() {
        let text = "PP1 {\"idempotent\":false,\"attempts\":1,\"timeout_ms\":5,\"encoding\":9,\"reply\":1}\n";
        assert!(
            matches!(Order::open(&Bytes::from(text)), Err(Unreadable::Foreign(why)) if why.contains('9'))
        );
    }
}
