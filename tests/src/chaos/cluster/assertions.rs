//! The assertions that must hold after a run, each a function of the evidence.

use super::super::assertions::Verdict;
use super::super::ledger::Oddities;
use super::super::outcome::Outcome;
use super::evidence::Evidence;
use super::nats::Stream;
use super::plan::POOLS;
use super::settle::{queue, records};

/// Its words, and how it is judged.
type Assertion = (&'static str, fn(&Evidence) -> Finding);

/// Whether it holds, and the numbers behind it.
type Finding = (bool, String);

/// Maximum number of descriptors of a node or a front.
const DESCRIPTORS: usize = 200;

/// Maximum resident memory of a node or a front, in bytes.
const MEMORY: u64 = 256 << 20;

const ASSERTIONS: &[Assertion] = &[
    ("the faults were real", faults),
    ("no accepted job is lost", |it| of_jobs(it, &it.book.lost, "lost")),
    ("every accepted job has its outcome", outcomes),
    ("an outcome that was told stays", |it| of_jobs(it, &it.book.changed, "changed")),
    ("a cancelled job stays cancelled", cancelled),
    ("outcomes fit their jobs", |it| of_jobs(it, &it.book.strange, "strange")),
    ("answers are right", |it| of_jobs(it, &it.book.wrong, "wrong")),
    // A job that may not run twice starts once, also where its host was stopped: only the claim lets it start, and there
    // is one. It may be told as crashed while a stopped host's worker still runs it. A job that may run twice may do so
    // at the same time then, and is counted by claims.
    ("no job began more often than it may, also on stopped hosts", too_often),
    ("jobs that ended well have run", |it| {
        (it.effects.missing == 0, format!("{} did not", it.effects.missing))
    }),
    ("jobs that certainly did not run have not", |it| {
        (it.effects.never_run == 0, format!("{} of {} ran", it.effects.never_run, it.effects.never))
    }),
    ("each outcome was decided once", decided),
    ("each job has one record, and none is of a job that nobody sent", recorded),
    ("afterwards the queues are empty", drained),
    ("the nodes are shown as they are", |it| misread(&it.misread, it)),
    ("and at the end they have left", |it| misread(&it.misread_at_end, it)),
    ("no worker outlives a killed host", |it| oddities(&it.faults.left, "living")),
    ("SIGTERM ends a host with 0", |it| oddities(&it.faults.bad_ends, "other ends")),
    ("the hosts' logs have no error", |it| oddities(&it.complaints, "errors")),
    ("memory and descriptors are bounded", sizes),
    ("no process is left over", |it| (it.strays.is_empty(), format!("{:?}", it.strays))),
];

/// Every assertion.
pub(super) fn verdicts(evidence: &Evidence) -> Vec<Verdict> {
    let verdict = |&(what, assertion): &Assertion| {
        let (holds, detail) = assertion(evidence);
        Verdict { holds, what, detail }
    };
    ASSERTIONS.iter().map(verdict).collect()
}

/// An idle run would hold everything.
fn faults(evidence: &Evidence) -> Finding {
    let seen = &evidence.faults;
    let asked = f64::from(evidence.options.kills_per_minute) / 60.0 * evidence.lasted.as_secs_f64();
    let ok = evidence.book.outcomes().get(&Outcome::Ok).copied().unwrap_or(0);
    let detail = format!(
        "{} kills of nodes, {} stops for longer than a lease, {} drains, {} kills of fronts, {} of nats-server and {} stops, \
         {} kills of workers; {} jobs accepted, {} refused, {} unsure, {} cancelled",
        seen.node_kills,
        seen.node_stops,
        seen.drains,
        seen.front_kills,
        seen.nats_kills,
        seen.nats_stops,
        seen.worker_kills,
        evidence.book.jobs.len(),
        evidence.book.refused.values().sum::<u64>(),
        evidence.book.unsure.len(),
        evidence.cancelled.len()
    );
    // A short run may have been spared.
    let is_long = evidence.lasted.as_secs() >= 60;
    let all = [seen.node_kills, seen.node_stops, seen.drains, seen.front_kills, seen.nats_kills];
    let were_there = all.iter().all(|count| *count > 0) || !is_long;
    // A node that is stopped or killed has its workers left alone.
    (ok > 0 && were_there && seen.worker_kills as f64 >= asked / 5.0, detail)
}

fn outcomes(evidence: &Evidence) -> Finding {
    let counts = evidence.book.outcomes();
    let counts: Vec<_> =
        counts.iter().map(|(outcome, count)| format!("{count} {}", outcome.name())).collect();
    let (holds, detail) = oddities(&evidence.book.unfinished, "without");
    let told = evidence.book.jobs.iter().filter(|entry| entry.told.is_some()).count();
    (holds && told == evidence.book.jobs.len(), format!("{}; {detail}", counts.join(", ")))
}

fn cancelled(evidence: &Evidence) -> Finding {
    let mut revived = Oddities::default();
    for &place in &evidence.cancelled {
        let entry = &evidence.book.jobs[place];
        if entry.told.is_none_or(|told| told.outcome != Outcome::Cancelled) {
            revived.note(|| format!("job {} is {:?}", entry.id, entry.told));
        }
    }
    let (holds, detail) = oddities(&revived, "something else");
    (holds, format!("{} cancelled, {detail}", evidence.cancelled.len()))
}

fn too_often(evidence: &Evidence) -> Finding {
    let seen = &evidence.effects;
    let culprits: String = seen.culprits.first.iter().map(|it| format!("\n         {it}")).collect();
    let detail = format!(
        "{} lines, {} of nobody; {} jobs ran too often{culprits}",
        seen.lines, seen.strange, seen.too_often
    );
    (seen.too_often == 0 && seen.strange == 0 && seen.lines > 0, detail)
}

/// A node that was killed has not told of its last jobs.
fn decided(evidence: &Evidence) -> Finding {
    let decided: u64 = evidence.nodes.iter().map(|node| node.decided).sum();
    let (late, fenced) =
        evidence.nodes.iter().fold((0, 0), |(late, fenced), node| (late + node.late, fenced + node.fenced));
    let (jobs, unsure) = sent(evidence);
    let detail =
        format!("{decided} by nodes, of {jobs} jobs and {unsure} unsure ones; {late} late, {fenced} fenced");
    (decided > 0 && decided <= jobs + unsure, detail)
}

fn recorded(evidence: &Evidence) -> Finding {
    let stream = |pool: &str| evidence.streams.get(&records(pool)).copied().unwrap_or_default();
    let records: u64 = POOLS.iter().map(|pool| stream(pool.name).messages).sum();
    let (jobs, unsure) = sent(evidence);
    let ids: std::collections::HashSet<_> =
        evidence.book.jobs.iter().map(|entry| entry.id.as_str()).collect();
    let twice = evidence.book.jobs.len() - ids.len();
    let detail =
        format!("{records} of {jobs} jobs and {unsure} unsure ones; {twice} jobs have the id of another");
    ((jobs..=jobs + unsure).contains(&records) && twice == 0, detail)
}

fn sent(evidence: &Evidence) -> (u64, u64) {
    (evidence.book.jobs.len() as u64, evidence.book.unsure.len() as u64)
}

fn drained(evidence: &Evidence) -> Finding {
    let queues = POOLS.iter().map(|pool| (pool.name, evidence.streams.get(&queue(pool.name)).copied()));
    let queues: Vec<_> = queues.collect();
    let detail: Vec<_> = queues
        .iter()
        .map(|(pool, it)| match it {
            None => format!("{pool} has none"),
            Some(it) => format!("{pool} has {} and {} unacknowledged", it.messages, it.unacknowledged),
        })
        .collect();
    (queues.iter().all(|(_, queue)| *queue == Some(Stream::default())), detail.join(", "))
}

fn misread(wrong: &[String], evidence: &Evidence) -> Finding {
    let first: String = wrong.iter().take(8).map(|it| format!("\n         {it}")).collect();
    let ends = evidence.faults.ends.len();
    (wrong.is_empty(), format!("{ends} ended; {} are not{first}", wrong.len()))
}

fn sizes(evidence: &Evidence) -> Finding {
    let is_small = evidence.sizes.iter().all(|it| it.descriptors <= DESCRIPTORS && it.memory <= MEMORY);
    let one = |it: &super::evidence::Size| {
        format!("{}: {} descriptors, {} MiB", it.name, it.descriptors, it.memory >> 20)
    };
    let detail: Vec<_> = evidence.sizes.iter().map(one).collect();
    (is_small && !evidence.sizes.is_empty(), detail.join("; "))
}

fn of_jobs(evidence: &Evidence, of: &Oddities, name: &str) -> Finding {
    let (holds, detail) = oddities(of, name);
    (holds, format!("{} jobs, {detail}", evidence.book.jobs.len()))
}

fn oddities(of: &Oddities, name: &str) -> Finding {
    let first: String = of.first.iter().map(|it| format!("\n         {it}")).collect();
    (of.count == 0, format!("{} {name}{first}", of.count))
}

#[cfg(test)]
mod tests;
