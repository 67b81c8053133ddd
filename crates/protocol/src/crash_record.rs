//! The record that a worker leaves behind when a signal kills it: the registers of the thread, the top of its stack, and
//! what is mapped. It stands in the page of the worker ([`crate::page`]), behind the ring, in pages that have room for it.
//!
//! The worker writes it in its handler of the signal, in this order: the numbers, the stack, the mappings. It
//! writes [`STATE`] after each part, so that a record that was interrupted is known as far as it goes.
//! Numbers are little-endian and eight bytes long. The coordinator checks everything that it reads.

use crate::page;

/// Where the record begins.
pub const RECORD: u64 = page::LEN;

/// Offset in the record of how much of it is written: [`NUMBERS`], [`STACK`] or [`MAPS`], or 0 for nothing.
pub const STATE: u64 = 0;

/// State: the numbers are written.
pub const NUMBERS: u64 = 1;

/// State: the numbers and the stack are written.
pub const STACK: u64 = 2;

/// State: everything is written.
pub const MAPS: u64 = 3;

/// Offset of the number of the signal.
pub const SIGNAL: u64 = 8;

/// Offset of the number of the thread.
pub const THREAD: u64 = 16;

/// Offset of the address that the signal is about, such as that of an access that is not allowed. It has a
/// meaning only if [`HAS_FAULT`] says so.
pub const FAULT: u64 = 24;

/// Offset of the registers: instruction pointer, stack pointer, frame pointer, link register.
pub const REGISTERS: u64 = 32;

/// Offset of the length of the stack's copy, which begins at the stack pointer.
pub const STACK_LENGTH: u64 = 64;

/// Offset of the length of the mappings' copy.
pub const MAPS_LENGTH: u64 = 72;

/// Offset of the thread's name: 16 bytes, with zeros at the end.
pub const NAME: u64 = 80;

/// Offset of whether [`FAULT`] is the address of an access that failed: 1, or 0 if it is not. Workers that do not
/// know this number leave 0 there. The address is not known for a signal that a process sent, or for an address
/// that no memory can have.
pub const HAS_FAULT: u64 = 96;

/// Offset of the copy of the stack.
pub const STACK_AT: u64 = 4096;

/// Maximum length of the copy of the stack, in bytes.
pub const MOST_STACK: u64 = 64 * 1024;

/// Offset of the copy of `/proc/self/maps`.
pub const MAPS_AT: u64 = STACK_AT + MOST_STACK;

/// Maximum length of the copy of `/proc/self/maps`, in bytes: more than a thousand lines.
pub const MOST_MAPS: u64 = 128 * 1024;

/// Length of the record.
pub const RECORD_LEN: u64 = MAPS_AT + MOST_MAPS;

/// Length of a page with room for a record.
pub const PAGE_LEN: u64 = RECORD + RECORD_LEN;
