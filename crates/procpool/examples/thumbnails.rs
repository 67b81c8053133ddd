//! An axum service that offloads image work: typed input, bytes out, errors mapped to HTTP.
//!
//! The decoder of a hostile image runs in another process, so the worst that an upload can do is to
//! fail its own request. `cargo run --example thumbnails`, then
//! `printf 'P5 4 2 255\n\0\1\2\3\4\5\6\7' | curl --data-binary @- 'http://127.0.0.1:3001/?width=2'`
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example prints for its user

use axum::extract::{Query, State};
use axum::routing::post;
use procpool::worker::serve_if_spawned;
use procpool::{Bytes, Executable, Failure, Pool, PublicError, job};
use serde::Deserialize;
use std::time::Duration;

// The width that is wanted, and the image, which nobody copies on its way.
job!(Thumbnail, "thumbnail", (usize, Bytes) => Bytes { const IDEMPOTENT: bool = true; });

/// Shrinks a binary PGM image (P5, one byte a pixel) by leaving out pixels.
fn shrink(wanted: usize, image: &[u8]) -> Result<Bytes, Failure> {
    let broken = |what: &str| Failure::new(what).with_code("not_an_image");
    let mut parts = image.splitn(5, u8::is_ascii_whitespace);
    let mut number = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let (Some("P5"), Some(width), Some(height), Some("255")) = (number(), number(), number(), number())
    else {
        return Err(broken("expected a header like `P5 640 480 255`"));
    };
    let (width, height): (usize, usize) = (width.parse()?, height.parse()?);
    let pixels = parts.next().unwrap_or_default();
    if width.checked_mul(height) != Some(pixels.len()) || wanted == 0 {
        return Err(broken("the header does not fit the number of pixels, or the width is 0"));
    }
    let step = width.div_ceil(wanted).max(1);
    let rows = pixels.chunks_exact(width.max(1)).step_by(step);
    let small: Vec<u8> = rows.flat_map(|row| row.iter().step_by(step).copied()).collect();
    let header = format!("P5 {} {} 255\n", width.div_ceil(step), height.div_ceil(step));
    Ok([header.into_bytes(), small].concat().into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve_if_spawned::<Thumbnail>(|(width, image), _| shrink(width, &image));
    serve()
}

#[tokio::main]
async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let pool =
        Pool::<Thumbnail>::builder(Executable::current()).timeout(Duration::from_secs(2)).start().await?;
    let app = axum::Router::new().route("/", post(thumbnail)).with_state(pool);
    let port = std::env::args().nth(1).unwrap_or("3001".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("Server running on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Size {
    width: usize,
}

async fn thumbnail(
    State(pool): State<Pool<Thumbnail>>,
    Query(Size { width }): Query<Size>,
    image: axum::body::Bytes,
) -> Result<Vec<u8>, PublicError> {
    let small = pool.try_run((width, image.into())).await.map_err(|error| {
        // The error's whole text is for the log. A client reads what holds nothing of this machine, as problem JSON.
        eprintln!("{error}");
        let mut public = error.public();
        if public.code == "not_an_image" {
            public.status = 415;
        }
        public
    })?;
    Ok(small.to_vec())
}
