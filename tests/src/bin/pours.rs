//! A worker whose chunks are raw bytes, for clients that read a job as it runs. The input `[chunks, length, end]` asks for a
//! number of chunks of a length, and says how the job ends: `well`, `crash`, or a failure with this text.

use procpool::worker::serve;
use procpool::{Bytes, Failure, job};
use std::process::ExitCode;

job!(Pours, "pours", (u32, usize, String) => u32, chunks Bytes);

fn main() -> ExitCode {
    serve::<Pours>(|(chunks, length, end), cx| {
        for number in 0..chunks {
            cx.emit(vec![number.to_le_bytes()[0]; length].into())?;
        }
        match end.as_str() {
            "well" => Ok(chunks),
            "crash" => std::process::abort(),
            other => Err(Failure::new(other)),
        }
    })
}
