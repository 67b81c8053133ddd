//! Writes a snapshot of a server as one page of HTML. Pure. Names, messages and whatever else others wrote are text in it.

use procpool_client::age;
use procpool_protocol::printable::printable_json;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// The answers of a server, as they were got.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) server: String,
    /// The time of the server, as its first answer tells.
    pub(super) date: String,
    /// The path of each question, and its answer or why there is none.
    pub(super) answers: Vec<(String, Result<Value, String>)>,
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:14px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}\
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}\
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #8884;vertical-align:top}\
td{overflow-wrap:anywhere}\
pre{overflow:auto;padding:.6rem;border:1px solid #8884;max-height:30rem}\
.none{opacity:.7}";

/// No script runs, and nothing is loaded.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A column: its heading, and the member of a row that it shows.
type Column = (&'static str, fn(&Value) -> String);

const POOLS: [Column; 9] = [
    ("Pool", |it| word(&it["name"])),
    ("Workers", |it| format!("{} of {}", workers(it), word(&it["max_workers"]))),
    ("Busy", |it| word(&it["workers"]["busy"])),
    ("Queued", |it| format!("{} of {}", word(&it["queued"]), word(&it["queue_limit"]))),
    ("Jobs", |it| pairs(&it["jobs"])),
    ("Deaths", |it| pairs(&it["deaths_by_cause"])),
    ("p50", |it| time(&it["run"]["p50_us"])),
    ("p99", |it| time(&it["run"]["p99_us"])),
    ("State", state),
];

const WORKERS: [Column; 8] = [
    ("Worker", |it| word(&it["id"])),
    ("Process", |it| word(&it["pid"])),
    ("State", |it| word(&it["state"])),
    ("Job", |it| word(&it["job"])),
    ("Jobs done", |it| word(&it["jobs_done"])),
    ("Up for", |it| {
        it["uptime_ms"].as_u64().map(|it| age::short(Duration::from_millis(it))).unwrap_or_default()
    }),
    ("Generation", |it| word(&it["generation"])),
    ("Build", |it| word(&it["build"])),
];

const DEATHS: [Column; 6] = [
    ("Time", |it| word(&it["time"])),
    ("Worker", |it| word(&it["worker"])),
    ("Cause", |it| word(&it["cause"])),
    ("What is known", |it| word(&it["summary"])),
    ("Job", |it| word(&it["job"])),
    ("Run it again", |it| lines(&it["commands"])),
];

const SUSPECTS: [Column; 4] = [
    ("Fingerprint", |it| word(&it["fingerprint"])),
    ("Client", |it| word(&it["client"])),
    ("Deaths", |it| word(&it["deaths"])),
    ("Refused", |it| word(&it["quarantined"])),
];

const JOBS: [Column; 7] = [
    ("Job", |it| word(&it["id"])),
    ("Pool", |it| word(&it["pool"])),
    ("State", |it| word(&it["state"])),
    ("Outcome", |it| word(&it["outcome"])),
    ("Accepted", |it| word(&it["accepted_at"])),
    ("Finished", |it| word(&it["finished_at"])),
    ("Worker", |it| word(&it["worker"])),
];

/// Returns the page.
pub(super) fn page(snapshot: &Snapshot) -> String {
    let mut page = String::new();
    let (server, date) = (escaped(&snapshot.server), escaped(&snapshot.date));
    // Writing to a string never fails.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>procpool: {server}, {date}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>procpool at {server}</h1>\n<p>As it was on {date}.</p>\n"
    );
    section(&mut page, "Pools", snapshot, |path| path == "/v1/pools", "pools", &POOLS);
    section(&mut page, "Deaths", snapshot, |path| path.starts_with("/v1/deaths"), "deaths", &DEATHS);
    section(&mut page, "Workers", snapshot, |path| path.ends_with("/workers"), "workers", &WORKERS);
    let is_quarantine = |path: &str| path.ends_with("/quarantine");
    section(&mut page, "Payloads that killed workers", snapshot, is_quarantine, "payloads", &SUSPECTS);
    section(&mut page, "Clients that killed workers", snapshot, is_quarantine, "clients", &SUSPECTS);
    section(
        &mut page,
        "Jobs that outlive their requests",
        snapshot,
        |path| path.starts_with("/v1/jobs"),
        "jobs",
        &JOBS,
    );
    page.push_str("<h2>The server's answers</h2>\n");
    for (path, answer) in &snapshot.answers {
        let text = match answer {
            Ok(answer) => serde_json::to_string_pretty(answer).unwrap_or_default(),
            Err(obstacle) => obstacle.clone(),
        };
        let _ = writeln!(
            page,
            "<details><summary>{}</summary><pre>{}</pre></details>",
            escaped(path),
            escaped(&text)
        );
    }
    let _ = writeln!(page, "<script type=\"application/json\" id=\"snapshot\">{}</script>", data(snapshot));
    page.push_str("</body>\n</html>\n");
    page
}

/// Writes what is in this member of all answers to such questions, as a table.
fn section(
    page: &mut String,
    title: &str,
    snapshot: &Snapshot,
    is_asked: impl Fn(&str) -> bool,
    member: &str,
    columns: &[Column],
) {
    let answers: Vec<_> = snapshot.answers.iter().filter(|(path, _)| is_asked(path)).collect();
    let rows: Vec<&Value> =
        answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()?[member].as_array()).flatten().collect();
    let _ = writeln!(page, "<h2>{title}</h2>");
    for (_, answer) in &answers {
        if let Err(obstacle) = answer {
            let _ = writeln!(page, "<p class=\"none\">Not here: {}</p>", escaped(obstacle));
        }
    }
    if rows.is_empty() {
        page.push_str("<p class=\"none\">None.</p>\n");
        return;
    }
    page.push_str("<table><thead><tr>");
    for (heading, _) in columns {
        let _ = write!(page, "<th scope=\"col\">{heading}</th>");
    }
    page.push_str("</tr></thead><tbody>\n");
    for row in rows {
        page.push_str("<tr>");
        for (_, shown) in columns {
            let _ = write!(page, "<td>{}</td>", escaped(&shown(row)));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table>\n");
}

/// Returns the answers for programs. No text in it can end the element that holds it.
fn data(snapshot: &Snapshot) -> String {
    let answers: serde_json::Map<String, Value> = snapshot
        .answers
        .iter()
        .map(|(path, answer)| match answer {
            Ok(answer) => (path.clone(), answer.clone()),
            Err(obstacle) => (path.clone(), json!({ "error": obstacle })),
        })
        .collect();
    let all = json!({ "server": snapshot.server, "date": snapshot.date, "answers": answers });
    let text = all.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    printable_json(&text).into_owned()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Characters that turn the text around them, or have no width.
            c if c != '\n' && procpool_protocol::printable::is_unprintable(c) => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn lines(value: &Value) -> String {
    value.as_array().map(|lines| lines.iter().map(word).collect::<Vec<_>>().join("\n")).unwrap_or_default()
}

/// Returns the members of an object of numbers that are not zero.
fn pairs(value: &Value) -> String {
    let members = value.as_object().into_iter().flatten().filter(|(_, count)| count.as_u64() != Some(0));
    members.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

fn time(micros: &Value) -> String {
    micros.as_u64().filter(|micros| *micros > 0).map(age::of_run).unwrap_or_default()
}

fn workers(pool: &Value) -> u64 {
    ["idle", "busy"].iter().filter_map(|state| pool["workers"][state].as_u64()).sum()
}

fn state(pool: &Value) -> String {
    let flags = [
        ("draining", "draining"),
        ("breaker_open", "breaker open"),
        ("paused", "paused"),
        ("reloading", "reloading"),
    ];
    let set = flags.iter().filter(|(name, _)| pool[name] == true).map(|(_, shown)| *shown);
    let states: Vec<_> = set.collect();
    if states.is_empty() { "as usual".to_owned() } else { states.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(answers: Vec<(&str, Result<Value, String>)>) -> Snapshot {
        let answers = answers.into_iter().map(|(path, answer)| (path.to_owned(), answer)).collect();
        Snapshot {
            server: "http://localhost:3000".into(),
            date: "Mon, 30 Nov 2026 00:00:00 GMT".into(),
            answers,
        }
    }

    #[test]
    fn a_page_has_every_part_and_needs_nothing_else() {
        let page = page(&snapshot(vec![
            (
                "/v1/pools",
                Ok(json!({"pools": [{"name": "fib", "max_workers": 4, "paused": true,
                "workers": {"idle": 1, "busy": 2}, "jobs": {"ok": 7, "failed": 0}, "run": {"p50_us": 1500}}]})),
            ),
            ("/v1/pools/fib/workers", Ok(json!({"workers": [{"id": "fib-0", "pid": 12, "state": "busy"}]}))),
            ("/v1/pools/fib/quarantine", Err("it needs the scope `debug`".into())),
            ("/v1/deaths?limit=200", Ok(json!({"deaths": [{"worker": "fib-9", "cause": "crashed"}]}))),
        ]));
        for words in
            ["fib-0", "fib-9", "3 of 4", "ok 7", "1.5ms", "paused", "Not here: it needs the scope", "None."]
        {
            assert!(page.contains(words), "{words} is not in\n{page}");
        }
        for outside in ["src=", "href=", "url(", "http-equiv=\"refresh\"", "onload"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(!page.contains("failed 0"));
    }

    #[test]
    fn what_others_wrote_is_text() {
        let evil = "</script><script>alert(1)</script><img src=x onerror='a' \"b\"> & \u{202e}";
        let page = page(&snapshot(vec![
            ("/v1/pools", Ok(json!({"pools": [{"name": evil, "jobs": {evil: 1}}]}))),
            (evil, Err(evil.into())),
        ]));
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(!page.contains("<img") && !page.contains('\u{202e}'), "{page}");
        let data =
            page.split("id=\"snapshot\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["answers"]["/v1/pools"]["pools"][0]["name"], evil, "programs read it to the letter");
    }
}
