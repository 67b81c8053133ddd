//! The operations of the hot path, timed: `cargo bench -p procpool-bench-hot`.
#![allow(missing_docs, reason = "criterion's macros document nothing")]

use criterion::{Criterion, criterion_group, criterion_main};
use procpool_bench_hot::OPERATIONS;
use std::time::Instant;

fn hot(criterion: &mut Criterion) {
    for &(name, operation) in OPERATIONS {
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let begun = Instant::now();
                operation(count);
                begun.elapsed()
            });
        });
    }
}

criterion_group!(benches, hot);
criterion_main!(benches);
