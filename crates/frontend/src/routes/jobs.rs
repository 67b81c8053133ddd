//! Running a job: input in, output or problem out.

use crate::answer;
use crate::app::Shared;
use crate::params::{JOB_LIMITS, Parameters, PoolName};
use crate::problem::Problem;
use crate::{body, content_type, json};
use axum::extract::{Request, State};
use axum::response::Response;
use procpool_protocol::engine::Submission;
use procpool_protocol::{Encoding, Payload};
use std::sync::Arc;

/// `POST /v1/pools/{pool}/jobs[?timeout=][&run_timeout=]`
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    PoolName(pool): PoolName,
    request: Request,
) -> Result<Response, Problem> {
    let limits = Parameters::of(request.uri(), &JOB_LIMITS)?.job_limits()?;
    let job = Submission { pool, input: input(&shared, request).await?, reply: Encoding::Json, limits };
    answer::run(&shared, job, answer::as_is).await
}

async fn input(shared: &Shared, request: Request) -> Result<Payload, Problem> {
    let encoding = content_type::input_encoding(request.headers())?;
    let bytes = body::read(request.into_body(), &shared.app.config).await?;
    Ok(match encoding {
        Encoding::Bytes => Payload::raw(bytes),
        _ => Payload::json(json::checked(bytes).await?),
    })
}
