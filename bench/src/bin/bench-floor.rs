//! The other side of the floors: `echo LENGTH` sends back what comes on standard input, which is a socket; `hyper` answers
//! OK to everything; anything else ends at once.

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Response, body::Incoming};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use tokio::net::TcpListener;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("echo") => echo(args.next().and_then(|length| length.parse().ok()).unwrap_or(64)),
        Some("hyper") => hyper(),
        _ => Ok(()),
    }
}

fn echo(length: usize) -> io::Result<()> {
    let mut socket = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut bytes = vec![0; length];
    while socket.read_exact(&mut bytes).is_ok() {
        socket.write_all(&bytes)?;
    }
    Ok(())
}

#[tokio::main]
async fn hyper() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let ok = service_fn(|_: hyper::Request<Incoming>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"OK"))))
            });
            // A client that goes away has seen enough.
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), ok).await;
        });
    }
}
