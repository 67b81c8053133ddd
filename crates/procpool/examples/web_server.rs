//! The third program of Node's worker-threads tutorial: a web server whose `/compute` runs in a worker.
//!
//! `cargo run --release --example web_server`, then `curl http://127.0.0.1:3000/compute`
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example prints for its user

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use procpool::worker::serve_if_spawned;
use procpool::{Executable, Pool, job};
use tokio::net::TcpListener;

job!(Compute, "compute", u64 => f64);

// The tutorial's computeWorker.js: what the child processes run.
fn heavy_compute(n: u64) -> f64 {
    let mut sum = 0.0;
    for i in 0..n {
        sum += (i as f64).sqrt();
    }
    sum
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve_if_spawned::<Compute>(|n, _| Ok(heavy_compute(n)));
    serve()
}

// The tutorial's server.js.
#[tokio::main]
async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::<Compute>::builder(Executable::current()).start().await?;
    let port = std::env::args().nth(1).unwrap_or("3000".into());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("Server running on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let pool = pool.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(pool.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new();
            if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("connection failed: {error}");
            }
        });
    }
}

async fn answer(
    pool: Pool<Compute>,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    let (status, text) = match request.uri().path() {
        "/compute" => match pool.run(50_000_000).await {
            Ok(result) => (200, format!("Result: {result}")),
            Err(error) => (error.http_status(), error.to_string()),
        },
        _ => (200, "OK".into()),
    };
    Response::builder().status(status).body(Full::new(text.into()))
}
