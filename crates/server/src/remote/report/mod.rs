//! `procpool report`: the state of a running server as one page, to attach to a ticket.

mod page;

use self::page::Snapshot;
use super::screen::Screen;
use super::{RemoteError, server};
use crate::cli::remote::Form;
use crate::cli::report::ReportArgs;
use http::header::DATE;
use procpool_client::view::Pools;
use procpool_client::{Answer, Client, ClientError, Ending, Request, filter, jobs, pools};
use serde_json::Value;

/// Maximum number of pools whose parts are asked for.
const MAX_POOLS: usize = 100;

/// Number of deaths, and of jobs.
const PAGE: u64 = 200;

/// Runs the command.
pub(crate) async fn report(args: ReportArgs) -> Result<Ending, RemoteError> {
    let mut client = server::client(&args.remote)?;
    let first = client.fetch(pools::list()).await?;
    let Pools { pools: listed, .. } = first.json().map_err(|error| client.unreadable(error))?;
    let date = first.header(&DATE).unwrap_or_default().to_owned();
    let mut snapshot = Snapshot { server: client.server().to_string(), date, answers: Vec::new() };
    snapshot.answers.push(("/v1/pools".into(), read(&first)));
    let of_pool = |name: &str| [pools::show(name), pools::workers(name, false), pools::quarantine(name)];
    let of_pools = listed.iter().take(MAX_POOLS).flat_map(|pool| of_pool(&pool.name));
    let jobs = jobs::list(&filter::Filter::default(), Some(PAGE), None);
    for request in of_pools.chain([pools::deaths(PAGE), jobs]) {
        snapshot.answers.push(ask(&mut client, request).await?);
    }
    Screen::new(Form::Table).bytes(page::page(&snapshot).as_bytes())?;
    Ok(Ending::Done)
}

/// Returns the path of a question with its answer. A refusal is an answer, too; a server that is gone is none.
async fn ask(client: &mut Client, request: Request) -> Result<(String, Result<Value, String>), RemoteError> {
    let line = request.line();
    let path = line.split_once(' ').map_or(line.as_str(), |(_, path)| path).to_owned();
    match client.fetch(request).await {
        Ok(answer) => Ok((path, read(&answer))),
        Err(error @ ClientError::Problem(_)) => Ok((path, Err(error.to_string()))),
        Err(error) => Err(error.into()),
    }
}

fn read(answer: &Answer) -> Result<Value, String> {
    answer.json().map_err(|error| format!("the answer is no JSON: {error}"))
}
