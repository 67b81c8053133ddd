//! A native library on hostile files: libpng checks pictures in a worker, and a file that it does not survive costs one job.
//! `cargo run --example hostile_files -- photo.png broken.png`, where `head -c 60 photo.png >broken.png` made the second.
#![allow(clippy::print_stdout)] // an example talks to the person who runs it

mod libpng;

use libpng::Libpng;
use procpool::worker::serve_if_spawned_with;
use procpool::{Bytes, Executable, Failure, JobError, Pool, job};
use std::time::Duration;

// Width and height of a picture that can be decoded to its end.
job!(Check, "check", Bytes => (u32, u32));

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The library is loaded in workers only. The service never runs a line of it.
    serve_if_spawned_with::<Check, Libpng>(|_| Libpng::load(), |libpng, file, _| check(libpng, &file));
    service()
}

fn check(libpng: &Libpng, file: &[u8]) -> Result<(u32, u32), Failure> {
    let size = libpng.size(file)?;
    libpng.decode(file)?;
    Ok(size)
}

#[tokio::main(flavor = "current_thread")]
async fn service() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::<Check>::builder(Executable::current())
        .run_timeout(Duration::from_secs(5)) // a file that makes the library loop
        .address_space_limit(1 << 30) // bytes: a decompression bomb
        .recycle_jobs(1_000) // leaks
        .start()
        .await?;
    for path in std::env::args().skip(1) {
        let file: Bytes = std::fs::read(&path)?.into();
        match pool.run(file).await {
            Ok((width, height)) => println!("{path}: {width} x {height} pixels"),
            Err(JobError::Failed(failure)) => println!("{path}: refused: {}", failure.message()),
            // libpng gave up, and its worker with it. The next file gets a new one.
            Err(error) => println!("{path}: {error}"),
        }
    }
    Ok(())
}
