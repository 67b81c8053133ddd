//! `bench-hot NAME COUNT`: does one operation of the hot path this number of times, for a program that counts
//! instructions.

use procpool_bench_hot::OPERATIONS;

fn main() {
    let mut args = std::env::args().skip(1);
    let (name, count) = (args.next().unwrap_or_default(), args.next().and_then(|count| count.parse().ok()));
    let operation =
        OPERATIONS.iter().find(|operation| operation.0 == name).expect("the name of an operation");
    operation.1(count.expect("how often"));
}
