//! `procpool job`: one job or many, from the submission to the result.

use super::screen::Screen;
use super::{RemoteError, input, rerun, server, watch};
use crate::cli::job::{CancelArgs, JobArgs, JobCommand, ListArgs, RerunArgs, ResultArgs, SubmitArgs};
use crate::cli::remote::Form;
use http::header::{CONTENT_TYPE, DATE, ETAG};
use http::{HeaderName, StatusCode};
use procpool_client::events::Event;
use procpool_client::follow::{Retry, follow};
use procpool_client::jobs::{self, Submit};
use procpool_client::table::{Table, word};
use procpool_client::view::{Cancelled, Job, Jobs, Progress};
use procpool_client::{Answer, Client, ClientError, Ending, Streaming, age, describe};
use std::io::{self, Write};
use std::time::{Duration, Instant};

const JOB_ID: HeaderName = HeaderName::from_static("job-id");

/// How long the server holds a request for a record that does not change. Below the limits of proxies.
const LONG_POLL: Duration = Duration::from_secs(25);

/// Pause between two requests for a record, where the server does not hold them.
const POLL: Duration = Duration::from_millis(250);

/// Maximum number of jobs of a page.
const PAGE: u64 = 100;

const HEADING: [&str; 8] = ["ID", "POOL", "STATE", "OUTCOME", "PROGRESS", "AGE", "RAN", "WORKER"];

/// Runs the command.
pub(crate) async fn job(args: JobArgs) -> Result<Ending, RemoteError> {
    let mut client = server::client(&args.remote)?;
    let screen = Screen::new(args.output.output);
    match args.command {
        JobCommand::Submit(args) => submit(&mut client, screen, args).await,
        JobCommand::List(args) => list(&mut client, screen, &args).await,
        JobCommand::Show(args) => {
            let answer = client.fetch(jobs::show(&args.id)).await?;
            screen.one(&answer.body, &args.id, || describe::object(&answer.body))?;
            Ok(Ending::Done)
        }
        JobCommand::Result(args) => result(&mut client, screen, &args).await,
        JobCommand::Watch(args) => {
            let each = |event: &Event| screen.line(&watch::shown(event, screen.form));
            follow(&mut client, &args.id, Retry::default(), each).await?;
            ended(&client.fetch_json(jobs::show(&args.id)).await?)
        }
        JobCommand::Cancel(args) => cancel(&mut client, screen, args).await,
        JobCommand::Rerun(RerunArgs { id, watch, filter, dry_run }) => match (id, filter) {
            (Some(id), _) => {
                let answer = client.fetch(jobs::rerun(&id)).await?;
                accepted(&mut client, screen, &answer, watch).await
            }
            (None, filter) => {
                rerun::matching(&mut client, screen, &filter.unwrap_or_default(), dry_run).await
            }
        },
    }
}

async fn submit(client: &mut Client, screen: Screen, args: SubmitArgs) -> Result<Ending, RemoteError> {
    let body = input::of_job(&args.input, args.bytes)?;
    let mut job = Submit::to(&args.pool);
    (job.key, job.bytes) = (args.key, args.bytes);
    (job.priority, job.tenant) = (args.share.priority, args.share.tenant);
    job.timeout = args.timeout.map(|timeout| timeout.0);
    job.run_timeout = args.run_timeout.map(|timeout| timeout.0);
    (job.delay, job.run_at) = (args.delay.map(|delay| delay.0), args.run_at);
    job.detached = args.detached || args.watch;
    // A job that outlives its request is waited for in pieces, which no proxy cuts. If it runs already, this is its output.
    job.wait = (job.key.is_some() && !job.detached).then_some(LONG_POLL);
    let answer = client.open(job.request(body)).await.map_err(|error| error.about(&args.pool))?;
    if !job.detached && answer.status != StatusCode::ACCEPTED {
        return print(screen, answer).await;
    }
    if !job.detached {
        let id = named(client, &answer.collect().await?)?;
        return result(client, screen, &ResultArgs { id, timeout: None, no_wait: false }).await;
    }
    accepted(client, screen, &answer.collect().await?, args.watch).await
}

/// Goes on with a job that was accepted: prints its id, or follows it to its output.
async fn accepted(
    client: &mut Client,
    screen: Screen,
    answer: &Answer,
    watched: bool,
) -> Result<Ending, RemoteError> {
    let id = named(client, answer)?;
    if watched {
        watch::note(&format!("job        {id}"))?;
        let each = |event: &Event| watch::note(&watch::shown(event, Form::Table));
        follow(client, &id, Retry::default(), each).await?;
        return print(screen, client.open(jobs::result(&id)).await?).await;
    }
    match (answer.status, screen.form) {
        (StatusCode::ACCEPTED, Form::Json | Form::Jsonl) => screen.json(&answer.body)?,
        (_, Form::Json | Form::Jsonl) => screen.json(&client.fetch(jobs::show(&id)).await?.body)?,
        _ => screen.line(&id)?,
    }
    Ok(Ending::Done)
}

/// Returns the id of a job that was accepted, now or under its key before. Then the answer may be its output.
fn named(client: &Client, answer: &Answer) -> Result<String, RemoteError> {
    let id = match answer.status {
        StatusCode::ACCEPTED => Some(answer.json::<Job>().map_err(|error| client.unreadable(error))?.id),
        _ => answer.header(&JOB_ID).map(str::to_owned),
    };
    id.filter(|id| !id.is_empty()).ok_or_else(|| client.unreadable("it names no job").into())
}

/// Prints an output as it comes.
async fn print(screen: Screen, mut answer: Streaming) -> Result<Ending, RemoteError> {
    let is_json = answer.headers.get(CONTENT_TYPE).is_some_and(|told| told == "application/json");
    let mut whole = Vec::new();
    while let Some(piece) = answer.next().await? {
        match is_json && screen.is_terminal() {
            // A character may be in two pieces.
            true => whole.extend_from_slice(&piece),
            false => screen.bytes(&piece)?,
        }
    }
    screen.text(&whole)?;
    if is_json {
        screen.bytes(b"\n")?;
    }
    Ok(Ending::Done)
}

/// Returns the ending of a job that has ended, or its problem as an error.
fn ended(job: &Job) -> Result<Ending, RemoteError> {
    match job.problem() {
        Some(problem) => Err(ClientError::Problem(Box::new(problem)).about(&job.pool).into()),
        None => Ok(job.ending()),
    }
}

async fn list(client: &mut Client, screen: Screen, args: &ListArgs) -> Result<Ending, RemoteError> {
    let filter = args.filter();
    let (mut left, mut cursor, mut is_first) = (args.limit, None, true);
    loop {
        let page = if args.limit == 0 { PAGE } else { left.min(PAGE) };
        let answer = client.fetch(jobs::list(&filter, Some(page), cursor.as_deref())).await?;
        let jobs: Jobs = answer.json().map_err(|error| client.unreadable(error))?;
        if screen.form == Form::Table {
            screen.table(&table(&jobs.jobs, answer.header(&DATE)), is_first)?;
        } else {
            let names = jobs.jobs.iter().map(|job| job.id.clone());
            screen.list(&answer.body, "jobs", names, || table(&jobs.jobs, None))?;
        }
        is_first = false;
        left = left.saturating_sub(u64::try_from(jobs.jobs.len()).unwrap_or(u64::MAX));
        cursor = jobs.next;
        if cursor.is_none() {
            return Ok(Ending::Done);
        }
        if args.limit != 0 && left == 0 {
            watch::note("there are more jobs; `--limit 0` lists all of them")?;
            return Ok(Ending::Done);
        }
    }
}

fn table(jobs: &[Job], now: Option<&str>) -> Table<8> {
    let mut table = Table::new(HEADING);
    for job in jobs {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let age = job.accepted_at.as_deref().and_then(|since| age::at(now?, since)).map(age::short);
        let ran = match (&job.started_at, &job.finished_at) {
            (Some(from), Some(to)) => age::between(from, to)
                .map(|ran| age::of_run(u64::try_from(ran.as_micros()).unwrap_or(u64::MAX))),
            // `Date` has whole seconds.
            (Some(from), None) => now.and_then(|now| age::at(now, from)).map(age::short),
            _ => None,
        };
        table.row([
            (&job.id).into(),
            (&job.pool).into(),
            word(&job.state),
            word(job.outcome.as_deref().unwrap_or_default()),
            job.progress.as_ref().map(Progress::shown).unwrap_or_default().into(),
            text(&age).into(),
            text(&ran).into(),
            text(&job.worker).into(),
        ]);
    }
    table
}

/// Waits for the end of a job, and prints its output.
async fn result(client: &mut Client, screen: Screen, args: &ResultArgs) -> Result<Ending, RemoteError> {
    let until = args.timeout.map(|timeout| Instant::now() + timeout.0);
    let mut tag = None;
    loop {
        // The record, as only that tells when it changes. A server holds the request for as long as it does not.
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let look = client.fetch(jobs::changed(&args.id, tag.as_ref(), LONG_POLL));
        let answer = match left.filter(|_| tag.is_some()) {
            Some(left) => match tokio::time::timeout(left, look).await {
                Ok(answer) => answer?,
                Err(_) => return Err(RemoteError::Unfinished { id: args.id.clone() }),
            },
            None => look.await?,
        };
        let is_new = answer.status != StatusCode::NOT_MODIFIED;
        if is_new && answer.json::<Job>().map_err(|error| client.unreadable(error))?.is_finished() {
            return print(screen, client.open(jobs::result(&args.id)).await?).await;
        }
        if args.no_wait || left.is_some_and(|left| left.is_zero()) {
            return Err(RemoteError::Unfinished { id: args.id.clone() });
        }
        tag = answer.headers.get(ETAG).cloned().or(tag);
        if !is_new || tag.is_none() {
            tokio::time::sleep(left.map_or(POLL, |left| left.min(POLL))).await;
        }
    }
}

async fn cancel(client: &mut Client, screen: Screen, args: CancelArgs) -> Result<Ending, RemoteError> {
    if let Some(filter) = &args.filter {
        let answer = client.fetch(jobs::cancel_where(filter, args.dry_run)).await?;
        let Cancelled { cancelled, matched, .. } = answer.json().map_err(|error| client.unreadable(error))?;
        let text = match args.dry_run {
            true => format!("{} jobs would be cancelled", matched.unwrap_or(cancelled)),
            false => format!("{cancelled} jobs cancelled"),
        };
        screen.one(&answer.body, "", || text)?;
        return Ok(Ending::Done);
    }
    // One that cannot be cancelled keeps none of the others.
    let mut first = Ok(Ending::Done);
    for id in &args.ids {
        match client.fetch(jobs::cancel(id)).await {
            Ok(answer) => screen.one(&answer.body, id, || format!("{id} cancelled"))?,
            Err(error) if first.is_ok() => first = Err(error),
            Err(error) => drop(writeln!(io::stderr(), "{id}: {error}")),
        }
    }
    Ok(first?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_a_row_with_its_age_on_the_servers_clock() {
        let jobs: Jobs = serde_json::from_str(
            r#"{"next":null,"jobs":[
                {"id":"8f3a","pool":"fib","state":"running","outcome":null,"accepted_at":"1994-11-06T08:48:37Z",
                 "started_at":"1994-11-06T08:49:32Z","progress":{"done":37,"total":100},"worker":"fib-8"},
                {"id":"9b","pool":"fib","state":"finished","outcome":"crashed","accepted_at":"1994-11-06T08:49:30Z",
                 "started_at":"1994-11-06T08:49:30Z","finished_at":"1994-11-06T08:49:30.0123Z"}]}"#,
        )
        .unwrap();
        assert_eq!(
            table(&jobs.jobs, Some("Sun, 06 Nov 1994 08:49:37 GMT")).render(true, false),
            "ID     POOL   STATE      OUTCOME   PROGRESS   AGE   RAN      WORKER\n\
             8f3a   fib    running    -         37/100     1m    5s       fib-8\n\
             9b     fib    finished   crashed   -          7s    12.3ms   -\n"
        );
    }

    #[test]
    fn a_job_that_ended_badly_is_its_problem() {
        let job = |text: &str| ended(&serde_json::from_str(text).unwrap());
        assert_eq!(job(r#"{"state":"finished","outcome":"ok"}"#).unwrap(), Ending::Done);
        let error = job(
            r#"{"state":"finished","outcome":"crashed","may_have_run":true,"pool":"fib",
                "problem":{"type":"/problems/crashed","outcome":"crashed","may_have_run":true,"detail":"it died"}}"#,
        )
        .unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().as_str()), (6, "it died"));
    }
}
