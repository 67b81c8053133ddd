//! The messages of one worker on their way from its session to the worker's owner.
//!
//! Bounded in number and in bytes by not reading on: while it is full the session leaves what comes in
//! the socket, and the worker's next `post` blocks.

use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Connection;
use procpool_protocol::message::failure_of;
use procpool_protocol::{ExitReport, Failure, Payload};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Messages that may wait before the session stops reading.
const FULL: usize = 256;

/// A message of a worker, undecoded.
#[derive(Debug)]
pub(crate) enum Mail {
    Online,
    Message(Payload),
    Error(Failure),
    Exit(Box<ExitReport>),
}

/// A queue with one reader.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// Its name in logs.
    worker: String,
    /// Bytes of messages that may wait before the session stops reading: one message always passes, whatever its size.
    full_bytes: usize,
    state: Mutex<State>,
    arrived: Notify,
    taken: Notify,
}

#[derive(Debug, Default)]
struct State {
    mail: VecDeque<Mail>,
    /// Of all messages in it.
    bytes: usize,
    /// The reader is gone.
    abandoned: bool,
}

impl Mail {
    /// Returns the length of a message. Everything else that a worker sends is short and counts as 0.
    fn bytes(&self) -> usize {
        match self {
            Self::Message(payload) => payload.bytes.len(),
            Self::Online | Self::Error(_) | Self::Exit(_) => 0,
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Mail> {
        let mail = self.mail.pop_front()?;
        self.bytes -= mail.bytes();
        Some(mail)
    }
}

impl Mailbox {
    /// Makes the mailbox of the worker of this name, in which this many bytes may wait.
    pub(crate) fn of(worker: &str, full_bytes: usize) -> Self {
        Self {
            worker: worker.into(),
            full_bytes,
            state: Mutex::default(),
            arrived: Notify::new(),
            taken: Notify::new(),
        }
    }

    pub(crate) fn put(&self, mail: Mail) {
        let mut state = self.lock();
        if !state.abandoned {
            state.bytes += mail.bytes();
            state.mail.push_back(mail);
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Returns the next message. Safe to drop and call again. Waits for ever after `Exit`.
    pub(crate) async fn next(&self) -> Mail {
        loop {
            let mail = self.lock().take();
            if let Some(mail) = mail {
                self.taken.notify_one();
                return mail;
            }
            self.arrived.notified().await;
        }
    }

    /// Completes when there is room, or nobody cares.
    pub(crate) async fn room(&self) {
        loop {
            {
                let state = self.lock();
                if state.abandoned || (state.mail.len() < FULL && state.bytes < self.full_bytes) {
                    return;
                }
            }
            self.taken.notified().await;
        }
    }

    /// Marks that nobody reads any longer.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        state.bytes = 0;
        let mail = std::mem::take(&mut state.mail);
        drop(state);
        drop(mail);
        self.taken.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session's side.
impl procpool_process::FrameSink for &Mailbox {
    fn frame(&mut self, connection: Connection, frame: Frame) -> Result<(), String> {
        match (connection, frame.kind) {
            (Connection::Jobs, Kind::Message) => self.put(Mail::Message(frame.payload)),
            (Connection::Jobs, Kind::MessageFailed) => {
                self.put(Mail::Error(failure_of(&frame).map_err(|error| error.to_string())?));
            }
            (Connection::Jobs, Kind::Log) => {
                procpool_process::log_record(&frame, &self.worker, &self.worker, None, None)?;
            }
            (Connection::Control, Kind::Pong) => {}
            (connection, kind) => return Err(format!("it sent {kind:?} on the {connection:?} connection")),
        }
        Ok(())
    }

    async fn room(&self) {
        Mailbox::room(self).await;
    }

    fn hung_up(&mut self) {}

    fn violated(&mut self, violation: String) {
        self.put(Mail::Error(Failure::new(violation).with_code("protocol")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_process::FrameSink;

    async fn has_room(mailbox: &Mailbox) -> bool {
        tokio::select! {
            biased;
            () = mailbox.room() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn a_mailbox_is_full_of_bytes_as_of_messages_and_one_of_any_size_passes() {
        let message = |length| Mail::Message(Payload::raw(vec![0; length]));
        let mailbox = Mailbox::of("talk", 10);
        assert!(has_room(&mailbox).await);
        mailbox.put(message(100));
        assert!(!has_room(&mailbox).await);
        mailbox.next().await;
        assert!(has_room(&mailbox).await);
        mailbox.put(message(4));
        mailbox.put(message(5));
        assert!(has_room(&mailbox).await);
        mailbox.put(message(1));
        assert!(!has_room(&mailbox).await);
        mailbox.next().await;
        assert!(has_room(&mailbox).await);
        (0..FULL).for_each(|_| mailbox.put(message(0)));
        assert!(!has_room(&mailbox).await);
        mailbox.abandon();
        assert!(has_room(&mailbox).await);
    }

    #[tokio::test]
    async fn a_line_of_log_is_no_message_and_no_breach_of_the_protocol() {
        let mailbox = Mailbox::of("talk", 10);
        let mut sink = &mailbox;
        let line = Frame::new(Kind::Log, 0, r#"{"level":"debug","message":"hello"}"#);
        sink.frame(Connection::Jobs, line.clone()).unwrap();
        sink.frame(Connection::Jobs, Frame::new(Kind::Log, 0, "{}")).unwrap_err();
        sink.frame(Connection::Control, line).unwrap_err();
        sink.frame(Connection::Jobs, Frame::new(Kind::Message, 0, "").with_payload(Payload::json("7")))
            .unwrap();
        let Mail::Message(first) = mailbox.next().await else { panic!("it is no message") };
        assert_eq!(first, Payload::json("7"));
    }
}
