//! One step by call frame information: from the registers of a call to those of its caller. The records may
//! say anything. So their expressions have a limit of steps, and nothing is read but the copy of the stack.

use crate::frame_index::Records;
use crate::machine::{Caller, Machine, Walk};
use crate::snapshot::Registers;
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EndianSlice, Evaluation, EvaluationResult, Expression, LittleEndian,
    Register, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, UnwindTableRow, Value,
};

/// Maximum number of operations of an expression. Real ones have about ten.
const MOST_STEPS: u32 = 256;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Why records do not lead to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// They contradict the index or themselves, or have something that nobody here knows.
    Unusable,
    /// They are of other code, or lead to what is not in the copies of the stack and the registers.
    Astray,
}

/// Returns the caller by these records. `address` is that of the call, as the file counts.
///
/// # Errors
/// They do not lead to one.
pub(crate) fn step(
    machine: &Machine<'_>,
    records: &Records,
    address: u64,
    registers: Registers,
    context: &mut UnwindContext<usize>,
) -> Result<Caller, Lost> {
    let mut section = EhFrame::new(&records.bytes, LittleEndian);
    section.set_address_size(8);
    let bases = BaseAddresses::default().set_eh_frame(records.address);
    let function = section.fde_from_offset(&bases, records.own_at.into(), EhFrame::cie_from_offset);
    let function = function.map_err(|_| Lost::Unusable)?;
    if function.initial_address() != records.function {
        return Err(Lost::Unusable);
    }
    let is_signal = function.is_signal_trampoline();
    let encoding = function.cie().encoding();
    let row = function.unwind_info_for_address(&section, &bases, context, address);
    let row = row.map_err(|why| match why {
        gimli::Error::NoUnwindInfoForAddress => Lost::Astray,
        _ => Lost::Unusable,
    })?;
    let frame = Frame { machine, section: &section, encoding, registers };
    let cfa = frame.cfa(row.cfa()).ok_or(Lost::Astray)?;
    let arch = machine.arch;
    // The stack grows down. Only a signal may have moved to another one.
    let grows = cfa > registers.sp || (arch.has_link_register() && cfa == registers.sp);
    if !grows && !is_signal {
        let is_relative =
            matches!(row.cfa(), CfaRule::RegisterAndOffset { register, .. } if *register == arch.sp());
        return Err(if is_relative { Lost::Unusable } else { Lost::Astray });
    }
    // The first function says that it has none. Every other one has it on the stack, or in the link register.
    if row.register(arch.ra()).is_none() && !arch.has_link_register() {
        return Err(Lost::Unusable);
    }
    caller(&frame, row, cfa, is_signal).ok_or(Lost::Astray)
}

/// Returns the caller by the row of an address, or `None` if the copy of the stack does not have it.
fn caller(frame: &Frame<'_>, row: &UnwindTableRow<usize>, cfa: u64, is_signal: bool) -> Option<Caller> {
    let (arch, registers) = (frame.machine.arch, frame.registers);
    let rule = |register| row.register(register);
    let ra = match rule(arch.ra()) {
        Some(RegisterRule::Undefined) => return Some(Caller::End),
        None | Some(RegisterRule::SameValue) => registers.lr,
        Some(saved) => frame.saved(&saved, cfa, registers.lr)?,
    };
    let fp = rule(arch.fp()).map_or(Some(registers.fp), |saved| frame.saved(&saved, cfa, registers.fp))?;
    let sp = match rule(arch.sp()) {
        Some(saved @ (RegisterRule::Expression(_) | RegisterRule::Offset(_))) => {
            frame.saved(&saved, cfa, cfa)?
        }
        _ => cfa,
    };
    let ip = arch.plain(ra);
    let advances = sp != registers.sp || ip != registers.ip;
    let walk = if is_signal { Walk::Interrupted } else { Walk::Returns };
    advances.then_some(Caller::At(Registers { ip, sp, fp, lr: 0 }, walk))
}

/// One call, with the records that describe it.
struct Frame<'a> {
    machine: &'a Machine<'a>,
    section: &'a EhFrame<Slice<'a>>,
    encoding: gimli::Encoding,
    registers: Registers,
}

impl Frame<'_> {
    fn register(&self, register: Register) -> Option<u64> {
        let arch = self.machine.arch;
        match register {
            it if it == arch.sp() => Some(self.registers.sp),
            it if it == arch.fp() => Some(self.registers.fp),
            it if it == arch.ra() && arch.has_link_register() => Some(self.registers.lr),
            it if it == arch.ra() => Some(self.registers.ip),
            _ => None,
        }
    }

    /// Returns the canonical frame address: that of the caller's stack at the call.
    fn cfa(&self, rule: &CfaRule<usize>) -> Option<u64> {
        match rule {
            CfaRule::RegisterAndOffset { register, offset } => {
                self.register(*register)?.checked_add_signed(*offset)
            }
            CfaRule::Expression(expression) => self.value(expression, None),
        }
    }

    /// Returns the caller's value of a register whose value is `now`.
    fn saved(&self, rule: &RegisterRule<usize>, cfa: u64, now: u64) -> Option<u64> {
        match rule {
            RegisterRule::Undefined | RegisterRule::SameValue => Some(now),
            RegisterRule::Offset(offset) => self.machine.word(cfa.checked_add_signed(*offset)?),
            RegisterRule::ValOffset(offset) => cfa.checked_add_signed(*offset),
            RegisterRule::Register(register) => self.register(*register),
            RegisterRule::Expression(expression) => self.machine.word(self.value(expression, Some(cfa))?),
            RegisterRule::ValExpression(expression) => self.value(expression, Some(cfa)),
            RegisterRule::Constant(value) => Some(*value),
            _ => None,
        }
    }

    fn value(&self, expression: &UnwindExpression<usize>, first: Option<u64>) -> Option<u64> {
        let Expression(bytes) = expression.get(self.section).ok()?;
        let mut evaluation = Evaluation::new(bytes, self.encoding);
        evaluation.set_max_iterations(MOST_STEPS);
        if let Some(first) = first {
            evaluation.set_initial_value(first);
        }
        let mut result = evaluation.evaluate().ok()?;
        loop {
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    evaluation.resume_with_register(Value::Generic(self.register(register)?)).ok()?
                }
                EvaluationResult::RequiresMemory { address, size: 8, space: None, .. } => {
                    evaluation.resume_with_memory(Value::Generic(self.machine.word(address)?)).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.as_result() {
            [gimli::Piece { location: gimli::Location::Address { address }, .. }] => Some(*address),
            _ => None,
        }
    }
}
