//! Draws a model: the pools, the cells of one, the longest jobs, and what has happened. Pure, but for the frame.

use super::model::{Model, Pool};
use super::view::View;
use procpool_client::age;
use procpool_protocol::printable::printable;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table, TableState};
use std::time::Duration;

/// Width of the bar of busy workers, in characters.
const BAR: usize = 16;

/// Maximum share of the height for the list of pools.
const LIST: u16 = 2;

const HEADING: [&str; 10] =
    ["POOL", "BUSY", "", "READY", "QUEUED", "JOBS/s", "P50", "P99", "DEATHS", "STATE"];

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, view: &View) {
    let pools = u16::try_from(model.pools.len()).unwrap_or(u16::MAX);
    let area = frame.area();
    let list = pools.saturating_add(3).min((area.height / LIST).max(4));
    let [title, hosts, list, chosen, below, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::from(model.hosts.is_some())),
        Constraint::Length(list),
        Constraint::Fill(2),
        Constraint::Fill(2),
        Constraint::Length(1),
    ])
    .areas(area);
    let [longest, happened] = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(below);
    let index = view.index(model);
    frame.render_widget(head(model, view), title);
    if let Some(all) = &model.hosts {
        let style = if all.is_odd() { view.style(Color::Yellow) } else { Style::new() };
        frame.render_widget(Line::from(all.summary()).style(style), hosts);
    }
    list_of_pools(frame, list, model, view, index);
    if let Some((name, pool)) = model.pools.iter().nth(index) {
        one_pool(frame, chosen, name, pool, view);
    } else {
        frame.render_widget(Paragraph::new("The server has no pool that you may see."), chosen);
    }
    frame.render_widget(longest_jobs(model), longest);
    frame.render_widget(what_happened(model, view, happened), happened);
    frame.render_widget(Line::from("q end   up/down choose a pool").style(faint()), keys);
}

fn head(model: &Model, view: &View) -> Line<'static> {
    let sum = |of: &dyn Fn(&Pool) -> u64| model.pools.values().map(of).sum::<u64>();
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let (rate, queued) = (sum(&Pool::rate), sum(&|pool| pool.queued));
    let busy = sum(&|pool| number(pool.number_of('b')));
    let ready = busy + sum(&|pool| number(pool.number_of('i')));
    let state = if model.is_over { "drains" } else { "live" };
    let text = format!(
        "procpool {}  {state}   {rate} jobs/s   busy {busy}/{ready}   queued {queued}   deaths {}",
        printable(&view.server),
        model.deaths
    );
    Line::from(text).style(Style::new().add_modifier(Modifier::BOLD))
}

fn list_of_pools(frame: &mut Frame<'_>, area: Rect, model: &Model, view: &View, index: usize) {
    let rows = model.pools.iter().map(|(name, pool)| row(name, pool, view));
    let widths = [
        Constraint::Min(8),
        Constraint::Length(u16::try_from(BAR).unwrap_or(u16::MAX)),
        Constraint::Length(5),
        Constraint::Length(9),
        Constraint::Length(12),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(12),
    ];
    let table = Table::new(rows, widths)
        .header(Row::new(HEADING).style(faint()))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(Block::bordered().title(" pools "));
    let mut state = TableState::default().with_selected((!model.pools.is_empty()).then_some(index));
    frame.render_stateful_widget(table, area, &mut state);
}

fn row(name: &str, pool: &Pool, view: &View) -> Row<'static> {
    let (busy, idle) = (pool.number_of('b'), pool.number_of('i'));
    let ready = busy + idle;
    let state = pool.condition();
    let of_state = if state == "ready" { Style::new() } else { view.style(Color::Yellow) };
    Row::new([
        Span::from(printable(name).into_owned()),
        Span::from(bar(busy, ready)).style(view.style(Color::Green)),
        Span::from(busy.to_string()),
        Span::from(format!("{ready}/{}", pool.configuration.max)),
        Span::from(format!("{}/{}", pool.queued, pool.configuration.queue)),
        Span::from(pool.rate().to_string()),
        Span::from(time(pool.run[0])),
        Span::from(time(pool.run[1])),
        Span::from(pool.deaths.to_string()),
        Span::from(state).style(of_state),
    ])
}

/// Returns a time of runs, if there were any.
fn time(micros: u64) -> String {
    if micros == 0 { "-".to_owned() } else { age::of_run(micros) }
}

/// Returns a bar whose filled part is the share of busy workers. One busy worker of many is seen.
fn bar(busy: usize, ready: usize) -> String {
    let filled = (busy * BAR).div_ceil(ready.max(1)).min(BAR);
    "█".repeat(filled) + &"░".repeat(BAR - filled)
}

/// Draws the cells of a pool, and its rate over the last minutes.
fn one_pool(frame: &mut Frame<'_>, area: Rect, name: &str, pool: &Pool, view: &View) {
    let (generation, workers) = (pool.configuration.generation, pool.places.len());
    let title = format!(" {}: {workers} places, generation {generation} ", printable(name));
    let block = Block::bordered().title(title);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let [cells, rates] = Layout::vertical([Constraint::Fill(1), Constraint::Length(2)]).areas(inside);
    frame.render_widget(Paragraph::new(lines_of_cells(pool, cells, view)), cells);
    let shown = usize::from(rates.width).min(pool.rates.len());
    let data: Vec<u64> = pool.rates.iter().skip(pool.rates.len() - shown).copied().collect();
    frame.render_widget(Sparkline::default().data(data).style(view.style(Color::Cyan)), rates);
}

fn lines_of_cells(pool: &Pool, area: Rect, view: &View) -> Vec<Line<'static>> {
    let (width, height) = (usize::from(area.width).max(1), usize::from(area.height));
    let mut lines: Vec<Line<'static>> = pool.places.chunks(width).map(|row| cells(row, view)).collect();
    if lines.len() > height && height > 0 {
        lines.truncate(height - 1);
        let more = pool.places.len().saturating_sub(width * lines.len());
        lines.push(Line::from(format!("and {more} more")));
    }
    lines
}

/// Returns the cells of some places. Each state has a sign of its own, as not everybody sees colours.
fn cells(places: &[char], view: &View) -> Line<'static> {
    let runs = places.chunk_by(|one, other| one == other);
    let span = |run: &[char]| {
        let (sign, colour) = match run[0] {
            'b' => ('#', Color::Green),
            'i' => ('.', Color::Gray),
            's' => ('+', Color::Blue),
            'x' => ('x', Color::Yellow),
            'r' => ('-', Color::Magenta),
            '.' => (' ', Color::Reset),
            _ => ('?', Color::Reset),
        };
        Span::from(std::iter::repeat_n(sign, run.len()).collect::<String>()).style(view.style(colour))
    };
    runs.map(span).collect()
}

fn longest_jobs(model: &Model) -> Table<'static> {
    let mut jobs: Vec<_> = model.pools.values().flat_map(|pool| &pool.longest).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job.millis));
    let rows = jobs.into_iter().map(|job| {
        let time = age::of_run(job.millis.saturating_mul(1000));
        Row::new([printable(&job.worker).into_owned(), time, printable(&job.job).into_owned()])
    });
    let widths = [Constraint::Fill(1), Constraint::Length(8), Constraint::Length(32)];
    let heading = Row::new(["WORKER", "FOR", "JOB"]).style(faint());
    Table::new(rows, widths).header(heading).block(Block::bordered().title(" running longest "))
}

fn what_happened(model: &Model, view: &View, area: Rect) -> Paragraph<'static> {
    let newest = model.happened.iter().rev().take(usize::from(area.height.saturating_sub(2)));
    let lines: Vec<Line<'static>> = newest
        .map(|it| {
            let ago = age::short(Duration::from_millis(model.at.saturating_sub(it.at)));
            let style = if it.is_death { view.style(Color::Red) } else { Style::new() };
            Line::from(format!("{ago:>6} ago  {}", it.text)).style(style)
        })
        .collect();
    Paragraph::new(lines).block(Block::bordered().title(" deaths and changes "))
}

fn faint() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

impl View {
    /// Returns a colour, unless the person wants none.
    fn style(&self, colour: Color) -> Style {
        if self.in_colour { Style::new().fg(colour) } else { Style::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_client::events::Event;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn screen(events: &[(&str, &str)], width: u16, height: u16) -> String {
        let mut model = Model::default();
        for (name, data) in events {
            model.take(&Event { name: (*name).into(), data: (*data).into() }).unwrap();
        }
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let view = View::new("http://localhost:3000".into(), true);
        terminal.draw(|frame| draw(frame, &model, &view)).unwrap();
        terminal.backend().to_string()
    }

    const SNAPSHOT: &str = r#"{"t":61000,"pools":{
        "fib":{"s":"b3ix.r","q":12,"d":[100,1,0,2],"r":[2000,35000],"cfg":{"max":8,"queue":64,"generation":3},
               "new":[[0,7]],"long":[[0,250000,"00000000000000000000000000000f1b"]]},
        "ping":{"s":"i2","q":0,"d":[5,0,0,0],"r":[80,90],"cfg":{"max":2,"queue":9,"paused":true}}}}"#;
    const DEATH: &str = r#"{"t":60000,"pool":"fib","worker":"fib-6"}"#;

    #[test]
    fn a_screen_shows_pools_cells_jobs_and_deaths() {
        let screen = screen(&[("death", DEATH), ("snapshot", SNAPSHOT)], 120, 30);
        for words in [
            "http://localhost:3000  live",
            "busy 3/6   queued 12   deaths 1",
            "fib",
            "████████████░░░░",
            "4/8",
            "12/64",
            "2.0ms",
            "35.0ms",
            "ping",
            "paused",
            "fib: 7 places, generation 3",
            "###.x -",
            "fib-7",
            "4m10s",
            "00000000000000000000000000000f1b",
            "1s ago  fib-6 died",
            "q end",
        ] {
            assert!(screen.contains(words), "{words} is not in\n{screen}");
        }
    }

    #[test]
    fn the_hosts_of_a_cluster_have_a_line() {
        let shown = |model: &Model| {
            let mut terminal = Terminal::new(TestBackend::new(80, 20)).unwrap();
            let view = View::new("http://localhost:3000".into(), true);
            terminal.draw(|frame| draw(frame, model, &view)).unwrap();
            terminal.backend().to_string()
        };
        let mut model = Model::default();
        assert!(!shown(&model).contains("hosts"));
        model.hosts = serde_json::from_str(r#"{"hosts":[{"state":"up","slots":{"fib":2}}]}"#).ok();
        assert!(shown(&model).contains("hosts: 1 up   running there 0/2"), "{}", shown(&model));
    }

    #[test]
    fn a_small_or_empty_screen_is_drawn_too() {
        for (width, height) in [(1, 1), (10, 3), (40, 8), (300, 100)] {
            screen(&[("snapshot", SNAPSHOT)], width, height);
        }
        assert!(screen(&[], 80, 24).contains("no pool that you may see"));
        let many = r#"{"t":1,"pools":{"fib":{"s":"i8000"}}}"#.to_owned();
        let screen = screen(&[("snapshot", &many)], 80, 24);
        assert!(screen.contains(" more"), "{screen}");
    }

    #[test]
    fn a_share_of_busy_workers_is_seen_however_small() {
        assert_eq!(bar(0, 0), "░".repeat(BAR));
        assert_eq!(bar(1, 1000), "█".to_owned() + &"░".repeat(BAR - 1));
        assert_eq!(bar(7, 7), "█".repeat(BAR));
    }
}
