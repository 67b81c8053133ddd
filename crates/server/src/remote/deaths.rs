//! `procpool deaths`: which workers died, and of what.

use super::screen::Screen;
use super::{RemoteError, server};
use crate::cli::deaths::DeathsArgs;
use crate::cli::remote::Form;
use http::header::DATE;
use procpool_client::table::{Cell, Table, Tint};
use procpool_client::view::{Death, DeathGroup, DeathGroups, Deaths as DeathList};
use procpool_client::{Answer, Client, Ending, age, deaths, describe};

/// Maximum number of deaths of a page.
const PAGE: u64 = 100;

/// Runs the command.
pub(crate) async fn deaths(args: DeathsArgs) -> Result<Ending, RemoteError> {
    let mut client = server::client(&args.remote)?;
    let screen = Screen::new(args.output.output);
    match (args.id, args.group) {
        (Some(id), _) => {
            let answer = client.fetch(deaths::show(id)).await?;
            screen.one(&answer.body, &id.to_string(), || describe::object(&answer.body))?;
        }
        (None, true) => groups(&mut client, screen, args.pool.as_deref()).await?,
        (None, false) => list(&mut client, screen, args).await?,
    }
    Ok(Ending::Done)
}

async fn list(client: &mut Client, screen: Screen, args: DeathsArgs) -> Result<(), RemoteError> {
    let mut wanted = deaths::Deaths::all();
    (wanted.pool, wanted.worker, wanted.group) = (args.pool, args.worker, args.of_group);
    let (mut left, mut cursor, mut is_first) = (args.limit, None, true);
    loop {
        let page = if args.limit == 0 { PAGE } else { left.min(PAGE) };
        let answer = client.fetch(wanted.page(page, cursor.as_deref())).await?;
        let list: DeathList = answer.json().map_err(|error| client.unreadable(error))?;
        let names = list.deaths.iter().map(|death| death.id.to_string());
        match screen.form {
            Form::Table => screen.table(&table(&list.deaths, &answer), is_first)?,
            _ => screen.list(&answer.body, "deaths", names, || table(&list.deaths, &answer))?,
        }
        (cursor, is_first) = (list.next, false);
        left = left.saturating_sub(list.deaths.len() as u64);
        if cursor.is_none() || (args.limit > 0 && left == 0) {
            return Ok(());
        }
    }
}

async fn groups(client: &mut Client, screen: Screen, pool: Option<&str>) -> Result<(), RemoteError> {
    let answer = client.fetch(deaths::groups(pool)).await?;
    let DeathGroups { groups, .. } = answer.json().map_err(|error| client.unreadable(error))?;
    let names = groups.iter().map(|group| group.group.clone());
    screen.list(&answer.body, "groups", names, || groups_table(&groups, &answer))
}

fn table(deaths: &[Death], answer: &Answer) -> Table<7> {
    let mut table = Table::new(["ID", "AGE", "POOL", "WORKER", "JOB", "SIGNATURE", "REPLAY"]);
    for death in deaths {
        table.row([
            death.id.to_string().into(),
            since(answer, &death.time).into(),
            (&death.pool).into(),
            (&death.worker).into(),
            death.job.as_deref().unwrap_or_default().into(),
            Cell::tinted(&death.signature, Tint::Bad),
            death.replay.as_deref().unwrap_or_default().into(),
        ]);
    }
    table
}

fn groups_table(groups: &[DeathGroup], answer: &Answer) -> Table<7> {
    let mut table = Table::new(["GROUP", "POOL", "COUNT", "PAYLOADS", "FIRST", "LAST", "SIGNATURE"]);
    for group in groups {
        table.row([
            (&group.group).into(),
            (&group.pool).into(),
            group.count.to_string().into(),
            group.payloads.to_string().into(),
            since(answer, &group.first).into(),
            since(answer, &group.last).into(),
            Cell::tinted(&group.signature, Tint::Bad),
        ]);
    }
    table
}

/// Returns the time since this moment, on the server's clock.
fn since(answer: &Answer, time: &str) -> String {
    let age = answer.header(&DATE).and_then(|date| age::at(date, time));
    age.map(age::short).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, StatusCode};

    fn answer() -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Thu, 01 Jan 1970 00:02:00 GMT"));
        Answer { status: StatusCode::OK, headers, body: Default::default() }
    }

    #[test]
    fn a_death_and_a_group_are_rows() {
        let list: DeathList = serde_json::from_str(
            r#"{"deaths":[{"id":17,"time":"1970-01-01T00:00:09.000Z","pool":"fib","worker":"fib-3","job":"8f3a",
                "signature":"SIGSEGV in spin","replay":"/srv/f.job","stack":{"threads":[]}},
                {"id":2,"time":"1970-01-01T00:01:59Z","pool":"fib","worker":"fib-1"}],"next":null}"#,
        )
        .unwrap();
        assert_eq!(
            table(&list.deaths, &answer()).render(true, false),
            "ID   AGE     POOL   WORKER   JOB    SIGNATURE         REPLAY\n\
             17   1m51s   fib    fib-3    8f3a   SIGSEGV in spin   /srv/f.job\n\
             2    1s      fib    fib-1    -      -                 -\n"
        );
        let groups: DeathGroups = serde_json::from_str(
            r#"{"groups":[{"group":"a91f","pool":"fib","count":132,"payloads":2,"first":"1970-01-01T00:00:00Z",
                "last":"1970-01-01T00:01:58Z","signature":"SIGSEGV in spin"}]}"#,
        )
        .unwrap();
        assert_eq!(
            groups_table(&groups.groups, &answer()).render(true, false),
            "GROUP   POOL   COUNT   PAYLOADS   FIRST   LAST   SIGNATURE\n\
             a91f    fib    132     2          2m      2s     SIGSEGV in spin\n"
        );
    }
}
