//! `cargo xtask bench`: measures the rows that are asked for, prints them, and writes them down.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is the result")]

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use procpool_bench::args::Args;
use procpool_bench::contestant::Result;
use procpool_bench::machine::Machine;
use procpool_bench::rows::{CURVES, GROUPS, Kit, ROWS, wanted};
use procpool_bench::script::Peers;
use procpool_bench::{record, table};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    match measure(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(args: Args) -> Result<()> {
    if args.list {
        println!("{}", wanted(&[])?.join("\n"));
        for (group, rows) in GROUPS {
            println!("{group} (a group: {})", rows.join(", "));
        }
        return Ok(());
    }
    let wanted = wanted(&args.names)?;
    let is_wanted = |name: &str| wanted.contains(&name);
    let machine = Machine::this();
    println!("{}\n", machine.line());
    let peers =
        if args.peers { Peers::install(Path::new("target/bench-peers")).await? } else { Peers::none() };
    let kit = Kit { args: args.clone(), peers };
    let (mut met, mut missed, mut uncompared) = (0, 0, 0);
    for (name, make) in ROWS.iter().filter(|row| is_wanted(row.0)) {
        let bar = progress(name);
        let row = make(kit.clone()).await?;
        bar.set_length((row.contestants.len() * args.rounds()) as u64);
        let outcome = row
            .run(args.rounds(), |who| {
                bar.set_message(who.to_owned());
                bar.inc(1);
            })
            .await
            .map_err(|error| format!("{name}: {error}"))?;
        bar.finish_and_clear();
        println!("{}", table::render(&outcome));
        record::outcome(&args.results, &machine, args.quick, &outcome)?;
        for verdict in &outcome.verdicts {
            match verdict.is_met {
                Some(true) => met += 1,
                Some(false) => missed += 1,
                None => uncompared += 1,
            }
        }
    }
    for (name, draw) in CURVES.iter().filter(|curve| is_wanted(curve.0)) {
        let bar = progress(name);
        let curve = draw(kit.clone()).await.map_err(|error| format!("{name}: {error}"))?;
        bar.finish_and_clear();
        println!("{}: {} ({})", curve.name, curve.what, curve.y);
        for (line, points) in &curve.lines {
            let points: Vec<_> = points.iter().map(|&(x, y)| format!("{x}: {}", table::figure(y))).collect();
            println!("  {line:<20} {}", points.join("   "));
        }
        if let Some(most) = curve.most_rise {
            let is_met = curve.rise() <= most;
            let word = if is_met { "met" } else { "MISSED" };
            println!(
                "  goal flat, within a factor of {most:<20} reached {:>10}  {word}",
                table::figure(curve.rise())
            );
            met += usize::from(is_met);
            missed += usize::from(!is_met);
        }
        println!();
        record::curve(&args.results, &machine, args.quick, &curve)?;
    }
    println!("goals: {met} met, {missed} missed, {uncompared} not compared");
    println!("written to {}", args.results.display());
    Ok(())
}

/// On a terminal only.
fn progress(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>24} {bar:30} {pos}/{len} {msg}");
    let bar = ProgressBar::no_length().with_prefix(name.to_owned());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
