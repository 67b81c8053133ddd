//! `procpool pool`, `procpool config` and `procpool health`: what pools are doing, and orders to them.

use super::screen::Screen;
use super::{RemoteError, server};
use crate::cli::pool::{
    ConfigArgs, ConfigCommand, HealthArgs, PoolArgs, PoolCommand, QuarantineArgs, ResizeArgs,
};
use procpool_client::pools::{self, Order, Sizes};
use procpool_client::table::{Cell, Table, Tint, word};
use procpool_client::view::{Pool, Pools, Quarantine, Suspect};
use procpool_client::{Client, Ending, age, describe, within};
use std::time::Duration;

/// Runs the command.
pub(crate) async fn pool(args: PoolArgs) -> Result<Ending, RemoteError> {
    let mut client = server::client(&args.remote)?;
    let screen = Screen::new(args.output.output);
    match args.command {
        PoolCommand::List => {
            let answer = client.fetch(pools::list()).await?;
            let Pools { pools, .. } = answer.json().map_err(|error| client.unreadable(error))?;
            let names = pools.iter().map(|pool| pool.name.clone());
            screen.list(&answer.body, "pools", names, || table(&pools))?;
        }
        PoolCommand::Show(args) => {
            let answer = client.fetch(pools::show(&args.pool)).await?;
            screen.one(&answer.body, &args.pool, || describe::object(&answer.body))?;
        }
        PoolCommand::Pause(args) => order(&mut client, screen, &args.pool, Order::Pause, "paused").await?,
        PoolCommand::Resume(args) => order(&mut client, screen, &args.pool, Order::Resume, "resumed").await?,
        PoolCommand::Drain(args) => order(&mut client, screen, &args.pool, Order::Drain, "draining").await?,
        PoolCommand::Reload(args) => {
            order(&mut client, screen, &args.pool, Order::Reload, "reloaded").await?;
        }
        PoolCommand::Resize(args) => resize(&mut client, screen, &args).await?,
        PoolCommand::Quarantine(args) => quarantine(&mut client, screen, &args).await?,
    }
    Ok(Ending::Done)
}

async fn order(
    client: &mut Client,
    screen: Screen,
    pool: &str,
    order: Order,
    done: &str,
) -> Result<(), RemoteError> {
    let answer = client.fetch(order.request(pool)).await.map_err(|error| error.about(pool))?;
    screen.one(&answer.body, pool, || format!("{pool} {done}"))
}

async fn resize(client: &mut Client, screen: Screen, args: &ResizeArgs) -> Result<(), RemoteError> {
    let mut sizes = Sizes::unchanged();
    (sizes.min_workers, sizes.max_workers) = (args.min, args.max);
    (sizes.queue, sizes.spares) = (args.queue, args.spares);
    let answer = client.fetch(sizes.request(&args.pool)).await.map_err(|error| error.about(&args.pool))?;
    screen.one(&answer.body, &args.pool, || format!("{} resized", args.pool))
}

fn table(pools: &[Pool]) -> Table<10> {
    let mut table =
        Table::new(["NAME", "STATE", "WORKERS", "BUSY", "QUEUED", "OK", "NOT-OK", "DEATHS", "P50", "P99"]);
    for pool in pools {
        let ready = pool.workers.idle + pool.workers.busy;
        let ok = pool.jobs.get("ok").copied().unwrap_or_default();
        let others: u64 =
            pool.jobs.iter().filter(|(outcome, _)| *outcome != "ok").map(|(_, count)| count).sum();
        let time =
            |micros: Option<u64>| micros.filter(|_| pool.run.count > 0).map(age::of_run).unwrap_or_default();
        table.row([
            (&pool.name).into(),
            word(pool.condition()),
            format!("{ready}/{}", pool.max_workers).into(),
            pool.workers.busy.to_string().into(),
            format!("{}/{}", pool.queued, pool.queue_limit).into(),
            ok.to_string().into(),
            others.to_string().into(),
            Cell::tinted(pool.deaths.to_string(), if pool.deaths > 0 { Tint::Odd } else { Tint::Plain }),
            time(pool.run.p50_us).into(),
            time(pool.run.p99_us).into(),
        ]);
    }
    table
}

async fn quarantine(client: &mut Client, screen: Screen, args: &QuarantineArgs) -> Result<(), RemoteError> {
    let request = match &args.clear {
        None => pools::quarantine(&args.pool),
        Some(fingerprint) => pools::clear(&args.pool, fingerprint.as_deref()),
    };
    let answer = client.fetch(request).await.map_err(|error| error.about(&args.pool))?;
    if args.clear.is_some() {
        return screen.one(&answer.body, &args.pool, || describe::object(&answer.body));
    }
    let quarantine: Quarantine = answer.json().map_err(|error| client.unreadable(error))?;
    let suspects: Vec<_> = quarantine.payloads.iter().chain(&quarantine.clients).collect();
    let names = suspects.iter().map(|suspect| suspect.fingerprint.clone());
    match screen.form {
        crate::cli::remote::Form::Jsonl => {
            for member in ["payloads", "clients"] {
                screen.list(&answer.body, member, std::iter::empty(), || suspects_table(&suspects))?;
            }
            Ok(())
        }
        _ => screen.list(&answer.body, "payloads", names, || suspects_table(&suspects)),
    }
}

fn suspects_table(suspects: &[&Suspect]) -> Table<6> {
    let mut table = Table::new(["FINGERPRINT", "CLIENT", "DEATHS", "REFUSED", "FOR", "LAST-JOB"]);
    for suspect in suspects {
        let left = suspect.quarantined.then(|| age::short(Duration::from_millis(suspect.remaining_ms)));
        table.row([
            (&suspect.fingerprint).into(),
            suspect.client.as_deref().unwrap_or_default().into(),
            suspect.deaths.to_string().into(),
            if suspect.quarantined { Cell::tinted("yes", Tint::Bad) } else { "no".into() },
            left.unwrap_or_default().into(),
            suspect.last_job.as_deref().unwrap_or_default().into(),
        ]);
    }
    table
}

/// Runs the command.
pub(crate) async fn config(args: ConfigArgs) -> Result<Ending, RemoteError> {
    let mut client = server::client(&args.remote)?;
    let ConfigCommand::Reload { dry_run } = args.command;
    let answer = client.fetch(pools::reload_config(dry_run)).await?;
    Screen::new(args.output.output).one(&answer.body, "config", || describe::object(&answer.body))?;
    Ok(Ending::Done)
}

/// Runs the command. Docker knows two exit codes: 0 and 1.
pub(crate) async fn health(args: HealthArgs) -> Result<Ending, RemoteError> {
    let mut client = server::client(&args.remote)?;
    let request = if args.live { pools::live() } else { pools::ready(args.pool.as_deref()) };
    let address = client.server().clone();
    match within(args.timeout.0, &address, client.fetch(request)).await {
        Ok(_) => {
            Screen::new(crate::cli::remote::Form::Table).line("OK")?;
            Ok(Ending::Done)
        }
        Err(error) => Err(RemoteError::Unhealthy(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_a_row_with_what_an_operator_looks_for() {
        let Pools { pools, .. } = serde_json::from_str(
            r#"{"pools":[{"name":"fib","executable":"/bin/fib","queued":3,"queue_limit":1024,"max_workers":4,
                "workers":{"starting":0,"idle":1,"busy":2},"jobs":{"ok":10,"failed":1,"crashed":2},"deaths":2,
                "run":{"count":13,"p50_us":1200,"p99_us":2500000,"max_us":1}},
                {"name":"new","queue_limit":8,"max_workers":1,"paused":true,"run":{"p50_us":null}}]}"#,
        )
        .unwrap();
        assert_eq!(
            table(&pools).render(true, false),
            "NAME   STATE    WORKERS   BUSY   QUEUED   OK   NOT-OK   DEATHS   P50     P99\n\
             fib    ready    3/4       2      3/1024   10   3        2        1.2ms   2.5s\n\
             new    paused   0/1       0      0/8      0    0        0        -       -\n"
        );
    }

    #[test]
    fn a_quarantine_has_payloads_and_clients() {
        let quarantine: Quarantine = serde_json::from_str(
            r#"{"payloads":[{"fingerprint":"9a","deaths":2,"quarantined":true,"remaining_ms":61000,"last_job":"8f3a"}],
                "clients":[{"fingerprint":"7b","client":"10.0.0.1","deaths":1,"quarantined":false,"remaining_ms":0}]}"#,
        )
        .unwrap();
        let suspects: Vec<_> = quarantine.payloads.iter().chain(&quarantine.clients).collect();
        assert_eq!(
            suspects_table(&suspects).render(true, false),
            "FINGERPRINT   CLIENT     DEATHS   REFUSED   FOR    LAST-JOB\n\
             9a            -          2        yes       1m1s   8f3a\n\
             7b            10.0.0.1   1        no        -      -\n"
        );
    }
}
