//! Finds the user whose process is at the other end of a loopback connection, by the kernel's tables of
//! sockets: they have both ends, each with the user who made it. Does not: know requests.
//!
//! The socket of a process that is gone stands there without a number and as root's, and its ports may soon be another's.
//! So an entry counts only if it is established and has a number, only while our own end is the one that we hold, and only if
//! it says the same twice.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// The tables, which have a line for each socket. An end may stand in the other one: IPv4 is spoken over both.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// Pause between two looks into the tables, which cost time for each socket of the machine. Orders are rare, and who may
/// give none can ask as often as he likes.
const PAUSE: Duration = Duration::from_millis(10);

/// A connection, as both ends know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) ours: SocketAddr,
    pub(crate) theirs: SocketAddr,
    /// The number of our own socket.
    pub(crate) number: u64,
}

impl Ends {
    /// Ours and theirs, as the tables name them.
    fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        (canonical(self.ours), canonical(self.theirs))
    }

    /// Returns whether it has not left this machine.
    pub(crate) fn are_loopback(&self) -> bool {
        [self.ours, self.theirs].iter().all(|end| end.ip().to_canonical().is_loopback())
    }
}

/// Looks owners up. One look is for all who wait for it, so those who ask in crowds keep nobody waiting for long.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    waiting: Arc<Mutex<Waiting>>,
}

/// Connections whose owners the next look is for: each asks once at a time.
#[derive(Debug, Default)]
struct Waiting {
    asked: Vec<(Ends, oneshot::Sender<Option<u32>>)>,
    /// A task looks, and will look again if somebody waits.
    is_looking: bool,
}

impl Owners {
    /// The user whose process is at the other end, or `None` where the kernel does not say so for certain.
    pub(crate) async fn of(&self, ends: Ends) -> Option<u32> {
        self.ask(ends).await.ok()?
    }

    fn ask(&self, ends: Ends) -> oneshot::Receiver<Option<u32>> {
        let (tell, told) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        waiting.forget_the_gone();
        waiting.asked.push((ends, tell));
        if !std::mem::replace(&mut waiting.is_looking, true) {
            // By itself: who asks and goes away brings the next look no closer.
            tokio::spawn(look(self.waiting.clone()));
        }
        told
    }
}

impl Waiting {
    /// Makes room, before more memory is taken, where the connections of some are gone.
    fn forget_the_gone(&mut self) {
        if self.asked.len() == self.asked.capacity() {
            self.asked.retain(|(_, tell)| !tell.is_closed());
        }
    }

    /// Returns the connections to look up now. If there are none, the search ends.
    fn next(&mut self) -> Vec<(Ends, oneshot::Sender<Option<u32>>)> {
        self.is_looking = !self.asked.is_empty();
        std::mem::take(&mut self.asked)
    }
}

/// Looks until nobody waits.
async fn look(waiting: Arc<Mutex<Waiting>>) {
    loop {
        let (ends, tells): (Vec<_>, Vec<_>) = lock(&waiting).next().into_iter().unzip();
        if ends.is_empty() {
            return;
        }
        let found = tokio::task::spawn_blocking(move || look_up(&ends)).await;
        let found = found.unwrap_or_else(|error| Err(error.into())).unwrap_or_else(|error| {
            tracing::debug!(%error, "failed to look up whose connections these are");
            vec![None; tells.len()]
        });
        for (tell, owner) in tells.into_iter().zip(found) {
            // It may be gone.
            let _ = tell.send(owner);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look_up(ends: &[Ends]) -> io::Result<Vec<Option<u32>>> {
    let (first, second) = (found(ends)?, found(ends)?);
    first
        .into_iter()
        .zip(second)
        .map(|(first, second)| {
            let Some(sure) = first.filter(|_| first == second) else { return Ok(None) };
            Ok(is_of_this_machine(sure.uid)?.then_some(sure.uid))
        })
        .collect()
}

/// Returns whether the number means one user of this machine. In a namespace of users, all users from outside
/// share one number, which a user inside may have, too.
fn is_of_this_machine(uid: u32) -> io::Result<bool> {
    let foreign = std::fs::read_to_string("/proc/sys/kernel/overflowuid")?;
    if foreign.trim() != uid.to_string() {
        return Ok(true);
    }
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    Ok(map.split_ascii_whitespace().eq(["0", "0", "4294967295"]))
}

/// An end, as it stands in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    uid: u32,
    number: u64,
}

fn found(ends: &[Ends]) -> io::Result<Vec<Option<Found>>> {
    let mut search = Search::new(ends);
    for table in TABLES {
        match File::open(table) {
            Ok(table) => BufReader::with_capacity(1 << 16, table).lines().try_for_each(|line| {
                search.look_at(&line?);
                io::Result::Ok(())
            })?,
            // Without IPv6 there is one table.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ends.iter().map(|ends| search.result(ends)).collect())
}

/// The findings so far about both ends of these connections, by its own address and the other's.
struct Search(HashMap<(SocketAddr, SocketAddr), Option<Found>>);

impl Search {
    fn new(ends: &[Ends]) -> Self {
        let both =
            ends.iter().map(Ends::addresses).flat_map(|(ours, theirs)| [(ours, theirs), (theirs, ours)]);
        Self(both.map(|end| (end, None)).collect())
    }

    fn look_at(&mut self, line: &str) {
        let Some(Entry { local, remote, found }) = Entry::read(line) else { return };
        if let Some(seen) = self.0.get_mut(&(local, remote)) {
            *seen = Some(found);
        }
    }

    fn result(&self, ends: &Ends) -> Option<Found> {
        let (ours, theirs) = ends.addresses();
        let seen = |end| self.0.get(&end).copied().flatten();
        let is_ours_there = seen((ours, theirs)).is_some_and(|found| found.number == ends.number);
        seen((theirs, ours)).filter(|found| is_ours_there && found.number != 0)
    }
}

/// A line of a table.
struct Entry {
    local: SocketAddr,
    remote: SocketAddr,
    found: Found,
}

/// The state of a connection that both ends hold. Others, as a connection that waits for its last packets, stand there as
/// root's whosever they were.
const ESTABLISHED: &str = "01";

impl Entry {
    /// Returns an entry of an established connection.
    ///
    /// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
        if words.next()? != ESTABLISHED {
            return None;
        }
        let uid = words.nth(3)?.parse().ok()?;
        let number = words.nth(1)?.parse().ok()?;
        Some(Self { local, remote, found: Found { uid, number } })
    }
}

/// Returns an address in words of 32 bits, as they lie in memory, and a port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(8 * at..8 * at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            Ipv6Addr::from(std::array::from_fn(|byte| words[byte / 4][byte % 4])).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::metadata;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::MetadataExt;

    fn number(socket: impl AsFd) -> u64 {
        let socket: OwnedFd = socket.as_fd().try_clone_to_owned().unwrap();
        File::from(socket).metadata().unwrap().ino()
    }

    /// Returns both ends of a connection to this address, and our end as the server sees it.
    fn connected(bind: &str, connect: &str) -> (TcpStream, TcpStream, Ends) {
        let listener = TcpListener::bind(bind).unwrap();
        let client = TcpStream::connect((connect, listener.local_addr().unwrap().port())).unwrap();
        let (server, theirs) = listener.accept().unwrap();
        let ends = Ends { ours: server.local_addr().unwrap(), theirs, number: number(&server) };
        (client, server, ends)
    }

    fn own_user() -> u32 {
        metadata("/proc/self").unwrap().uid()
    }

    #[test]
    fn the_kernel_says_whose_end_it_is_over_ipv4_and_ipv6_and_both() {
        let ways = [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:0", "::1"),
            ("[::]:0", "127.0.0.1"),
            ("0.0.0.0:0", "127.7.7.7"),
        ];
        for (bind, connect) in ways {
            // Not every machine speaks IPv6.
            if TcpListener::bind(bind).is_err() {
                continue;
            }
            let (_client, _server, ends) = connected(bind, connect);
            assert!(ends.are_loopback());
            assert_eq!(look_up(&[ends]).unwrap(), [Some(own_user())], "{bind} {connect}");
        }
    }

    #[test]
    fn an_end_whose_process_has_closed_it_is_nobodys() {
        let (client, _server, ends) = connected("127.0.0.1:0", "127.0.0.1");
        drop(client);
        assert_eq!(look_up(&[ends]).unwrap(), [None]);
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_at_once_are_told_at_once_and_keep_nobody_waiting() {
        let (_client, _server, ends) = connected("127.0.0.1:0", "127.0.0.1");
        let owners = Arc::new(Owners::default());
        let begun = tokio::time::Instant::now();
        let asked = (0..2_000).map(|_| {
            let owners = owners.clone();
            tokio::spawn(async move { owners.of(ends).await })
        });
        for one in asked.collect::<Vec<_>>() {
            assert_eq!(one.await.unwrap(), Some(own_user()));
        }
        assert_eq!(owners.of(ends).await, Some(own_user()));
        assert!(begun.elapsed() <= 2 * PAUSE, "as many looks as there are pauses, and one");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_and_goes_away_is_forgotten() {
        let (_client, _server, ends) = connected("127.0.0.1:0", "127.0.0.1");
        let owners = Owners::default();
        (0..10_000).for_each(|_| drop(owners.ask(ends)));
        assert!(lock(&owners.waiting).asked.capacity() < 16);
    }

    #[test]
    fn another_connection_between_the_same_ports_is_not_this_one() {
        let (_client, _server, ends) = connected("127.0.0.1:0", "127.0.0.1");
        let other = Ends { number: ends.number + 1, ..ends };
        assert_eq!(look_up(&[other, ends]).unwrap(), [None, Some(own_user())]);
    }

    #[test]
    fn lines_of_the_tables_are_read_and_others_passed_over() {
        let little = cfg!(target_endian = "little");
        let home = if little { "0100007F" } else { "7F000001" };
        let ends = Ends {
            ours: "127.0.0.1:3000".parse().unwrap(),
            theirs: "127.0.0.1:40000".parse().unwrap(),
            number: 7,
        };
        let in_state = |state, local: &str, remote: &str, uid, inode| {
            format!(
                "   0: {home}:{local} {home}:{remote} {state} 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 0"
            )
        };
        let line = |local: &str, remote: &str, uid, inode| in_state("01", local, remote, uid, inode);
        let search = |lines: &[&String]| {
            let mut search = Search::new(&[ends]);
            search.look_at("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode");
            lines.iter().for_each(|line| search.look_at(line));
            search.result(&ends)
        };
        let (ours, theirs) = (line("0BB8", "9C40", 0, 7), line("9C40", "0BB8", 1000, 8));
        assert_eq!(search(&[&ours, &theirs]), Some(Found { uid: 1000, number: 8 }));
        assert_eq!(search(&[&theirs]), None, "ours is gone");
        assert_eq!(search(&[&ours]), None);
        assert_eq!(search(&[&line("0BB8", "9C40", 0, 9), &theirs]), None, "ours is another's");
        assert_eq!(search(&[&ours, &line("9C40", "0BB8", 0, 0)]), None, "theirs is nobody's, and root's");
        for state in ["02", "04", "05", "06", "08", "0A"] {
            let gone = in_state(state, "9C40", "0BB8", 0, 8);
            assert_eq!(search(&[&ours, &gone]), None, "state {state} is root's, whosever it was");
            assert_eq!(
                search(&[&ours, &theirs, &gone]),
                Some(Found { uid: 1000, number: 8 }),
                "state {state}"
            );
        }
        assert_eq!(search(&[&ours, &line("9C41", "0BB8", 0, 8)]), None);
        for text in ["", ":", "0100007F", "0100007F:", "0100007:1", "0100007F:12345", "€0000000:1"] {
            assert!(address(text).is_none(), "{text}");
        }
    }
}
