//! The answer of a batch, which drives its jobs. Knows hyper's bodies; what becomes of bytes and outcomes is decided by the
//! files beside this one.

use super::end::{Answers, End};
use super::keyed::{self, KeyPrefix};
use super::lines::{Line, Lines};
use super::under_way::{Place, Stage, UnderWay};
use super::window::Window;
use crate::access::{Permit, Principal};
use crate::app::Shared;
use crate::body;
use crate::budget::Share;
use crate::detaching;
use crate::json;
use crate::live::LivePlace;
use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use procpool_protocol::engine::{BoxFuture, ClientName, JobLimits, Offered, Priority, Submission};
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::{Encoding, JobError, Payload, TraceContext};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Number of lines that are read before outcomes are looked at again.
const TURN: usize = 256;

/// Time after which a batch looks whether the server has memory for it again.
const PAUSE: Duration = Duration::from_millis(50);

/// Every job of the batch, but for its input.
pub(crate) struct Template {
    pub(crate) pool: String,
    /// With this, each line runs once under a key of its own.
    pub(crate) key_prefix: Option<KeyPrefix>,
    pub(crate) limits: JobLimits,
    pub(crate) priority: Priority,
    pub(crate) tenant: Option<ClientName>,
    pub(crate) client: Option<ClientName>,
    pub(crate) trace: Option<Arc<TraceContext>>,
    /// Each line counts towards its quota.
    pub(crate) principal: Principal,
}

/// In which order outcomes are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Lines,
    None,
}

/// See the module.
pub(crate) struct Batch {
    shared: Arc<Shared>,
    template: Template,
    /// `None` once nothing more is read.
    source: Option<Body>,
    lines: Lines,
    /// The line that waits for its part of the quota.
    held: Option<(u64, Bytes)>,
    /// The line that waits for room in the queue.
    offering: Option<(Place, Permit, BoxFuture<'static, Stage>)>,
    under_way: UnderWay,
    window: Window,
    answers: Answers,
    /// Ready when the server drains; `None` once it does.
    drain: Option<BoxFuture<'static, ()>>,
    /// Runs while the client sends nothing and no line is under way.
    silence: Option<Pin<Box<Sleep>>>,
    /// Runs while the server has no memory left, or the client's quota no part.
    pause: Option<Pin<Box<Sleep>>>,
    /// Bytes of its inputs, counted among all bodies, and of its outcomes, counted among all answers.
    inputs: Share,
    outputs: Share,
    _place: LivePlace,
}

impl Batch {
    /// Begins a batch whose body has begun with `first`, and continues with `rest`. At most `lines` of it are in flight.
    pub(crate) fn new(
        shared: Arc<Shared>,
        place: LivePlace,
        template: Template,
        order: Order,
        lines: usize,
        (first, rest): (Bytes, Body),
    ) -> Self {
        let config = &shared.app.config;
        let window = Window::new(config.batch_window.min(lines), config.batch_bytes);
        let mut lines = Lines::new(config.max_body);
        lines.arrived(first);
        let health = shared.app.health.clone();
        Self {
            template,
            source: Some(rest),
            lines,
            held: None,
            offering: None,
            under_way: UnderWay::new(order == Order::Lines),
            window,
            answers: Answers::default(),
            drain: Some(Box::pin(async move { health.until_draining().await })),
            silence: None,
            pause: None,
            inputs: shared.bodies.share(),
            outputs: shared.answers.share(),
            shared,
            _place: place,
        }
    }

    /// Reads and submits nothing further once the server drains.
    fn notice_drain(&mut self, cx: &mut Context<'_>) {
        if let Some(drain) = &mut self.drain
            && drain.as_mut().poll(cx).is_ready()
        {
            self.drain = None;
            self.source = None;
            if let Some((place, _, _)) = self.offering.take() {
                self.under_way.push(place, Stage::Ended(self.shutting_down()), None);
            }
        }
    }

    /// Writes the outcomes that are there. Returns whether there were any.
    fn collect(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while !self.answers.is_full()
            && let Poll::Ready(Some((place, end))) = self.under_way.poll_next(cx)
        {
            any = true;
            self.window.take(place.size, end.size());
            self.answers.add(place.number, end, self.template.limits);
        }
        any
    }

    /// Submits lines while there is room for them. Returns whether there were any.
    fn fill(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        for _ in 0..TURN {
            if let Some((place, permit, offer)) = &mut self.offering {
                let Poll::Ready(stage) = offer.as_mut().poll(cx) else { return any };
                self.under_way.push(*place, stage, Some(permit.clone()));
                self.offering = None;
                any = true;
            }
            if !self.window.has_room() || self.drain.is_some() && self.has_to_pause(cx) {
                return any;
            }
            let held = self.held.take().map(|(number, text)| (number, Line::Text(text)));
            match held.or_else(|| self.lines.next()) {
                Some((number, line)) => self.begin(number, line),
                None if self.read(cx) => {}
                None => return any,
            }
            if self.held.is_some() {
                self.pause_for(cx);
                return any;
            }
            any = true;
        }
        any
    }

    /// Waits while others hold as much memory as the server has for its clients.
    fn has_to_pause(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.inputs.is_spent_by_others() && !self.outputs.is_spent_by_others() {
            self.pause = None;
            return false;
        }
        self.pause_for(cx);
        true
    }

    /// Arranges for another look after a pause.
    fn pause_for(&mut self, cx: &mut Context<'_>) {
        while self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE))).as_mut().poll(cx).is_ready() {
            self.pause = None;
        }
    }

    /// Reads more of the request. Returns whether there is more to do.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(source) = &mut self.source else { return false };
        let Poll::Ready(frame) = Pin::new(source).poll_frame(cx) else { return self.is_silent_for_long(cx) };
        self.silence = None;
        match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => self.lines.arrived(data),
            Some(Ok(Err(_trailers))) => {}
            Some(Err(error)) => self.end_by(End::refused(body::broken_off(&error))),
            None => {
                self.source = None;
                if let Some((number, line)) = self.lines.finish() {
                    self.begin(number, line);
                }
            }
        }
        true
    }

    /// Ends a batch whose client sends nothing, while nothing is under way of which it may wait for the outcome.
    fn is_silent_for_long(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.window.is_empty() {
            self.silence = None;
            return false;
        }
        let config = &self.shared.app.config;
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(config.body_timeout)));
        let is_long = silence.as_mut().poll(cx).is_ready();
        if is_long {
            self.silence = None;
            let problem = body::too_slow(config);
            self.end_by(End::refused(problem));
        }
        is_long
    }

    /// Answers the line that should come next, and reads no further ones.
    fn end_by(&mut self, end: End) {
        self.source = None;
        let place = Place { number: self.lines.number(), size: 0 };
        self.push(place, Stage::Ended(end), None);
    }

    /// Begins the job of a line, or holds it while its client's quota has no part for it.
    fn begin(&mut self, number: u64, line: Line) {
        let config = &self.shared.app.config;
        let text = match line {
            Line::Text(text) => text,
            Line::TooLong => {
                let end = End::bad_input(body::line_too_long(config));
                return self.push(Place { number, size: 0 }, Stage::Ended(end), None);
            }
        };
        let place = Place { number, size: text.len() };
        if self.drain.is_none() {
            let end = self.shutting_down();
            return self.push(place, Stage::Ended(end), None);
        }
        let Ok(permit) = self.template.principal.admit().map(|admission| admission.permit) else {
            self.held = Some((number, text));
            return;
        };
        match json::check_line(&text) {
            Some(Ok(())) => match self.offer(place, &permit, text) {
                Ok(stage) => self.push(place, stage, Some(permit)),
                Err(waiting) => self.wait(place, permit, waiting),
            },
            Some(Err(problem)) => self.push(place, Stage::Ended(End::bad_input(problem)), None),
            None => {
                // Its check takes long enough for a thread of its own.
                let offer = self.offer_checked(place, &permit, text);
                self.wait(place, permit, offer);
            }
        }
    }

    fn offer_checked(&self, place: Place, permit: &Permit, text: Bytes) -> BoxFuture<'static, Stage> {
        let (shared, asked) = (self.shared.clone(), self.template.limits);
        let job = self.template.job(text.clone());
        let keyed = (self.template.key_prefix.clone(), permit.clone());
        Box::pin(async move {
            if let Err(problem) = json::checked_line(text).await {
                return Stage::Ended(End::bad_input(problem));
            }
            match offer(&shared, job, keyed, place, asked) {
                Ok(stage) => stage,
                Err(waiting) => waiting.await,
            }
        })
    }

    /// Offers a job; the error is the wait for room.
    fn offer(&self, place: Place, permit: &Permit, text: Bytes) -> Result<Stage, BoxFuture<'static, Stage>> {
        let Template { limits, key_prefix, .. } = &self.template;
        let keyed = (key_prefix.clone(), permit.clone());
        offer(&self.shared, self.template.job(text), keyed, place, *limits)
    }

    fn wait(&mut self, place: Place, permit: Permit, offer: BoxFuture<'static, Stage>) {
        self.window.give(place.size);
        self.offering = Some((place, permit, offer));
    }

    fn push(&mut self, place: Place, stage: Stage, permit: Option<Permit>) {
        self.window.give(place.size);
        self.under_way.push(place, stage, permit);
    }

    fn shutting_down(&self) -> End {
        End::of_refused(Refused::new(&self.template.pool, Refusal::ShuttingDown))
    }

    /// Counts what it holds among that of others.
    fn count(&mut self) {
        self.inputs.set(
            (self.window.inputs() + self.lines.held() + self.held.as_ref().map_or(0, |(_, text)| text.len()))
                as u64,
        );
        self.outputs.set(self.answers.held() as u64);
    }
}

fn offer(
    shared: &Arc<Shared>,
    job: Submission,
    (prefix, permit): (Option<KeyPrefix>, Permit),
    place: Place,
    asked: JobLimits,
) -> Result<Stage, BoxFuture<'static, Stage>> {
    if let Some(prefix) = prefix {
        return Err(Box::pin(keyed::offer(shared.clone(), job, (prefix, permit), place.number, asked)));
    }
    let refused = move |error: JobError| Stage::Ended(End::of(error, asked));
    let fate = shared.app.config.on_disconnect;
    let running = move |accepted| Stage::Running(detaching::outcome(accepted, fate, &permit));
    match shared.app.engine.offer(job) {
        Ok(Offered::Accepted(accepted)) => Ok(running(accepted)),
        Ok(Offered::Waiting(waiting)) => {
            Err(Box::pin(async move { waiting.await.map_or_else(refused, running) }))
        }
        Err(error) => Ok(refused(error)),
    }
}

impl Template {
    fn job(&self, input: Bytes) -> Submission {
        let mut job = Submission::new(self.pool.as_str(), Payload::json(input), Encoding::Json);
        job.limits = self.limits;
        job.priority = self.priority;
        job.tenant.clone_from(&self.tenant);
        job.client.clone_from(&self.client);
        job.trace.clone_from(&self.trace);
        job.principal = Some(self.principal.name().clone());
        job
    }
}

impl HttpBody for Batch {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        this.notice_drain(cx);
        loop {
            let any = this.collect(cx) | this.fill(cx);
            // As many lines as there are become one piece.
            if (this.answers.is_full() || !any)
                && let Some(bytes) = this.answers.next()
            {
                this.count();
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if !any {
                this.count();
                let is_done = this.source.is_none() && this.window.is_empty() && this.held.is_none();
                return if is_done { Poll::Ready(None) } else { Poll::Pending };
            }
        }
    }
}
