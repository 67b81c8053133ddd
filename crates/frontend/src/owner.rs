//! Whose process is at the other end of a loopback connection, by the kernel's word: both ends of it stand in the
//! machine's tables of sockets, with the user who made each. Knows no requests.
//!
//! The socket of a process that is gone stands there without a number and as root's, and its ports may soon be another's.
//! So an entry counts only with a number, only while our own end is the one that we hold, and only if it says the same twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

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
    /// Whether it has not left this machine.
    pub(crate) fn are_loopback(&self) -> bool {
        [self.ours, self.theirs].iter().all(|end| end.ip().to_canonical().is_loopback())
    }
}

/// Maximum number of connections whose orders wait for their turn: together they take some
/// seconds, in the order in which they came.
const WAITING: usize = 256;

/// Looks owners up, one at a time.
#[derive(Debug)]
pub(crate) struct Owners {
    turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Owners {
    pub(crate) fn new() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), places: Arc::new(Semaphore::new(WAITING)) }
    }

    /// The user whose process is at the other end; `None` where the kernel does not say so for certain, or where too many
    /// ask at once.
    pub(crate) async fn of(&self, ends: Ends) -> Option<u32> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        let turn = self.turn.clone().acquire_owned().await.ok()?;
        let (tell, found) = oneshot::channel();
        // By itself: who asks and goes away makes no room for the next before its time.
        tokio::spawn(async move {
            // Whoever asked may be gone.
            let _ = tell.send(tokio::task::spawn_blocking(move || look_up(&ends)).await);
            tokio::time::sleep(PAUSE).await;
            drop((turn, place));
        });
        found.await.ok()?.ok()?.unwrap_or_else(|error| {
            tracing::debug!(%error, "failed to look up whose connection this is");
            None
        })
    }
}

fn look_up(ends: &Ends) -> io::Result<Option<u32>> {
    let Some(first) = found(ends)? else { return Ok(None) };
    let second = found(ends)?;
    Ok((second == Some(first) && is_of_this_machine(first.uid)?).then_some(first.uid))
}

/// In a namespace of users, those who are not in it all have one number, which one who is in it may have, too.
fn is_of_this_machine(uid: u32) -> io::Result<bool> {
    let foreign = std::fs::read_to_string("/proc/sys/kernel/overflowuid")?;
    if foreign.trim() != uid.to_string() {
        return Ok(true);
    }
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    Ok(map.split_ascii_whitespace().eq(["0", "0", "4294967295"]))
}

/// The other end, as it stands in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    uid: u32,
    number: u64,
}

fn found(ends: &Ends) -> io::Result<Option<Found>> {
    let mut search = Search::for_ends(ends);
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
    Ok(search.result())
}

/// What was seen of both ends so far.
struct Search {
    ends: Ends,
    is_ours_there: bool,
    theirs: Option<Found>,
}

impl Search {
    fn for_ends(ends: &Ends) -> Self {
        let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let ends = Ends { ours: canonical(ends.ours), theirs: canonical(ends.theirs), ..*ends };
        Self { ends, is_ours_there: false, theirs: None }
    }

    fn look_at(&mut self, line: &str) {
        let Some(Entry { local, remote, uid, number }) = Entry::read(line) else { return };
        let Ends { ours, theirs, number: own } = self.ends;
        if (local, remote) == (ours, theirs) {
            self.is_ours_there |= number == own;
        } else if (local, remote) == (theirs, ours) && number != 0 {
            self.theirs = Some(Found { uid, number });
        }
    }

    fn result(self) -> Option<Found> {
        self.theirs.filter(|_| self.is_ours_there)
    }
}

/// A line of a table.
struct Entry {
    local: SocketAddr,
    remote: SocketAddr,
    uid: u32,
    number: u64,
}

impl Entry {
    /// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
        let mut words = words.skip(4);
        let uid = words.next()?.parse().ok()?;
        let number = words.nth(1)?.parse().ok()?;
        Some(Self { local, remote, uid, number })
    }
}

/// An address in words of 32 bits, as they lie in memory, and a port.
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

    /// Both ends of a connection to this address, and our end as the server sees it.
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
            assert_eq!(look_up(&ends).unwrap(), Some(own_user()), "{bind} {connect}");
        }
    }

    #[test]
    fn an_end_whose_process_has_closed_it_is_nobodys() {
        let (client, _server, ends) = connected("127.0.0.1:0", "127.0.0.1");
        drop(client);
        assert_eq!(look_up(&ends).unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_who_ask_at_once_are_nobody_and_the_next_one_is_somebody_again() {
        let (_client, _server, ends) = connected("127.0.0.1:0", "127.0.0.1");
        let owners = Arc::new(Owners::new());
        let asked = (0..10 * WAITING).map(|_| {
            let owners = owners.clone();
            tokio::spawn(async move { owners.of(ends).await })
        });
        let mut known = 0;
        for one in asked.collect::<Vec<_>>() {
            known += usize::from(one.await.unwrap().is_some());
        }
        assert_eq!(known, WAITING);
        assert_eq!(owners.of(ends).await, Some(own_user()));
    }

    #[test]
    fn another_connection_between_the_same_ports_is_not_this_one() {
        let (_client, _server, ends) = connected("127.0.0.1:0", "127.0.0.1");
        assert_eq!(look_up(&Ends { number: ends.number + 1, ..ends }).unwrap(), None);
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
        let line = |local: &str, remote: &str, uid, inode| {
            format!(
                "   0: {home}:{local} {home}:{remote} 01 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 0"
            )
        };
        let search = |lines: &[&String]| {
            let mut search = Search::for_ends(&ends);
            search.look_at("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode");
            lines.iter().for_each(|line| search.look_at(line));
            search.result()
        };
        let (ours, theirs) = (line("0BB8", "9C40", 0, 7), line("9C40", "0BB8", 1000, 8));
        assert_eq!(search(&[&ours, &theirs]), Some(Found { uid: 1000, number: 8 }));
        assert_eq!(search(&[&theirs]), None, "ours is gone");
        assert_eq!(search(&[&ours]), None);
        assert_eq!(search(&[&line("0BB8", "9C40", 0, 9), &theirs]), None, "ours is another's");
        assert_eq!(search(&[&ours, &line("9C40", "0BB8", 0, 0)]), None, "theirs is nobody's, and root's");
        assert_eq!(search(&[&ours, &line("9C41", "0BB8", 0, 8)]), None);
        for text in ["", ":", "0100007F", "0100007F:", "0100007:1", "0100007F:12345", "€0000000:1"] {
            assert!(address(text).is_none(), "{text}");
        }
    }
}
