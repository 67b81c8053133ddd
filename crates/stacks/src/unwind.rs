//! Walks from call to call: by call frame information where a file has it, else by frame pointers.

use crate::arch::Arch;
use crate::block_cache::BlockCache;
use crate::call_frame::{self, Lost};
use crate::machine::{Caller, Machine, Walk};
use crate::module::Module;
use crate::mounts::Mounts;
use crate::snapshot::{MOST_STACK, Mapping, Registers, Snapshot, ThreadSnapshot};
use crate::unwound::{Call, ModuleFile, UnnamedThread, Unwound};
use gimli::UnwindContext;
use procpool_protocol::stack::MOST_FRAMES;
use std::collections::BTreeMap;

/// Maximum number of threads whose stacks are shown.
pub const MOST_THREADS: usize = 256;

/// Maximum number of files that one snapshot's calls are looked up in.
const MOST_MODULES: usize = 256;

/// Maximum number of bytes of call frame information that are interpreted for a snapshot: some milliseconds.
const MOST_RECORD_BYTES: usize = 8 * 1024 * 1024;

/// Maximum number of different reasons in a note.
const MOST_NOTES: usize = 4;

/// Turns snapshots into calls. Keeps up to 8 MiB of the files that it has read.
#[derive(Debug, Default)]
pub struct Unwinder {
    cache: BlockCache,
}

impl Unwinder {
    /// Returns an unwinder that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the calls of each thread. Reads the files that the snapshot names, so it may block: call it
    /// where that is allowed, and with a time limit if the files may be on a network.
    pub fn unwind(&self, snapshot: &Snapshot) -> Unwound {
        let Some(arch) = Arch::NATIVE else {
            let note = Some("stacks are not supported on this processor".into());
            return Unwound { note, ..Unwound::default() };
        };
        let mut walker = Walker {
            cache: &self.cache,
            arch,
            mappings: sorted(&snapshot.mappings),
            mounts: (!snapshot.is_confirmed).then(Mounts::read),
            opened: BTreeMap::new(),
            files: Vec::new(),
            context: UnwindContext::new(),
            budget: MOST_RECORD_BYTES,
            notes: snapshot.note.iter().cloned().collect(),
        };
        let threads = snapshot.threads.iter().take(MOST_THREADS);
        let threads = threads.map(|thread| walker.thread(thread)).collect();
        if snapshot.threads.len() > MOST_THREADS {
            walker.note(format!("only the first {MOST_THREADS} threads are shown"));
        }
        let note = (!walker.notes.is_empty()).then(|| walker.notes.join("; "));
        let modules = walker.files.into_iter().map(|(file, _)| file).collect();
        Unwound { modules, threads, note }
    }
}

fn sorted(mappings: &[Mapping]) -> Vec<&Mapping> {
    let mut sorted: Vec<_> = mappings.iter().filter(|mapping| mapping.executable).collect();
    sorted.sort_by_key(|mapping| mapping.start);
    sorted
}

/// The walk through one snapshot.
struct Walker<'a> {
    cache: &'a BlockCache,
    arch: Arch,
    /// The executable mappings, by address.
    mappings: Vec<&'a Mapping>,
    /// The file systems, where the paths of the mappings may be invented.
    mounts: Option<Mounts>,
    /// The index in `files` of each path.
    opened: BTreeMap<&'a str, usize>,
    files: Vec<(ModuleFile, Option<Module>)>,
    context: UnwindContext<usize>,
    /// Remaining number of bytes of call frame information.
    budget: usize,
    notes: Vec<String>,
}

impl<'a> Walker<'a> {
    fn thread(&mut self, thread: &ThreadSnapshot) -> UnnamedThread {
        let stack = thread.stack.get(..MOST_STACK).unwrap_or(&thread.stack);
        let machine = Machine { arch: self.arch, stack, start: thread.stack_start };
        let mut calls = Vec::new();
        let mut at = Some((thread.registers, Walk::Interrupted));
        let mut truncated = false;
        while let Some((registers, walk)) = at {
            if calls.len() == MOST_FRAMES {
                truncated = true;
                break;
            }
            let mapping = self.mapping(registers.ip);
            if mapping.is_none() && !calls.is_empty() {
                // It is no code: the walk has gone astray, and what follows would be invented.
                self.note_the_end(calls.last());
                truncated = true;
                break;
            }
            calls.push(self.call(mapping, registers.ip, walk));
            at = match self.caller(&machine, mapping, registers, walk) {
                Some(Caller::At(caller, walk)) => Some((caller, walk)),
                Some(Caller::End) => None,
                None => {
                    self.note_the_end(calls.last());
                    truncated = true;
                    None
                }
            };
        }
        UnnamedThread { id: thread.id, name: thread.name.clone(), calls, truncated }
    }

    fn mapping(&self, address: u64) -> Option<&'a Mapping> {
        let after = self.mappings.partition_point(|mapping| mapping.start <= address);
        let mapping = self.mappings.get(after.checked_sub(1)?)?;
        (address < mapping.end).then_some(*mapping)
    }

    fn call(&mut self, mapping: Option<&'a Mapping>, address: u64, walk: Walk) -> Call {
        let module = mapping.and_then(|mapping| self.module(mapping));
        let position = mapping.filter(|_| module.is_some()).and_then(|mapping| position(mapping, address));
        let offset = position.unwrap_or(address);
        let before = offset.saturating_sub(u64::from(walk == Walk::Returns));
        let file = module.and_then(|number| self.files.get(number)?.1.as_ref());
        Call { module, offset, address: file.and_then(|file| file.address_of_code(before)) }
    }

    fn caller(
        &mut self,
        machine: &Machine<'_>,
        mapping: Option<&'a Mapping>,
        registers: Registers,
        walk: Walk,
    ) -> Option<Caller> {
        let Some(mapping) = mapping else { return machine.before_the_jump(registers) };
        match self.by_records(machine, mapping, registers, walk) {
            Some(Ok(caller)) => Some(caller),
            // A frame pointer of zero ends the stack, but not one of code that has another use for it.
            Some(Err(_)) => machine.by_frame_pointer(registers).filter(|caller| *caller != Caller::End),
            None => machine.by_frame_pointer(registers),
        }
    }

    /// Returns the caller by call frame information, if the file has some for this address. An error is that it
    /// does not lead to one.
    fn by_records(
        &mut self,
        machine: &Machine<'_>,
        mapping: &'a Mapping,
        registers: Registers,
        walk: Walk,
    ) -> Option<Result<Caller, Lost>> {
        let number = self.module(mapping)?;
        let address = registers.ip.checked_sub(u64::from(walk == Walk::Returns))?;
        let (file, module) = self.files.get(number)?;
        let address = module.as_ref()?.address_of_code(position(mapping, address)?)?;
        let records = match module.as_ref()?.records(address, self.cache) {
            Ok(records) => records?,
            Err(why) => {
                let note = told(&file.path, why);
                self.note(note);
                return None;
            }
        };
        let Some(budget) = self.budget.checked_sub(records.bytes.len()) else {
            self.note("the call frame information is too large".into());
            return Some(Err(Lost::Astray));
        };
        self.budget = budget;
        let found = call_frame::step(machine, &records, address, registers, &mut self.context);
        if found == Err(Lost::Unusable) {
            let note = told(&file.path, "has unusable call frame information");
            self.note(note);
        }
        Some(found)
    }

    /// Returns the number of a mapping's file, and opens it if it is the first call in it.
    fn module(&mut self, mapping: &'a Mapping) -> Option<usize> {
        if mapping.path.is_empty() {
            return None;
        }
        if let Some(&known) = self.opened.get(&*mapping.path) {
            return Some(known);
        }
        if self.files.len() == MOST_MODULES {
            self.note(format!("the calls are in more than {MOST_MODULES} files"));
            return None;
        }
        let module = Module::open(mapping, self.arch, self.cache, self.mounts.as_ref());
        if let Err(why) = &module {
            self.note(told(&mapping.path, why));
        }
        let file = ModuleFile { path: mapping.path.clone(), usable: module.is_ok() };
        self.files.push((file, module.ok()));
        self.opened.insert(&mapping.path, self.files.len() - 1);
        Some(self.files.len() - 1)
    }

    /// Notes where the calls end that have further callers. A file without a use has its note already, and
    /// memory without a file has no name.
    fn note_the_end(&mut self, last: Option<&Call>) {
        let file = last.and_then(|call| self.files.get(call.module?));
        let Some((file, Some(_))) = file else { return };
        let path = cut(&file.path);
        if !self.notes.iter().any(|note| note.starts_with(&*path)) {
            self.note(format!("the calls cannot be followed beyond {path}"));
        }
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < MOST_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Returns the position in the file of an address.
fn position(mapping: &Mapping, address: u64) -> Option<u64> {
    address.checked_sub(mapping.start)?.checked_add(mapping.offset)
}

fn told(path: &str, why: &str) -> String {
    format!("{} {why}", cut(path))
}

fn cut(path: &str) -> String {
    path.chars().take(256).collect()
}
