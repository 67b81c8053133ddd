//! Checks which processes may connect through the named socket.
//!
//! The check of the kernel's information about a peer comes first: a stranger is rejected before anything is
//! read. A peer that sends nothing is displaced by later ones, so it blocks no other peer.

use super::shared::{Arrival, Half, Key, Shared};
use crate::clock;
use crate::opening::Line;
use crate::os::attached_process::AttachedProcess;
use crate::os::socket::{Listener, Peer, Socket};
use procpool_protocol::frame::Kind;
use procpool_protocol::handshake::{Attach, Connection};
use procpool_protocol::message::json_of;
use procpool_protocol::preamble::Preamble;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// Maximum time for a process to introduce both of its connections.
const GREETING: Duration = Duration::from_secs(5);

/// Maximum number of connections that have not introduced themselves. The oldest is dropped for a new one.
const GREETINGS: usize = 64;

/// Maximum number of them that one process may have: it needs two.
const OF_ONE_PROCESS: usize = 2;

/// Maximum number of processes that wait for a place.
const STANDBY: usize = 64;

/// Maximum length of a process's own name for itself, in bytes.
const MAX_PROCESS: usize = 64;

/// First and maximum pause after accepting failed, for example for lack of file descriptors.
const REST: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Why a connection is rejected: a word for programs, a sentence for people.
struct Refusal {
    word: &'static str,
    detail: String,
}

/// Accepts processes until it is aborted.
pub(super) async fn accept(listener: Listener, shared: Arc<Shared>) {
    let [mut rest, longest] = REST;
    loop {
        match listener.accept().await {
            Ok((socket, peer, pidfd)) => {
                if rest > REST[0] {
                    tracing::info!(pool = shared.pool, "attaching workers are accepted again");
                }
                rest = REST[0];
                if let Err(refusal) = shared.admit(peer) {
                    shared.complain(peer, &refusal);
                } else {
                    shared.clone().greet(socket, peer, pidfd);
                }
            }
            Err(error) => {
                if rest == REST[0] {
                    let pool = &shared.pool;
                    tracing::warn!(pool, %error, "failed to accept an attaching worker; trying again until it works");
                }
                clock::sleep(rest).await;
                rest = (rest * 2).min(longest);
            }
        }
    }
}

impl Shared {
    /// Checks a peer by the kernel's information alone.
    fn admit(&self, peer: Peer) -> Result<(), Refusal> {
        if !self.users.contains(&peer.uid) {
            let detail = format!("it belongs to user {}, who may not attach", peer.uid);
            return Err(Refusal { word: "peer", detail });
        }
        let mut state = self.lock();
        state.greetings.retain(|(_, greeting)| !greeting.is_finished());
        let own = state.greetings.iter().filter(|(other, _)| peer.pid != 0 && other.pid == peer.pid).count();
        if own >= OF_ONE_PROCESS {
            let detail = format!("it has {own} connections that have not introduced themselves");
            return Err(Refusal { word: "silent", detail });
        }
        if state.greetings.len() >= GREETINGS
            && let Some((_, oldest)) = state.greetings.pop_front()
        {
            oldest.abort();
        }
        Ok(())
    }

    fn greet(self: Arc<Self>, socket: Socket, peer: Peer, pidfd: Option<OwnedFd>) {
        let shared = self.clone();
        let greeting = tokio::spawn(async move {
            let mut line = Line::of(socket);
            let said = match clock::timeout(GREETING, shared.introduced(&mut line)).await {
                Ok(said) => said,
                Err(_) => {
                    Err(Refusal { word: "silent", detail: "it did not introduce itself in time".into() })
                }
            };
            match said {
                Ok(Attach { connection, process, .. }) => {
                    let key = Key { uid: peer.uid, pid: peer.pid, process };
                    shared.take(Half { number: 0, connection, line, pidfd }, peer, key).await;
                }
                Err(refusal) => {
                    turn_away(&line, &refusal);
                    shared.complain(peer, &refusal);
                }
            }
        });
        self.lock().greetings.push_back((peer, greeting.abort_handle()));
    }

    async fn introduced(&self, line: &mut Line) -> Result<Attach, Refusal> {
        let broken = |detail| Refusal { word: "protocol", detail };
        line.preamble().await.map_err(|detail| Refusal { word: "version", detail })?;
        let frame = line.frame().await.map_err(broken)?;
        if frame.kind != Kind::Attach {
            return Err(broken(format!("it said {:?} instead of Attach", frame.kind)));
        }
        let attach: Attach = json_of(&frame).map_err(|error| broken(error.to_string()))?;
        if !is_equal(&attach.token, &self.token) {
            return Err(Refusal {
                word: "token",
                detail: "this is not the token that stands in the token file".into(),
            });
        }
        if attach.process.len() > MAX_PROCESS {
            return Err(broken(format!("its `process` is longer than {MAX_PROCESS} bytes")));
        }
        Ok(attach)
    }

    /// Accepts one connection, and the process if this is its second connection.
    async fn take(&self, half: Half, peer: Peer, key: Key) {
        match self.join(half, key.clone()) {
            Joined::Whole(jobs, control) => {
                let process = AttachedProcess::new(peer, jobs.pidfd);
                self.deliver(Arrival { process, jobs: jobs.line, control: control.line }, peer);
            }
            Joined::Repeated(half) => {
                let detail = "it has attached this connection already".to_owned();
                let refusal = Refusal { word: "repeated", detail };
                turn_away(&half.line, &refusal);
                self.complain(peer, &refusal);
            }
            Joined::Half(number) => {
                // The other connection must arrive before this greeting ends. The number of greetings is
                // bounded.
                let _expires = Expires { shared: self, key, number };
                clock::sleep(GREETING).await;
            }
        }
    }

    fn join(&self, mut half: Half, key: Key) -> Joined {
        let mut state = self.lock();
        match state.halves.remove(&key) {
            Some(first) if first.connection == half.connection => {
                state.halves.insert(key, first);
                Joined::Repeated(half)
            }
            Some(first) => match half.connection {
                Connection::Jobs => Joined::Whole(half, first),
                Connection::Control => Joined::Whole(first, half),
            },
            None => {
                state.halves_so_far += 1;
                half.number = state.halves_so_far;
                let number = half.number;
                state.halves.insert(key, half);
                Joined::Half(number)
            }
        }
    }

    fn deliver(&self, mut arrival: Arrival, peer: Peer) {
        let mut state = self.lock();
        while let Some(waiting) = state.waiting.pop_front() {
            match waiting.send(arrival) {
                Ok(()) => return,
                Err(returned) => arrival = returned,
            }
        }
        if state.standby.len() >= STANDBY {
            state.standby.retain_mut(|arrival| !arrival.is_gone());
        }
        if state.standby.len() < STANDBY {
            state.standby.push_back(arrival);
            return;
        }
        drop(state);
        let refusal = Refusal { word: "full", detail: format!("{STANDBY} workers stand by already") };
        turn_away(&arrival.jobs, &refusal);
        self.complain(peer, &refusal);
    }

    fn complain(&self, peer: Peer, Refusal { word, detail }: &Refusal) {
        if self.lock().complaints.is_new(peer.pid, word) {
            tracing::warn!(
                pool = self.pool,
                pid = peer.pid,
                uid = peer.uid,
                reason = word,
                "turned a process away that tried to attach: {detail}"
            );
        }
    }
}

/// The result of accepting a connection.
enum Joined {
    /// Both connections have arrived: jobs, control.
    Whole(Half, Half),
    Repeated(Half),
    /// The other connection is expected.
    Half(u64),
}

/// Drops a connection if the process's other connection does not arrive.
struct Expires<'a> {
    shared: &'a Shared,
    key: Key,
    number: u64,
}

impl Drop for Expires<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let is_it = state.halves.get(&self.key).is_some_and(|half| half.number == self.number);
        let expired = is_it.then(|| state.halves.remove(&self.key));
        drop(state);
        drop(expired);
    }
}

/// Sends a peer the reason why it is rejected. The preamble before it names the supported versions.
fn turn_away(line: &Line, refusal: &Refusal) {
    line.say(&Preamble::ours().to_bytes());
    line.refuse(refusal.word, &refusal.detail);
}

/// Compares tokens in constant time: a token that is nearly right takes as long as a wrong one.
fn is_equal(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differences == 0
}
