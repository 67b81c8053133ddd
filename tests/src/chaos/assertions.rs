//! The assertions that must hold after a run, each a function of the evidence. The list is that of the
//! promise; an assertion says what it looked at, so that a good one can be believed.

use super::books::ALLOWED_LATENESS;
use super::evidence::Evidence;
use super::hostile;
use super::ledger::Oddities;
use super::outcome::Outcome;
use super::scenario::{self, ATTACKED, PLANS, POISON_DEATHS};
use std::time::Duration;

mod watching;

/// An assertion and what became of it.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) holds: bool,
    pub(crate) what: &'static str,
    /// The numbers behind it, or what is wrong.
    pub(crate) detail: String,
}

/// Its words, and how it is judged.
type Assertion = (&'static str, fn(&Evidence) -> Finding);

/// Whether it holds, and the numbers behind it.
type Finding = (bool, String);

const ASSERTIONS: &[Assertion] = &[
    ("the faults were real", faults),
    ("every request has one answer", answers),
    ("answers are right", outputs),
    ("outcomes fit their jobs", outcomes),
    ("chunks come in order and none is lost", chunks),
    ("events of a job come in order and none is lost", events),
    ("the server's ledger is the clients'", ledgers),
    ("each job id is once in both ledgers", ids),
    ("crashed jobs are no more than deaths", crashes),
    ("a payload that kills is soon not run any more", quarantine),
    ("those who kill open no breaker", breaker),
    ("no job ran more often than it may", effects),
    ("jobs cancelled in the queue never ran", cancels),
    ("no outcome is later than its deadline + 250 ms", lateness),
    ("/livez answered throughout", probes),
    ("viewers are shown everything that happens, in order", watching::views),
    ("the death of each worker that is killed is shown", watching::deaths),
    ("viewers see the pools as they are in the end", watching::pictures),
    ("scrapes are well-formed and no counter runs backwards", watching::scrapes),
    ("scraped totals are those of the ledger", watching::totals),
    ("clients that mean no good are given up", visits),
    ("afterwards no byte of a body or an answer is held", budgets),
    ("the server's log has no error", complaints),
    ("afterwards nothing is pending", pending),
    ("afterwards there are as many workers as configured", workers),
    ("afterwards there is no zombie", |it| none("zombies", it.quiet.sample.zombies)),
    ("afterwards nothing outlives its worker", |it| none("orphans", it.quiet.sample.orphans)),
    ("afterwards descriptors are as before", |it| {
        no_more(it.before.descriptors, it.quiet.sample.descriptors)
    }),
    ("afterwards threads are as before", |it| no_more(it.before.threads, it.quiet.sample.threads)),
    ("afterwards temporary files are as before", files),
    ("resident memory does not grow", memory),
    ("SIGTERM ends the server with 0", exit),
    ("and leaves nothing", nothing_left),
];

/// Every assertion.
pub(crate) fn verdicts(evidence: &Evidence) -> Vec<Verdict> {
    let verdict = |&(what, assertion): &Assertion| {
        let (holds, detail) = assertion(evidence);
        Verdict { holds, what, detail }
    };
    ASSERTIONS.iter().map(verdict).collect()
}

impl Evidence {
    /// Ids of which one side is not known.
    fn not_compared(&self) -> u64 {
        self.lost_lines + self.books.ids.dropped
    }
}

/// An idle run would hold everything.
fn faults(evidence: &Evidence) -> Finding {
    let Evidence { kills, worker_stops, server_stops, reloads, .. } = evidence;
    let Evidence { template_kills, template_stops, newborn_kills, unknown_kills, .. } = evidence;
    let asked = f64::from(evidence.options.kills_per_minute) / 60.0 * evidence.lasted.as_secs_f64();
    let ok = evidence.books.ledger.total().answered.get(&Outcome::Ok).is_some_and(|&ok| ok > 0);
    let detail = format!(
        "{kills} kills of {asked:.0} asked for, {template_kills} of them of templates and {newborn_kills} of \
         workers at their birth ({unknown_kills} before they were known), {worker_stops} stops of workers, \
         {template_stops} of templates, {server_stops} of the server, {reloads} reloads"
    );
    // With this number of kills, each sort occurs.
    let have_templates_met =
        asked < 500.0 || [template_kills, template_stops, newborn_kills].iter().all(|it| **it > 0);
    // Now and then nobody is there to be killed.
    (ok && have_templates_met && *kills as f64 >= asked / 2.0, detail)
}

fn answers(evidence: &Evidence) -> Finding {
    let total = evidence.books.ledger.total();
    let detail = format!("{} sent, {} hung up on", total.sent, total.hung_up);
    (total.unanswered == 0, format!("{detail}, {} without an answer", total.unanswered))
}

fn outputs(evidence: &Evidence) -> Finding {
    oddities(&evidence.books.ledger.wrong, "wrong")
}

fn outcomes(evidence: &Evidence) -> Finding {
    oddities(&evidence.books.ledger.strange, "strange")
}

fn chunks(evidence: &Evidence) -> Finding {
    match &evidence.streams {
        Ok(seen) => {
            let first: String = seen.first.iter().take(8).map(|it| format!("\n         {it}")).collect();
            let detail = format!(
                "{} of {} jobs, {} were ok and {} crashed, {} kills; {} wrong{first}",
                seen.chunks, seen.jobs, seen.ok, seen.crashed, seen.kills, seen.wrong
            );
            (seen.wrong == 0 && seen.chunks > 0 && seen.ok > 0, detail)
        }
        Err(error) => (false, error.clone()),
    }
}

fn events(evidence: &Evidence) -> Finding {
    let seen = &evidence.events;
    let (holds, wrong) = oddities(&seen.wrong, "wrong");
    let detail = format!("{} of {} jobs, {} connections cut; {wrong}", seen.events, seen.jobs, seen.cuts);
    (holds && seen.events > 0 && seen.cuts > 0, detail)
}

/// Pool by pool and outcome by outcome; what is counted beyond the answers are jobs of clients who hung up, and in
/// total exactly those whose acceptance was logged and of which nobody was told.
fn ledgers(evidence: &Evidence) -> Finding {
    let mut untold = 0;
    for (plan, book) in PLANS.iter().zip(&evidence.books.ledger.books) {
        let Some(pool) = evidence.quiet.pools.iter().find(|pool| pool.name == plan.name) else {
            return (false, format!("the server told nothing of the pool {}", plan.name));
        };
        match pool.counts().and_then(|counts| book.reconcile(&counts)) {
            // The log has no line for each job of a batch.
            Ok(_) if plan.name == scenario::BATCHED => {}
            Ok(more) => untold += more.accepted,
            Err(error) => return (false, format!("{}: {error}", plan.name)),
        }
    }
    let accepted: u64 = evidence.quiet.pools.iter().map(super::status::Pool::outcomes).sum();
    let logged = evidence.books.ids.compare().only_accepted;
    let is_exact = evidence.not_compared() == 0;
    let holds = if is_exact { untold == logged } else { untold >= logged };
    (
        holds,
        format!("accepted = outcomes = {accepted}, {untold} of clients who hung up ({logged} by the log)"),
    )
}

fn ids(evidence: &Evidence) -> Finding {
    let (repeated, sides) = (evidence.books.ids.repeated, evidence.books.ids.compare());
    let detail = format!(
        "{} ids, {} told to nobody, {} never accepted, {repeated} repeated, {} not compared",
        sides.both + sides.only_accepted,
        sides.only_accepted,
        sides.only_answered,
        evidence.not_compared(),
    );
    (repeated == 0 && sides.only_answered <= evidence.lost_lines, detail)
}

fn crashes(evidence: &Evidence) -> Finding {
    let mut holds = true;
    let (mut crashed, mut deaths) = (0, 0);
    for pool in &evidence.quiet.pools {
        holds &= pool.count(Outcome::Crashed) <= pool.deaths;
        crashed += pool.count(Outcome::Crashed);
        deaths += pool.deaths;
    }
    (holds, format!("{crashed} crashed, {deaths} deaths that the pools did not ask for"))
}

/// Each make of the executable forgets what the one before has died of, and what its last workers die of is no reason.
fn quarantine(evidence: &Evidence) -> Finding {
    let attack = &evidence.books.attack;
    let pool = evidence.quiet.pools.iter().find(|pool| pool.name == ATTACKED);
    let makes = pool.map_or(0, |pool| pool.generation + 1);
    let workers = PLANS.iter().find(|plan| plan.name == ATTACKED).map_or(0, |plan| plan.workers as u64);
    let most = makes * (POISON_DEATHS + workers);
    let detail = format!(
        "{} of it crashed, {most} may in {makes} makes; {} were poisoned",
        attack.crashed, attack.poisoned
    );
    let is_known = attack.poisoned > 0 || attack.crashed <= makes * POISON_DEATHS;
    (attack.crashed <= most && is_known, detail)
}

fn breaker(evidence: &Evidence) -> Finding {
    let attack = &evidence.books.attack;
    let (is_closed, open) = oddities(&attack.breaker, "times open");
    (is_closed && attack.served > 0, format!("{open}; {} others were served", attack.served))
}

fn effects(evidence: &Evidence) -> Finding {
    let seen = &evidence.effects;
    let bad = seen.strange + seen.missing + seen.too_often + seen.never_run;
    let mut detail = format!("{} side effects, {} jobs that cannot have run", seen.lines, seen.never);
    if bad > 0 {
        detail += &format!(
            "; {} ran too often, {} that cannot have run did, {} were ok without theirs, {} lines are nobody's{}",
            seen.too_often,
            seen.never_run,
            seen.missing,
            seen.strange,
            list(&seen.culprits)
        );
    }
    (bad == 0 && seen.lines > 0, detail)
}

fn cancels(evidence: &Evidence) -> Finding {
    let seen = &evidence.effects;
    let detail = format!("{} of which it is known, {} ran", seen.cancelled_in_queue, seen.run_after_cancel);
    (seen.run_after_cancel == 0, detail)
}

/// Apart from pauses of the server's that were not its own: those we made, and those in which a thread of ours that
/// only wanted to be woken got no processor either.
fn lateness(evidence: &Evidence) -> Finding {
    let lateness = &evidence.books.lateness;
    let (holds, late) = oddities(&lateness.late, &format!("later than {ALLOWED_LATENESS:?}"));
    let kind = lateness.kind.map_or(String::new(), |kind| format!(" ({kind:?})"));
    let detail = format!(
        "the latest by {:.1?}{kind}, as its client saw it by {:.1?}; nobody was given a processor for up to {:.1?}; {late}",
        lateness.server, lateness.client, evidence.longest_starvation
    );
    (holds, detail)
}

fn probes(evidence: &Evidence) -> Finding {
    let (holds, failed) = oddities(&evidence.probes.failed, "failed");
    let times = evidence.probes.times.spread();
    (holds && times.count > 0, format!("{} answers, p99 {:.1?}; {failed}", times.count, times.p99))
}

fn visits(evidence: &Evidence) -> Finding {
    let (holds, stuck) = oddities(&evidence.visits.stuck, "were not");
    let count = |guise| evidence.visits.ended.get(&guise).copied().unwrap_or(0);
    let longest = |guise| evidence.visits.longest.get(&guise).copied().unwrap_or_default();
    let all: Vec<_> = hostile::all()
        .map(|guise| format!("{} {guise:?} within {:.1?}", count(guise), longest(guise)))
        .collect();
    let were_there = hostile::all().all(|guise| count(guise) > 0);
    (holds && were_there, format!("{}; {stuck}", all.join(", ")))
}

fn budgets(evidence: &Evidence) -> Finding {
    let held: u64 = evidence.quiet.pools.iter().map(|pool| pool.queued_bytes + pool.output_bytes).sum();
    match &evidence.whole_budget {
        _ if held > 0 => (false, format!("the pools hold {held} bytes")),
        Ok(took) => (true, format!("all {} MiB were to be had after {took:.1?}", scenario::BUDGET >> 20)),
        Err(error) => (false, error.clone()),
    }
}

fn complaints(evidence: &Evidence) -> Finding {
    oddities(&evidence.complaints, "lines")
}

fn pending(evidence: &Evidence) -> Finding {
    let jobs: u64 = evidence.quiet.pools.iter().map(|pool| pool.queued + pool.running).sum();
    let pools = &evidence.quiet.restless;
    let told = evidence.quiet.pools.len() == PLANS.len();
    (
        jobs == 0 && told && pools.is_empty(),
        match pools.as_slice() {
            [] => format!("{jobs} jobs"),
            _ => format!("{jobs} jobs; not at rest: {}", pools.join(", ")),
        },
    )
}

fn workers(evidence: &Evidence) -> Finding {
    let sample = &evidence.quiet.sample;
    let (seen, configured) = (sample.workers(), scenario::workers());
    // The last ones were killed with their workers, and must have been replaced.
    let (templates, wanted) = (sample.templates, scenario::templates());
    let detail = format!("{seen} workers, {configured} configured; {templates} templates of {wanted}");
    (seen == configured && templates == wanted, detail)
}

fn files(evidence: &Evidence) -> Finding {
    let (before, after) = (&evidence.before.files, &evidence.quiet.sample.files);
    let new: Vec<_> = after.difference(before).take(5).collect();
    (new.is_empty(), if new.is_empty() { format!("{} files", after.len()) } else { format!("new: {new:?}") })
}

/// Returns the mean of the last third against that of the first: 5 % or 8 MiB more are allowed.
fn memory(evidence: &Evidence) -> Finding {
    const ALLOWANCE: u64 = 8 << 20;
    let samples = &evidence.memory;
    let third = samples.len() / 3;
    if third == 0 {
        // One that was ended early has nothing to compare.
        return (evidence.lasted < Duration::from_secs(1), "too few samples".into());
    }
    let mean = |samples: &[u64]| samples.iter().sum::<u64>() / samples.len() as u64;
    let (first, last) = (mean(&samples[..third]), mean(&samples[samples.len() - third..]));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    (last <= first + ALLOWANCE.max(first / 20), format!("{:.1} MiB, then {:.1} MiB", mib(first), mib(last)))
}

fn exit(evidence: &Evidence) -> Finding {
    match evidence.exit {
        Some(status) => (status.success(), status.to_string()),
        None => (false, "it did not end".into()),
    }
}

fn nothing_left(evidence: &Evidence) -> Finding {
    let after = &evidence.after;
    let detail = format!("{} processes, {} files", after.orphans, after.files.len());
    (after.orphans == 0 && after.files.is_empty(), detail)
}

fn none(what: &str, count: usize) -> Finding {
    (count == 0, format!("{count} {what}"))
}

fn no_more(before: usize, after: usize) -> Finding {
    (after <= before, format!("{before} before, {after} after"))
}

fn oddities(oddities: &Oddities, what: &str) -> Finding {
    (oddities.count == 0, format!("{} {what}{}", oddities.count, list(oddities)))
}

fn list(oddities: &Oddities) -> String {
    oddities.first.iter().map(|it| format!("\n         {it}")).collect()
}

#[cfg(test)]
mod tests;
