//! libotb_native: what TypeScript on Deno cannot do itself or not fast enough. This file only names the parts; the
//! interface is core/native/ffi.ts. All entry points start with `otb_`, take u32 lengths, return a count or a negative
//! errno, and borrow their buffers for the call only. Panics abort (`panic = "abort"`): none crosses the boundary.

mod address;
mod aead;
mod carried;
mod clock;
mod coalesce;
mod diag;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod identity;
mod mac;
mod neighbour;
mod netlink;
mod noise;
mod packet;
mod poll;
mod receiver;
mod replay;
mod socket;
mod tun;
mod tunnel;
mod udp;

/// What entry points return: a count or descriptor, or a negative errno.
type Outcome = i32;

/// The errno of the last failed system call, negated.
fn last_error() -> Outcome {
    -std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

/// A system call's answer as an `Outcome`.
fn outcome(answer: isize) -> Outcome {
    if answer < 0 {
        last_error()
    } else {
        answer as Outcome
    }
}

/// Held by tests that measure memory, and by those that use so much that they would be measured.
#[cfg(test)]
static MEMORY: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// A borrowed buffer; TypeScript's empty ones may cross as null.
///
/// # Safety
/// Readable for so many bytes until the call ends.
unsafe fn slice<'a>(pointer: *const u8, length: u32) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    unsafe { std::slice::from_raw_parts(pointer, length as usize) }
}

/// As `slice`, to write to.
unsafe fn slice_mut<'a>(pointer: *mut u8, length: u32) -> &'a mut [u8] {
    if length == 0 {
        return &mut [];
    }
    unsafe { std::slice::from_raw_parts_mut(pointer, length as usize) }
}
