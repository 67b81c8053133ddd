//! `procpool schedules`: when jobs run by themselves, and what became of them.

use super::screen::Screen;
use super::{RemoteError, server};
use crate::cli::schedules::{SchedulesArgs, SchedulesCommand};
use procpool_client::Ending;
use procpool_client::schedules::{self, Schedule, Schedules, Submitted};
use procpool_client::table::{Cell, Table, Tint};

/// Runs the command.
pub(crate) async fn schedules(args: SchedulesArgs) -> Result<Ending, RemoteError> {
    let mut client = server::client(&args.remote)?;
    let screen = Screen::new(args.output.output);
    match args.command {
        None => {
            let answer = client.fetch(schedules::list()).await?;
            let Schedules { schedules, .. } = answer.json().map_err(|error| client.unreadable(error))?;
            let names = schedules.iter().map(|schedule| schedule.name.clone());
            screen.list(&answer.body, "schedules", names, || table(&schedules))?;
        }
        Some(SchedulesCommand::Run { name }) => {
            let answer = client.fetch(schedules::run(&name)).await?;
            let Submitted { job, .. } = answer.json().map_err(|error| client.unreadable(error))?;
            screen.one(&answer.body, &job, || job.clone())?;
        }
    }
    Ok(Ending::Done)
}

fn table(schedules: &[Schedule]) -> Table<7> {
    let mut table = Table::new(["NAME", "POOL", "CRON", "NEXT", "LAST", "JOB", "STATE"]);
    for schedule in schedules {
        let last = schedule.last.as_ref();
        table.row([
            (&schedule.name).into(),
            (&schedule.pool).into(),
            format!("{} {}", schedule.cron, schedule.timezone).into(),
            schedule.next_at.as_deref().unwrap_or_default().into(),
            last.map(|last| last.at.as_str()).unwrap_or_default().into(),
            last.and_then(|last| last.job.as_deref()).unwrap_or_default().into(),
            state(schedule),
        ]);
    }
    table
}

/// Returns how the last run ended, or how far it is.
fn state(schedule: &Schedule) -> Cell {
    let Some(last) = &schedule.last else { return "".into() };
    match (&last.outcome, &last.state) {
        (Some(outcome), _) if outcome != "ok" => Cell::tinted(outcome, Tint::Bad),
        (Some(outcome), _) => outcome.into(),
        (None, Some(state)) => state.into(),
        (None, None) if last.refused.is_some() => Cell::tinted("refused", Tint::Bad),
        (None, None) => "".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_a_row() {
        let Schedules { schedules, .. } = serde_json::from_str(
            r#"{"schedules":[{"name":"nightly","pool":"fib","cron":"30 2 * * *","timezone":"Europe/Berlin",
                "next_at":"2026-12-01T01:30:00Z","left_out":0,"last":{"at":"2026-11-30T01:30:00Z","job":"8f3a",
                "state":"finished","outcome":"crashed","refused":null}},
                {"name":"new","pool":"fib","cron":"@daily","timezone":"UTC","next_at":null,"last":null}]}"#,
        )
        .unwrap();
        assert_eq!(
            table(&schedules).render(true, false),
            "NAME      POOL   CRON                       NEXT                   LAST                   JOB    STATE\n\
             nightly   fib    30 2 * * * Europe/Berlin   2026-12-01T01:30:00Z   2026-11-30T01:30:00Z   8f3a   crashed\n\
             new       fib    @daily UTC                 -                      -                      -      -\n"
        );
    }
}
