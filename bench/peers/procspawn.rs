//! Jobs through procspawn with two processes: `jobs LANES COUNT`. With one lane the time of a job, in µs;
//! with more of them jobs a second, while LANES jobs are always sent and the oldest is awaited.

use procspawn::Pool;
use std::collections::VecDeque;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    procspawn::init();
    let mut words = std::env::args().skip(2);
    let mut number = || words.next().ok_or("a number is missing")?.parse().map_err(|_| "not a number");
    let (lanes, count): (usize, usize) = (number()?, number()?);
    let pool = Pool::new(2)?;
    let send = || (Instant::now(), pool.spawn("ping".to_owned(), |_: String| "pong".to_owned()));
    for _ in 0..100 {
        send().1.join()?;
    }
    let (mut nanos, mut open) = (Vec::with_capacity(count), VecDeque::new());
    let begun = Instant::now();
    for sent in 0..count + lanes {
        if sent < count {
            open.push_back(send());
        }
        if sent + 1 >= lanes
            && let Some((since, job)) = open.pop_front()
        {
            job.join()?;
            nanos.push(since.elapsed().as_nanos());
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    nanos.sort_unstable();
    let value = if lanes == 1 { nanos[nanos.len() / 2] as f64 / 1e3 } else { count as f64 / seconds };
    println!("{{\"value\":{value},\"nanos\":{nanos:?}}}");
    Ok(())
}
