//! A worker that gives back the bytes that it is given.

use procpool::worker::serve;
use procpool_bench::rows::Blob;

fn main() -> std::process::ExitCode {
    serve::<Blob>(|bytes, _| Ok(bytes))
}
