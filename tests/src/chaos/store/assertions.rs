//! The assertions that must hold after a run, each a function of the evidence.

use super::super::assertions::Verdict;
use super::super::ledger::Oddities;
use super::super::outcome::Outcome;
use super::evidence::Evidence;

/// Its words, and how it is judged.
type Assertion = (&'static str, fn(&Evidence) -> Finding);

/// Whether it holds, and the numbers behind it.
type Finding = (bool, String);

const ASSERTIONS: &[Assertion] = &[
    ("the faults were real", faults),
    ("no accepted job is lost", |it| of_jobs(it, &it.book.lost, "lost")),
    ("every accepted job has its outcome", outcomes),
    ("an outcome that was told stays", |it| of_jobs(it, &it.book.changed, "changed")),
    ("outcomes fit their jobs", |it| of_jobs(it, &it.book.strange, "strange")),
    ("answers are right", |it| of_jobs(it, &it.book.wrong, "wrong")),
    ("a key is one job", keys),
    ("every accepted job is listed, once", listed),
    ("no job is listed that nobody sent", invented),
    ("no job ran more often than it may", too_often),
    ("jobs that ended well have run", |it| {
        (it.effects.missing == 0, format!("{} did not", it.effects.missing))
    }),
    ("jobs that certainly did not run have not", |it| {
        (it.effects.never_run == 0, format!("{} of {} ran", it.effects.never_run, it.effects.never))
    }),
    ("no job began before its time", early),
    ("no worker outlives a killed server", |it| oddities(&it.faults.left, "living")),
    ("SIGTERM ends a server with 0", |it| oddities(&it.faults.bad_ends, "other ends")),
    ("the servers' logs have no error", |it| oddities(&it.complaints, "errors")),
    ("afterwards nothing is pending", |it| {
        (it.listed.unfinished == 0, format!("{} jobs are", it.listed.unfinished))
    }),
    ("the state directory is whole", checked),
    ("and has as many jobs as were listed", counted),
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
        "{} kills of the server, {} more amid its start, {} SIGTERMs, {} reloads, {} kills of workers; {} jobs accepted, \
         {} refused, {} unsure",
        seen.server_kills,
        seen.early_kills,
        seen.terminations,
        seen.reloads,
        seen.worker_kills,
        evidence.book.jobs.len(),
        evidence.book.refused.values().sum::<u64>(),
        evidence.book.unsure.len()
    );
    // A short run may have been spared.
    let is_long = evidence.lasted.as_secs() >= 30;
    let were_there = seen.server_kills > 0 && seen.terminations > 0 && seen.reloads > 0 || !is_long;
    // While there is no server, there is no worker either.
    (ok > 0 && were_there && seen.worker_kills as f64 >= asked / 4.0, detail)
}

fn outcomes(evidence: &Evidence) -> Finding {
    let counts = evidence.book.outcomes();
    let counts: Vec<_> =
        counts.iter().map(|(outcome, count)| format!("{count} {}", outcome.name())).collect();
    let (holds, detail) = oddities(&evidence.book.unfinished, "without");
    let told = evidence.book.jobs.iter().filter(|entry| entry.told.is_some()).count();
    (holds && told == evidence.book.jobs.len(), format!("{}; {detail}", counts.join(", ")))
}

fn keys(evidence: &Evidence) -> Finding {
    let (holds, detail) = oddities(&evidence.book.doubled, "doubled");
    let keyed = evidence.book.jobs.iter().filter(|entry| entry.order.key.is_some()).count();
    (holds, format!("{keyed} keys, {} sent again; {detail}", evidence.book.repeated))
}

fn listed(evidence: &Evidence) -> Finding {
    let listed = &evidence.listed;
    if let Some(trouble) = &listed.trouble {
        return (false, trouble.clone());
    }
    let missing = evidence.book.jobs.iter().filter(|entry| !listed.ids.contains(&entry.id)).count();
    let detail = format!("{} jobs are, {missing} are not, {} are twice", listed.ids.len(), listed.twice);
    (missing == 0 && listed.twice == 0, detail)
}

fn invented(evidence: &Evidence) -> Finding {
    let jobs: std::collections::HashSet<_> =
        evidence.book.jobs.iter().map(|entry| entry.id.as_str()).collect();
    let more = evidence.listed.ids.iter().filter(|id| !jobs.contains(id.as_str())).count() as u64;
    let unsure = evidence.book.unsure.len() as u64;
    let twice = evidence.book.jobs.len() - jobs.len();
    let detail =
        format!("{more} are of the {unsure} requests without an answer; {twice} jobs have the id of another");
    (more <= unsure && twice == 0, detail)
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

fn early(evidence: &Evidence) -> Finding {
    let (holds, detail) = oddities(&evidence.book.early, "early");
    (holds, format!("{} compared, {detail}", evidence.book.delayed))
}

fn checked(evidence: &Evidence) -> Finding {
    let checked = &evidence.checked;
    (checked.code == Some(0), format!("{} {}", checked.stdout.trim(), checked.stderr.trim()))
}

fn counted(evidence: &Evidence) -> Finding {
    let line = evidence.stats.stdout.lines().find_map(|line| line.strip_prefix("jobs "));
    let jobs = line.and_then(|count| count.trim().parse::<usize>().ok());
    (jobs == Some(evidence.listed.ids.len()), format!("{jobs:?}"))
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
