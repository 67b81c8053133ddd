//! `procpool job rerun --where`: finished jobs once more, page by page until no further one matches.

use super::screen::Screen;
use super::{RemoteError, watch};
use crate::cli::remote::Form;
use procpool_client::filter::Filter;
use procpool_client::view::{Rerun, Reruns};
use procpool_client::{Client, Ending, jobs};

/// Runs the jobs again, or counts them. With `-o json` each page of the server is a line, with `-o name` each new job.
pub(super) async fn matching(
    client: &mut Client,
    screen: Screen,
    filter: &Filter,
    dry_run: bool,
) -> Result<Ending, RemoteError> {
    let (mut matched, mut refused, mut cursor) = (0, Vec::new(), None);
    loop {
        let answer = client.fetch(jobs::rerun_where(filter, dry_run, cursor.as_deref())).await?;
        let page: Reruns = answer.json().map_err(|error| client.unreadable(error))?;
        matched += page.matched;
        match screen.form {
            Form::Table => {}
            Form::Json | Form::Jsonl => screen.json(&answer.body)?,
            Form::Name => page.jobs.iter().map(name).try_for_each(|name| screen.line(name))?,
        }
        refused.extend(page.jobs.into_iter().filter(|job| job.problem.is_some()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if screen.form == Form::Table {
        let count = refused.len() as u64;
        screen.line(&match dry_run {
            true => format!("{matched} jobs would run again"),
            false => format!("{} jobs run again", matched.saturating_sub(count)),
        })?;
    }
    let Some(first) = refused.first() else { return Ok(Ending::Done) };
    let why = first.problem.as_ref().map_or("", |problem| problem.detail.as_str());
    watch::note(&format!("{} jobs do not; the first one, {}: {why}", refused.len(), first.job))?;
    Ok(Ending::Refused)
}

/// Returns the id of the new job, or of the one that would run again.
fn name(job: &Rerun) -> &str {
    job.rerun.as_deref().unwrap_or(&job.job)
}
