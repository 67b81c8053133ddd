//! Call frame information that was written by hand: what compilers do not write, and another processor's.

use crate::arch::Arch;
use crate::call_frame::{Lost, step};
use crate::frame_index::Records;
use crate::machine::{Caller, Machine, Walk};
use crate::snapshot::Registers;
use gimli::UnwindContext;

/// Address of the function, as its file counts.
const FUNCTION: u64 = 0x1000;

/// Address of the stack's top.
const STACK: u64 = 0x7000;

/// Returns the records of a function with these instructions, whose return address is in column `ra`.
fn records(ra: u8, instructions: &[u8]) -> Records {
    let record = |content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap();
        [&length.to_le_bytes(), content].concat()
    };
    let common = record(&[&[0, 0, 0, 0, 1, 0, 1, 0x78, ra], instructions].concat());
    let distance = u32::try_from(common.len() + 4).unwrap();
    let own = [&distance.to_le_bytes()[..], &FUNCTION.to_le_bytes(), &0x100_u64.to_le_bytes()].concat();
    let own_at = common.len();
    Records { bytes: [common, record(&own)].concat(), own_at, address: 0x4000, function: FUNCTION }
}

fn caller(arch: Arch, instructions: &[u8], words: &[u64], registers: Registers) -> Result<Caller, Lost> {
    let stack: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let machine = Machine { arch, stack: &stack, start: STACK };
    let ra = if arch == Arch::X86_64 { 16 } else { 30 };
    step(&machine, &records(ra, instructions), FUNCTION + 8, registers, &mut UnwindContext::new())
}

const HERE: Registers = Registers { ip: 0x55, sp: STACK, fp: 7, lr: 0x99 };

/// Canonical frame address = sp + 16; return address at 8 below.
const PLAIN: &[u8] = &[0x0c, 7, 16, 0x80 | 16, 1];

#[test]
fn a_plain_function_returns_to_the_address_on_its_stack() {
    let expected = Registers { ip: 22, sp: STACK + 16, fp: 7, lr: 0 };
    assert_eq!(caller(Arch::X86_64, PLAIN, &[11, 22], HERE), Ok(Caller::At(expected, Walk::Returns)));
    assert_eq!(
        caller(Arch::X86_64, PLAIN, &[11], HERE),
        Err(Lost::Astray),
        "the copy of the stack is shorter"
    );
}

#[test]
fn a_function_whose_return_address_is_undefined_is_the_first() {
    let first = [PLAIN, &[0x07, 16]].concat();
    assert_eq!(caller(Arch::X86_64, &first, &[11, 22], HERE), Ok(Caller::End));
}

#[test]
fn an_expression_that_never_ends_is_given_up() {
    // `skip` to itself; and one that pushes a value each time.
    for expression in [&[0x2f, 0xfd, 0xff][..], &[0x30, 0x2f, 0xfc, 0xff]] {
        let length = u8::try_from(expression.len()).unwrap();
        let endless = [PLAIN, &[0x0f, length], expression].concat();
        assert_eq!(caller(Arch::X86_64, &endless, &[11, 22], HERE), Err(Lost::Astray));
    }
    let useful = [PLAIN, &[0x0f, 4, 0x77, 8, 0x23, 8]].concat();
    let expected = Registers { ip: 22, sp: STACK + 16, fp: 7, lr: 0 };
    assert_eq!(caller(Arch::X86_64, &useful, &[11, 22], HERE), Ok(Caller::At(expected, Walk::Returns)));
}

#[test]
fn a_stack_that_does_not_grow_is_given_up() {
    assert_eq!(caller(Arch::X86_64, &[0x0c, 7, 0, 0x80 | 16, 1], &[11, 22], HERE), Err(Lost::Unusable));
}

#[test]
fn a_leaf_on_aarch64_returns_by_its_link_register_without_a_signature() {
    let signed = Registers { lr: 0x00b4_0000_0000_1234, ..HERE };
    let expected = Registers { ip: 0x1234, sp: STACK, fp: 7, lr: 0 };
    let found = caller(Arch::Aarch64, &[0x0c, 31, 0], &[], signed);
    assert_eq!(found, Ok(Caller::At(expected, Walk::Returns)));
}

#[test]
fn frame_pointers_lead_up_the_stack_and_never_down() {
    let stack: Vec<u8> =
        [STACK + 16, 0x77, 0, 0x88, STACK, 0x99].iter().flat_map(|it: &u64| it.to_le_bytes()).collect();
    let machine = Machine { arch: Arch::X86_64, stack: &stack, start: STACK };
    let at = |fp| Registers { fp, sp: STACK, ..HERE };
    let expected = Registers { ip: 0x77, sp: STACK + 16, fp: STACK + 16, lr: 0 };
    assert_eq!(machine.by_frame_pointer(at(STACK)), Some(Caller::At(expected, Walk::Returns)));
    assert_eq!(machine.by_frame_pointer(at(0)), Some(Caller::End));
    for astray in [STACK + 32, STACK + 4, STACK - 8, STACK + 48, u64::MAX - 7] {
        assert_eq!(machine.by_frame_pointer(at(astray)), None, "{astray:#x}");
    }
}
