//! A client of the server: one kept connection, one request at a time, on hyper.

use super::outcome::Outcome;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// A client; it connects when it has something to ask.
#[derive(Debug)]
pub(crate) struct Client {
    server: SocketAddr,
    /// The size of its receive buffer in bytes, if that is not the kernel's choice.
    buffer: Option<u32>,
    link: Option<Link>,
}

/// A connection; dropped, it is closed at once, whatever is still to come on it.
#[derive(Debug)]
struct Link {
    requests: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) status: u16,
    body: Incoming,
    _link: Link,
}

impl Reading {
    /// Returns the next piece, or `None` at the end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(piece) = frame.map_err(io::Error::other)?.into_data() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl From<crate::http::Answer> for Answer {
    fn from(answer: crate::http::Answer) -> Self {
        let header = |(name, value): &(String, String)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        };
        let headers = answer.headers.iter().filter_map(header).collect();
        Self { status: answer.status, headers, body: answer.body.into() }
    }
}

/// An answer's statements about a job.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    /// `None` if it was refused.
    pub(crate) job: Option<u128>,
    /// Queue and run together, by the server's own clock.
    pub(crate) took: Option<Duration>,
    pub(crate) may_have_run: bool,
    /// Why it was refused.
    pub(crate) reason: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    outcome: Option<String>,
    may_have_run: bool,
    reason: Option<String>,
}

impl Client {
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self { server, buffer: None, link: None }
    }

    /// Returns a client that can hold little of what it has not read.
    pub(crate) fn with_buffer(server: SocketAddr, bytes: u32) -> Self {
        Self { server, buffer: Some(bytes), link: None }
    }

    pub(crate) async fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.ask(Method::GET, path, &[], String::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: String) -> io::Result<Answer> {
        self.ask(Method::POST, path, &[], body).await
    }

    /// Sends a request with these headers. Dropped before it has its answer, it hangs up.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> io::Result<Answer> {
        let mut link = self.connected().await?;
        let request = self.request(method, path, headers, body)?;
        let (head, body) = link.requests.send_request(request).await.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        self.link = Some(link);
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// Asks on a connection of its own, and reads the body piece by piece. Dropped amid it, the reader hangs up.
    pub(crate) async fn read(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> io::Result<Reading> {
        let mut link = Self { link: None, ..*self }.connected().await?;
        let request = self.request(method, path, headers, body)?;
        let answer = link.requests.send_request(request).await.map_err(io::Error::other)?;
        Ok(Reading { status: answer.status().as_u16(), body: answer.into_body(), _link: link })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> io::Result<Request<Full<Bytes>>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.server.to_string())
            .header(CONTENT_TYPE, "application/json");
        let request = headers.iter().fold(request, |request, &(name, value)| request.header(name, value));
        request.body(Full::from(body)).map_err(io::Error::other)
    }

    /// Returns the connection that there is, or another one if the server has closed it after its last
    /// answer.
    async fn connected(&mut self) -> io::Result<Link> {
        if let Some(mut link) = self.link.take()
            && link.requests.ready().await.is_ok()
        {
            return Ok(link);
        }
        let stream = match self.buffer {
            None => TcpStream::connect(self.server).await?,
            Some(bytes) => {
                let socket = TcpSocket::new_v4()?;
                socket.set_recv_buffer_size(bytes)?;
                socket.connect(self.server).await?
            }
        };
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // How it ended shows at the request that it had.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Link { requests, driver })
    }
}

impl Answer {
    /// Returns an answer that came as a part of another one.
    pub(crate) fn part(status: u16, body: Bytes) -> Self {
        Self { status, headers: HeaderMap::new(), body }
    }

    /// Returns its statements about the job. The error says what is wrong with it.
    pub(crate) fn told(&self) -> Result<Told, String> {
        let told = self.told_of_a_line()?;
        let outcome = told.outcome;
        let job = self.header("job-id").and_then(|id| u128::from_str_radix(id, 16).ok());
        let took = self.header("server-timing").and_then(total);
        let is_accepted = outcome != Outcome::Refused;
        if job.is_some() != is_accepted || took.is_some() != is_accepted {
            return Err(format!("{} with {:?}", outcome.name(), self.headers));
        }
        Ok(Told { job, took, ..told })
    }

    /// Returns the statements of a part of an answer, which has neither an id nor a time.
    pub(crate) fn told_of_a_line(&self) -> Result<Told, String> {
        let (outcome, may_have_run, reason) = match self.status {
            200 => (Outcome::Ok, true, None),
            _ => self.problem()?,
        };
        Ok(Told { outcome, job: None, took: None, may_have_run, reason })
    }

    /// Returns whether the server had as much in hand as it may have, so that no pool was asked.
    pub(crate) fn is_overloaded(&self) -> bool {
        let problem: Option<Problem> = serde_json::from_slice(&self.body).ok();
        self.status == 503 && problem.is_some_and(|problem| problem.kind == "/problems/overloaded")
    }

    fn problem(&self) -> Result<(Outcome, bool, Option<String>), String> {
        let strange = || {
            let text: String = String::from_utf8_lossy(&self.body).chars().take(300).collect();
            format!("{} {text}", self.status)
        };
        let problem: Problem = serde_json::from_slice(&self.body).map_err(|_| strange())?;
        let outcome = match problem.outcome.as_deref() {
            Some(name) => Outcome::named(name),
            None => (problem.kind == "/problems/refused").then_some(Outcome::Refused),
        };
        Ok((outcome.ok_or_else(strange)?, problem.may_have_run, problem.reason))
    }

    /// How many chunks of the job were dropped.
    pub(crate) fn chunks(&self) -> u32 {
        self.header("job-chunks-dropped").and_then(|chunks| chunks.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Returns the sum of all durations in a `Server-Timing`.
fn total(timing: &str) -> Option<Duration> {
    timing.split(',').try_fold(Duration::ZERO, |sum, part| {
        let (_, millis) = part.split_once("dur=")?;
        let millis: f64 = millis.trim().parse().ok()?;
        Some(sum + Duration::try_from_secs_f64(millis / 1e3).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Answer { status, headers: map, body: Bytes::from_static(body.as_bytes()) }
    }

    const ACCEPTED: &[(&str, &str)] =
        &[("job-id", "000000000000000000000000000000ff"), ("server-timing", "wait;dur=1.500, run;dur=2.250")];

    #[test]
    fn an_answer_tells_outcome_id_and_time() {
        let told = answer(200, ACCEPTED, "1").told().unwrap();
        assert_eq!((told.outcome, told.job), (Outcome::Ok, Some(0xff)));
        assert_eq!(told.took, Some(Duration::from_micros(3750)));
    }

    #[test]
    fn a_problem_tells_its_outcome_and_whether_the_job_may_have_run() {
        let body = r#"{"type":"/problems/timed_out","outcome":"timed_out","may_have_run":false}"#;
        let told = answer(504, ACCEPTED, body).told().unwrap();
        assert_eq!((told.outcome, told.may_have_run), (Outcome::TimedOut, false));
    }

    #[test]
    fn a_refusal_has_no_id() {
        let body = r#"{"type":"/problems/refused","may_have_run":false}"#;
        assert_eq!(answer(503, &[], body).told().unwrap().outcome, Outcome::Refused);
        assert!(answer(503, ACCEPTED, body).told().unwrap_err().starts_with("refused with"));
    }

    #[test]
    fn what_is_no_answer_about_a_job_is_told_as_it_is() {
        assert!(answer(200, &[], "1").told().unwrap_err().starts_with("ok with"));
        assert_eq!(answer(500, ACCEPTED, "boom").told().unwrap_err(), "500 boom");
        let body = r#"{"type":"/problems/shiny","outcome":"shiny","may_have_run":true}"#;
        assert!(answer(500, ACCEPTED, body).told().unwrap_err().contains("shiny"));
    }
}
