//! `procpool worker`: what workers are doing, and orders to them.

use super::screen::Screen;
use super::{RemoteError, server};
use crate::cli::pool::{WorkerArgs, WorkerCommand, WorkersArgs};
use crate::cli::remote::Form;
use procpool_client::pools::{self, Farewell};
use procpool_client::stacks::{self, Stack};
use procpool_client::table::{Table, word};
use procpool_client::view::{Pools, Worker, WorkerList};
use procpool_client::{Answer, Client, Ending, age};
use procpool_protocol::printable::printable_lines;
use std::collections::HashMap;
use std::time::Duration;

/// Pause between two looks at the workers.
const LOOK: Duration = Duration::from_secs(1);

const HEADING: [&str; 8] = ["ID", "PID", "STATE", "JOB", "DONE", "UPTIME", "GENERATION", "BUILD"];

/// Runs the command.
pub(crate) async fn worker(args: WorkerArgs) -> Result<Ending, RemoteError> {
    let mut client = server::client(&args.remote)?;
    let form = args.output.output;
    let screen = Screen::new(form.form());
    if form.is_of_profiles() && !matches!(args.command, WorkerCommand::Profile { .. }) {
        return Err(RemoteError::FormOfProfiles);
    }
    match args.command {
        WorkerCommand::List(args) if args.watch => watch(&mut client, screen, &args).await?,
        WorkerCommand::List(args) => list(&mut client, screen, &args).await?,
        WorkerCommand::Logs(args) => super::logs::logs(&mut client, screen, &args).await?,
        WorkerCommand::Retire(args) => {
            send_away(&mut client, screen, &args.id, Farewell::Retire, "retires").await?;
        }
        WorkerCommand::Kill(args) => {
            send_away(&mut client, screen, &args.id, Farewell::Kill, "killed").await?;
        }
        WorkerCommand::Stack { id, threads } => {
            let answer = client.fetch(stacks::stack(&id, threads)).await?;
            let stack: Stack = answer.json().map_err(|error| client.unreadable(error))?;
            // Its words are a worker's.
            screen.one(&answer.body, &id, || printable_lines(&stack.text()))?;
        }
        WorkerCommand::Profile { id, seconds } => {
            let answer = client.fetch(stacks::profile(&id, seconds, form.of_profile())).await?;
            screen.bytes(&answer.body)?;
        }
    }
    Ok(Ending::Done)
}

async fn send_away(
    client: &mut Client,
    screen: Screen,
    id: &str,
    how: Farewell,
    done: &str,
) -> Result<(), RemoteError> {
    let answer = client.fetch(pools::send_away(id, how)).await?;
    screen.one(&answer.body, id, || format!("{id} {done}"))
}

async fn list(client: &mut Client, screen: Screen, args: &WorkersArgs) -> Result<(), RemoteError> {
    let mut all = Vec::new();
    for pool in named(client, args).await? {
        let (answer, workers) = look(client, &pool, args.usage).await?;
        if screen.form == Form::Table {
            all.extend(workers);
        } else {
            let names = workers.iter().map(|worker| worker.id.clone());
            screen.list(&answer.body, "workers", names, || table(&workers))?;
        }
    }
    match (screen.form, args.usage) {
        (Form::Table, true) => screen.table(&usage_table(&all), true),
        (Form::Table, false) => screen.table(&table(&all), true),
        _ => Ok(()),
    }
}

/// Returns the pool that is named, or all that there are.
async fn named(client: &mut Client, args: &WorkersArgs) -> Result<Vec<String>, RemoteError> {
    if let Some(pool) = &args.pool {
        return Ok(vec![pool.clone()]);
    }
    let Pools { pools, .. } = client.fetch_json(pools::list()).await?;
    Ok(pools.into_iter().map(|pool| pool.name).collect())
}

async fn look(client: &mut Client, pool: &str, usage: bool) -> Result<(Answer, Vec<Worker>), RemoteError> {
    let answer = client.fetch(pools::workers(pool, usage)).await?;
    let WorkerList { workers, .. } = answer.json().map_err(|error| client.unreadable(error))?;
    Ok((answer, workers))
}

/// Prints workers as they change, until a signal ends it.
async fn watch(client: &mut Client, screen: Screen, args: &WorkersArgs) -> Result<(), RemoteError> {
    let (mut seen, mut heading) = (HashMap::new(), true);
    loop {
        let mut now = Vec::new();
        for pool in named(client, args).await? {
            now.extend(look(client, &pool, false).await?.1);
        }
        let changed = changes(&mut seen, now);
        match screen.form {
            Form::Table if heading || !changed.is_empty() => screen.table(&table(&changed), heading)?,
            Form::Table => {}
            Form::Name => changed.iter().try_for_each(|worker| screen.line(&worker.id))?,
            Form::Json | Form::Jsonl => changed.iter().try_for_each(|worker| screen.json(&json(worker)))?,
        }
        heading = false;
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns the workers that are new, have another state or job, or are gone, and remembers those of `now`.
fn changes(seen: &mut HashMap<String, Worker>, now: Vec<Worker>) -> Vec<Worker> {
    let mut before = std::mem::take(seen);
    let mut changed = Vec::new();
    for worker in now {
        let same = before.remove(&worker.id).is_some_and(|mut earlier| {
            (earlier.uptime_ms, earlier.jobs_done) = (worker.uptime_ms, worker.jobs_done);
            earlier == worker
        });
        if !same {
            changed.push(worker.clone());
        }
        seen.insert(worker.id.clone(), worker);
    }
    let mut gone: Vec<_> = before.into_values().collect();
    gone.sort_by(|one, other| one.id.cmp(&other.id));
    for worker in &mut gone {
        (worker.state, worker.job) = ("gone".into(), None);
    }
    changed.extend(gone);
    changed
}

fn json(worker: &Worker) -> Vec<u8> {
    let Worker { id, pid, state, job, .. } = worker;
    serde_json::json!({ "id": id, "pid": pid, "state": state, "job": job }).to_string().into_bytes()
}

fn table(workers: &[Worker]) -> Table<8> {
    let mut table = Table::new(HEADING);
    for worker in workers {
        table.row([
            (&worker.id).into(),
            worker.pid.map(|pid| pid.to_string()).unwrap_or_default().into(),
            word(&worker.state),
            worker.job.as_deref().unwrap_or_default().into(),
            worker.jobs_done.to_string().into(),
            age::short(Duration::from_millis(worker.uptime_ms)).into(),
            worker.generation.to_string().into(),
            worker.build.as_deref().unwrap_or_default().into(),
        ]);
    }
    table
}

fn usage_table(workers: &[Worker]) -> Table<7> {
    let mut table = Table::new(["ID", "PID", "STATE", "JOB", "UPTIME", "MEMORY", "CPU"]);
    for worker in workers {
        let memory =
            worker.resident_bytes.map(|bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)));
        let cpu = worker.cpu_ms.map(|millis| age::of_run(millis.saturating_mul(1000)));
        table.row([
            (&worker.id).into(),
            worker.pid.map(|pid| pid.to_string()).unwrap_or_default().into(),
            word(&worker.state),
            worker.job.as_deref().unwrap_or_default().into(),
            age::short(Duration::from_millis(worker.uptime_ms)).into(),
            memory.unwrap_or_default().into(),
            cpu.unwrap_or_default().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(text: &str) -> Vec<Worker> {
        serde_json::from_str::<WorkerList>(text).unwrap().workers
    }

    #[test]
    fn a_worker_is_a_row() {
        let workers = workers(
            r#"{"workers":[{"id":"fib-1","pid":22222,"state":"busy","job":"a2aa","jobs_done":7,"uptime_ms":61474,
                "generation":0,"version":1,"build":"0.1.0"},{"id":"fib-2","state":"starting"}]}"#,
        );
        assert_eq!(
            table(&workers).render(true, false),
            "ID      PID     STATE      JOB    DONE   UPTIME   GENERATION   BUILD\n\
             fib-1   22222   busy       a2aa   7      1m1s     0            0.1.0\n\
             fib-2   -       starting   -      0      0s       0            -\n"
        );
    }

    #[test]
    fn memory_and_processor_time_are_columns_for_who_asks() {
        let workers = workers(
            r#"{"workers":[{"id":"fib-1","pid":7,"state":"idle","uptime_ms":1000,"resident_bytes":4165632,
                "cpu_ms":1500},{"id":"fib-2","state":"starting"}]}"#,
        );
        assert_eq!(
            usage_table(&workers).render(true, false),
            "ID      PID   STATE      JOB   UPTIME   MEMORY    CPU\n\
             fib-1   7     idle       -     1s       4.0 MiB   1.5s\n\
             fib-2   -     starting   -     0s       -         -\n"
        );
    }

    #[test]
    fn only_workers_that_change_are_told_again_and_those_that_go() {
        let mut seen = HashMap::new();
        let mut ids = |text: &str| {
            let told = changes(&mut seen, workers(text));
            told.iter().map(|worker| format!("{} {}", worker.id, worker.state)).collect::<Vec<_>>()
        };
        let both = r#"{"workers":[{"id":"a","state":"idle"},{"id":"b","state":"idle"}]}"#;
        assert_eq!(ids(both), ["a idle", "b idle"]);
        let later = r#"{"workers":[{"id":"a","state":"idle","uptime_ms":9},{"id":"b","state":"busy"}]}"#;
        assert_eq!(ids(later), ["b busy"]);
        assert_eq!(ids(r#"{"workers":[{"id":"b","state":"busy"}]}"#), ["a gone"]);
    }
}
