//! Power cuts: everything that a child writes is recorded, cut at random places, and replayed as a disk might have it.
//! Of what was not synced, each piece of 4 KiB survives or does not.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use procpool_store::{Durability, Store};

use crate::child::{command, lines, without_syncs};
use crate::harness::{Directory, desk};
use crate::kills::{lost, note};
use crate::random::Random;
use crate::shim;

const PIECE: usize = 4096;

/// A call of the child, in the order of all.
enum Call {
    Write(PathBuf, usize, Vec<u8>),
    Truncate(PathBuf, usize),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    Say(String),
}

fn record(role: &str, directory: &Directory, is_synced: bool) -> Vec<Call> {
    let log = Directory::new();
    fs::create_dir_all(&log.0).expect("a directory");
    let file = log.file("calls");
    let mut command = command(role, &directory.0, &[]);
    shim::before(&mut command);
    command.env("SHIM_RECORD", &file).env("SHIM_BELOW", &directory.0);
    if !is_synced {
        without_syncs(&mut command);
    }
    // So that the next group is prepared meanwhile, and not after.
    match role {
        "sealed" => _ = command.env("SHIM_DELAY", "5"),
        "sealed large" => _ = command.env("SHIM_DELAY", "300"),
        _ => {}
    }
    let mut child = command.spawn().expect("a child");
    lines(&mut child).for_each(drop);
    assert!(child.wait().expect("an end").success());
    parse(&fs::read(&file).expect("the calls"))
}

fn parse(mut bytes: &[u8]) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut said = String::new();
    while !bytes.is_empty() {
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().rev().fold(0, |all, &it| all << 8 | usize::from(it))
        };
        let (kind, name, length, offset) = (bytes[0], number(1, 5), number(5, 9), number(9, 17));
        let text = |bytes: &[u8]| PathBuf::from(String::from_utf8_lossy(bytes).into_owned());
        let (path, data) = (text(&bytes[17..17 + name]), &bytes[17 + name..17 + name + length]);
        match kind {
            b'W' => calls.push(Call::Write(path, offset, data.to_vec())),
            b'T' => calls.push(Call::Truncate(path, offset)),
            b'S' => calls.push(Call::Sync(path)),
            b'R' => calls.push(Call::Rename(path, text(data))),
            b'U' => calls.push(Call::Remove(path)),
            _ => {
                said.push_str(&String::from_utf8_lossy(data));
                while let Some((line, rest)) = said.split_once('\n') {
                    calls.extend(line.split_once("ack ").map(|(_, text)| Call::Say(text.to_owned())));
                    said = rest.to_owned();
                }
            }
        }
        bytes = &bytes[17 + name + length..];
    }
    calls
}

/// The files of a disk: what is certain, and what follows it.
#[derive(Clone, Default)]
struct Disk {
    files: HashMap<PathBuf, File>,
    /// Names that have changed since their directory was synced.
    names: Vec<(PathBuf, Option<PathBuf>)>,
}

#[derive(Clone, Default)]
struct File {
    certain: Vec<u8>,
    pending: Vec<(usize, Option<Vec<u8>>)>,
}

impl File {
    fn apply(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
        content.resize(content.len().max(offset + data.len()), 0);
        content[offset..offset + data.len()].copy_from_slice(data);
    }

    fn sync(&mut self) {
        for (offset, data) in self.pending.drain(..) {
            match data {
                Some(data) => Self::apply(&mut self.certain, offset, &data),
                None => self.certain.resize(offset, 0),
            }
        }
    }

    fn after_cut(&self, random: &mut Random) -> Vec<u8> {
        let mut content = self.certain.clone();
        for (offset, data) in &self.pending {
            let Some(data) = data else {
                if random.one_in(2) {
                    content.resize(*offset, 0);
                }
                continue;
            };
            let mut at = 0;
            while at < data.len() {
                let end = data.len().min(at + PIECE - (offset + at) % PIECE);
                if random.one_in(2) {
                    Self::apply(&mut content, offset + at, &data[at..end]);
                }
                at = end;
            }
        }
        content
    }
}

impl Disk {
    /// Returns the disk as it was before the calls.
    fn of(directory: &Path) -> Self {
        let mut disk = Self::default();
        for entry in fs::read_dir(directory).expect("the directory") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let certain = fs::read(&path).expect("a file");
                disk.files.insert(path, File { certain, pending: Vec::new() });
            }
        }
        disk
    }

    fn take(&mut self, call: &Call) {
        match call {
            Call::Write(path, offset, data) => self.file(path).pending.push((*offset, Some(data.clone()))),
            Call::Truncate(path, length) => self.file(path).pending.push((*length, None)),
            Call::Sync(path) => {
                if let Some(file) = self.files.get_mut(path) {
                    file.sync();
                }
                for at in (0..self.names.len()).rev() {
                    if self.names[at].0.parent() == Some(path) {
                        let (from, to) = self.names.remove(at);
                        self.rename(&from, to);
                    }
                }
            }
            Call::Rename(from, to) => self.names.push((from.clone(), Some(to.clone()))),
            Call::Remove(path) => self.names.push((path.clone(), None)),
            Call::Say(_) => {}
        }
    }

    fn file(&mut self, path: &Path) -> &mut File {
        self.files.entry(path.to_owned()).or_default()
    }

    fn rename(&mut self, from: &Path, to: Option<PathBuf>) {
        if let (Some(file), Some(to)) = (self.files.remove(from), to) {
            self.files.insert(to, file);
        }
    }

    /// Writes what is left after a cut.
    fn write(mut self, from: &Path, to: &Path, random: &mut Random) {
        for (name, new) in std::mem::take(&mut self.names) {
            if random.one_in(2) {
                self.rename(&name, new);
            }
        }
        for (path, file) in &self.files {
            let path = to.join(path.strip_prefix(from).expect("below"));
            if path.extension().is_some_and(|it| it == "sqlite-shm") {
                continue;
            }
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, file.after_cut(random)).expect("a file");
        }
    }
}

/// Cuts the power this many times, and returns in how many cases an acknowledged job was lost. Without syncs the store
/// may tell of damage.
fn losses(role: &str, is_synced: bool, cuts: usize) -> usize {
    let directory = Directory::new();
    drop(directory.open());
    let _ = fs::remove_file(directory.file("reserve"));
    let mut disk = Disk::of(&directory.0);
    let calls = record(role, &directory, is_synced);
    assert!(calls.len() > 300, "{} calls", calls.len());
    let (mut random, mut said, mut lossy) = (Random::new(9), BTreeMap::new(), 0);
    let mut ends: Vec<_> = (0..cuts).map(|_| random.below(calls.len() as u64) as usize).collect();
    ends.sort_unstable();
    let mut taken = 0;
    for end in ends {
        for call in &calls[taken..end] {
            disk.take(call);
            if let Call::Say(line) = call {
                note(&mut said, line);
            }
        }
        taken = end;
        let cut = Directory::new();
        disk.clone().write(&directory.0, &cut.0, &mut random);
        let opened = Store::open(&cut.0, Durability::Process).expect("a store");
        assert!(!is_synced || opened.damage.is_empty(), "{:?}", opened.damage);
        lossy += usize::from(!lost(&desk(opened.store), &said).is_empty());
    }
    lossy
}

#[test]
fn two_hundred_power_cuts_lose_nothing_that_was_acknowledged() {
    assert_eq!(losses("some", true, 200), 0);
}

/// Groups that are prepared and sealed while the one before is on its way.
#[test]
fn two_hundred_power_cuts_lose_no_sealed_group_that_was_told() {
    assert_eq!(losses("sealed", true, 200), 0);
}

/// The control: without syncs the same cuts lose something, so that they are real.
#[test]
fn power_cuts_lose_what_was_not_synced() {
    assert!(losses("some", false, 20) > 0);
    assert!(losses("sealed", false, 20) > 0);
}

#[test]
fn no_page_of_a_group_is_written_before_the_group_before_is_durable() {
    let directory = Directory::new();
    drop(directory.open());
    let calls = record("sealed large", &directory, true);
    let is_first = |call: &Call| matches!(call, Call::Say(line) if line == "accepted 1");
    let told = calls.iter().position(is_first).expect("the first group");
    let written = |calls: &[Call]| {
        let bytes = calls.iter().map(|call| match call {
            Call::Write(path, _, data) if path.ends_with("jobs.sqlite-wal") => data.len(),
            _ => 0,
        });
        bytes.sum::<usize>()
    };
    assert!(written(&calls[..told]) < 200_000, "{} bytes", written(&calls[..told]));
    // More than SQLite's cache has, so that some are written before the end of their group.
    assert!(written(&calls[told..]) > 17_000_000, "{} bytes", written(&calls[told..]));
}

/// Returns the number of syncs of the log from the first to the last of 60 groups.
fn syncs(is_synced: bool) -> usize {
    let directory = Directory::new();
    drop(directory.open());
    let calls = record("read", &directory, is_synced);
    let is_told = |call: &Call| matches!(call, Call::Say(_));
    let first = calls.iter().position(is_told).expect("a group");
    let last = calls.iter().rposition(is_told).expect("a group");
    let is_it = |call: &&Call| matches!(call, Call::Sync(path) if path.ends_with("jobs.sqlite-wal"));
    calls[first..last].iter().filter(is_it).count()
}

#[test]
fn a_group_costs_one_sync_of_the_log() {
    // A checkpoint copies what was there before the first group, with a sync of its own.
    let seen = syncs(true);
    assert!((59..=60).contains(&seen), "{seen} syncs of 59 groups");
    assert!(syncs(false) <= 1);
}
