//! Measures how long a store with many records takes to open, and how much of a processor:
//! `cargo run --release --example open -- 1000000`.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procpool_protocol::{JobId, OutcomeKind};
use procpool_registry::{Body, Durable, Record, State, Storage, Time};
use procpool_store::{Durability, Store};
use rustix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn Error>> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let directory = std::env::temp_dir().join(format!("procpool-open-{}", std::process::id()));
    let begun = Instant::now();
    let opened = Store::open(&directory, Durability::Process)?;
    let (mut store, now) = (opened.store, opened.now);
    let pool: Arc<str> = "fib".into();
    for seq in 1..=count {
        store.put(Arc::new(record(seq, pool.clone(), now)));
        if seq.is_multiple_of(5000) {
            store.commit(now)?;
        }
    }
    store.commit(now)?;
    println!("{count} records written in {:.1?}", begun.elapsed());
    drop(store);

    for _ in 0..3 {
        let (begun, worked) = (Instant::now(), processor());
        let opened = Store::open(&directory, Durability::Process)?;
        let (took, worked) = (begun.elapsed(), processor().saturating_sub(worked));
        let records = opened.store.usage().records;
        let size = fs::metadata(directory.join("jobs.sqlite"))?.len();
        let bytes = size / records.max(1) as u64;
        println!(
            "opened {records} records, {bytes} bytes each, in {took:.1?}, with {worked:.2?} of a processor"
        );
    }
    fs::remove_dir_all(&directory)?;
    Ok(())
}

/// Time that this process has had a processor. On a busy machine, it is the figure that can be compared.
fn processor() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Nine of ten have finished.
fn record(seq: u64, pool: Arc<str>, now: Time) -> Record {
    let id = u128::from(seq) << 64 | u128::from(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut record = Record::new(seq, JobId::from_bits(id), pool, now);
    record.version = 4;
    if !seq.is_multiple_of(10) {
        record.state = State::Finished(OutcomeKind::Ok);
        record.started = Some(now);
        record.finished = Some(now);
        record.worker = Some("fib-1".into());
        record.result = Body::Gone;
        record.expires = Some(now + Duration::from_secs(24 * 60 * 60));
    }
    record
}
