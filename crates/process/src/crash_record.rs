//! Reads what a worker recorded of its own crash. A worker may write anything there: what is read is bounded,
//! and is believed only as far as it fits the worker's end.

use procpool_protocol::Exit;
use procpool_protocol::crash_record::{
    FAULT, HAS_FAULT, MAPS, MAPS_AT, MAPS_LENGTH, MOST_MAPS, MOST_STACK, NAME, RECORD, REGISTERS, SIGNAL,
    STACK, STACK_AT, STACK_LENGTH, STATE, THREAD,
};
use procpool_stacks::{Registers, Snapshot, ThreadSnapshot, mappings};

/// By which a process also ends that has handled another signal of a crash, and written a message.
const SIGABRT: u64 = 6;

/// SIGBUS and SIGSEGV, by which an access to memory fails.
const OF_ACCESSES: [u64; 2] = [7, 11];

/// Returns the state of the thread that crashed, if this worker recorded it and ended by it. `read` fills bytes
/// from a position of the page, or returns `None`.
pub(crate) fn snapshot(exit: Exit, read: impl Fn(u64, &mut [u8]) -> Option<()>) -> Option<Snapshot> {
    let ended_by = u64::try_from(exit.signal()?).ok()?;
    let number = |at| {
        let mut bytes = [0; 8];
        read(RECORD + at, &mut bytes)?;
        Some(u64::from_le_bytes(bytes))
    };
    let bytes = |at, length: u64, most: u64| {
        let mut bytes = vec![0; usize::try_from(length.min(most)).ok()?];
        read(RECORD + at, &mut bytes)?;
        Some(bytes)
    };
    let (state, signal) = (number(STATE)?, number(SIGNAL)?);
    if state == 0 || ![signal, SIGABRT].contains(&ended_by) {
        return None;
    }
    let register = |which: u64| number(REGISTERS + 8 * which);
    let registers = Registers::new(register(0)?, register(1)?, register(2)?, register(3)?);
    let stack = match state >= STACK {
        true => bytes(STACK_AT, number(STACK_LENGTH)?, MOST_STACK)?,
        false => Vec::new(),
    };
    let maps = match state >= MAPS {
        true => bytes(MAPS_AT, number(MAPS_LENGTH)?, MOST_MAPS)?,
        false => Vec::new(),
    };
    let name = bytes(NAME, 16, 16)?;
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let id = u32::try_from(number(THREAD)?).unwrap_or_default();
    let mut thread = ThreadSnapshot::new(id, registers, stack, registers.sp);
    thread.name = String::from_utf8_lossy(name).into_owned();
    // Not confirmed: the worker may have written any paths.
    Some(Snapshot::new(vec![thread], mappings(&maps)))
}

/// Returns the address of the access that ended the worker, if the worker recorded it. `read` is as above.
pub(crate) fn fault(exit: Exit, read: impl Fn(u64, &mut [u8]) -> Option<()>) -> Option<u64> {
    let ended_by = u64::try_from(exit.signal()?).ok().filter(|signal| OF_ACCESSES.contains(signal))?;
    let number = |at| {
        let mut bytes = [0; 8];
        read(RECORD + at, &mut bytes)?;
        Some(u64::from_le_bytes(bytes))
    };
    let counts = number(STATE)? != 0 && number(SIGNAL)? == ended_by && number(HAS_FAULT)? == 1;
    if counts { number(FAULT) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::crash_record::{NUMBERS, PAGE_LEN};

    const SIGSEGV: u64 = 11;

    /// A page in which a worker has written these numbers.
    struct Written(Vec<u8>);

    impl Written {
        fn with(numbers: &[(u64, u64)]) -> Self {
            let mut page = Self(vec![0; usize::try_from(PAGE_LEN).unwrap()]);
            numbers.iter().for_each(|&(at, number)| page.put(at, &number.to_le_bytes()));
            page
        }

        fn put(&mut self, at: u64, bytes: &[u8]) {
            let at = usize::try_from(RECORD + at).unwrap();
            self.0[at..at + bytes.len()].copy_from_slice(bytes);
        }

        fn bytes(&self, at: u64, bytes: &mut [u8]) -> Option<()> {
            let at = usize::try_from(at).ok()?;
            bytes.copy_from_slice(self.0.get(at..)?.get(..bytes.len())?);
            Some(())
        }

        fn read(&self, signal: u64) -> Option<Snapshot> {
            snapshot(by(signal), |at, bytes| self.bytes(at, bytes))
        }

        fn fault(&self, signal: u64) -> Option<u64> {
            fault(by(signal), |at, bytes| self.bytes(at, bytes))
        }
    }

    fn by(signal: u64) -> Exit {
        Exit::by_signal(i32::try_from(signal).unwrap(), false)
    }

    #[test]
    fn the_address_of_an_access_counts_if_the_worker_knows_it_and_ended_by_it() {
        let numbers = [(STATE, NUMBERS), (SIGNAL, SIGSEGV), (FAULT, 0x10)];
        let mut page = Written::with(&numbers);
        assert_eq!(page.fault(SIGSEGV), None, "an older worker writes any address there");
        page.put(HAS_FAULT, &1_u64.to_le_bytes());
        assert_eq!(page.fault(SIGSEGV), Some(0x10));
        assert_eq!((page.fault(SIGABRT), page.fault(7), page.fault(9)), (None, None, None));
        page.put(SIGNAL, &SIGABRT.to_le_bytes());
        assert_eq!(page.fault(SIGABRT), None, "an abort is about no address");
        page.put(SIGNAL, &SIGSEGV.to_le_bytes());
        page.put(STATE, &0_u64.to_le_bytes());
        assert_eq!(page.fault(SIGSEGV), None, "nothing is written");
        page.0.truncate(100);
        assert_eq!(page.fault(SIGSEGV), None, "a page without room for a record");
    }

    #[test]
    fn a_record_is_the_state_of_the_thread() {
        let numbers = [
            (STATE, MAPS),
            (SIGNAL, SIGSEGV),
            (THREAD, 7),
            (REGISTERS, 0x10),
            (REGISTERS + 8, 0x20),
            (REGISTERS + 16, 0x30),
            (REGISTERS + 24, 0x40),
            (STACK_LENGTH, 3),
            (MAPS_LENGTH, 48),
        ];
        let mut page = Written::with(&numbers);
        page.put(NAME, b"fib\0");
        page.put(STACK_AT, b"abcd");
        page.put(MAPS_AT, b"1000-2000 r-xp 00000000 00:00 0           /bin/a\n1");
        let snapshot = page.read(SIGSEGV).unwrap();
        let thread = &snapshot.threads[0];
        assert_eq!(
            (thread.id, &*thread.name, &*thread.stack, thread.stack_start),
            (7, "fib", &b"abc"[..], 0x20)
        );
        assert_eq!(thread.registers, Registers::new(0x10, 0x20, 0x30, 0x40));
        assert!(snapshot.mappings.is_empty(), "the last line was cut off");
        page.put(MAPS_LENGTH, &49_u64.to_le_bytes());
        assert_eq!(page.read(SIGABRT).unwrap().mappings[0].path, "/bin/a");
    }

    #[test]
    fn a_record_of_another_end_or_none_does_not_count() {
        assert!(Written::with(&[]).read(SIGSEGV).is_none());
        let page = Written::with(&[(STATE, NUMBERS), (SIGNAL, SIGSEGV), (STACK_LENGTH, 5)]);
        assert!(page.read(9).is_none(), "it was killed");
        let snapshot = page.read(SIGSEGV).unwrap();
        assert!(snapshot.threads[0].stack.is_empty(), "the record was interrupted");
    }

    #[test]
    fn lengths_beyond_the_page_are_cut() {
        let numbers =
            [(STATE, u64::MAX), (SIGNAL, SIGSEGV), (STACK_LENGTH, u64::MAX), (MAPS_LENGTH, 1 << 40)];
        let mut page = Written::with(&numbers);
        page.put(NAME, &[0xff; 16]);
        let snapshot = page.read(SIGSEGV).unwrap();
        assert_eq!(snapshot.threads[0].stack.len() as u64, MOST_STACK);
        page.0.truncate(100);
        assert!(page.read(SIGSEGV).is_none(), "a page without room for a record");
    }
}
