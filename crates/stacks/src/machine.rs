//! One thread's registers and stack memory, and steps that need no file: by frame pointers, and out of a
//! jump to an address without code.

use crate::arch::Arch;
use crate::elf::u64_at;
use crate::snapshot::Registers;

/// A thread's stack memory, with the rules of its processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) arch: Arch,
    pub(crate) stack: &'a [u8],
    pub(crate) start: u64,
}

/// How a call relates to the one that it is found from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// The address is the one that is returned to. The call is before it.
    Returns,
    /// A signal interrupted it at exactly this address, as it did the innermost call.
    Interrupted,
}

/// The caller of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    At(Registers, Walk),
    /// There is none: the thread began here.
    End,
}

impl Machine<'_> {
    /// Returns eight bytes of the stack, if they were copied.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.start)?).ok()?;
        u64_at(self.stack, at)
    }

    /// Returns the caller by the frame pointer, for code without call frame information.
    pub(crate) fn by_frame_pointer(&self, now: Registers) -> Option<Caller> {
        if now.fp == 0 {
            return Some(Caller::End);
        }
        if now.fp < now.sp || !now.fp.is_multiple_of(8) {
            return None;
        }
        let (fp, ip) = (self.word(now.fp)?, self.word(now.fp.checked_add(8)?)?);
        let (ip, sp) = (self.arch.plain(ip), now.fp.checked_add(16)?);
        match ip {
            0 => Some(Caller::End),
            _ if fp != 0 && fp <= now.fp => None,
            _ => Some(Caller::At(Registers { ip, sp, fp, lr: 0 }, Walk::Returns)),
        }
    }

    /// Returns the caller of a jump to an address where there is no code, such as a call through a null
    /// pointer: nothing has happened since the call.
    pub(crate) fn before_the_jump(&self, now: Registers) -> Option<Caller> {
        let (ip, sp) = match self.arch.has_link_register() {
            true => (now.lr, now.sp),
            false => (self.word(now.sp)?, now.sp.checked_add(8)?),
        };
        let ip = self.arch.plain(ip);
        (ip != 0).then_some(Caller::At(Registers { ip, sp, fp: now.fp, lr: 0 }, Walk::Returns))
    }
}
