//! One executable that is a service and the worker of two jobs: each pool gets the one of its type, in processes of its
//! own. `cargo run --example several_jobs`
#![allow(clippy::print_stdout)] // an example prints for its user

use procpool::worker::Jobs;
use procpool::{Executable, Failure, Pool, job};
use std::collections::HashSet;

job!(CountWords, "count-words", String => u64);
job!(Correct, "correct", String => Vec<String>);

/// Loaded once in each worker of `correct`, and nowhere else.
struct Dictionary(HashSet<String>);

impl Dictionary {
    fn load(words: &str) -> Result<Self, Failure> {
        match words.is_empty() {
            true => Err("a dictionary without words")?,
            false => Ok(Self(words.split_whitespace().map(str::to_owned).collect())),
        }
    }

    fn unknown(&self, text: &str) -> Vec<String> {
        text.split_whitespace().filter(|&word| !self.0.contains(word)).map(str::to_owned).collect()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Jobs::new()
        .job::<CountWords>(|text, _| Ok(text.split_whitespace().count() as u64))
        .job_with::<Correct, _>(
            |startup| Dictionary::load(&startup.worker_data::<String>()?),
            |dictionary, text, _| Ok(dictionary.unknown(&text)),
        )
        .serve_if_spawned();
    correct()
}

#[tokio::main(flavor = "current_thread")]
async fn correct() -> Result<(), Box<dyn std::error::Error>> {
    let count = Pool::<CountWords>::builder(Executable::current()).start().await?;
    let correct = Pool::<Correct>::builder(Executable::current())
        .worker_data("a worker is an operating system process".to_owned())
        .start()
        .await?;
    let text = "a worker is an operating sistem process";
    println!("{} words, unknown: {:?}", count.run(text.into()).await?, correct.run(text.into()).await?);
    Ok(())
}
